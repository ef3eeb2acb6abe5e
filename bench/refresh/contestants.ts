import { blockKey } from '../../src/block/key.ts'
import { enhancedDHTDiscovery } from '../../src/discovery/enhanced-dht-discovery.ts'
import { Disclosure } from '../../src/interface/disclosure.ts'

import { LASTING } from './world.ts'
import type { World } from './world.ts'
import type { EnhancedDHTDiscovery } from '../../src/discovery/enhanced-dht-discovery.ts'
import type { DisclosureInit } from '../../src/interface/disclosure.ts'
import type { Request } from '../../src/interface/request.ts'
import type { DhtNode } from '../../src/testing/dht/dht-node.ts'
import type { CID } from 'multiformats/cid'

/**
 * - `kadDht`: a DHT client of @libp2p/kad-dht with its refresh switched on (`refreshRoutingTable()`: nothing starts it otherwise)
 * - `kadDhtIdle`: the same as it comes
 * - `ours`: the same as it comes, with the discovery beside it, both as `createPortolan` has them
 */
export type ContestantName = 'kadDht' | 'kadDhtIdle' | 'ours'

export const NAMES: readonly ContestantName[] = ['kadDht', 'kadDhtIdle', 'ours']

export interface Found {
  /** Milliseconds until the lookup ended; one that found nobody took as long as one may */
  readonly took: number
  /** Living publishers that were named, as a share of all */
  readonly share: number
}

export interface Contestant {
  readonly name: ContestantName
  readonly node: DhtNode
  lookup (cid: CID): Promise<Found>
}

/** Milliseconds: kad-dht gives a lookup that long, too */
const LOOKUP_TIMEOUT = 180_000

const ledger = { intended: () => {}, settled: () => {} }

function request (id: string): Request {
  return {
    id,
    purpose: 'read',
    mode: 'open',
    signal: AbortSignal.timeout(LOOKUP_TIMEOUT),
    deadline: performance.now() + LOOKUP_TIMEOUT,
    priority: 0,
    hints: [],
    disclose: (init: DisclosureInit) => new Disclosure(ledger, init, { request: id, purpose: 'read', at: 0 })
  }
}

/** One of each, with the same table and the same way to everybody */
export async function contestants (world: World): Promise<Contestant[]> {
  const { network } = world
  const libp2p = { peerStore: LASTING }
  const first = await network.add({ selfQuery: true, libp2p })
  const second = await network.add({ selfQuery: true, twin: first, libp2p })
  const third = await network.add({ selfQuery: true, twin: first, libp2p: { ...libp2p, services: { discovery: enhancedDHTDiscovery({ protocol: network.protocol }) } } })
  await first.libp2p.services.dht.refreshRoutingTable()

  return [kadDht('kadDht', first, world), kadDht('kadDhtIdle', second, world), ours(third, world)]
}

function kadDht (name: ContestantName, node: DhtNode, world: World): Contestant {
  return {
    name,
    node,
    lookup: async cid => timed(world, cid, async named => {
      for await (const event of node.libp2p.services.dht.findProviders(cid, { signal: AbortSignal.timeout(LOOKUP_TIMEOUT) })) {
        if (event.name === 'PROVIDER') {
          event.providers.forEach(({ id }) => { named.add(id.toString()) })
        }
      }
    })
  }
}

function ours (node: DhtNode, world: World): Contestant {
  const { discovery } = node.libp2p.services as unknown as { discovery: EnhancedDHTDiscovery }
  let lookups = 0

  return {
    name: 'ours',
    node,
    lookup: async cid => timed(world, cid, async named => {
      const want = { cid, key: blockKey(cid), maxBytes: 2 ** 20 }

      for await (const provider of discovery.source.find(want, request(`${node.id}/${lookups++}`))) {
        named.add(String(provider.id).replace(/^p2p:/, ''))
      }
    })
  }
}

async function timed (world: World, cid: CID, lookup: (named: Set<string>) => Promise<void>): Promise<Found> {
  const named = new Set<string>()
  const startedAt = performance.now()

  // one that fails has taken its time, and found what it found
  await lookup(named).catch((error: unknown) => { world.failed(error) })
  const publishers = world.publishersOf(cid)
  return { took: named.size === 0 ? LOOKUP_TIMEOUT : performance.now() - startedAt, share: publishers.filter(id => named.has(id)).length / publishers.length }
}
