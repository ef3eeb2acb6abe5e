import { CID } from 'multiformats/cid'
import { create } from 'multiformats/hashes/digest'
import { madeUpPeer } from './peers.ts'
import { seededRandom } from '../../../../src/clock/random.ts'
import { compareDistance, kadKey } from '../../../../src/discovery/kad/kad-key.ts'
import { settledTable } from '../../../../src/testing/dht/dht-table.ts'
import type { KadAnswer, KadClient, KadPeer, KadRequestOptions } from '../../../../src/discovery/kad/kad-client.ts'
import type { Clock, Random } from '../../../../src/interface/clock.ts'
import type { DhtIdentity } from '../../../../src/testing/dht/dht-identity.ts'

const K = 20

export interface SimulatedServer extends KadPeer {
  readonly table: readonly KadPeer[]
  readonly mode: 'live' | 'gone' | 'mute'
}

/** A settled network: some of its servers are gone, as many hang */
export function simulatedServers ({ count, dead, seed }: { count: number, dead: number, seed: number }): Map<string, SimulatedServer> {
  const random = seededRandom(seed)
  const peers = Array.from({ length: count }, (_, i) => madeUpPeer(random, [`/ip4/45.${i >> 8}.${i & 255}.7/tcp/4001`]))

  return new Map(peers.map(peer => {
    const fate = random.next()
    return [peer.id, { ...peer, table: tableOf(peer, peers, random), mode: fate < dead / 2 ? 'gone' : fate < dead ? 'mute' : 'live' }]
  }))
}

export function tableOf (self: KadPeer, peers: readonly KadPeer[], random: Random): KadPeer[] {
  return settledTable(self.key, peers as unknown as readonly DhtIdentity[], K, random) as unknown as KadPeer[]
}

export function nearestOf <T extends KadPeer> (target: Uint8Array, peers: Iterable<T>, count = K): T[] {
  return [...peers].sort((a, b) => compareDistance(target, a.key, b.key)).slice(0, count)
}

export function madeUpCid (random: Random): CID {
  return CID.createV1(0x55, create(0x12, Uint8Array.from({ length: 32 }, () => Math.floor(random.next() * 256))))
}

/** One node's way to all of them: 20 to 240 ms there and back, a dial takes one of these, a new stream another */
export class SimulatedClient implements KadClient {
  readonly #clock: Clock
  readonly #servers: ReadonlyMap<string, SimulatedServer>
  readonly #delays: ReadonlyMap<string, number>
  readonly #connected = new Set<string>()
  readonly #streams = new Set<string>()

  /** @param seed - two of the same have the same delays */
  constructor (clock: Clock, servers: ReadonlyMap<string, SimulatedServer>, seed: number) {
    const random = seededRandom(seed)
    this.#clock = clock
    this.#servers = servers
    this.#delays = new Map([...servers.keys()].map(id => [id, 20 + 220 * random.next()]))
  }

  async findNode ({ id }: KadPeer, preimage: Uint8Array, _disclosure: unknown, { signal, onReached }: KadRequestOptions): Promise<KadAnswer> {
    const server = this.#servers.get(id) as SimulatedServer
    const round = this.#delays.get(id) as number
    const target = kadKey(preimage)

    if (this.#streams.has(id)) {
      onReached?.({ rounds: 1 })
    } else {
      if (this.#connected.has(id)) {
        onReached?.({ rounds: 2 })
      } else {
        await this.#clock.sleep(server.mode === 'gone' ? Infinity : round, { signal })
        this.#connected.add(id)
        onReached?.({ rounds: 2, dialled: round })
      }
      await this.#clock.sleep(server.mode === 'mute' ? Infinity : round, { signal })
      this.#streams.add(id)
    }

    await this.#clock.sleep(round, { signal })
    return { closer: nearestOf(target, server.table), providers: [], skipped: 0 }
  }

  async getProviders (peer: KadPeer, multihash: Uint8Array, disclosure: unknown, options: KadRequestOptions): Promise<KadAnswer> {
    return this.findNode(peer, multihash, disclosure, options)
  }

  async addProviders (): Promise<void> {}
}
