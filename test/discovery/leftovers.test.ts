import { MemoryDatastore } from 'datastore-core'
import { CID } from 'multiformats/cid'
import { sha256 } from 'multiformats/hashes/sha2'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { blockKey } from '../../src/block/key.ts'
import { systemClock, waits } from '../../src/clock/system-clock.ts'
import { EnhancedDHTDiscovery } from '../../src/discovery/enhanced-dht-discovery.ts'
import { addressPolicy } from '../../src/provider/address.ts'
import { silentLogger } from '../../src/testing/silent-logger.ts'
import { TEST_PROTOCOL, kadNet, kadNode } from './kad/support/kad-net.ts'
import { recordedRequest } from './recorded-request.ts'
import type { KadNode, NodeComponents } from './kad/support/kad-net.ts'
import type { Clock } from '../../src/interface/clock.ts'

/** The machine's clock, and how many timers are set */
class CountedClock implements Clock {
  readonly #timers = new Set<object>()
  readonly sleep: Clock['sleep']
  readonly timeout: Clock['timeout']

  constructor () {
    const { sleep, timeout } = waits((ms, fn) => this.schedule(ms, fn))
    this.sleep = sleep
    this.timeout = timeout
  }

  get pending (): number {
    return this.#timers.size
  }

  now (): number {
    return systemClock.now()
  }

  wall (): number {
    return systemClock.wall()
  }

  schedule (ms: number, fn: () => void): () => void {
    const timer = {}
    this.#timers.add(timer)
    const cancel = systemClock.schedule(ms, () => {
      this.#timers.delete(timer)
      fn()
    })
    return () => {
      this.#timers.delete(timer)
      cancel()
    }
  }
}

/** Counts who listens */
function counted (events: NodeComponents['events']): { readonly events: NodeComponents['events'], readonly listening: () => number } {
  const listeners = new Map<string, Set<unknown>>()
  const of = (type: string): Set<unknown> => {
    const known = listeners.get(type) ?? new Set()
    listeners.set(type, known)
    return known
  }
  const proxy = new Proxy(events, {
    get (target, name) {
      const value: unknown = Reflect.get(target, name)
      if (typeof value !== 'function') {
        return value
      }
      return (type: string, listener: unknown, ...rest: unknown[]): unknown => {
        if (name === 'addEventListener') {
          of(type).add(listener)
        } else if (name === 'removeEventListener') {
          of(type).delete(listener)
        }
        return (value as (...args: unknown[]) => unknown).call(target, type, listener, ...rest)
      }
    }
  })
  return { events: proxy, listening: () => [...listeners.values()].reduce((sum, { size }) => sum + size, 0) }
}

describe('discovery that is stopped', () => {
  let nodes: KadNode[]
  let mute: KadNode
  let cids: CID[]

  beforeAll(async () => {
    nodes = await kadNet(5)
    cids = await Promise.all(Array.from({ length: 5 }, async (_, i) => CID.createV1(0x55, await sha256.digest(Uint8Array.of(99, i)))))
    await Promise.all(cids.map(async cid => (nodes[2] as KadNode).libp2p.contentRouting.provide(cid)))
    mute = await kadNode({ protocol: '/portolan-test/unused/1.0.0' })
    // connected, and never says anything
    await mute.libp2p.handle(TEST_PROTOCOL, () => {})
  }, 60_000)

  afterAll(async () => {
    await Promise.all([...nodes, mute].map(async node => { await node.stop() }))
  })

  it.each(['at rest', 'in the middle of lookups', 'at once'])('has neither timers nor listeners: %s', async when => {
    const clock = new CountedClock()
    const { libp2p } = nodes[0] as KadNode
    const { components } = libp2p.services
    const { events, listening } = counted(components.events)
    await components.peerStore.merge(mute.libp2p.peerId, { multiaddrs: mute.libp2p.getMultiaddrs(), tags: { 'kad-peer': { value: 1 } } })
    const discovery = new EnhancedDHTDiscovery({ ...components, events, peerId: libp2p.peerId, datastore: new MemoryDatastore(), logger: silentLogger }, { protocol: TEST_PROTOCOL, clock, policy: addressPolicy({ allow: ['127.0.0.1'] }) })
    const starting = discovery.start()
    const lookups: Array<Promise<unknown>> = []
    const found: string[] = []

    if (when !== 'at once') {
      await starting
      expect(clock.pending).toBeGreaterThan(0)
      expect(listening()).toBeGreaterThan(0)
    }
    if (when === 'in the middle of lookups') {
      const begun = Promise.withResolvers<void>()

      for (const cid of cids) {
        lookups.push((async () => {
          for await (const { id } of discovery.source.find({ cid, key: blockKey(cid) }, recordedRequest().request)) {
            found.push(id)
            begun.resolve()
          }
        })())
      }
      await begun.promise
    }
    await discovery.stop()
    await starting
    // each ends by itself, well or not
    await Promise.allSettled(lookups)
    expect([clock.pending, listening()]).toEqual([0, 0])
  })
})
