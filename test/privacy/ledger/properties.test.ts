import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Disclosure } from '../../../src/interface/disclosure.ts'
import { OBSERVER_CLASSES } from '../../../src/interface/privacy.ts'
import { MAX_TEXT } from '../../../src/privacy/ledger/exposure-ring.ts'
import { DisclosureLedger } from '../../../src/privacy/ledger/disclosure-ledger.ts'
import { Pauses } from '../../../src/privacy/ledger/pauses.ts'
import { VirtualClock } from '../../../src/testing/virtual-clock.ts'
import type { Clock } from '../../../src/interface/clock.ts'
import type { DisclosureEntry, DisclosureInit, Observer } from '../../../src/interface/disclosure.ts'
import type { LedgerStats } from '../../../src/interface/ledger.ts'

const init: DisclosureInit = { observer: 'p2p:a', form: 'cid', transport: 'bitswap', audience: 'one' }

function disclose (ledger: DisclosureLedger, clock: Pick<Clock, 'wall'>, changes: Partial<DisclosureInit> = {}, context: { request?: string, key?: string, purpose?: string } = {}): Disclosure {
  return new Disclosure(ledger, { ...init, ...changes }, { request: 'r1', purpose: 'read', key: 'k1', at: clock.wall(), ...context })
}

const inits = fc.record({
  observer: fc.constantFrom<Observer>('p2p:a', 'p2p:b', 'https:c.example', 'router:d', 'party:dns', 'party:own-node', 'broker:e', 'party:f'),
  form: fc.constantFrom<DisclosureInit['form']>('cid', 'multihash', 'prefix', 'hostname', 'peer', 'none'),
  transport: fc.oneof(fc.constantFrom('http', 'https', 'bitswap', 'dht', 'delegated', 'dns', 'redis', 'foreign', 'dial'), fc.string()),
  audience: fc.constantFrom<DisclosureInit['audience']>('one', 'many', 'unbounded')
})

type Step = { readonly kind: 'disclose', readonly init: DisclosureInit, readonly purpose: string } | { readonly kind: 'sent' | 'notSent' | 'unknown' | 'cancel', readonly which: number } | { readonly kind: 'wait', readonly ms: number } | { readonly kind: 'set back', readonly ms: number } | { readonly kind: 'stop' }

const steps = fc.array(fc.oneof<Array<fc.Arbitrary<Step>>>(
  fc.record({ kind: fc.constant('disclose' as const), init: inits, purpose: fc.oneof(fc.constantFrom('read', 'prefetch', 'announce', 'serve', 'join'), fc.string()) }),
  fc.record({ kind: fc.constantFrom('sent' as const, 'notSent' as const, 'unknown' as const, 'cancel' as const), which: fc.nat(200) }),
  fc.record({ kind: fc.constant('wait' as const), ms: fc.nat(2_000) }),
  fc.record({ kind: fc.constant('set back' as const), ms: fc.nat(100_000_000) }),
  fc.record({ kind: fc.constant('stop' as const) })
), { maxLength: 200 })

function sums (stats: LedgerStats): number[] {
  const { states, byClass, byForm, byTransport, byPurpose } = stats
  const add = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0)
  return [
    add(Object.values(states)),
    add(OBSERVER_CLASSES.flatMap(name => [byClass[name].intended, byClass[name].sent, byClass[name]['not-sent'], byClass[name].unknown])),
    add(Object.values(byForm)),
    add(Object.values(byTransport)),
    add(Object.values(byPurpose))
  ]
}

describe('a ledger of disclosures, whatever happens', () => {
  it('counts each one once, in each of its sums, and keeps the newest within number and age', async () => {
    await fc.assert(fc.asyncProperty(steps, fc.integer({ min: 1, max: 20 }), fc.integer({ min: 1, max: 5_000 }), async (steps, maxEntries, maxAge) => {
      const time = new VirtualClock()
      let skew = 0
      const clock: Clock = { now: () => time.now(), wall: () => time.wall() - skew, schedule: time.schedule.bind(time), sleep: time.sleep, timeout: time.timeout }
      const ledger = new DisclosureLedger({ clock }, { maxEntries, maxAge })
      const all: Array<{ disclosure: Disclosure, at: number, lost?: boolean }> = []
      const stateOf = ({ disclosure, lost }: typeof all[number]): string => lost === true ? 'unknown' : disclosure.state

      for (const step of steps) {
        switch (step.kind) {
          case 'disclose':
            all.push({ disclosure: disclose(ledger, clock, step.init, { key: `k${all.length}`, purpose: step.purpose }), at: time.now() })
            break
          case 'wait':
            await time.run(time.sleep(step.ms))
            break
          case 'set back':
            skew += step.ms
            break
          case 'stop':
            await ledger.stop()
            all.filter(({ disclosure }) => disclosure.state === 'intended').forEach(each => { each.lost = true })
            break
          default:
            all[step.which % Math.max(1, all.length)]?.disclosure[step.kind]()
        }
      }
      const stats = ledger.stats()
      expect(new Set([stats.total, ...sums(stats)])).toEqual(new Set([all.length]))

      for (const state of ['intended', 'sent', 'not-sent', 'unknown'] as const) {
        expect(stats.states[state]).toBe(all.filter(each => stateOf(each) === state).length)
      }
      expect(stats.cancelled).toBe(all.filter(({ disclosure }) => disclosure.cancelled).length)

      const expected = all.filter(({ at }) => time.now() - at <= maxAge).slice(-maxEntries)
      expect(ledger.entries().map(({ subject, state, cancelled }) => [subject, state, cancelled])).toEqual(expected.map(each => [each.disclosure.key, stateOf(each), each.disclosure.cancelled]))
      expect(stats.entries).toBe(expected.length)
    }), { numRuns: 200 })
  })

  it('counts what is settled after its entry has left', () => {
    const clock = new VirtualClock()
    const ledger = new DisclosureLedger({ clock }, { maxEntries: 1 })
    const first = disclose(ledger, clock)
    disclose(ledger, clock)
    first.sent()
    first.cancel()
    expect(ledger.stats()).toMatchObject({ total: 2, states: { intended: 1, sent: 1 }, cancelled: 1, entries: 1 })
  })

  it('makes what is open when the node stops unknown, for good', async () => {
    const clock = new VirtualClock()
    const ledger = new DisclosureLedger({ clock })
    const disclosure = disclose(ledger, clock)
    await ledger.stop()
    disclosure.sent()
    expect(ledger.entries()).toMatchObject([{ state: 'unknown' }])
    expect(ledger.stats().states).toEqual({ intended: 0, sent: 0, 'not-sent': 0, unknown: 1 })
  })

  it('keeps apart what two ledgers have of one disclosure', () => {
    const clock = new VirtualClock()
    const [one, two] = [new DisclosureLedger({ clock }), new DisclosureLedger({ clock })]
    const both = {
      intended: (entry: DisclosureEntry): void => {
        one.intended(entry)
        two.intended(entry)
      },
      settled: (entry: DisclosureEntry): void => {
        one.settled(entry)
        two.settled(entry)
      }
    }
    disclose(two, clock).notSent()
    const disclosure = new Disclosure(both, init, { request: 'r2', purpose: 'read', at: 0 })
    disclosure.sent()
    disclosure.cancel()
    expect(one.entries().map(({ state, cancelled }) => [state, cancelled])).toEqual([['sent', true]])
    expect(two.entries().map(({ state, cancelled }) => [state, cancelled])).toEqual([['not-sent', false], ['sent', true]])
    expect(two.stats()).toMatchObject({ total: 2, cancelled: 1, states: { intended: 0 } })
  })

  it('keeps the names of those on the allow-list, and numbers of all', () => {
    const clock = new VirtualClock()
    const ledger = new DisclosureLedger({ clock }, { allow: ['a', 'https:c.example'] })
    for (const observer of ['p2p:a', 'p2p:b', 'https:c.example', 'https:d.example'] as const) {
      disclose(ledger, clock, { observer }).sent()
    }
    expect(ledger.entries().map(({ observer }) => observer)).toEqual(['p2p:a', 'https:c.example'])
    expect(ledger.stats()).toMatchObject({ total: 4, states: { sent: 4 }, entries: 2 })
  })

  it.each([
    ['a megabyte', `p2p:${'x'.repeat(1_000_000)}`],
    ['a megabyte of control characters', `https:${'\u001b[2J\u0000'.repeat(250_000)}`]
  ])('holds nothing of %s in a name but its beginning, and goes on counting it', (_, observer) => {
    const clock = new VirtualClock()
    const ledger = new DisclosureLedger({ clock })
    const disclosure = disclose(ledger, clock, { observer: observer as Observer, transport: observer }, { request: observer, key: observer })
    disclosure.sent()
    disclosure.cancel()
    const [entry] = ledger.entries()
    expect(entry).toMatchObject({ state: 'sent', cancelled: true })
    for (const text of [entry?.observer, entry?.request, entry?.subject, entry?.transport]) {
      expect(text?.length).toBeLessThanOrEqual(MAX_TEXT)
    }
    expect(ledger.stats()).toMatchObject({ total: 1, byTransport: { other: 1 } })
  })

  it.each<[Observer, string, string]>([
    ['p2p:a', 'bitswap', 'peer'], ['p2p:a', 'dial', 'peer'], ['p2p:a', 'dht', 'dht'], ['http:a.example', 'http', 'gateway'], ['https:a.example', 'https', 'gateway'],
    ['router:a.example', 'delegated', 'router'], ['router:helia', 'foreign', 'foreign'], ['broker:bitswap', 'foreign', 'foreign'], ['p2p:a', 'foreign', 'foreign'],
    ['party:dns', 'dns', 'dns'], ['party:redis-1', 'rediss', 'shared-cache'], ['party:own-node', 'http', 'own'], ['p2p:sibling', 'bitswap', 'sibling'], ['https:proxy.example', 'https', 'own']
  ])('knows what kind of party %s over %s is', (observer, transport, expected) => {
    const clock = new VirtualClock()
    const ledger = new DisclosureLedger({ clock }, { parties: { 'https:proxy.example': 'own' } })
    ledger.know(['p2p:sibling'], 'sibling')
    disclose(ledger, clock, { observer, transport })
    expect(ledger.entries()[0]?.observerClass).toBe(expected)
  })

  it.each([
    [{ maxEntries: 0 }, 'ledger.maxEntries must be a whole number from 1 to 1000000, got 0'],
    [{ maxAge: 1.5 }, 'ledger.maxAge must be'],
    [{ allow: 'a' }, 'ledger.allow must be an array'],
    [{ allow: [''] }, 'ledger.allow must name observers'],
    [{ raw: 'yes' }, 'ledger.raw must be true or false, got "yes"'],
    [{ parties: { 'p2p:a': 'friend' } }, 'ledger.parties must give each observer one of'],
    [{ parties: null }, 'ledger.parties must be an object'],
    [{ size: 1 }, 'ledger has no option "size"']
  ])('refuses %j', (options, message) => {
    expect(() => new DisclosureLedger({}, options as object)).toThrow(expect.objectContaining({ name: 'InvalidOptionError', message: expect.stringContaining(message) as string }))
  })
})

describe('pauses of accounting', () => {
  it('are spans with reasons, joined where one follows the other, and few', () => {
    let now = 0
    const pauses = new Pauses(() => now)
    const end = pauses.begin('disabled')
    now = 5
    const read = pauses.begin('a read')
    expect(pauses.list()).toEqual([{ from: 0, reason: 'disabled' }, { from: 5, reason: 'a read' }])
    now = 10
    read()
    read()
    now = 500
    pauses.begin('a read')()
    end()
    expect(pauses.active).toBe(false)
    expect(pauses.list()).toEqual([{ from: 0, to: 500, reason: 'disabled' }, { from: 5, to: 500, reason: 'a read' }])

    const lasting = pauses.begin('lasting')
    for (let i = 0; i < 300; i++) {
      now += 2_000
      pauses.begin('a read')()
    }
    expect(pauses.list()).toHaveLength(100)
    expect(pauses.list().some(({ reason, to }) => reason === 'lasting' && to == null)).toBe(true)
    expect(pauses.dropped).toBe(203)
    lasting()
  })

  it('never end before they began, whatever the clock does', () => {
    let now = 1_000
    const pauses = new Pauses(() => now)
    const end = pauses.begin('disabled')
    now = 0
    end()
    expect(pauses.list()).toEqual([{ from: 1_000, to: 1_000, reason: 'disabled' }])
  })
})
