import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { redactReport } from '../../../src/privacy/report/redact-report.ts'
import { reportFormats } from '../../../src/privacy/report/report-formats.ts'
import { CIDS, PEERS, risk, sample } from './sample.ts'
import type { PrivacyReportData, Risk } from '../../../src/interface/privacy.ts'

const formats = reportFormats([{ name: 'own', mediaType: 'text/plain', extension: 'txt', render: report => JSON.stringify(report) }])

/** Everything that a report can name somebody by, each in a field of its own, and none of them twice */
const CANARIES = {
  subject: '12D3KooWCanarySubject1111111111111111111111111111111',
  subjectInTitle: '12D3KooWCanaryTitle111111111111111111111111111111111',
  onlyInTitle: '12D3KooWCanaryAAAA1111111111111111111111111111111111',
  cid: CIDS[0] as string,
  cidInAdvice: CIDS[1] as string,
  cidInPath: 'bafybeicanarypath2aiscaildcqabsyg3dfr6chu3fgpregiymsck7e7a',
  address: '/ip4/203.0.113.77/tcp/4001/p2p/12D3KooWCanaryAddress11111111111111111111111111111',
  addressInReason: '203.0.113.78:4001',
  address6: '2001:db8::ca:4a7e',
  host: 'https://canary-host.example/path',
  observer: 'router:canary-router.example',
  p2p: 'p2p:QmCanaryObserver11111111111111111111111111111',
  agent: 'canary-agent of alice',
  agentAmongKnown: 'canaryproduct/1.2.3',
  protocol: '/canary-protocol/1.0.0',
  transport: 'canary-transport',
  evidence: 'canary evidence',
  evidenceKey: '12D3KooWCanaryKey11111111111111111111111111111111111',
  id: 'canary-id',
  nonsenseKind: 'canary-kind',
  nonsenseClass: 'canary-class',
  nonsenseSeverity: 'canary-severity',
  mitigation: '198.51.100.9',
  title: '12D3KooWCanaryReportTitle1111111111111111111111111111',
  reason: '12D3KooWCanaryProof111111111111111111111111111111111'
}

function canaryReport (): PrivacyReportData {
  const c = CANARIES
  return sample({
    risks: [
      risk({ id: `small-anonymity-set:${c.id}`, title: `Peer ${c.onlyInTitle} and ${c.subjectInTitle} know`, subjects: [c.subject, c.cid, c.address, c.observer] }),
      risk({
        id: `${c.id}`,
        kind: c.nonsenseKind as Risk['kind'],
        severity: c.nonsenseSeverity as Risk['severity'],
        observerClass: c.nonsenseClass as Risk['observerClass'],
        subjects: [c.subjectInTitle, c.p2p],
        evidence: { agent: c.agent, told: `helia/7.1.15 ${c.agentAmongKnown}`, [c.evidenceKey]: c.evidence, at: c.host },
        recommendation: `Ask for ${c.cidInAdvice} and /ipfs/${c.cidInPath}/readme.md elsewhere`,
        mitigation: `libp2p.listen=${c.mitigation}`
      })
    ],
    insufficient: [{ kind: 'burst-traffic', n: 1, needed: 2, reason: `only ${c.addressInReason} and ${c.address6} were seen` }],
    statistics: { ...sample().statistics, protocols: { [c.protocol]: 3, '/ipfs/id/1.0.0': 1 }, transports: { [c.transport]: 2, tcp: 1 } }
  })
}

const OPTIONS = { title: `node ${CANARIES.title}`, proof: { result: 'refused' as const, reason: `made by ${CANARIES.reason}` }, verbose: true }

describe('redaction', () => {
  it.each(formats.names)('%s names nobody without raw', name => {
    const text = formats.render(name, canaryReport(), OPTIONS)

    for (const [field, canary] of Object.entries(CANARIES)) {
      const core = canary.replace(/^p2p:/, '')
      expect(text.includes(core) || /canary/i.test(text), `${field} in ${text}`).toBe(false)
    }
  })

  it.each(formats.names.filter(name => name !== 'own'))('%s called by itself names nobody without raw', name => {
    const format = formats.get(name)
    expect(format.render(canaryReport())).not.toMatch(/canary/i)
    expect(format.render(canaryReport(), OPTIONS)).not.toMatch(/canary/i)
  })

  it.each(['json', 'own', 'html'])('%s names all with raw', name => {
    const text = formats.render(name, canaryReport(), { ...OPTIONS, raw: true })
    for (const canary of [CANARIES.subject, CANARIES.cid, CANARIES.address, CANARIES.agent, CANARIES.protocol, CANARIES.evidence]) {
      expect(text).toContain(canary)
    }
  })

  it('gives the same name to the same one throughout a report, whatever it is written as', () => {
    const { risks } = redactReport(sample({
      risks: [
        risk({ subjects: [PEERS[1] as string, PEERS[0] as string] }),
        risk({ id: `timing-correlation:${PEERS[0]}:${PEERS[1]}`, kind: 'timing-correlation', subjects: [`p2p:${PEERS[0]}`], title: `From ${PEERS[1]} to ${PEERS[2]}` })
      ]
    }))
    expect(risks.map(({ subjects }) => subjects)).toEqual([['peer-1', 'peer-2'], ['peer-2']])
    expect(risks[1]).toMatchObject({ id: 'timing-correlation:peer-2:peer-1', title: 'From peer-1 to peer-3' })
  })

  it('keeps what names nobody', () => {
    const clean = sample({ risks: [risk({ id: 'small-anonymity-set:dht', subjects: [], evidence: { agent: 'helia/7.1.15 js-libp2p/3.3.11 node/24.21.0', protocol: '/ipfs/bitswap/1.2.0', r: 0.5, sure: true } })], statistics: { ...sample().statistics, protocols: { '/ipfs/kad/1.0.0': 2, '/meshsub/1.1.0': 1 } } })
    expect(redactReport(clean)).toEqual(clean)
  })

  it('is done once: names of a redacted report stay', () => {
    const once = redactReport(canaryReport())
    expect(redactReport(once)).toBe(once)
    expect(formats.render('json', once, { raw: true })).not.toMatch(/canary/i)
  })

  it('knows those again that have spaces and quotes in their names', () => {
    const odd = 'Bob\'s "node" (home)'
    const report = redactReport(sample({ risks: [risk({ title: `It was ${odd}, twice`, subjects: [odd, 'short', 'e'], recommendation: 'Ask short, see where e is.' })] }))
    expect(report.risks[0]).toMatchObject({ subjects: ['name-1', 'name-2', 'name-3'], title: 'It was name-1, twice', recommendation: 'Ask name-2, see where name-3 is.' })
  })

  it('names nobody where thousands have odd names', () => {
    const names = Array.from({ length: 5_000 }, (_, i) => `odd name ${i}`)
    const risks = Array.from({ length: 500 }, (_, i) => risk({ title: `Seen by ${names[i]} again`, subjects: names.slice(i * 10, i * 10 + 10) }))
    expect(JSON.stringify(redactReport(sample({ risks })))).not.toContain('odd name')
  })

  it.each(formats.names)('%s shows no text where a number belongs, and nothing that a report has no place for', name => {
    const text = '\u001b[2J<script>canary()</script>12D3KooWCanaryNumber11111111111111111111111111111' as unknown as number
    const numbers = <T extends object>(value: T): T => Object.fromEntries([...Object.entries(value).map(([key, value]) => [key, typeof value === 'number' ? text : value as unknown]), ['extra', text]]) as T
    const from = sample()
    const report: PrivacyReportData = numbers({
      ...from,
      window: numbers(from.window),
      risks: from.risks.map(numbers),
      insufficient: from.insufficient.map(numbers),
      measures: from.measures.map(numbers),
      statistics: { ...numbers(from.statistics), protocols: { '/ipfs/id/1.0.0': text }, transports: { tcp: text } },
      thresholds: numbers(from.thresholds)
    })
    const timeline = numbers({ from: 0, to: 1, bins: [numbers({ opened: 1, events: 2, exposures: 3 })] })
    const shown = formats.render(name, report, { timeline, history: [numbers({ timestamp: 1, riskScore: 0.5 })], verbose: true })

    expect(shown).not.toMatch(/canary|<script/i)
    expect(shown).not.toContain('\u001b')
  })

  it('no peer id survives, wherever it stands', () => {
    const id = fc.string({ unit: fc.constantFrom(...'123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz'), minLength: 44, maxLength: 44 }).map(text => `12D3KooW${text}`)
    const around = fc.constantFrom('', ' ', '/', '"', '(', ',', ':', '=', '<b>', '\u0000', 'x:')

    fc.assert(fc.property(id, around, around, (peer, before, after) => {
      const text = `seen ${before}${peer}${after} twice`
      const report = redactReport(sample({ risks: [risk({ title: text, subjects: [], evidence: { what: text } })], insufficient: [{ kind: 'burst-traffic', n: 0, needed: 1, reason: text }] }))
      return !JSON.stringify(report).includes(peer)
    }))
  })
})
