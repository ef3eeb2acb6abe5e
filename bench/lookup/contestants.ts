import { systemClock } from '../../src/clock/system-clock.ts'
import { Libp2pKadClient } from '../../src/discovery/kad/kad-client-egress.ts'
import { networksUnder } from '../../src/discovery/kad/diverse.ts'
import { compareDistance, kadKey, peerKey } from '../../src/discovery/kad/kad-key.ts'
import { PeerTiming } from '../../src/discovery/kad/peer-timing.ts'
import { KadTable } from '../../src/discovery/kad/table.ts'
import { DEFAULT_CONCURRENCY, DEFAULT_K, Walker } from '../../src/discovery/kad/walker.ts'
import { Disclosure } from '../../src/interface/disclosure.ts'
import { addressPolicy } from '../../src/provider/address.ts'
import { silentLogger } from '../../src/testing/silent-logger.ts'
import { oracleWalk } from './oracle.ts'
import type { World } from './world.ts'
import type { DisclosureInit } from '../../src/interface/disclosure.ts'
import type { KadAnswer } from '../../src/discovery/kad/kad-client.ts'
import type { DhtNode } from '../../src/testing/dht/dht-node.ts'
import type { CID } from 'multiformats/cid'

/** Milliseconds: kad-dht gives a lookup that long, too */
const LOOKUP_TIMEOUT = 180_000

/** Milliseconds: the least that kad-dht waits for a peer. By itself it doubles that after each that is silent, up to a minute, and ends a lookup after 40 s. */
const KAD_DHT_PATIENCE = 5_000

export interface Found {
  /** Milliseconds until the lookup ended */
  readonly end: number
  /** Milliseconds until somebody was named who has the block */
  readonly first: number | undefined
  readonly providers: ReadonlySet<string>
  /** Of those who answered, the nearest: at most k */
  readonly closest: readonly string[]
}

/** Somebody who looks up providers from a node of its own */
export interface Contestant {
  readonly node: DhtNode
  lookup (cid: CID): Promise<Found>
  stop (): Promise<void>
}

export type ContestantName = 'kadDht' | 'ours' | 'oracle'

const ledger = { intended: () => {}, settled: () => {} }
const request = {
  disclose: (init: DisclosureInit): Disclosure => new Disclosure(ledger, init, { request: 'bench', purpose: 'read', at: 0 })
}

class Watch {
  readonly #started = performance.now()
  readonly #providers = new Set<string>()
  readonly #answered: string[] = []
  #first: number | undefined

  provider (id: string): void {
    this.#first ??= performance.now() - this.#started
    this.#providers.add(id)
  }

  answered (id: string): void {
    this.#answered.push(id)
  }

  /** @param nearest - what the lookup itself says at its end; else the nearest of those who answered */
  found (cid: CID, nearest?: readonly string[]): Found {
    const end = performance.now() - this.#started
    const target = kadKey(cid.multihash.bytes)
    const closest = nearest ?? this.#answered.sort((a, b) => compareDistance(target, peerKey(a), peerKey(b))).slice(0, DEFAULT_K)
    return { end, first: this.#first, providers: this.#providers, closest }
  }
}

function kadDht (node: DhtNode): Contestant {
  return {
    node,
    async lookup (cid) {
      const watch = new Watch()

      for await (const event of node.libp2p.services.dht.findProviders(cid, { signal: AbortSignal.timeout(LOOKUP_TIMEOUT) })) {
        if (event.name === 'PEER_RESPONSE') {
          watch.answered(event.from.toString())
        } else if (event.name === 'PROVIDER') {
          event.providers.forEach(({ id }) => { watch.provider(id.toString()) })
        }
      }

      return watch.found(cid)
    },
    async stop () { await node.libp2p.stop() }
  }
}

interface Parts {
  readonly client: Libp2pKadClient
  readonly table: KadTable
  stop (): Promise<void>
}

async function parts (node: DhtNode, protocol: string): Promise<Parts> {
  const { libp2p, id } = node
  const connections = {
    getConnections: libp2p.getConnections.bind(libp2p),
    openConnection: libp2p.dial.bind(libp2p)
  }
  const client = new Libp2pKadClient({ clock: systemClock, logger: silentLogger, connectionManager: connections, self: id }, { protocol })
  const table = new KadTable({ logger: silentLogger, peerStore: libp2p.peerStore, events: libp2p, self: id })
  client.start()
  await table.start()

  return {
    client,
    table,
    async stop () {
      client.stop()
      table.stop()
      await libp2p.stop()
    }
  }
}

async function ours (node: DhtNode, { network }: World): Promise<Contestant> {
  const { client, table, stop } = await parts(node, network.protocol)
  const timing = new PeerTiming()
  const walker = new Walker({ clock: systemClock, client, table, timing, networksOf: networksUnder(addressPolicy()) })
  node.libp2p.addEventListener('peer:connect', ({ detail }) => { timing.connected(detail.toString()) })

  return {
    node,
    stop,
    async lookup (cid) {
      const watch = new Watch()
      let closest: string[] | undefined
      const providers = walker.findProviders(cid, {
        request,
        signal: AbortSignal.timeout(LOOKUP_TIMEOUT),
        onProgress: event => {
          if (event.phase === 'answer') {
            watch.answered(event.peer)
          } else if (event.phase === 'end') {
            closest = event.result.closest.map(({ id }) => id)
          }
        }
      })

      for await (const { id } of providers) {
        watch.provider(id)
      }

      return watch.found(cid, closest)
    }
  }
}

async function oracle (node: DhtNode, { network }: World): Promise<Contestant> {
  const { client, table, stop } = await parts(node, network.protocol)

  return {
    node,
    stop,
    async lookup (cid) {
      const watch = new Watch()
      const target = kadKey(cid.multihash.bytes)

      await oracleWalk({
        target,
        k: DEFAULT_K,
        concurrency: DEFAULT_CONCURRENCY,
        // all that it knows: none is left out that might be among the nearest of the living
        known: table.nearest(target, table.size),
        alive: id => network.alive(id),
        async ask (peer) {
          const asked = async (): Promise<KadAnswer> => {
            const disclosure = request.disclose({ observer: `p2p:${peer.id}`, form: 'multihash', transport: 'dht', audience: 'one' })
            return client.getProviders(peer, cid.multihash.bytes, disclosure, { signal: AbortSignal.timeout(LOOKUP_TIMEOUT) })
          }
          // a busy machine may lose the first; one that is lost twice is as good as no answer
          const { closer, providers } = await asked().catch(asked).catch((): Pick<KadAnswer, 'closer' | 'providers'> => ({ closer: [], providers: [] }))
          watch.answered(peer.id)
          providers.forEach(({ id }) => { watch.provider(id) })
          return closer
        }
      })

      return watch.found(cid)
    }
  }
}

/** One of each, with the same table and the same way to everybody; what one connects to is of no use to the others */
export async function contestants (world: World): Promise<Record<ContestantName, Contestant>> {
  const { network } = world
  const first = await network.add({ kad: { networkDialTimeout: { maxTimeout: KAD_DHT_PATIENCE } } })

  return {
    kadDht: kadDht(first),
    ours: await ours(await network.add({ twin: first }), world),
    oracle: await oracle(await network.add({ twin: first }), world)
  }
}
