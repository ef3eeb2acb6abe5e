import { CID } from 'multiformats/cid'
import { sha256 } from 'multiformats/hashes/sha2'
import { dhtNetwork } from '../../src/testing/dht/dht-network.ts'
import type { DhtNetwork } from '../../src/testing/dht/dht-network.ts'
import type { DhtNode } from '../../src/testing/dht/dht-node.ts'
import type { PeerId } from '@libp2p/interface'

/** Nodes outside the DHT that have blocks, and those of them that have one */
const PUBLISHERS = 6
const COPIES = 2

/** What kad-dht does not show in its types: records and the table of a server */
interface Insides {
  readonly providers: { addProvider (cid: CID, provider: PeerId): Promise<void> }
  readonly routingTable: {
    readonly closestPeerTagger: { stop (): void }
    remove (peer: PeerId): Promise<void>
  }
}

/** In a network that is in use everybody hears of everybody all the time; here nobody would know where anybody is after an hour */
export const LASTING = { maxAddressAge: Infinity, maxPeerAge: Infinity }

/** Milliseconds: libp2p's connection monitor, which is off in these nodes for the sake of its thousands of pings, finds a dead connection in some 15 s */
const MONITORED = 15_000

/** A network whose servers keep records of blocks, where they belong: with the twenty nearest */
export class World {
  readonly network: DhtNetwork
  readonly cids: readonly CID[]
  readonly #publishers: readonly DhtNode[]
  readonly #errors = new Map<string, number>()

  constructor (network: DhtNetwork, cids: readonly CID[], publishers: readonly DhtNode[]) {
    this.network = network
    this.cids = cids
    this.#publishers = publishers
  }

  publishersOf (cid: CID): string[] {
    return this.#of(this.cids.indexOf(cid)).map(({ id }) => id)
  }

  /** Lookups that ended with an error, by what it was */
  get errors (): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#errors)
  }

  failed (error: unknown): void {
    const { name } = error as Error
    this.#errors.set(name, (this.#errors.get(name) ?? 0) + 1)
  }

  async place (): Promise<void> {
    for (const [block, cid] of this.cids.entries()) {
      for (const server of this.network.closest(cid.multihash.bytes)) {
        for (const publisher of this.#of(block)) {
          await server.libp2p.peerStore.merge(publisher.peerId, { multiaddrs: publisher.libp2p.getMultiaddrs() })
          await insides(server).providers.addProvider(cid, publisher.peerId)
        }
      }
    }
  }

  /**
   * A share of the servers leaves without a word. Those that stay forget each of
   * them within `ms`, as Kubo's do, which look after their tables every ten
   * minutes; kad-dht's as it comes would name them to everybody for ever.
   */
  leave (share: number, ms: number, others: readonly DhtNode[]): void {
    const gone = this.network.kill(share, { mute: 0 })
    const living = this.network.servers.filter(({ id }) => this.network.alive(id))

    setTimeout(() => {
      for (const { libp2p } of [...living, ...others]) {
        for (const { peerId } of gone) {
          libp2p.getConnections(peerId).forEach(connection => { connection.abort(new Error('nothing was heard of it')) })
        }
      }
    }, MONITORED)

    for (const [i, server] of living.entries()) {
      setTimeout(() => { void forget(server, gone) }, ms * (i + 1) / living.length)
    }
  }

  #of (block: number): DhtNode[] {
    return Array.from({ length: COPIES }, (_, copy) => this.#publishers[(block + copy) % PUBLISHERS] as DhtNode)
  }
}

async function forget (server: DhtNode, gone: readonly DhtNode[]): Promise<void> {
  const { routingTable } = insides(server)

  for (const { peerId } of gone) {
    await routingTable.remove(peerId)
  }
}

function insides ({ libp2p }: DhtNode): Insides {
  return libp2p.services.dht as unknown as Insides
}

export async function makeWorld ({ nodes, blocks, seed }: { nodes: number, blocks: number, seed: number }): Promise<World> {
  const network = await dhtNetwork({ nodes, seed, libp2p: { peerStore: LASTING } })
  const publishers: DhtNode[] = []
  // every five seconds each marks anew whom it wants to stay connected to: two thirds of all that is computed
  network.servers.forEach(server => { insides(server).routingTable.closestPeerTagger.stop() })

  for (let i = 0; i < PUBLISHERS; i++) {
    publishers.push(await network.add({ listen: true }))
  }

  const cids = await Promise.all(Array.from({ length: blocks }, async (_, i) => CID.createV1(0x55, await sha256.digest(new TextEncoder().encode(`${seed}/${i}`)))))
  return new World(network, cids, publishers)
}
