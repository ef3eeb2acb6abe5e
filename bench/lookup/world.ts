import { CID } from 'multiformats/cid'
import { sha256 } from 'multiformats/hashes/sha2'
import { DEFAULT_MAX_DELAY, DEFAULT_MIN_DELAY } from '../../src/testing/memory/memory-network.ts'
import { dhtNetwork } from '../../src/testing/dht/dht-network.ts'
import type { DhtNetwork } from '../../src/testing/dht/dht-network.ts'
import type { DhtNode } from '../../src/testing/dht/dht-node.ts'

/** Nodes outside the DHT that have blocks */
const PUBLISHERS = 6
/** Publishers of each block */
const COPIES = 2

/** Publishers at work at a time: more would be more than a machine does in the time that kad-dht gives a request */
const LANES = 3

/** A network, and blocks that some outside of it have */
export interface World {
  readonly network: DhtNetwork
  readonly cids: readonly CID[]
  /**
   * Lays records where kad-dht's own `provide` puts them.
   *
   * @returns the share that was taken of those that should lie with the nearest: less than all where the machine is too busy
   */
  place (): Promise<number>
  /** Publishers of a block that can still be reached */
  providersOf (cid: CID): string[]
  /** A share of the servers leaves, and the first of the publishers: half without a word, half hang */
  kill (share: number): void
}

export interface WorldInit {
  readonly nodes: number
  readonly blocks: number
  readonly seed: number
  /** Delays are that many times longer than 10 to 120 ms */
  readonly scale: number
}

export async function makeWorld ({ nodes, blocks, seed, scale }: WorldInit): Promise<World> {
  const network = await dhtNetwork({ nodes, seed, memory: { minDelay: scale * DEFAULT_MIN_DELAY, maxDelay: scale * DEFAULT_MAX_DELAY } })
  const publishers: DhtNode[] = []

  for (let i = 0; i < PUBLISHERS; i++) {
    publishers.push(await network.add({ listen: true }))
  }

  const cids: CID[] = await Promise.all(Array.from({ length: blocks }, async (_, i) => CID.createV1(0x55, await sha256.digest(new TextEncoder().encode(`${seed}/${i}`)))))
  const publishes = (publisher: number, block: number): boolean => (publisher + PUBLISHERS - block % PUBLISHERS) % PUBLISHERS < COPIES

  const publish = async (publisher: number): Promise<number> => {
    let taken = 0

    for (const cid of cids.filter((_, block) => publishes(publisher, block))) {
      for await (const event of (publishers[publisher] as DhtNode).libp2p.services.dht.provide(cid)) {
        taken += event.name === 'PEER_RESPONSE' && event.messageName === 'ADD_PROVIDER' ? 1 : 0
      }
    }

    return taken
  }

  return {
    network,
    cids,
    async place () {
      let next = 0
      let taken = 0

      await Promise.all(Array.from({ length: LANES }, async () => {
        while (next < PUBLISHERS) {
          const placed = await publish(next++)
          taken += placed
        }
      }))

      return taken / (blocks * COPIES * Math.min(network.k, nodes))
    },
    providersOf (cid) {
      const block = cids.indexOf(cid)
      return publishers.filter(({ id }, publisher) => publishes(publisher, block) && network.alive(id)).map(({ id }) => id)
    },
    kill (share) {
      network.kill(share)
      network.memory.setMode((publishers[0] as DhtNode).id, 'gone')
    }
  }
}
