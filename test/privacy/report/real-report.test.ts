import { describe, expect, it } from 'vitest'
import { PrivacyAnalyzer } from '../../../src/privacy/analysis/analyzer.ts'
import { Disclosure } from '../../../src/interface/disclosure.ts'
import { DisclosureLedger } from '../../../src/privacy/ledger/disclosure-ledger.ts'
import { reportFormats } from '../../../src/privacy/report/report-formats.ts'
import { privacyReportSchema } from '../../../src/privacy/report/report-schema.ts'
import { timelineOf } from '../../../src/privacy/report/report-timeline.ts'
import { SyntheticTraffic } from '../../../src/testing/traffic/synthetic-traffic.ts'
import { exchange, node, watched } from '../collector/support/nodes.ts'
import { schemaFaults } from './json-schema.ts'
import { CIDS } from './sample.ts'

const formats = reportFormats()

describe('reports of real analyses', () => {
  it('of connected nodes with a ledger are by the schema, in every format, and name nobody', async () => {
    const agent = `somebody's own agent ${'x'.repeat(20)}`
    const me = await node()
    const others = await Promise.all(Array.from({ length: 4 }, () => node({ nodeInfo: { userAgent: agent } })))
    const ledger = new DisclosureLedger()
    const collector = watched(me, { streams: 'wrap', ledger })

    for (const other of others) {
      const connection = await me.dial(other.getMultiaddrs())
      await exchange(connection, 1_000)
      for (const key of CIDS) {
        new Disclosure(ledger, { observer: `p2p:${other.peerId.toString()}`, form: 'cid', transport: 'bitswap', audience: 'one' }, { request: `r-${key}`, purpose: 'read', key, at: Date.now() }).sent()
      }
    }
    const report = new PrivacyAnalyzer(collector).analyze()
    const options = { timeline: timelineOf(collector.observations()), history: [{ timestamp: report.generatedAt, riskScore: report.overallRiskScore }] }

    expect(report.statistics.uniquePeers).toBe(4)
    expect(report.risks.length).toBeGreaterThan(0)
    for (const raw of [true, false]) {
      expect(schemaFaults(privacyReportSchema, JSON.parse(formats.render('json', report, { ...options, raw })))).toEqual([])
    }
    const named = [...others.map(({ peerId }) => peerId.toString()), ...others.flatMap(other => other.getMultiaddrs().map(address => address.toString())), agent, '127.0.0.1', '/portolan/test/echo', ...CIDS]
    for (const name of formats.names) {
      const text = formats.render(name, report, { ...options, verbose: true })
      expect(named.filter(name => text.includes(name)), name).toEqual([])
      expect(text).toContain('real')
    }
    expect(formats.render('json', report, { raw: true })).toContain(others[0]?.peerId.toString())
  })

  it('of an empty network are by the schema, and say that nothing could be judged', async () => {
    const report = new PrivacyAnalyzer(watched(await node())).analyze()
    expect(schemaFaults(privacyReportSchema, JSON.parse(formats.render('json', report)))).toEqual([])
    expect(formats.render('console', report)).toMatch(/0.00 {2}░+ {2}not judged: too little was seen/)
  })

  it('of simulated traffic say so, and keep the words of the analyzer', () => {
    const traffic = new SyntheticTraffic({ seed: 7, flows: [{ kind: 'correlated', events: 100, r: 0.8 }, { kind: 'periodic', events: 100 }, { kind: 'bursty', events: 100 }, { kind: 'independent', events: 100 }] })
    const report = new PrivacyAnalyzer(traffic).analyze()
    const json = formats.render('json', report)

    expect(schemaFaults(privacyReportSchema, JSON.parse(json))).toEqual([])
    expect(JSON.parse(json)).toMatchObject({ source: 'simulated', overallRiskScore: report.overallRiskScore })
    expect(formats.render('console', report)).toMatch(/^Privacy report\nSIMULATED traffic/)
    // what is not about somebody is the same with and without raw
    const evidence = (text: string): unknown[] => (JSON.parse(text) as typeof report).risks.map(({ evidence }) => evidence)
    expect(evidence(json)).toEqual(evidence(formats.render('json', report, { raw: true })))
  })
})
