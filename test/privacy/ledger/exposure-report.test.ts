import { CID } from 'multiformats/cid'
import { describe, expect, it } from 'vitest'
import { Disclosure } from '../../../src/interface/disclosure.ts'
import { DisclosureLedger } from '../../../src/privacy/ledger/disclosure-ledger.ts'
import { exposureReport } from '../../../src/privacy/ledger/exposure-report.ts'
import type { DisclosureContext, DisclosureInit } from '../../../src/interface/disclosure.ts'
import type { Need, StoryOfRead } from '../../../src/privacy/ledger/exposure-report.ts'

const ROOT = CID.parse('bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku')
const KEY = Buffer.from(ROOT.multihash.bytes).toString('base64url')
const WINNER = 'https:winner.example'
const LOSER = 'https:loser.example'

type Told = Partial<DisclosureInit & DisclosureContext> & { readonly state?: 'sent' | 'notSent' | 'unknown' }

function tell (ledger: DisclosureLedger, { state = 'sent', ...told }: Told): void {
  const { observer = WINNER, form = 'cid', transport = 'https', audience = 'one', request = 'this', purpose = 'read', key = KEY, at = 1 } = told
  new Disclosure(ledger, { observer, form, transport, audience }, { request, purpose, mode: 'balanced', key, at })[state]()
}

const STORY: StoryOfRead = {
  result: 'delivered',
  request: 'this',
  attempts: [{ provider: LOSER, outcome: 'missing' }, { provider: WINNER, outcome: 'delivered' }],
  found: [{ provider: WINNER, source: 'router.example' }],
  learnt: []
}

describe('whether telling somebody was needed', () => {
  it.each<[Told, Need, string]>([
    [{}, 'delivered', 'it delivered'],
    [{ observer: LOSER }, 'lost', 'asked, and lost: missing'],
    [{ observer: 'https:third.example' }, 'lost', 'it came from elsewhere'],
    [{ observer: 'router:router.example', transport: 'delegated' }, 'led-there', 'named who delivered'],
    [{ observer: 'router:other.example', transport: 'delegated' }, 'led-nowhere', 'did not name who delivered'],
    [{ observer: 'p2p:somebody', transport: 'dht', form: 'multihash' }, 'led-nowhere', 'did not name who delivered'],
    [{ request: 'before' }, 'asked', 'another read'],
    [{ purpose: 'announce' }, 'announced', 'announced'],
    [{ purpose: 'serve' }, 'served', 'asked this node'],
    [{ purpose: 'shadow' }, 'measured', 'a measurement'],
    [{ purpose: 'probe' }, 'measured', 'can be reached'],
    [{ form: 'none', transport: 'dial' }, 'connected', 'a connection'],
    [{ observer: 'party:dns', form: 'hostname', transport: 'dns' }, 'connected', 'where a host is'],
    [{ observer: LOSER, state: 'notSent' }, 'spared', 'nothing was sent']
  ])('%o is %s: %s', (told, need, why) => {
    const ledger = new DisclosureLedger()
    tell(ledger, told)
    expect(exposureReport(ROOT, ledger, STORY).exposures).toMatchObject([{ need, why: expect.stringContaining(why) as string }])
  })

  it('is the DHT where it named who delivered', () => {
    const ledger = new DisclosureLedger()
    tell(ledger, { observer: 'p2p:somebody', transport: 'dht', form: 'multihash' })
    expect(exposureReport(ROOT, ledger, { ...STORY, found: [{ provider: WINNER, source: 'dht' }] }).exposures).toMatchObject([{ need: 'led-there' }])
  })

  it('cannot be said where nobody delivered, or nothing is known of the read', () => {
    const ledger = new DisclosureLedger()
    tell(ledger, { observer: 'https:third.example' })
    expect(exposureReport(ROOT, ledger, { request: 'this', result: 'failed', attempts: [] }).exposures).toMatchObject([{ need: 'asked' }])
    expect(exposureReport(ROOT, ledger).exposures).toMatchObject([{ need: 'asked', why: 'another read; its story is not kept' }])
  })
})

describe('who learnt of a block', () => {
  it('is counted by party and kind, and who was told nothing, or nothing of the block, is none of them', () => {
    const ledger = new DisclosureLedger()
    tell(ledger, {})
    tell(ledger, { request: 'again' })
    tell(ledger, { observer: LOSER, state: 'unknown' })
    tell(ledger, { observer: 'https:spared.example', state: 'notSent' })
    tell(ledger, { observer: 'party:dns', form: 'hostname', transport: 'dns' })
    expect(exposureReport(ROOT, ledger, STORY)).toMatchObject({ parties: 2, byClass: { gateway: 2 }, states: { intended: 0, sent: 3, unknown: 1, 'not-sent': 1 }, cancelled: 0, unnamed: 0 })
  })

  it('says how many more were told than are recorded by name', () => {
    const ledger = new DisclosureLedger({}, { allow: [WINNER] })
    tell(ledger, {})
    tell(ledger, { observer: LOSER })
    tell(ledger, { observer: 'https:spared.example', state: 'notSent' })
    const learnt = [{ request: 'this', state: 'sent' }, { request: 'this', state: 'sent' }, { request: 'this', state: 'not-sent' }]
    expect(exposureReport(ROOT, ledger, { ...STORY, learnt, learntMore: 3 })).toMatchObject({ parties: 1, unnamed: 4 })
  })

  it('has what was told of the whole that the block came in', () => {
    const ledger = new DisclosureLedger()
    tell(ledger, { request: 'stream', key: 'root-of-the-whole' })
    const report = exposureReport(ROOT, ledger, { ...STORY, attempts: [], learnt: [{ request: 'stream', state: 'sent' }] })
    expect(report.exposures).toMatchObject([{ subject: 'root-of-the-whole', need: 'delivered', why: 'it delivered, in a stream of the whole' }])
  })
})
