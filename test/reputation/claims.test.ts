import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ProviderBook } from '../../src/reputation/book.ts'
import { MAX_ROUTES } from '../../src/reputation/record.ts'
import { VirtualClock } from '../../src/testing/virtual-clock.ts'
import type { Outcome } from '../../src/interface/outcome.ts'
import type { ProviderId, Route } from '../../src/interface/provider.ts'
import type { ProviderView, Sample } from '../../src/interface/reputation.ts'
import type { ReputationInit } from '../../src/reputation/book.ts'

const OUTCOMES: readonly Outcome[] = ['delivered', 'not-here', 'unreachable', 'overloaded', 'refused', 'stalled', 'invalid', 'cancelled']
const GOOD: ProviderId = 'p2p:good'
/** What nothing proves: an HTTP server that a record puts behind a peer id */
const over = (host: string | number, provider: ProviderId = GOOD): Route => ({ provider, transport: 'http', address: `https://${host}.example` })
/** What the handshake proves, once there is one */
const dialled = (n: number, provider: ProviderId = GOOD): Route => ({ provider, transport: 'bitswap', address: `/ip4/192.0.2.${n}/tcp/4001` })

interface Step { route: Route, forged: boolean, outcome: Outcome, sample: Sample, wait: number }

interface Shelf { clock: VirtualClock, book: ProviderBook }

// the same dice for everybody: two books see the same jitter
function shelf (init?: ReputationInit): Shelf {
  const clock = new VirtualClock()
  return { clock, book: new ProviderBook({ clock, random: { next: () => 0.5 } }, init) }
}

function restarted ({ clock, book }: Shelf): ProviderBook {
  const again = new ProviderBook({ clock, random: { next: () => 0.5 } })
  const entries = JSON.parse(JSON.stringify(book)) as unknown[]
  entries.forEach(entry => { again.restore(entry) })
  again.settle()
  return again
}

const own = { route: fc.constantFrom(dialled(1), over('home')), forged: fc.constant(false) }
const sample = fc.record({ latency: fc.nat(20_000), retryAfter: fc.option(fc.nat(1_000_000), { nil: undefined }) })
const wait = fc.oneof(fc.nat(2_000), fc.nat(1_000_000))
const forgery: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ route: fc.nat(12).map(n => over(`evil${n}`)), forged: fc.constant(true), outcome: fc.constantFrom(...OUTCOMES), sample, wait }),
  // an attacker can name dead addresses, but nobody there passes the handshake
  fc.record({ route: fc.integer({ min: 2, max: 20 }).map(n => dialled(n)), forged: fc.constant(true), outcome: fc.constantFrom<Outcome>('unreachable', 'cancelled'), sample, wait })
)
/** But for the number of attempts, of which it matters only whether there were any, and for how a float was added up */
function seen (view: ProviderView, digits = 9): unknown {
  return JSON.parse(JSON.stringify({ ...view, attempts: view.attempts > 0 }, (_key, value: unknown) => typeof value === 'number' ? Number(value.toFixed(digits)) : value))
}

/** Both see what the provider does by itself, one of them the forgeries besides */
function compare (steps: readonly Step[], init?: ReputationInit): void {
  const attacked = shelf(init).book
  const spared = shelf(init).book
  const mine = [dialled(1), over('home')]
  let now = 0

  for (const route of mine) {
    for (const book of [attacked, spared]) {
      book.record(GOOD, route, 'delivered', { latency: 30 }, now)
    }
  }

  for (const { route, forged, outcome, sample, wait } of steps) {
    now += wait

    for (const book of forged ? [attacked] : [attacked, spared]) {
      book.probing(GOOD, route)
      book.record(GOOD, route, outcome, sample, now)
      book.passOver(GOOD, route)
    }

    for (const route of mine) {
      for (const later of [0, 5_000, 700_000]) {
        expect(seen(attacked.view(GOOD, route, now + later))).toEqual(seen(spared.view(GOOD, route, now + later)))
      }
    }
  }
}

describe('whatever happens at addresses that were forged in the name of a good peer', () => {
  it('its own routes look as if there were none of them', () => {
    const step = fc.oneof(forgery, fc.record({ ...own, outcome: fc.constantFrom(...OUTCOMES), sample, wait }))
    fc.assert(fc.property(fc.array(step, { maxLength: 40 }), steps => {
      // an outage would make it look better, not worse: see the next one
      compare(steps, { outage: { minProviders: 1_000 } })
    }), { numRuns: 300 })
  })

  it('nor does an outage that the forgeries feign change anything about one that answers', () => {
    const step = fc.oneof(forgery, fc.record({ ...own, outcome: fc.constantFrom<Outcome>('delivered', 'not-here', 'cancelled'), sample, wait: fc.nat(2_000) }))
    fc.assert(fc.property(fc.array(step, { maxLength: 40 }), steps => { compare(steps) }), { numRuns: 300 })
  })

  it('a forged 429 and silence pause that address, for as long as was said, and no other', () => {
    const { book } = shelf()
    book.record(GOOD, over('evil'), 'overloaded', { retryAfter: 600_000 }, 0)
    book.record(GOOD, over('dead'), 'stalled', { latency: 1_000 }, 0)
    book.record(GOOD, dialled(2), 'unreachable', {}, 0)
    expect(book.view(GOOD, over('evil'), 0)).toMatchObject({ breaker: 'open', retryAt: 600_000 })
    expect(book.view(GOOD, over('dead'), 0).breaker).toBe('open')
    expect(book.view(GOOD, dialled(2), 0).breaker).toBe('open')
    for (const route of [dialled(1), over('home')]) {
      expect(book.view(GOOD, route, 0)).toMatchObject({ breaker: 'closed', retryAt: 0, failures: 0, attempts: 0 })
    }
  })

  it('they neither wear down its turn, nor its room for routes', () => {
    const { book } = shelf()
    book.record(GOOD, dialled(1), 'delivered', { latency: 10 }, 0)
    for (let i = 2; i < 200; i++) {
      book.record(GOOD, dialled(i), 'unreachable', {}, 0)
      book.passOver(GOOD, over(i))
    }
    expect(book.view(GOOD, dialled(1), 0)).toMatchObject({ attempts: 199, latency: { weight: 1 } })
    const entry = (book.toJSON() as Array<{ id: string, routes: unknown[] }>).find(({ id }) => id === GOOD)
    expect(entry?.routes).toHaveLength(MAX_ROUTES)

    const fresh = shelf().book
    fresh.record(GOOD, dialled(2), 'unreachable', {}, 0)
    expect(fresh.view(GOOD, dialled(2), 0).attempts).toBe(1)
    expect(fresh.view(GOOD, dialled(1), 0).attempts).toBe(0)
  })
})

describe('what a provider does by itself', () => {
  it.each(['overloaded', 'stalled', 'invalid'] as const)('%s by a route that proves it pauses all of its routes, claimed ones too', outcome => {
    const { book } = shelf()
    book.record(GOOD, over('home'), 'delivered', { latency: 10 }, 0)
    book.record(GOOD, dialled(1), outcome, {}, 0)
    for (const route of [dialled(1), dialled(2), over('home')]) {
      expect(book.view(GOOD, route, 0).breaker).toBe('open')
      expect(book.view(GOOD, route, 0).retryAt).toBe(book.view(GOOD, dialled(1), 0).retryAt)
    }
    // the server behind the claim is nobody's hostage
    expect(book.view('https:home.example', over('home', 'https:home.example'), 0).breaker).toBe('closed')
  })

  it('a probe of the peer does not keep anybody from its HTTP address, nor the other way round', () => {
    const { book, clock } = shelf()
    book.record(GOOD, dialled(1), 'overloaded', {}, 0)
    book.record(GOOD, over('home'), 'overloaded', {}, 0)
    return clock.advance(2_000).then(() => {
      const phase = (route: Route): string => book.view(GOOD, route, clock.now()).breaker
      expect([phase(dialled(1)), phase(over('home'))]).toEqual(['half-open', 'half-open'])
      book.probing(GOOD, dialled(1))
      expect([phase(dialled(1)), phase(over('home'))]).toEqual(['open', 'half-open'])
      book.probing(GOOD, over('home'))
      expect([phase(dialled(1)), phase(over('home'))]).toEqual(['open', 'open'])
      book.record(GOOD, over('home'), 'delivered', { latency: 1 }, clock.now())
      expect([phase(dialled(1)), phase(over('home'))]).toEqual(['open', 'closed'])
    })
  })

  it('it is paused as a whole when all of its routes are', () => {
    const { book } = shelf()
    book.record(GOOD, dialled(1), 'unreachable', {}, 0)
    expect(book.describe(GOOD)?.breaker).toBe('open')
    book.passOver(GOOD, dialled(2))
    expect(book.describe(GOOD)?.breaker).toBe('closed')
    book.record(GOOD, dialled(2), 'unreachable', {}, 0)
    expect(book.describe(GOOD)?.breaker).toBe('open')
    book.record(GOOD, dialled(2), 'not-here', {}, 0)
    expect(book.describe(GOOD)?.breaker).toBe('closed')
  })

  it('being reached, however badly, ends the pause for not being reached', () => {
    const { book } = shelf()
    book.record(GOOD, dialled(1), 'unreachable', {}, 0)
    const { retryAt } = book.view(GOOD, dialled(1), 0)
    book.probing(GOOD, dialled(1))
    book.record(GOOD, dialled(1), 'overloaded', { retryAfter: 5_000 }, retryAt)
    expect(book.view(GOOD, dialled(1), retryAt).retryAt).toBe(retryAt + 5_000)
    expect(book.view(GOOD, dialled(1), retryAt + 5_000).breaker).toBe('half-open')
  })
})

describe('a server that lies', () => {
  it('is the same liar under every peer id, and spoils none of them', () => {
    const { book } = shelf()
    for (let i = 0; i < 25; i++) {
      book.record(`p2p:claim${i}`, over('evil', `p2p:claim${i}`), 'invalid', {}, i * 1_000)
    }
    for (const id of ['p2p:claim3', 'p2p:never-seen', GOOD, 'https:evil.example'] as const) {
      expect(book.view(id, over('evil', id), 25_000)).toMatchObject({ id, conduct: -500, selectable: false })
      if (id !== 'https:evil.example') {
        expect(book.view(id, dialled(1, id), 25_000)).toMatchObject({ id, conduct: 0, selectable: true, breaker: 'closed' })
        expect(book.describe(id)).toBeUndefined()
      }
    }
    expect(book.size).toBe(1)
    expect(book.describe('https:evil.example')).toMatchObject({ standing: 'banned', attempts: 25 })
  })

  it('gains nothing from the good name of a peer', () => {
    const { book } = shelf()
    for (let i = 0; i < 50; i++) {
      book.record(GOOD, dialled(1), 'delivered', { latency: 5 }, i)
    }
    expect(book.view(GOOD, over('evil'), 50)).toEqual({ ...book.view('p2p:stranger', over('evil', 'p2p:stranger'), 50), id: GOOD })
  })

  it('a peer that lies is not laundered by an HTTP address', () => {
    const { book } = shelf()
    for (let i = 0; i < 25; i++) {
      book.record('p2p:liar', dialled(1, 'p2p:liar'), 'invalid', {}, 0)
    }
    expect(book.view('p2p:liar', over('new', 'p2p:liar'), 0)).toMatchObject({ conduct: -500, selectable: false })
    expect(book.view(GOOD, over('new'), 0)).toMatchObject({ conduct: 0, selectable: true })
  })
})

describe('a restart', () => {
  it('keeps who is paused where, and who lied', async () => {
    const before = shelf()
    const { book, clock } = before
    book.record(GOOD, dialled(1), 'delivered', { latency: 10 }, 0)
    for (let i = 0; i < 3; i++) {
      book.record(GOOD, dialled(2), 'unreachable', {}, 0)
    }
    book.record(GOOD, over('evil'), 'overloaded', { retryAfter: 300_000 }, 0)
    for (let i = 0; i < 25; i++) {
      book.record(GOOD, over('liar'), 'invalid', {}, 0)
    }
    await clock.advance(500)
    const again = restarted(before)
    const views = (b: ProviderBook): ProviderView[] => [dialled(1), dialled(2), over('evil'), over('liar')].map(route => b.view(GOOD, route, clock.now()))
    expect(views(again).map(view => seen(view, 2))).toEqual(views(book).map(view => seen(view, 2)))
    expect(views(again).map(({ breaker, selectable }) => `${breaker} ${selectable}`)).toEqual(['closed true', 'open true', 'open true', 'open false'])
    await clock.advance(60_000)
    expect(views(again).map(({ breaker }) => breaker)).toEqual(['closed', 'half-open', 'open', 'half-open'])
  })

  it('does not bring back what a peer was blamed for over HTTP before origins answered for themselves', () => {
    const { book } = shelf()
    const belief = [2, 0.1, 3, 2]
    book.restore({
      id: GOOD,
      wall: 0,
      s: 3,
      f: 0,
      a: 3,
      d: 3,
      conduct: { score: 3, selectable: true, refusals: 0, at: 0 },
      routes: [
        { k: 'http https://evil.example', l: belief, t: belief, r: [10, 5], p: 1, n: 0 },
        { k: 'bitswap /ip4/192.0.2.1/tcp/4001', l: belief, t: belief, r: [10, 5], p: 1, n: 0 }
      ]
    })
    expect(book.view(GOOD, dialled(1), 0)).toMatchObject({ attempts: 3, rtt: { mean: 10, deviation: 5 } })
    expect((book.toJSON() as Array<{ routes: unknown[] }>)[0]?.routes).toHaveLength(1)
  })

  it('an attempt made while the store was read takes over the pause that was kept, unless it found the way open', () => {
    for (const [outcome, breaker] of [['cancelled', 'open'], ['delivered', 'closed']] as const) {
      const before = shelf()
      before.book.record(GOOD, dialled(1), 'unreachable', {}, 0)
      const [entry] = before.book.toJSON() as unknown[]
      const { book } = shelf()
      book.record(GOOD, dialled(1), outcome, { latency: 5 }, 0)
      book.restore(entry)
      expect(book.view(GOOD, dialled(1), 0)).toMatchObject({ breaker, attempts: 2 })
    }
  })
})

it('a hundred thousand forged records leave the tables bounded and the good peer as it was', () => {
  const { book } = shelf({ maxProviders: 1_000 })
  book.record(GOOD, dialled(1), 'delivered', { latency: 10 }, 0)
  book.record(GOOD, over('home'), 'delivered', { latency: 10 }, 0)
  const before = [dialled(1), over('home')].map(route => book.view(GOOD, route, 0))

  for (let i = 0; i < 100_000; i++) {
    const route = i % 2 === 0 ? over(`evil${i}`) : dialled(2 + i % 1_000)
    const outcome = i % 2 === 0 ? OUTCOMES[1 + i % 7] as Outcome : 'unreachable'
    book.passOver(GOOD, route)
    book.record(GOOD, route, outcome, { retryAfter: 600_000 }, 0)
    expect(book.size <= 1_000).toBe(true)
  }

  const [dialledNow, homeNow] = [dialled(1), over('home')].map(route => book.view(GOOD, route, 0))
  // how often it was tried to reach it is told as it was
  expect([dialledNow, homeNow]).toEqual([{ ...before[0], attempts: 50_001 }, before[1]])
  const entries = book.toJSON() as Array<{ id: string, routes: unknown[] }>
  expect(entries.length).toBeLessThanOrEqual(1_000)
  expect(Math.max(...entries.map(({ routes }) => routes.length))).toBeLessThanOrEqual(MAX_ROUTES)
  expect(book.takeDirty().length).toBeLessThanOrEqual(2_000)
})

describe('nobody there where others say that a provider is', () => {
  const bitswap: Route = { provider: GOOD, transport: 'bitswap' }

  it('costs one that has delivered nothing, however often', () => {
    const { book } = shelf()
    for (let i = 0; i < 3; i++) {
      book.record(GOOD, bitswap, 'delivered', { latency: 20 }, i)
    }
    const before = book.view(GOOD, bitswap, 3)
    for (let i = 0; i < 30; i++) {
      book.record(GOOD, bitswap, 'unreachable', { latency: 3_000, hearsay: true }, 3)
    }
    expect(seen(book.view(GOOD, bitswap, 3))).toEqual(seen(before))
    expect(book.frozen).toBe(false)
    for (let i = 0; i < 3; i++) {
      book.record(GOOD, bitswap, 'unreachable', { latency: 3_000 }, 3)
    }
    expect(book.view(GOOD, bitswap, 3)).toMatchObject({ breaker: 'open' })
  })

  it('pauses one that never has', () => {
    const { book } = shelf()
    book.record(GOOD, bitswap, 'unreachable', { latency: 3_000, hearsay: true }, 0)
    expect(book.view(GOOD, bitswap, 0)).toMatchObject({ breaker: 'open', failures: 1 })
  })
})
