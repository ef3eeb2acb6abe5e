import fc from 'fast-check'
import { beforeEach, describe, expect, it } from 'vitest'
import { seededRandom } from '../../src/clock/random.ts'
import { ProviderBook } from '../../src/reputation/book.ts'
import { DEFAULT_ESTIMATE } from '../../src/reputation/estimate.ts'
import { MAX_PATIENCE, MAX_ROUTES } from '../../src/reputation/record.ts'
import { VirtualClock } from '../../src/testing/virtual-clock.ts'
import type { Outcome } from '../../src/interface/outcome.ts'
import type { ProviderId, Route } from '../../src/interface/provider.ts'
import type { ProviderView, Sample } from '../../src/interface/reputation.ts'
import type { ReputationInit } from '../../src/reputation/book.ts'

const OUTCOMES: readonly Outcome[] = ['delivered', 'not-here', 'unreachable', 'overloaded', 'refused', 'stalled', 'invalid', 'cancelled']
const A: ProviderId = 'p2p:a'
const via = (provider: ProviderId, address = '/ip4/192.0.2.1/tcp/1'): Route => ({ provider, transport: 'bitswap', address })

let clock: VirtualClock
let book: ProviderBook

function make (init?: ReputationInit): ProviderBook {
  clock = new VirtualClock()
  book = new ProviderBook({ clock, random: seededRandom(1) }, init)
  return book
}

function record (id: ProviderId, outcome: Outcome, sample: Sample = {}, times = 1): void {
  for (let i = 0; i < times; i++) {
    book.record(id, via(id), outcome, sample, clock.now())
  }
}

const view = (id: ProviderId, route: Route = via(id)): ProviderView => book.view(id, route, clock.now())

beforeEach(() => { make() })

describe('outcomes decide consequences', () => {
  it.each([
    ['delivered', { conduct: 1, breaker: 'closed', successes: 1, failures: 0 }],
    ['not-here', { conduct: 0, breaker: 'closed', successes: 0, failures: 0 }],
    ['unreachable', { conduct: 0, breaker: 'open', successes: 0, failures: 1 }],
    ['overloaded', { conduct: 0, breaker: 'open', successes: 0, failures: 1 }],
    ['refused', { conduct: 0, breaker: 'closed', successes: 0, failures: 1 }],
    ['stalled', { conduct: 0, breaker: 'open', successes: 0, failures: 1 }],
    ['invalid', { conduct: -20, breaker: 'open', successes: 0, failures: 1 }],
    ['cancelled', { conduct: 0, breaker: 'closed', successes: 0, failures: 0 }]
  ] as const)('%s', (outcome, expected) => {
    record(A, outcome, { latency: 20 })
    expect(view(A)).toMatchObject({ ...expected, attempts: 1, selectable: true })
  })

  it('warning, ban and return', () => {
    record(A, 'invalid', {}, 4)
    expect(book.describe(A)).toMatchObject({ conduct: -80, standing: 'good' })
    record(A, 'invalid')
    expect(book.describe(A)).toMatchObject({ conduct: -100, standing: 'warned' })
    record(A, 'invalid', {}, 20)
    expect(book.describe(A)).toMatchObject({ conduct: -500, standing: 'banned' })
    expect(view(A).selectable).toBe(false)
    expect(book.view(A, via(A), 6_000_000).selectable).toBe(false)
    expect(book.view(A, via(A), 6_600_000)).toMatchObject({ selectable: true, conduct: -390 })
  })

  it('a hedge that was lost is a latency sample and nothing else', () => {
    record(A, 'delivered', { latency: 100 }, 5)
    const before = view(A)
    record(A, 'cancelled', { latency: 400 }, 3)
    const after = view(A)
    expect(after.latency.mean).toBeGreaterThan(before.latency.mean)
    expect(after).toMatchObject({ conduct: before.conduct, successes: before.successes, failures: before.failures, breaker: 'closed', rtt: before.rtt, patience: 1 })
  })

  it('a loser that had begun to answer is an exact sample', () => {
    record(A, 'cancelled', { latency: 100, answered: true })
    expect(view(A).latency.mean).toBeCloseTo(Math.log(100))
    record(A, 'stalled', { latency: 100, answered: true }, 20)
    expect(view(A).latency.mean).toBeCloseTo(Math.log(100))
  })

  it('quick refusals and errors do not make a provider look fast', () => {
    for (const outcome of ['refused', 'overloaded', 'unreachable'] as const) {
      make()
      record(A, outcome, { latency: 1 }, 10)
      expect(view(A).latency.weight).toBe(0)
      expect(view(A).rtt).toBeUndefined()
    }
  })

  it('stalls stretch the patience, an answer ends it', () => {
    for (let i = 1; i < 10; i++) {
      record(A, 'stalled', { latency: 100 })
      expect(view(A).patience).toBe(Math.min(MAX_PATIENCE, 2 ** i))
    }
    record(A, 'not-here', { latency: 100 })
    expect(view(A).patience).toBe(1)
  })

  it('RTT as in RFC 6298', () => {
    record(A, 'delivered', { latency: 100 })
    expect(view(A).rtt).toEqual({ mean: 100, deviation: 50 })
    record(A, 'delivered', { latency: 180 })
    expect(view(A).rtt).toEqual({ mean: 110, deviation: 50 + (80 - 50) / 4 })
  })
})

describe('latency is learnt per route, conduct per provider', () => {
  it('a new address, or another transport, launders nothing', () => {
    record(A, 'invalid', { latency: 10 }, 25)
    for (const [route, attempts] of [[via(A, '/ip4/198.51.100.7/tcp/9'), 25], [{ provider: A, transport: 'http', address: 'https://elsewhere.example' }, 0]] as const) {
      expect(view(A, route)).toMatchObject({ conduct: -500, selectable: false, breaker: 'open', attempts })
      expect(view(A, route).latency.weight).toBe(0)
    }
    expect(book.view(A, undefined, 0).selectable).toBe(false)
  })

  it('keeps a bounded number of routes, and the best known ones', () => {
    record(A, 'delivered', { latency: 10 }, 5)
    for (let i = 0; i < 10 * MAX_ROUTES; i++) {
      book.passOver(A, via(A, `/ip4/198.51.100.${i}/tcp/1`))
    }
    expect(view(A).latency.weight).toBeGreaterThan(1)
    expect((book.toJSON() as Array<{ routes: unknown[] }>)[0]?.routes).toHaveLength(MAX_ROUTES)
  })
})

describe('evidence fades', () => {
  const { halfLife } = DEFAULT_ESTIMATE

  it('by half per half-life, answers and faults as well as speed', () => {
    record(A, 'delivered', { latency: 10, bytes: 1e6, transfer: 10 }, 20)
    const now = view(A)
    const later = book.view(A, via(A), halfLife)
    expect(later.latency.weight).toBeCloseTo(now.latency.weight / 2)
    expect(later.throughput.weight).toBeCloseTo(now.throughput.weight / 2)
    expect(later.successes).toBeCloseTo(now.successes / 2)
  })

  it('what has faded does not come back with the next observation', () => {
    record(A, 'delivered', { latency: 10 }, 50)
    book.record(A, via(A), 'delivered', { latency: 500 }, 20 * halfLife)
    const { latency } = book.view(A, via(A), 20 * halfLife)
    expect(latency.mean).toBeGreaterThan(Math.log(10) + 0.9 * DEFAULT_ESTIMATE.clip)
    expect(latency.weight).toBeCloseTo(1, 2)
  })

  it('nor with one after which others were chosen a thousand times', () => {
    record(A, 'delivered', { latency: 10 }, 50)
    for (let i = 0; i < 2_000; i++) {
      book.passOver(A, via(A))
    }
    expect(view(A)).toMatchObject({ passedOver: 2_000 })
    expect(view(A).latency.weight).toBeLessThan(0.01)
    record(A, 'delivered', { latency: 500 })
    expect(view(A).latency.mean).toBeCloseTo(Math.log(500), 1)
    expect(view(A).passedOver).toBe(0)
  })

  it('a failure that teaches nothing about speed does not make old evidence young', () => {
    record(A, 'delivered', { latency: 10 }, 50)
    book.record(A, via(A), 'overloaded', {}, 10 * halfLife)
    expect(book.view(A, via(A), 10 * halfLife).latency.weight).toBeLessThan(0.01)
  })

  it('a lost race of some milliseconds does not make a stranger look fast', () => {
    for (let i = 0; i < 20; i++) {
      record(`p2p:usual${i}`, 'delivered', { latency: 80 + i })
    }
    record(A, 'cancelled', { latency: 3 }, 5)
    const { latency } = view(A)
    expect(latency.weight === 0 || latency.mean > Math.log(60)).toBe(true)
  })
})

describe('back-off', () => {
  it('one probe at a time', () => {
    record(A, 'unreachable')
    const { retryAt } = view(A)
    expect(book.view(A, via(A), retryAt).breaker).toBe('half-open')
    book.probing(A, via(A))
    expect(book.view(A, via(A), retryAt).breaker).toBe('open')
    book.record(A, via(A), 'cancelled', {}, retryAt)
    expect(book.view(A, via(A), retryAt).breaker).toBe('half-open')
    book.probing(A, via(A))
    book.record(A, via(A), 'delivered', {}, retryAt)
    expect(book.view(A, via(A), retryAt).breaker).toBe('closed')
    book.probing('p2p:stranger', via('p2p:stranger'))
    expect(book.size).toBe(1)
  })

  it('obeys Retry-After', () => {
    record(A, 'overloaded', { retryAfter: 90_000 })
    expect(view(A)).toMatchObject({ breaker: 'open', retryAt: 90_000 })
  })
})

describe('an outage of ours', () => {
  const everybody = Array.from({ length: 8 }, (_, i): ProviderId => `p2p:p${i}`)

  beforeEach(async () => {
    for (const id of everybody) {
      record(id, 'delivered', { latency: 10 })
    }
    await clock.advance(60_000)
    for (const id of everybody) {
      record(id, 'unreachable')
    }
  })

  it('penalties freeze', () => {
    expect(book.frozen).toBe(true)
    const before = everybody.map(id => view(id))
    for (let i = 0; i < 10; i++) {
      everybody.forEach(id => { record(id, i % 2 === 0 ? 'unreachable' : 'stalled') })
    }
    for (const [i, id] of everybody.entries()) {
      expect(view(id).breaker).toBe('closed')
      expect(view(id).failures).toBeCloseTo(before[i]?.failures ?? NaN)
      expect(view(id).conduct).toBe(1)
    }
  })

  it('what a captive portal answers in their name is not their conduct either, but they are left alone for a while', () => {
    record('p2p:p0', 'invalid')
    expect(book.frozen).toBe(true)
    expect(view('p2p:p0')).toMatchObject({ conduct: 1, breaker: 'open' })
  })

  it('Retry-After is obeyed all the same', () => {
    record('p2p:p0', 'overloaded', { retryAfter: 5_000 })
    expect(view('p2p:p0')).toMatchObject({ breaker: 'open', retryAt: 65_000 })
  })

  it('a probe that fails meanwhile is over, and the next may go', () => {
    record('p2p:p0', 'overloaded', { retryAfter: 1 })
    const at = clock.now() + 1
    book.probing('p2p:p0', via('p2p:p0'))
    book.record('p2p:p0', via('p2p:p0'), 'stalled', {}, at)
    expect(book.view('p2p:p0', via('p2p:p0'), at).breaker).toBe('half-open')
  })

  it('they thaw when one delivers', () => {
    record('p2p:p7', 'delivered')
    expect(book.frozen).toBe(false)
    record('p2p:p0', 'unreachable', {}, 3)
    expect(view('p2p:p0').breaker).toBe('open')
  })

  it('strangers that were never there are no outage', () => {
    make()
    record('p2p:good', 'delivered')
    for (let i = 0; i < 100; i++) {
      record(`p2p:gone${i}`, 'unreachable')
      expect(view(`p2p:gone${i}`).breaker).toBe('open')
    }
    expect(book.frozen).toBe(false)
  })
})

describe('the book is bounded', () => {
  it('a flood of new names pushes out nobody of substance', () => {
    make({ maxProviders: 1_000 })
    for (let i = 0; i < 200; i++) {
      record(`p2p:liar${i}`, 'invalid')
      record(`p2p:good${i}`, 'delivered', { latency: 5 })
    }
    record(A, 'invalid', {}, 25)
    for (let i = 0; i < 20_000; i++) {
      book.passOver(`p2p:name${i}`, via(`p2p:name${i}`))
      record(`p2p:gone${i}`, 'unreachable')
      expect(book.size).toBeLessThanOrEqual(1_000)
    }
    expect(view(A).selectable).toBe(false)
    for (let i = 0; i < 200; i++) {
      expect(view(`p2p:liar${i}`).conduct).toBe(-20)
      expect(view(`p2p:good${i}`).attempts).toBe(1)
    }
  })

  it('a flood of liars leaves half of the room, and those banned before', () => {
    make({ maxProviders: 1_000 })
    record(A, 'invalid', {}, 25)
    for (let i = 0; i < 200; i++) {
      record(`p2p:good${i}`, 'delivered', { latency: 5 })
    }
    for (let i = 0; i < 5_000; i++) {
      record(`p2p:liar${i}`, 'invalid')
    }
    expect(book.size).toBe(1_000)
    expect(view(A).selectable).toBe(false)
    expect(view('p2p:good0').attempts).toBe(1)
    expect(view('p2p:liar4999').conduct).toBe(-20)
  })

  it('a new name has its turn counted even in a full book', () => {
    make({ maxProviders: 100 })
    for (let i = 0; i < 1_000; i++) {
      record(`p2p:good${i}`, 'delivered', { latency: 5 })
    }
    for (let i = 0; i < 200; i++) {
      book.passOver('p2p:new1', via('p2p:new1'))
      book.passOver('p2p:new2', via('p2p:new2'))
      record(`p2p:good${i}`, 'delivered', { latency: 5 })
    }
    expect(view('p2p:new1').passedOver).toBe(200)
    expect(view('p2p:new2').passedOver).toBe(200)
  })

  it('old misconduct that has decayed is forgotten like any other', () => {
    make({ maxProviders: 8 })
    for (let i = 0; i < 8; i++) {
      record(`p2p:liar${i}`, 'invalid')
    }
    for (let i = 0; i < 100; i++) {
      book.record(`p2p:good${i}`, via(`p2p:good${i}`), 'delivered', {}, 10_000_000 + i)
    }
    expect(book.ids().filter(id => id.includes('liar')).length).toBeLessThanOrEqual(2)
    expect(book.size).toBe(8)
  })

  it('holds its limit, whatever comes, and says who was dropped', () => {
    const step = fc.tuple(fc.nat(60), fc.constantFrom(...OUTCOMES, 'pass' as const), fc.nat(1_000_000))
    fc.assert(fc.property(fc.nat(20), fc.array(step, { maxLength: 300 }), (extra, steps) => {
      const limit = 1 + extra
      make({ maxProviders: limit })
      const stored = new Set<ProviderId>()
      let now = 0

      for (const [n, what, wait] of steps) {
        const id: ProviderId = `p2p:${n}`
        now += wait

        if (what === 'pass') {
          book.passOver(id, via(id))
        } else {
          book.record(id, via(id), what, {}, now)
        }

        expect(book.size).toBeLessThanOrEqual(limit)

        for (const [changed, value] of book.takeDirty()) {
          if (value == null) {
            stored.delete(changed)
          } else {
            stored.add(changed)
          }
        }

        const known = new Set(book.ids())
        expect([...stored].filter(id => !known.has(id))).toEqual([])
      }
    }))
  })

  it('without anybody to write it down, what is to be written stays bounded too', () => {
    make({ maxProviders: 50 })
    for (let i = 0; i < 5_000; i++) {
      record(`p2p:${i}`, 'delivered')
    }
    expect(book.takeDirty().length).toBeLessThanOrEqual(100)
  })
})

describe('toJSON and restore', () => {
  const steps = fc.array(fc.record({
    id: fc.constantFrom<ProviderId>('p2p:a', 'https:b.example', 'broker:c'),
    address: fc.constantFrom('/ip4/192.0.2.1/tcp/1', '/ip4/192.0.2.2/tcp/1'),
    outcome: fc.constantFrom(...OUTCOMES),
    latency: fc.double({ min: 0, max: 20_000, noNaN: true }),
    bytes: fc.nat(2_000_000),
    transfer: fc.double({ min: 0, max: 5_000, noNaN: true }),
    retryAfter: fc.option(fc.nat(700_000), { nil: undefined }),
    wait: fc.oneof(fc.nat(1_000), fc.nat(1_000_000)),
    passes: fc.nat(3)
  }), { maxLength: 60 })

  function live (list: typeof steps extends fc.Arbitrary<infer T> ? T : never): number {
    let now = 0
    for (const { id, address, outcome, wait, passes, ...sample } of list) {
      now += wait
      book.record(id, via(id, address), outcome, sample, now)
      for (let i = 0; i < passes; i++) {
        book.passOver(id, via(id, address))
      }
      book.view(id, undefined, now + 500_000)
    }
    return now
  }

  it('a restored book sees what the old one saw, now and later, through any number of restarts', async () => {
    await fc.assert(fc.asyncProperty(steps, fc.nat(5_000_000), fc.integer({ min: 1, max: 3 }), async (list, downtime, restarts) => {
      make()
      const now = live(list)
      let wall = 1_700_000_000_000
      const original = new ProviderBook({ clock: { now: () => now, wall: () => wall }, random: seededRandom(1) })
      for (const entry of book.toJSON() as Array<{ wall: number }>) {
        // the virtual wall is not where this one is
        original.restore({ ...entry, wall: entry.wall - clock.wall() - now + clock.now() + wall })
      }
      const before = ['p2p:a', 'https:b.example', 'broker:c'] as ProviderId[]
      let current = original
      let origin = now

      for (let i = 0; i < restarts; i++) {
        const json = JSON.parse(JSON.stringify(current)) as unknown[]
        wall += downtime
        origin = 17 * i
        const at = origin
        current = new ProviderBook({ clock: { now: () => at, wall: () => wall }, random: seededRandom(1) })
        json.forEach(entry => { current.restore(entry) })
        current.settle()
      }

      const elapsed = restarts * downtime
      for (const id of before) {
        for (const later of [0, 100_000, 3_000_000]) {
          for (const address of ['/ip4/192.0.2.1/tcp/1', '/ip4/192.0.2.2/tcp/1']) {
            const was = original.view(id, via(id, address), now + elapsed + later)
            const is = current.view(id, via(id, address), origin + later)
            expect(is).toMatchObject({ id, conduct: was.conduct, selectable: was.selectable, attempts: was.attempts, breaker: was.breaker, patience: was.patience, passedOver: was.passedOver })
            if (was.breaker === 'open') {
              expect(is.retryAt - origin).toBeCloseTo(was.retryAt - now - elapsed, 0)
            }
            for (const field of ['latency', 'throughput'] as const) {
              expect(is[field].mean).toBeCloseTo(was[field].mean, 1)
              expect(is[field].sd).toBeCloseTo(was[field].sd, 1)
              expect(is[field].weight).toBeCloseTo(was[field].weight, 1)
            }
            expect(is.successes).toBeCloseTo(was.successes, 1)
            expect(is.failures).toBeCloseTo(was.failures, 1)
          }
        }
      }
    }), { numRuns: 60, endOnFailure: true })
  })

  it('the long run survives a restart', () => {
    record(A, 'delivered', { latency: 20 }, 200)
    record(A, 'delivered', { latency: 400 }, 5)
    const restored = new ProviderBook({ clock, random: seededRandom(1) })
    for (const entry of JSON.parse(JSON.stringify(book)) as unknown[]) {
      restored.restore(entry)
    }
    for (let i = 0; i < 1_000; i++) {
      restored.passOver(A, via(A))
    }
    expect(Math.exp(restored.view(A, via(A), clock.now()).hope)).toBeLessThan(40)
  })

  it('wall clocks that jump neither ban for ever nor break anything', () => {
    fc.assert(fc.property(steps, fc.double({ min: -1e15, max: 1e15, noNaN: true }), (list, jump) => {
      make()
      const now = live(list)
      const wall = clock.wall() + jump
      const restored = new ProviderBook({ clock: { now: () => now, wall: () => wall }, random: seededRandom(1) })
      for (const entry of book.toJSON() as unknown[]) {
        restored.restore(entry)
      }
      for (const id of ['p2p:a', 'https:b.example', 'broker:c'] as const) {
        const was = book.view(id, via(id), now)
        const is = restored.view(id, via(id), now)
        checkView(is)
        expect(Math.abs(is.conduct)).toBeLessThanOrEqual(1_000)
        expect(Math.sign(is.conduct) * Math.sign(was.conduct)).toBeGreaterThanOrEqual(0)
        // at most the longest pause from now, at most a ban's time from now
        expect(restored.view(id, via(id), now + 600_000).breaker).not.toBe('open')
        expect(restored.view(id, via(id), now + 61_000_000)).toMatchObject({ selectable: true, conduct: 0 })
      }
    }))
  })

  it('takes only what is a record, and never half of one', () => {
    const number = fc.oneof(fc.double(), fc.integer(), fc.constantFrom(1e308, -1e308, NaN, Infinity))
    const field = fc.oneof(number, fc.anything({ maxDepth: 1, maxKeys: 3 }))
    const anything = fc.oneof(fc.anything({ maxDepth: 1, maxKeys: 3 }), fc.record({
      id: fc.oneof(fc.constant('p2p:x'), fc.anything({ maxDepth: 1, maxKeys: 3 })),
      wall: field,
      s: field,
      f: field,
      a: field,
      d: field,
      conduct: fc.oneof(fc.record({ score: field, selectable: fc.oneof(fc.boolean(), fc.anything({ maxDepth: 1, maxKeys: 3 })), refusals: field, at: field }), fc.anything({ maxDepth: 1, maxKeys: 3 })),
      breaker: fc.oneof(fc.record({ left: field, step: field }), fc.anything({ maxDepth: 1, maxKeys: 3 })),
      routes: fc.oneof(fc.array(fc.record({ k: fc.oneof(fc.string(), fc.anything({ maxDepth: 1, maxKeys: 3 })), l: fc.array(field), t: fc.array(field), r: fc.array(field), p: field, n: field })), fc.anything({ maxDepth: 1, maxKeys: 3 }))
    }), fc.record({
      id: fc.constant('p2p:x'),
      wall: number,
      s: number,
      f: number,
      a: number,
      d: number,
      conduct: fc.record({ score: number, selectable: fc.boolean(), refusals: number, at: number }),
      breaker: fc.record({ left: number, step: number }),
      routes: fc.array(fc.record({ k: fc.constant('bitswap /ip4/192.0.2.1/tcp/1'), l: fc.tuple(number, number, number, number), t: fc.tuple(number, number, number, number), r: fc.tuple(number, number), p: number, n: number }))
    }))
    fc.assert(fc.property(anything, value => {
      make()
      try {
        book.restore(value)
      } catch (err) {
        expect(err).toBeInstanceOf(TypeError)
        expect(book.size).toBe(0)
        return
      }
      for (const id of book.ids()) {
        checkView(view(id))
        record(id, 'delivered', { latency: 10, bytes: 10, transfer: 10 })
        record(id, 'cancelled', { latency: 10 })
        checkView(view(id))
        expect(JSON.stringify(book)).not.toContain('null')
        expect(JSON.stringify(book.describe(id))).not.toContain('null')
        expect(book.view(id, via(id), 61_000_000).selectable).toBe(true)
      }
    }), { numRuns: 1_000, endOnFailure: true })
  })
})

describe('whatever happens', () => {
  it('a view is finite and within its bounds', () => {
    const measure = fc.option(fc.oneof(fc.double(), fc.double({ min: 0, max: 10_000 }), fc.constantFrom(0, -0, -1, NaN, Infinity, -Infinity, Number.MAX_VALUE, Number.MIN_VALUE)), { nil: undefined })
    const step = fc.record({
      id: fc.constantFrom<ProviderId>('p2p:a', 'p2p:b', 'p2p:c', 'p2p:d', 'p2p:e'),
      outcome: fc.constantFrom(...OUTCOMES),
      sample: fc.record({ latency: measure, answered: fc.option(fc.boolean(), { nil: undefined }), connect: measure, bytes: measure, transfer: measure, retryAfter: measure }),
      wait: fc.integer({ min: -1_000, max: 2_000_000 }),
      probe: fc.boolean()
    })
    fc.assert(fc.property(fc.array(step, { maxLength: 100 }), list => {
      make()
      let now = 0
      for (const { id, outcome, sample, wait, probe } of list) {
        now += wait
        if (probe) {
          book.probing(id, via(id))
        }
        book.record(id, via(id), outcome, sample, now)
        book.passOver(id, via(id))
        checkView(book.view(id, via(id), now))
        checkView(book.view(id, undefined, now - 1e6))
        expect(book.view(id, via(id), now).retryAt - now).toBeLessThanOrEqual(600_000 + 100_000)
      }
      expect(JSON.stringify(book)).not.toContain('null')
      for (const id of book.ids()) {
        expect(JSON.stringify(book.describe(id))).not.toContain('null')
      }
    }), { numRuns: 300, endOnFailure: true })
  })
})

function checkView (value: ProviderView): void {
  const numbers: Record<string, [number, number, number]> = {
    'latency mean': [value.latency.mean, -50, 50],
    hope: [value.hope, -50, 50],
    'latency sd': [value.latency.sd, 0, 10],
    'latency weight': [value.latency.weight, 0, 1_001],
    'throughput mean': [value.throughput.mean, -50, 50],
    'throughput sd': [value.throughput.sd, 0, 10],
    'throughput weight': [value.throughput.weight, 0, 1_001],
    successes: [value.successes, 0, Number.MAX_SAFE_INTEGER + 10],
    failures: [value.failures, 0, Number.MAX_SAFE_INTEGER + 10],
    conduct: [value.conduct, -1_000, 1_000],
    retryAt: [value.retryAt, -Number.MAX_VALUE, Number.MAX_VALUE],
    'passed over': [value.passedOver, 0, Number.MAX_SAFE_INTEGER + 10],
    attempts: [value.attempts, 0, Number.MAX_SAFE_INTEGER + 10],
    patience: [value.patience, 1, MAX_PATIENCE],
    'rtt mean': [value.rtt?.mean ?? 0, 0, 86_400_000],
    'rtt deviation': [value.rtt?.deviation ?? 0, 0, 86_400_000]
  }

  for (const [name, [n, min, max]] of Object.entries(numbers)) {
    expect(Number.isFinite(n) && n >= min && n <= max, `${name} is ${n}`).toBe(true)
  }
}
