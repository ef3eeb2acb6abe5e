import { MemoryDatastore } from 'datastore-core'
import { CID } from 'multiformats/cid'
import { sha256 } from 'multiformats/hashes/sha2'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { blockKey } from '../../src/block/key.ts'
import { discoveryMetrics } from '../../src/discovery/discovery-metrics.ts'
import { EnhancedDHTDiscovery } from '../../src/discovery/enhanced-dht-discovery.ts'
import { MetricRegistry } from '../../src/gateway/metric-registry.ts'
import { addressPolicy } from '../../src/provider/address.ts'
import { silentLogger } from '../../src/testing/silent-logger.ts'
import { TEST_PROTOCOL, kadNet } from './kad/support/kad-net.ts'
import { recordedRequest } from './recorded-request.ts'
import type { KadNode } from './kad/support/kad-net.ts'
import type { DiscoveryStats } from '../../src/discovery/discovery-stats.ts'
import type { Metrics } from '../../src/interface/metrics.ts'

describe('metrics of discovery', () => {
  let nodes: KadNode[]

  beforeAll(async () => {
    nodes = await kadNet(6)
  }, 60_000)

  afterAll(async () => {
    await Promise.all(nodes.map(async node => { await node.stop() }))
  })

  function discoveryOn (registry: MetricRegistry, datastore: MemoryDatastore): EnhancedDHTDiscovery {
    const { libp2p } = nodes[0] as KadNode
    return new EnhancedDHTDiscovery({ ...libp2p.services.components, peerId: libp2p.peerId, datastore, metrics: registry as unknown as Metrics, logger: silentLogger }, { protocol: TEST_PROTOCOL, policy: addressPolicy({ allow: ['127.0.0.1'] }) })
  }

  async function find (discovery: EnhancedDHTDiscovery, cid: CID): Promise<string[]> {
    const ids: string[] = []
    for await (const { id } of discovery.source.find({ cid, key: blockKey(cid) }, recordedRequest().request)) {
      ids.push(id)
    }
    return ids
  }

  it('say what stats say, about real lookups, and are there after a stop', async () => {
    const registry = new MetricRegistry()
    const datastore = new MemoryDatastore()
    const discovery = discoveryOn(registry, datastore)
    const cid = CID.createV1(0x55, await sha256.digest(Uint8Array.of(1)))
    await (nodes[3] as KadNode).libp2p.contentRouting.provide(cid)
    await discovery.start()
    const [id] = await find(discovery, cid)
    await find(discovery, cid)
    discovery.source.settled?.(id as `p2p:${string}`, 'delivered')
    discovery.source.settled?.(id as `p2p:${string}`, 'unreachable')
    discovery.source.settled?.(id as `p2p:${string}`, 'cancelled')

    const stats = discovery.stats()
    expect(stats).toMatchObject({
      lookups: { lookups: 1, hits: 1, retrievals: 2, successfulRetrievals: 1 },
      walks: { begun: 1, ended: 1, failed: 0, asked: 5, answered: 5, errors: 0, providers: 1, skipped: 0, hops: { p50: stats.walks.hops.p99 } },
      kept: { dropped: 0, failedWrites: 0 }
    })
    expect(stats.walks.hops.p50).toBeGreaterThanOrEqual(1)
    expect(stats.walks.end.p50).toBeGreaterThanOrEqual(stats.walks.firstProvider.p50 ?? Infinity)
    expect(JSON.parse(JSON.stringify(stats))).toEqual(stats)

    await discovery.stop()
    const text = registry.toString()
    for (const line of [
      'portolan_discovery_lookups_total{answered="memory"} 1',
      'portolan_discovery_lookups_total{answered="network"} 1',
      'portolan_discovery_delivered_total 1',
      'portolan_discovery_retrievals_total 2',
      'portolan_discovery_walks_total{outcome="ended"} 1',
      'portolan_discovery_asked_total{outcome="answered"} 5',
      'portolan_discovery_records 1',
      `portolan_discovery_hops{quantile="p50"} ${stats.walks.hops.p50}`,
      'portolan_discovery_dense_regions_total 0',
      'portolan_discovery_joining_total{event="failed"} 0',
      `portolan_discovery_remembered_peers ${stats.joining.remembered}`,
      'portolan_discovery_kept_errors_total{event="dropped"} 0'
    ]) {
      expect(text).toContain(`${line}\n`)
    }

    // what it learnt about its peers is there at the next start
    const again = discoveryOn(new MetricRegistry(), datastore)
    await again.start()
    expect(again.stats().kept).toEqual({ dropped: 0, failedWrites: 0 })
    await again.stop()
  })

  it('say what is announced, how large the DHT is and who is too near, each by its own name', () => {
    const registry = new MetricRegistry()
    const stats = {
      networkSize: 501,
      denseRegions: 502,
      joining: { remembered: 503, rounds: 504, answered: 505, failed: 506 },
      announcements: { announced: 507, failed: 508, records: 0, lookups: 0, passedOver: 0, pending: 0, scheduled: 509, overdue: 510, sweeps: 511, failedSweeps: 512, dropped: 0, refused: 513, chosen: 514, waiting: 515 }
    }
    discoveryMetrics(registry as unknown as Metrics, () => ({ ...discoveryOn(new MetricRegistry(), new MemoryDatastore()).stats(), ...stats }))
    const told = new Map(registry.toString().split('\n').filter(line => / 5\d\d$/.test(line)).map(line => line.split(' ') as [string, string]))

    expect(Object.fromEntries(told)).toEqual({
      portolan_discovery_network_size: '501',
      portolan_discovery_dense_regions_total: '502',
      portolan_discovery_remembered_peers: '503',
      'portolan_discovery_joining_total{event="rounds"}': '504',
      'portolan_discovery_joining_total{event="answered"}': '505',
      'portolan_discovery_joining_total{event="failed"}': '506',
      'portolan_discovery_announced_total{outcome="announced"}': '507',
      'portolan_discovery_announced_total{outcome="failed"}': '508',
      portolan_discovery_announce_scheduled: '509',
      portolan_discovery_announce_overdue: '510',
      'portolan_discovery_sweeps_total{outcome="ended"}': '511',
      'portolan_discovery_sweeps_total{outcome="failed"}': '512',
      portolan_discovery_announce_refused_total: '513',
      portolan_discovery_announce_chosen: '514',
      portolan_discovery_announce_waiting: '515'
    })
  })

  it('claim nothing before there was a discovery', () => {
    const registry = new MetricRegistry()
    let current: DiscoveryStats | undefined
    discoveryMetrics(registry as unknown as Metrics, () => current)
    expect(registry.toString()).not.toMatch(/^portolan_discovery_\S+ \d/m)
  })
})
