import { expect } from 'vitest'
import { PrivacyAnalyzer } from '../../../../src/privacy/analysis/analyzer.ts'
import { MetadataCollector } from '../../../../src/privacy/collector/metadata-collector.ts'
import { DisclosureLedger } from '../../../../src/privacy/ledger/disclosure-ledger.ts'
import { churn, hub } from './churn.ts'
import { ECHO, until } from './nodes.ts'
import type { Truth } from './churn.ts'
import type { PrivacyReport } from '../../../../src/interface/privacy.ts'

/** Runs it, and holds what the collector says against what the peers did */
export async function countsUnderChurn (peers: number, duration: number, period: number): Promise<{ truth: Truth, report: PrivacyReport }> {
  const middle = await hub()
  const collector = new MetadataCollector(middle, { streams: 'wrap', ledger: new DisclosureLedger() })
  const small = new MetadataCollector(middle, { streams: 'wrap', maxPeers: 7, maxConnections: 11, maxEvents: 101 })

  const look = (): void => {
    expect(collector.getStatistics().openConnections).toBe(middle.getConnections().length)
    expect(small.peers.size).toBeLessThanOrEqual(7)
    const { peers: few, connections, events } = small.observations()
    expect(few.length).toBeLessThanOrEqual(7)
    expect(connections.length).toBeLessThanOrEqual(11)
    expect(events.length).toBeLessThanOrEqual(101)
  }

  const truth = await churn(middle, { peers, duration, period, seed: 7, look })
  await until('all is quiet', () => collector.getStatistics().openConnections === truth.open.size && middle.getConnections().every(({ streams }) => streams.length === 0))

  const statistics = collector.getStatistics()
  const sessions = [...truth.sessions.values()].reduce((sum, n) => sum + n, 0)
  expect(truth.cut).toBeGreaterThan(0)
  expect(sessions).toBeGreaterThan(peers)
  expect(statistics).toMatchObject({
    uniquePeers: peers,
    totalConnections: sessions,
    inboundConnections: sessions,
    outboundConnections: 0,
    openConnections: peers,
    transports: { tcp: sessions },
    streams: 'exact',
    evictedPeers: 0,
    evictedConnections: 0
  })
  expect(statistics.protocols[ECHO]).toBe(truth.exchanges)
  expect(small.getStatistics()).toMatchObject({ totalConnections: sessions, openConnections: peers, uniquePeers: 7, totalStreams: statistics.totalStreams })

  const { peers: seen, connections, events } = collector.observations()
  expect(new Map(seen.map(({ id, connectionCount }) => [id, connectionCount]))).toEqual(truth.sessions)
  expect(seen.every(({ openConnections, agent }) => openConnections === 1 && agent === 'portolan-churn-peer')).toBe(true)
  expect(connections).toHaveLength(sessions)
  expect(connections.filter(({ closedAt }) => closedAt == null)).toHaveLength(peers)
  const echoed = (kind: 'sent' | 'received'): number => events.reduce((sum, event) => sum + (event.kind === kind && event.protocol === ECHO ? event.bytes ?? 0 : 0), 0)
  expect([echoed('sent'), echoed('received')]).toEqual([truth.bytes, truth.bytes])

  const report = new PrivacyAnalyzer(collector).analyze()
  expect(report.statistics).toMatchObject({ uniquePeers: peers, totalConnections: sessions })
  // who came back is known by the same peer id, and nobody else
  const linked = report.risks.find(({ id }) => id === 'session-linkability:peer-id')
  const returned = [...truth.sessions].filter(([, n]) => n > 1)
  // a risk names the first few
  expect(linked?.subjects).toHaveLength(Math.min(16, returned.length))
  expect(returned.map(([id]) => id)).toEqual(expect.arrayContaining([...linked?.subjects ?? []]))
  expect(linked?.evidence).toMatchObject({ peers: returned.length, sessions: returned.reduce((sum, [, n]) => sum + n, 0) })
  // its agent string is its own, what it speaks all others speak too
  expect(report.risks.find(({ id }) => id === 'agent-fingerprint:self')?.evidence).toMatchObject({ k: 1, population: peers + 1 })
  expect(report.risks.filter(({ kind }) => kind === 'protocol-fingerprint')).toEqual([])

  collector.detach()
  small.detach()
  return { truth, report }
}
