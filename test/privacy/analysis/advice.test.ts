import { generateKeyPair } from '@libp2p/crypto/keys'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { afterEach, describe, expect, it } from 'vitest'
import { createPortolan } from '../../../src/portolan.ts'
import { schema } from '../../../src/config/schema.ts'
import { PrivacyAnalyzer } from '../../../src/privacy/analysis/analyzer.ts'
import { switchesOf } from '../../../src/interface/privacy-preset.ts'
import { OBSERVER_CLASSES } from '../../../src/interface/privacy.ts'
import { loopbackProvider } from '../../../src/testing/loopback-provider.ts'
import { sampleFile } from '../../../src/testing/sample-file.ts'
import { SyntheticTraffic } from '../../../src/testing/traffic/synthetic-traffic.ts'
import { connection, exposure, peer, sourceOf, START } from './support/observations.ts'
import type { AnalyzedNode } from '../../../src/privacy/analysis/advice.ts'
import type { PrivacyMode } from '../../../src/interface/disclosure.ts'
import type { Exposure, Observations, Risk } from '../../../src/interface/privacy.ts'

const GATEWAY = 'http:gateway.mine.example'
const ROUTER = 'router:router.mine.example'

function portolan (mode: PrivacyMode, own: readonly string[] = []): AnalyzedNode {
  return { kind: 'portolan', mode, switches: switchesOf(mode)(mode), own: new Set(own) }
}

/** Everything that a report may find, in one node */
function everything (exposures?: readonly Exposure[]): Partial<Observations> {
  const traffic = new SyntheticTraffic({ flows: [{ kind: 'correlated', r: 0.9, events: 100 }, { kind: 'periodic', events: 100 }, { kind: 'bursty', events: 100 }] }).observations()
  return {
    ...traffic,
    self: { peer: 'me', agent: 'a', protocols: ['/x'], addresses: [] },
    peers: Array.from({ length: 9 }, (_, i) => peer(`p${i}`, { agent: 'b', supported: ['/y'] })),
    connections: ['a', 'a', 'a'].map((id, i) => connection(`${i}`, id, { openedAt: START + i * 10, closedAt: START + i * 10 + 5 })),
    ...exposures == null ? {} : { exposures, unaccounted: [{ from: traffic.from, reason: 'disabled' }] }
  }
}

function reads (mode: PrivacyMode, init: Partial<Exposure> = {}): Exposure[] {
  return OBSERVER_CLASSES.flatMap(observerClass => Array.from({ length: 6 }, (_, i) => exposure({ subject: `s${i}`, observer: `p2p:of-${observerClass}`, observerClass, mode, ...init })))
}

function risksOf (observations: Partial<Observations>, node?: AnalyzedNode, named: readonly string[] = []): readonly Risk[] {
  return new PrivacyAnalyzer(sourceOf(observations), {}, { named, ...node == null ? {} : { node } }).analyze().risks
}

describe('advice', () => {
  it.each(['open', 'balanced', 'strict'] as const)('of a node in mode %s names options that there are, and none that is set', mode => {
    const options: Readonly<Record<string, { readonly type: string, readonly choices?: readonly string[] }>> = schema
    const risks = risksOf(everything(reads(mode)), portolan(mode))
    expect(risks.length).toBeGreaterThan(10)

    for (const { id, mitigation } of risks.filter(({ mitigation }) => mitigation !== 'none')) {
      const [name = '', value] = mitigation.split('=')
      expect(Object.keys(options), id).toContain(name)
      expect(value == null || options[name]?.choices?.includes(value), id).toBe(true)
      expect(`${id} ${value}`).not.toBe(`${id} ${mode}`)
    }
    const switches = risks.map(({ mitigation }) => mitigation)
    expect(switches.includes('routing.mode=strict')).toBe(mode !== 'strict')
    expect(switches.includes('routing.mode=balanced')).toBe(mode === 'open')
    expect(switches.includes('privacy.lookupIdentity=separate')).toBe(mode !== 'strict')
    expect(switches.includes('privacy.agent=common')).toBe(mode === 'open')
  })

  it('of a libp2p node without content routing names no option of content routing', () => {
    for (const node of [undefined, { kind: 'libp2p' }] as const) {
      const risks = risksOf(everything(), node)
      expect([...new Set(risks.map(({ kind }) => kind))].sort()).toEqual(['agent-fingerprint', 'burst-traffic', 'periodic-traffic', 'protocol-fingerprint', 'session-linkability', 'small-anonymity-set', 'timing-correlation'])
      expect([...new Set(risks.map(({ mitigation }) => mitigation))].sort()).toEqual(['connectionManager.maxConnections of libp2p', 'nodeInfo.userAgent of libp2p', 'none', 'privateKey of libp2p'])
      expect(risks.map(({ recommendation }) => recommendation).join()).not.toMatch(/ledger|provider|lookup|cache|Portolan/i)
    }
  })

  it('of content routing on somebody else\'s libp2p node leaves that node\'s options to it', () => {
    const switches = risksOf(everything(reads('strict'))).map(({ mitigation }) => mitigation)
    expect(switches.filter(name => name.startsWith('privacy.') || name.startsWith('routing.mode'))).toEqual([])
    expect(switches).toEqual(expect.arrayContaining(['nodeInfo.userAgent of libp2p', 'privateKey of libp2p']))
    expect(risksOf(everything(reads('open'))).map(({ mitigation }) => mitigation)).toContain('routing.mode=strict')
  })

  it('where only named gateways were asked is not another mode, which would ask them too', () => {
    const exposures = Array.from({ length: 6 }, (_, i) => exposure({ subject: `s${i}`, observer: GATEWAY as Exposure['observer'], observerClass: 'gateway' }))
    for (const mode of ['balanced', 'strict'] as const) {
      const risks = risksOf({ exposures }, portolan(mode), [GATEWAY])
      expect(risks.map(({ kind, mitigation }) => [kind, mitigation])).toEqual([['small-anonymity-set', 'cache.size'], ['co-request-linkage', 'cache.size']])
    }
    expect(risksOf({ exposures }, portolan('balanced')).map(({ mitigation }) => mitigation)).toEqual(['routing.mode=strict', 'routing.mode=strict', 'routing.mode=strict'])
  })

  it('says of reads in another mode that it is theirs', () => {
    const exposures = [exposure({ observer: GATEWAY as Exposure['observer'], observerClass: 'gateway', mode: 'balanced' })]
    expect(risksOf({ exposures }, portolan('strict'))).toContainEqual(expect.objectContaining({ kind: 'third-party-exposure', mitigation: 'none', recommendation: expect.stringContaining('asked for another one') as unknown }))
  })

  it('about a router of one\'s own is to look up less', () => {
    const exposures = [exposure({ observer: ROUTER as Exposure['observer'], observerClass: 'router' })]
    expect(risksOf({ exposures }, portolan('balanced', [ROUTER]), [ROUTER])).toEqual([expect.objectContaining({ kind: 'small-anonymity-set', mitigation: 'routing.providers' })])
    expect(risksOf({ exposures }, portolan('balanced'), [ROUTER])).toEqual([expect.objectContaining({ kind: 'small-anonymity-set', mitigation: 'routing.ownRouters' })])
  })

  it('about others is not to change what this node tells', () => {
    const told = { peers: ['x', 'x', 'x', 'x', 'x', 'odd'].map((agent, i) => peer(`p${i}`, { agent, supported: [agent] })), self: { peer: 'me', agent: 'x', protocols: ['x'], addresses: [] } }
    const report = new PrivacyAnalyzer(sourceOf(told)).analyzePeer('p5')
    expect(report.risks.map(({ kind, mitigation, recommendation }) => [kind, mitigation, recommendation.slice(0, 33)])).toEqual([['agent-fingerprint', 'none', 'What others tell is theirs to cha'], ['protocol-fingerprint', 'none', 'What others tell is theirs to cha']])
  })
})

describe('advice of a real node', () => {
  const close: Array<() => Promise<unknown>> = []
  afterEach(async () => { await Promise.all(close.splice(0).map(async end => end())) })

  it.each(['balanced', 'strict'] as const)('in mode %s with a gateway of its own', async mode => {
    const file = await sampleFile({ size: 6 * 1024, chunkSize: 1024 })
    const gateway = await loopbackProvider({ blocks: file.blocks })
    const node = await createPortolan({ listen: [], providers: [gateway.url], mode })
    close.push(async () => node.stop(), async () => gateway.close())
    for (const cid of file.others) {
      await node.contentRouting.retrieve(cid)
    }
    const { risks } = node.privacy.analyze()
    expect(risks.map(({ kind }) => kind)).toContain('small-anonymity-set')
    expect(risks.map(({ mitigation }) => mitigation).filter(name => name.startsWith('routing.mode'))).toEqual([])
  })
})

describe('analyzePeer', () => {
  it('takes a peer id as text and as libp2p has it, and nothing else', async () => {
    const id = peerIdFromPrivateKey(await generateKeyPair('Ed25519'))
    const told = ['x', 'x', 'x', 'x', 'x'].map((agent, i) => peer(`p${i}`, { agent }))
    const analyzer = new PrivacyAnalyzer(sourceOf({ peers: [...told, peer(id.toString(), { agent: 'odd' })] }))

    expect(analyzer.analyzePeer(id).risks).toEqual(analyzer.analyzePeer(id.toString()).risks)
    expect(analyzer.analyzePeer(id).risks).toEqual([expect.objectContaining({ subjects: [id.toString()] })])
    for (const wrong of ['', undefined, null, 7, {}, [], { toString: () => id.toString() }]) {
      expect(() => analyzer.analyzePeer(wrong as string)).toThrow(expect.objectContaining({ name: 'InvalidOptionError', message: expect.stringContaining('A peer is named by its id') as unknown }))
    }
  })
})
