import { createHeliaLight } from 'helia'
import { withLibp2pLight } from '@helia/libp2p'
import { describe, expect, it } from 'vitest'
import {
  MetadataCollector, MembershipProver, MembershipVerifier, NullifierBook, NullifierDirectory, PrivacyAnalyzer, PrivacyMonitor, PrivacyReportService, DisclosureLedger,
  collectorMetrics, consoleFormat, createMembership, formatMembershipGroup, reportFormats
} from '../../src/index.privacy.ts'
import { createPortolan } from '../../src/portolan.ts'
import { node } from './collector/support/nodes.ts'
import { privacyReport } from '../../src/privacy/analysis/report.ts'
import { sample } from './report/sample.ts'
import type { MembershipGroup } from '../../src/index.privacy.ts'

const report = privacyReport(sample({}))
const analyzer = { analyze: () => report }
const source = { observations: () => expect.unreachable(), getStatistics: () => expect.unreachable() }
const group = { epochMs: 86_400_000 } as unknown as MembershipGroup
const webhook = 'https://hooks.example/s3cret'

/** What it says, whether thrown at once or later */
async function refusal (make: () => unknown): Promise<string> {
  try {
    await make()
  } catch (err) {
    expect((err as Error).name).toBe('InvalidOptionError')
    return (err as Error).message
  }
  return expect.unreachable('nothing was refused')
}

describe('an option that there is not', () => {
  it.each<[made: (init: never) => unknown, init: object, message: RegExp]>([
    [async init => new MetadataCollector(await node({ start: false }), init), { peerAllowList: [] }, /^a MetadataCollector has no option "peerAllowList", it has maxPeers, .*peerAllowlist, .*; did you mean peerAllowlist\?$/],
    [async init => new MetadataCollector(await node({ start: false }), init), { maxpeers: 1 }, /did you mean maxPeers\?$/],
    [init => new PrivacyMonitor(analyzer, init), { riskTreshold: 0.5 }, /^a monitor has no option "riskTreshold", it has checkIntervalMs, .*; did you mean riskThreshold\?$/],
    [init => new PrivacyMonitor(analyzer, { webhook: init }), { url: webhook, allows: [] }, /^webhook has no option "allows", it has url, format, allow, .*; did you mean allow\?$/],
    [init => new PrivacyMonitor(analyzer, init), { webhook: 'https://10.0.0.1/', allow: ['10.0.0.1:443'] }, /^a monitor has no option "allow", .*; did you mean webhook\.allow\?$/],
    [init => new DisclosureLedger({}, init), { maxEntry: 1 }, /^ledger has no option "maxEntry", .*; did you mean maxEntries\?$/],
    [init => new DisclosureLedger(init), { maxEntry: 1 }, /^"maxEntry" is no component of a ledger, but like its option maxEntries: options come after the components, as in new DisclosureLedger\({}, { maxEntries }\)$/],
    [init => new DisclosureLedger(init), { allow: [] }, /^"allow" is no component of a ledger: options come after/],
    [init => new PrivacyReportService({ analyzer }, init), { rateLimt: 1 }, /^a report service has no option "rateLimt", it has tokens, formats, requestsPerMinute, /],
    [init => new PrivacyReportService({ analyzer }, init), { requestPerMinute: 1 }, /did you mean requestsPerMinute\?$/],
    [init => new PrivacyReportService(init), { analyzer, tokens: [] }, /^"tokens" is no component of a report service: .*new PrivacyReportService\({ analyzer }, { tokens }\)$/],
    [init => new PrivacyAnalyzer(source, init), { ANONYMITY_SET_TRESHOLD: 10 }, /^There is no threshold "ANONYMITY_SET_TRESHOLD", .*; did you mean ANONYMITY_SET_THRESHOLD\?$/],
    [init => new PrivacyAnalyzer(source, {}, init), { seeds: 1 }, /^an analyzer has no option "seeds", .*; did you mean seed\?$/],
    [init => reportFormats().render('html', report, init), { color: true }, /^a report has no option "color", .*; did you mean colour\?$/],
    [init => consoleFormat.render(report, init), { rwa: true }, /did you mean raw\?$/],
    [init => formatMembershipGroup(init), { epochMS: 1 }, /^the file of a group has no option "epochMS", .*; did you mean epochMs\?$/],
    [init => createMembership(init), { validTo: 1 }, /^a membership has no option "validTo", it has group, /],
    [init => new MembershipVerifier({ group }, init), { grace: 1 }, /^a verifier has no option "grace", .*; did you mean graceMs\?$/],
    [init => new MembershipVerifier(init), { group, graceMs: 1 }, /^"graceMs" is no component of a verifier/],
    [async init => MembershipProver.open({}, init), { depth: 10, timeOut: 1 }, /^a prover has no option "timeOut", .*; did you mean timeout\?$/],
    [async init => MembershipProver.open(init, { depth: 10 }), { timeout: 1 }, /^"timeout" is no component of a prover/],
    [async init => NullifierBook.open({}, init), { maxEntry: 1 }, /did you mean maxEntries\?$/],
    [async init => NullifierBook.open(init), { maxEntries: 1 }, /^"maxEntries" is no component of a book of nullifiers/],
    [async init => NullifierDirectory.open('/nowhere', {}, init), { maxEntry: 1 }, /did you mean maxEntries\?$/],
    [async init => NullifierDirectory.open('/nowhere', init), { timeout: 1 }, /^"timeout" is no component of a record of claims/]
  ])('%s with %o is refused by name', async (made, init, message) => {
    expect(await refusal(() => made(init as never))).toMatch(message)
  })

  it('leaves nothing attached to a node, which a collector with it would have watched', async () => {
    const libp2p = await node({ start: false })
    const count = (): number => (libp2p as unknown as { listenerCount (name: string): number }).listenerCount('connection:open')
    const before = count()
    await refusal(() => new MetadataCollector(libp2p, { peerAllowList: [] } as object))
    expect(count()).toBe(before)
  })

  it.each<[made: (init: never) => unknown]>([
    [async init => new MetadataCollector(await node({ start: false }), init)], [init => new PrivacyMonitor(analyzer, init)], [init => new PrivacyMonitor(analyzer, { webhook: init })],
    [init => new DisclosureLedger({}, init)], [init => new DisclosureLedger(init)], [init => new PrivacyReportService({ analyzer }, init)], [init => new PrivacyReportService(init)],
    [init => new PrivacyAnalyzer(source, {}, init)]
  ])('%s: nor is a list one, and what is in it is not shown', async made => {
    const told = await refusal(() => made(['s3cret'] as never))
    expect(told).toMatch(/must be an object, got an array$/)
  })
})

describe('a collector', () => {
  it('of a Helia node, or of a whole one, is told to take its libp2p', async () => {
    const helia = withLibp2pLight(createHeliaLight(), { addresses: { listen: [] } })
    const whole = await createPortolan({ start: false })

    for (const holder of [helia, whole, { libp2p: undefined }]) {
      expect(await refusal(() => new MetadataCollector(holder as never))).toBe('a MetadataCollector watches a libp2p node, and got something that has one: pass its libp2p, as in new MetadataCollector(helia.libp2p)')
    }
  })

  it.each([undefined, null, {}, 'libp2p', 1, { addEventListener: () => {} }])('of %o is told what it watches', async libp2p => {
    expect(await refusal(() => new MetadataCollector(libp2p as never))).toMatch(/^a MetadataCollector watches a libp2p node, and got .*: pass the libp2p of your Helia node \(helia\.libp2p, once it has started\), or what createLibp2p\(\) gave$/)
  })

  it.each([{ streams: 'wrap' }, 'prometheus', true])('has metrics around other metrics, and not %o', async inner => {
    expect(await refusal(() => collectorMetrics(inner as never))).toMatch(/^collectorMetrics\(\) passes on to other metrics of libp2p, .*takes no options, got /)
  })
})

describe('a webhook in a private network', () => {
  it.each<[string]>([['https://10.0.0.1/s3cret'], ['https://[fd00::1]/s3cret']])('%s is refused with the option that names it', url => {
    expect(() => new PrivacyMonitor(analyzer, { webhook: url })).toThrow(/is refused: it is .*, name "\S+:443" among the allowed addresses \(webhook\.allow of a monitor, --allow of portolan serve\)$/)
  })

  it('without TLS is refused with the option that names it', () => {
    expect(() => new PrivacyMonitor(analyzer, { webhook: 'http://10.0.0.1/s3cret' })).toThrow(/that are allowed by name \(webhook\.allow of a monitor, --allow of portolan serve\)$/)
  })

  it('that is named there is taken', () => {
    for (const allow of [['10.0.0.1:443'], ['10.0.0.1'], ['10.0.0.0/8']]) {
      expect(new PrivacyMonitor(analyzer, { webhook: { url: 'https://10.0.0.1/', allow, format: 'json' } }).getStatistics().webhook?.sent).toBe(0)
    }
  })
})
