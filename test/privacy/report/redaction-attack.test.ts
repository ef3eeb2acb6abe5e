import { generateKeyPair } from '@libp2p/crypto/keys'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { base16, base16upper } from 'multiformats/bases/base16'
import { base32, base32upper } from 'multiformats/bases/base32'
import { base36 } from 'multiformats/bases/base36'
import { base58btc } from 'multiformats/bases/base58'
import { base64, base64pad, base64url } from 'multiformats/bases/base64'
import { beforeAll, describe, expect, it } from 'vitest'
import { RISK_KINDS } from '../../../src/interface/privacy.ts'
import { PrivacyAnalyzer } from '../../../src/privacy/analysis/analyzer.ts'
import { plainReport, redactReport } from '../../../src/privacy/report/redact-report.ts'
import { reportFormats } from '../../../src/privacy/report/report-formats.ts'
import { SyntheticTraffic } from '../../../src/testing/traffic/synthetic-traffic.ts'
import { connection, exposure, observations, peer, sourceOf, START } from '../analysis/support/observations.ts'
import { risk, sample } from './sample.ts'
import type { Observations, PrivacyReport, PrivacyReportData } from '../../../src/interface/privacy.ts'
import type { PeerId } from '@libp2p/interface'

const formats = reportFormats()
let ids: PeerId[]

beforeAll(async () => {
  ids = await Promise.all(Array.from({ length: 12 }, async (_, i) => peerIdFromPrivateKey(await (i % 3 === 0 ? generateKeyPair('secp256k1') : generateKeyPair('Ed25519')))))
  // of a hash, as RSA keys have: no key has to be made for it
  ids.push(peerIdFromPrivateKey(await generateKeyPair('RSA', 2048)))
})

/** Every way in which somebody may write a peer id down */
function formsOf (id: PeerId): string[] {
  const cid = id.toCID()
  const hash = id.toMultihash().bytes
  return [
    id.toString(),
    ...[base32, base36, base58btc, base64, base64url, base16].map(base => cid.toString(base)),
    ...[base32upper, base16upper, base64pad].map(base => base.encode(cid.bytes)),
    base16.encode(hash).slice(1),
    base58btc.encode(hash)
  ]
}

/** Everything that is found, by peers who put ids of others wherever they may write something */
function hostile (): Partial<Observations> {
  const traffic = new SyntheticTraffic({ flows: [{ kind: 'correlated', r: 0.9, events: 100 }, { kind: 'periodic', events: 100 }, { kind: 'bursty', events: 100 }] }).observations()
  const names = new Map(traffic.peers.map(({ id }, i) => [id, text(i)]))
  const all = formsOf(ids[0] as PeerId)
  return {
    ...traffic,
    source: 'real',
    events: traffic.events.map(event => ({ ...event, peer: names.get(event.peer) ?? '' })),
    self: { peer: text(11), agent: `mine ${text(10)}`, protocols: [`/x/${text(10)}/1.0.0`], addresses: [`/ip4/203.0.113.1/tcp/1/p2p/${text(11)}`] },
    peers: ids.slice(0, 9).map((id, i) => peer(id.toString(), { agent: `helia/7.1.15 ${all[i] ?? ''} ${text(9)}`, supported: [`/${all[i]}/1.0.0`], protocols: [`/ipfs/id/${text(9)}`], addresses: [`/dns4/${text(9)}.example/tcp/1`] })),
    connections: [0, 0, 0].map((peer, i) => connection(`${i}`, text(peer), { openedAt: START + i * 10, closedAt: START + i * 10 + 5, direction: 'inbound', remoteAddr: `/ip4/203.0.113.1/tcp/1/p2p/${text(peer)}` })),
    exposures: [
      exposure({ purpose: 'announce', observer: `p2p:${text(0)}` }),
      ...ids.slice(0, 6).flatMap((id, i) => [
        exposure({ subject: id.toCID().toString(), observer: `router:${text(8)}.example`, observerClass: 'router', audience: 'unbounded' }),
        exposure({ subject: id.toCID().toString(), observer: `p2p:${text(i)}`, observerClass: 'dht', client: text(7) })
      ])
    ],
    unaccounted: [{ from: START, reason: `because of ${text(3)}` }]
  }
}

function text (i: number): string {
  return (ids[i] as PeerId).toString()
}

function report (): PrivacyReport {
  return new PrivacyAnalyzer(sourceOf(hostile())).analyze()
}

/** Ids that can be read in a text, in whatever form */
function readable (shown: string): string[] {
  return ids.flatMap(formsOf).filter(form => shown.includes(form))
}

describe('peers who write ids everywhere', () => {
  it('cause a finding of each kind', () => {
    const { risks } = report()
    expect(RISK_KINDS.filter(kind => !risks.some(risk => risk.kind === kind))).toEqual([])
    expect(readable(JSON.stringify(risks)).length).toBeGreaterThan(8)
  })

  it.each(formats.names)('are not named as %s', name => {
    const options = { verbose: true, title: `node ${formsOf(ids[1] as PeerId).join(' ')}`, proof: { result: 'refused' as const, reason: `made by "${formsOf(ids[2] as PeerId).join('", "')}"` } }
    expect(readable(formats.render(name, report(), options))).toEqual([])
    expect(readable(formats.render(name, report(), { ...options, raw: true })).length).toBeGreaterThan(0)
  })

  it('are not named by a report on one of them', () => {
    const analyzer = new PrivacyAnalyzer(sourceOf(hostile()))
    for (const id of ids) {
      expect(readable(formats.render('json', analyzer.analyzePeer(id)))).toEqual([])
    }
  })

  it.each(['', ' ', '/', '"', '(', ',', ':', '=', '<b>', '\u0000', 'x:', '/p2p/', '/ipfs/', 'p2p:', '@', '…', '\n'])('are not named in a sentence, after %j', before => {
    for (const form of ids.flatMap(formsOf)) {
      const sentence = `It was ${before}${form}${before} again`
      const data = redactReport(sample({ risks: [risk({ title: sentence, recommendation: sentence, mitigation: sentence, subjects: [], evidence: { what: sentence, [sentence]: 1 } })], insufficient: [{ kind: 'burst-traffic', n: 0, needed: 1, reason: sentence }] }))
      expect(readable(JSON.stringify(data))).toEqual([])
    }
  })

  it('are not named by the beginning of their id', () => {
    for (const id of ids.filter(id => id.type === 'Ed25519')) {
      const begin = id.toString().slice(0, 16)
      expect(redactReport(sample({ insufficient: [{ kind: 'burst-traffic', n: 0, needed: 1, reason: `of ${begin}… nothing` }] })).insufficient[0]?.reason).not.toContain(begin)
    }
  })
})

describe('a peer who says where this node is', () => {
  // it has seen the address, and the agent string is its own
  it.each(['203 0 113 7', '203, 0, 113, 7', '3405803783', '0.203011307', 'kubo/203.0.113', 'node/3405.8037.83', '/ipfs/203.0.113.7', '/libp2p/id/203.0.113.7', 'portolan 203 0 113 7'])('is not quoted in a redacted report with %j', agent => {
    const others = Array.from({ length: 6 }, (_, i) => peer(`12D3KooWOther${i}`, { agent: 'kubo/0.34.1' }))
    const analyzer = new PrivacyAnalyzer(sourceOf(observations({ peers: [peer('12D3KooWAttacker', { agent }), ...others] })))
    const found = analyzer.analyzePeer('12D3KooWAttacker').toJSON()
    expect(found.risks.map(({ evidence }) => evidence.told)).toContain(agent)
    const { risks, statistics } = redactReport({ ...found, statistics: { ...found.statistics, protocols: { [agent]: 1 } } })
    expect(JSON.stringify([risks.map(({ evidence }) => evidence.told), statistics.protocols])).not.toMatch(/203|34058037|3405/)
  })
})

describe('a report on what has no ledger', () => {
  const { exposures, unaccounted, ...rest } = { ...observations(), exposures: undefined, unaccounted: undefined }

  it.each(['console', 'html'])('says so once as %s, for all that cannot be judged without one', name => {
    const text = formats.render(name, new PrivacyAnalyzer(sourceOf(rest)).analyze()).replace(/\s+/g, ' ')
    expect(text.match(/ledger/gi)).toHaveLength(1)
    expect(text).toContain('Co-request linkage (0 of 5), announce exposure, unaccounted requests, third-party exposure')
  })

  it.each([[1, '1 peer', '1 connection', '1 stream'], [2, '2 peers', '2 connections', '2 streams'], [0, '0 peers', '0 connections', '0 streams']])('counts %i in words that fit', (n, ...words) => {
    const statistics = { ...sample().statistics, uniquePeers: n, totalConnections: n, totalStreams: n, evictedPeers: 1, evictedConnections: 1 }
    const text = formats.render('console', sample({ statistics, risks: [risk({ n: 1 })] }), { width: 120 })
    for (const word of [...words, '1 observation', '1 peer, 1 connection']) {
      expect(text).toMatch(new RegExp(`(?<!\\d)${word}(?!\\w)`))
    }
  })
})

describe('what the analyzer says of its own accord', () => {
  /** Names back to what they stand for */
  function named (raw: PrivacyReportData, redacted: PrivacyReportData): (text: string) => string {
    const back = new Map(redacted.risks.flatMap(({ subjects }, i) => subjects.map((name, j) => [name, raw.risks[i]?.subjects[j] ?? ''] as const)))
    return text => text.split(/([:\s,|])/).map(part => back.get(part) ?? part).join('').replaceAll('p2p:', '')
  }

  it('is in a redacted report as it is in a raw one: titles, advice, options, names and numbers of evidence', () => {
    const data = report().toJSON()
    const [raw, redacted] = [plainReport(data), redactReport(data)]
    const original = named(raw, redacted)

    for (const [i, told] of redacted.risks.entries()) {
      const { id, title, recommendation, mitigation, kind, severity, observerClass, evidence } = raw.risks[i] ?? told
      expect({ kind, severity, observerClass, mitigation, recommendation, title }).toEqual({ kind: told.kind, severity: told.severity, observerClass: told.observerClass, mitigation: told.mitigation, recommendation: told.recommendation, title: told.title })
      expect(original(told.id)).toBe(id.replaceAll('p2p:', ''))
      // only what another wrote has another name
      expect({ ...told.evidence, told: '' }).toEqual({ ...evidence, told: '' })
    }
    expect(redacted.insufficient).toEqual(raw.insufficient)
    expect(redacted.measures).toEqual(raw.measures)
  })

  it('stays where somebody is called as a figure is', () => {
    const called = ['r', 'rLow', 'test', 'peers', 'threshold', 'k', 'p']
    const { evidence } = redactReport(sample({ risks: [risk({ subjects: called, evidence: { r: 1, rLow: 0.5, test: 'moments', peers: 3, threshold: 5, k: 1, p: 0, smallestSetIn5Minutes: 2 } })] })).risks[0] ?? {}
    expect(evidence).toEqual({ r: 1, rLow: 0.5, test: 'moments', peers: 3, threshold: 5, k: 1, p: 0, smallestSetIn5Minutes: 2 })
  })
})
