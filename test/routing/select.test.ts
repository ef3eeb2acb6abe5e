import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { seededRandom } from '../../src/clock/random.ts'
import { ProviderGroup } from '../../src/routing/provider-group.ts'
import { DEFAULT_SELECT, drawCost, selectProvider, selectStale } from '../../src/routing/select.ts'
import { candidate } from './support/candidate.ts'
import { unpublished } from './support/world.ts'
import type { CandidateInit } from './support/candidate.ts'
import type { CandidateView, SelectInput, SelectParams, Selection } from '../../src/routing/select.ts'

const KIB = 1_024
const MIB = 1_048_576

/** Means, not draws: what is left is arithmetic */
const settledMind: SelectParams = { ...DEFAULT_SELECT, exploration: 0 }

function choose (candidates: readonly CandidateView[], init: Partial<SelectInput> = {}, params?: SelectParams): Selection {
  return selectProvider({ candidates, size: 256 * KIB, activeDomains: new Set(), allowFallback: false, random: seededRandom(1), ...init }, params)
}

function cost (view: CandidateView, size = 256 * KIB, params = settledMind): number {
  return drawCost(view, { size, random: seededRandom(1), latencyPrior: Math.log(150), throughputPrior: Math.log(2_000) }, params)
}

const anyCandidate = fc.record({
  latency: fc.option(fc.double({ min: 0.1, max: 1e5, noNaN: true }), { nil: undefined }),
  throughput: fc.option(fc.double({ min: 0.01, max: 1e6, noNaN: true }), { nil: undefined }),
  inFlight: fc.integer({ min: 0, max: 40 }),
  has: fc.double({ min: 0, max: 1, noNaN: true }),
  domain: fc.option(fc.constantFrom('a', 'b', 'c'), { nil: undefined }),
  fallback: fc.boolean(),
  view: fc.record({
    selectable: fc.boolean(),
    breaker: fc.constantFrom('closed' as const, 'open' as const, 'half-open' as const),
    successes: fc.double({ min: 0, max: 1e4, noNaN: true }),
    failures: fc.double({ min: 0, max: 1e4, noNaN: true }),
    conduct: fc.integer({ min: -1_000, max: 1_000 }),
    attempts: fc.integer({ min: 0, max: 3 }),
    passedOver: fc.integer({ min: 0, max: 400 })
  })
})

const anyCrowd = fc.array(anyCandidate, { maxLength: 12 }).map(list => list.map(({ domain, fallback, ...rest }, i) => {
  return candidate(`p${i}`, { ...rest, provider: { fallback, domains: domain == null ? [] : [domain] } })
}))

/** Who is busy may be worth waiting for: that is a choice of its own */
function withoutBusy (candidates: readonly CandidateView[]): CandidateView[] {
  return candidates.filter(({ inFlight, limit }) => inFlight < limit)
}

describe('what waits at a provider', () => {
  const known = { latency: 10, throughput: 20_000, has: 1, view: { successes: 100 } }
  const behind = (name: string, queued: number, pace?: number, init: CandidateInit = {}): CandidateView => ({ ...candidate(name, { ...known, ...init }), line: { queued, pace } })
  const chosen = (...all: CandidateView[]): string | undefined => choose(all, { size: MIB }, settledMind).chosen?.provider.id

  it('costs the time that its line needs for that', () => {
    const free = cost(candidate('a', known), MIB)
    expect(cost(behind('a', 0, 20_000), MIB)).toBe(free)
    expect(cost(behind('a', 4 * MIB, 20_000), MIB) - free).toBeCloseTo(4 * MIB / 20_000 * 101.2 / 101)
    expect(cost(behind('a', 4 * MIB, 80_000), MIB) - free).toBeCloseTo(4 * MIB / 80_000 * 101.2 / 101)
  })

  it('costs nothing where nobody knows what the line bears', () => {
    expect(cost(behind('a', 4 * MIB), MIB)).toBe(cost(candidate('a', known), MIB))
  })

  it('makes the next block go where it is there first', () => {
    expect(chosen(behind('a', 3 * MIB, 20_000), behind('b', MIB, 20_000), behind('c', 2 * MIB, 20_000))).toBe('http:b.example')
    const slow = behind('slow', 0, 2_000, { throughput: 2_000 })
    expect(chosen(behind('a', 3 * MIB, 20_000), slow)).toBe('http:a.example')
    expect(chosen(behind('a', 12 * MIB, 20_000), slow)).toBe('http:slow.example')
  })
})

describe('selectProvider', () => {
  it('accounts for everybody exactly once', () => {
    fc.assert(fc.property(anyCrowd, fc.boolean(), fc.integer(), (all, allowFallback, seed) => {
      const candidates = withoutBusy(all)
      const { chosen, skipped, passed } = choose(candidates, { allowFallback, random: seededRandom(seed), activeDomains: new Set(['a']) })
      const named = [...(chosen == null ? [] : [chosen]), ...skipped.map(skip => skip.candidate), ...passed]
      expect(named.map(({ provider }) => provider.id).sort()).toEqual(candidates.map(({ provider }) => provider.id).sort())
    }))
  })

  it('never chooses who is banned, backing off, busy, or the last resort before its time', () => {
    fc.assert(fc.property(anyCrowd, fc.boolean(), fc.integer(), (candidates, allowFallback, seed) => {
      const { chosen, because } = choose(candidates, { allowFallback, random: seededRandom(seed) })
      const may = candidates.filter(({ view, provider, inFlight, limit }) => {
        return view.selectable && view.breaker !== 'open' && inFlight < limit && (allowFallback || !provider.fallback)
      })
      expect(chosen == null).toBe(may.length === 0 || because.startsWith('waiting for a busy provider'))
      expect(chosen == null || may.includes(chosen)).toBe(true)
    }))
  })

  it('shares a failure domain with an attempt under way only where there is no other', () => {
    fc.assert(fc.property(anyCrowd, fc.subarray(['a', 'b', 'c']), fc.integer(), (candidates, active, seed) => {
      const { chosen, passed } = choose(candidates, { activeDomains: new Set(active), allowFallback: true, random: seededRandom(seed) })
      const shares = ({ provider }: CandidateView): boolean => provider.domains.some(domain => active.includes(domain))
      const open = candidates.filter(({ view, inFlight, limit }) => view.selectable && view.breaker !== 'open' && inFlight < limit)

      if (chosen != null && shares(chosen)) {
        expect(open.every(shares)).toBe(true)
      }
      // who was left out for its domain was not passed over: it was never in the running
      expect(passed.some(shares) && chosen != null && !shares(chosen)).toBe(false)
    }))
  })

  it('gives the same choice for the same dice', () => {
    fc.assert(fc.property(anyCrowd, fc.integer(), (candidates, seed) => {
      const ids = [1, 2].map(() => choose(candidates, { random: seededRandom(seed) }).chosen?.provider.id)
      expect(ids[0]).toBe(ids[1])
    }))
  })

  it('takes the one that will have brought the whole block first: latency counts for small ones, throughput for big ones', () => {
    fc.assert(fc.property(
      fc.double({ min: 1, max: 1_000, noNaN: true }), fc.double({ min: 1, max: 1e5, noNaN: true }),
      fc.double({ min: 1, max: 1_000, noNaN: true }), fc.double({ min: 1, max: 1e5, noNaN: true }),
      fc.integer({ min: 1, max: 2 * MIB }),
      (l1, t1, l2, t2, size) => {
        const [first, second] = [l1 + size / t1, l2 + size / t2]
        fc.pre(Math.abs(first - second) > 0.01 * first)
        const { chosen } = choose([candidate('first', { latency: l1, throughput: t1 }), candidate('second', { latency: l2, throughput: t2 })], { size }, settledMind)
        expect(chosen?.provider.id).toBe(first < second ? 'http:first.example' : 'http:second.example')
      }
    ))
  })

  it('prefers 50 MB/s to 1 MB/s for a big block, although it is further away', () => {
    const wide = candidate('wide', { latency: 150, throughput: 50_000 })
    const near = candidate('near', { latency: 20, throughput: 1_000 })

    for (let seed = 0; seed < 100; seed++) {
      expect(choose([wide, near], { size: MIB, random: seededRandom(seed) }).chosen).toBe(wide)
      expect(choose([wide, near], { size: 4 * KIB, random: seededRandom(seed) }).chosen).toBe(near)
    }
  })

  it('asks one that lacked many blocks of this DAG less than a slower one that had them', () => {
    const [fast, slow] = [candidate('fast', { latency: 50, throughput: 2_000 }), candidate('slow', { latency: 100, throughput: 2_000 })]
    const group = new ProviderGroup('dag', unpublished(1))
    const chosen = (): string[] => Array.from({ length: 100 }, (_, seed) => choose([
      { ...fast, has: group.has(fast.provider.id) },
      { ...slow, has: group.has(slow.provider.id) }
    ], { size: 1, random: seededRandom(seed) }).chosen?.provider.id ?? '')
    expect(new Set(chosen())).toEqual(new Set([fast.provider.id]))
    group.add(fast.provider)

    for (let i = 0; i < 10; i++) {
      group.lacked(fast.provider.id)
      group.delivered(slow.provider)
    }

    expect(new Set(chosen())).toEqual(new Set([slow.provider.id]))
  })

  it('tries an unmeasured provider now and then, and not always', () => {
    const known = candidate('known', { latency: 100, throughput: 2_000, view: { successes: 50, attempts: 50 } })
    const fresh = candidate('fresh')
    let tries = 0

    for (let seed = 0; seed < 1_000; seed++) {
      tries += choose([known, fresh], { random: seededRandom(seed) }).chosen === fresh ? 1 : 0
    }

    expect(tries).toBeGreaterThan(50)
    expect(tries).toBeLessThan(900)
  })

  describe('beside one that delivers', () => {
    const proven = (name = 'proven', init: CandidateInit = {}): CandidateView => {
      return candidate(name, { latency: 100, throughput: 2_000, ...init, view: { successes: 50, attempts: 50, ...init.view } })
    }
    const crowd = (count: number, init: CandidateInit = {}): CandidateView[] => Array.from({ length: count }, (_, i) => candidate(`s${i}`, init))
    const share = (candidates: readonly CandidateView[], init: Partial<SelectInput>): number => {
      return Array.from({ length: 2_000 }, (_, seed) => choose(candidates, { random: seededRandom(seed), ...init }))
        .filter(({ chosen }) => chosen?.view.successes === 0).length / 2_000
    }

    it('a crowd of strangers counts for one', () => {
      const [one, many] = [1, 50].map(count => share([...crowd(count), proven()], {})) as [number, number]
      expect(one).toBeGreaterThan(0.05)
      expect(many).toBeLessThan(1.2 * one)
    })

    it('says that a stranger was chosen all the same', () => {
      for (let seed = 0; seed < 100; seed++) {
        const { chosen, explores } = choose([...crowd(5), proven()], { random: seededRandom(seed) })
        expect(explores === true).toBe(chosen?.view.successes === 0)
        expect(choose(crowd(5), { random: seededRandom(seed) }).explores).toBeUndefined()
      }
    })

    it('a stranger goes in turn, or last, as told', () => {
      const waiting = candidate('waiting', { view: { passedOver: DEFAULT_SELECT.unknownPatience } })
      const all = [...crowd(10, { latency: 1, view: { attempts: 3 } }), proven()]
      expect(share(all, { strangers: 'in turn' })).toBe(0)
      expect(share([...all, waiting], { strangers: 'in turn' })).toBe(1)
      expect(share([...all, waiting], { strangers: 'last' })).toBe(0)
    })

    it('a stranger never goes before it when strangers are last, whoever else is there, until it is paused, busy or lacks the DAG', () => {
      fc.assert(fc.property(anyCrowd, fc.boolean(), fc.integer(), (others, shares, seed) => {
        const one = proven('one', { provider: { domains: shares ? ['a'] : [] } })
        const { chosen } = choose([...withoutBusy(others), one], { strangers: 'last', activeDomains: new Set(['a']), allowFallback: true, random: seededRandom(seed) })
        expect(chosen?.view.successes).toBeGreaterThan(0)
      }))

      for (const unfit of [{ view: { breaker: 'open' as const } }, { view: { breaker: 'half-open' as const } }, { inFlight: 32 }, { has: 0.3 }, { view: { successes: 1, failures: 9 } }]) {
        expect(share([...crowd(5, { latency: 1 }), proven('unfit', unfit)], { strangers: 'last' })).toBeGreaterThan(0)
      }
    })

    it('an address of its own makes no stranger better, but one that delivers as well', () => {
      const near = proven('near', { provider: { domains: ['x'] } })
      const strangers = crowd(3)
      const init = { activeDomains: new Set(['x']) }
      expect(choose([near, ...strangers], { ...init, strangers: 'last' }).chosen).toBe(near)
      expect(choose([near, ...strangers], init).chosen).not.toBe(near)
      const far = proven('far', { latency: 1_000 })
      expect(choose([near, far, ...strangers], { ...init, strangers: 'last' }).chosen).toBe(far)
    })
  })

  it('doubts a slow measurement less the more there are of it', () => {
    const good = candidate('good', { latency: 50, throughput: 2_000 })
    const share = (weight: number): number => {
      const slow = candidate('slow', { throughput: 2_000, view: { latency: { mean: Math.log(58), sd: 0.5, weight } } })
      return Array.from({ length: 2_000 }, (_, seed) => choose([good, slow], { size: 1, random: seededRandom(seed) }).chosen).filter(chosen => chosen === slow).length
    }
    const shares = [0.5, 5, 50].map(share)
    expect(shares[0]).toBeGreaterThan(shares[1] ?? NaN)
    expect(shares[1]).toBeGreaterThan(shares[2] ?? NaN)
  })

  it('asks each one that was never asked within 200 choices, however many there are and however good another is', () => {
    fc.assert(fc.property(fc.integer({ min: 1, max: 127 }), fc.integer(), (count, seed) => {
      const random = seededRandom(seed)
      const fast = candidate('fast', { latency: 1, throughput: 1e6, view: { successes: 100, attempts: 100 } })
      const unknown = new Map(Array.from({ length: count }, (_, i) => [`http:p${i}.example`, 0]))
      const askedBefore: string[] = []

      for (let i = 0; i < 200; i++) {
        const { chosen, because } = choose([fast, ...[...unknown].map(([id, passedOver]) => {
          return candidate(id.replace(/^http:(.*)\.example$/, '$1'), { view: { passedOver, attempts: askedBefore.includes(id) ? 1 : 0 }, latency: 1e5 })
        })], { random }, settledMind)

        if (chosen != null && chosen !== fast) {
          expect(because).toContain('never asked, its turn has come')
          expect(askedBefore).not.toContain(chosen.provider.id)
          askedBefore.push(chosen.provider.id)
        }

        unknown.forEach((passedOver, id) => { unknown.set(id, id === chosen?.provider.id ? 0 : passedOver + 1) })
      }

      expect(askedBefore).toHaveLength(count)
    }), { numRuns: 20 })
  })

  it('does not hurry to those that were never asked', () => {
    const fast = candidate('fast', { latency: 1, throughput: 1e6 })
    expect(choose([fast, candidate('new', { latency: 1e5, view: { passedOver: 50 } })]).chosen).toBe(fast)
  })

  it('waits for a busy provider that keeps delivering when everybody else is much worse, and not otherwise', () => {
    const busy = (init: CandidateInit = {}): CandidateView => candidate('busy', { latency: 20, throughput: 2_000, inFlight: 4, limit: 4, view: { successes: 10, attempts: 10 }, ...init })
    const other = (latency: number, view = {}): CandidateView => candidate('other', { latency, throughput: 2_000, view: { successes: 10, attempts: 10, ...view } })
    const worse = choose([busy(), other(5_000)])
    expect(worse.chosen).toBeUndefined()
    expect(worse.because).toBe('waiting for a busy provider is cheaper than asking a worse one')
    expect(worse.skipped.map(({ reason }) => reason)).toEqual(['busy'])
    expect(choose([busy(), other(30)]).chosen?.provider.id).toBe('http:other.example')
    // one that never delivered may be silent: nobody waits for it
    expect(choose([busy({ view: { successes: 0, attempts: 10 } }), other(5_000)]).chosen?.provider.id).toBe('http:other.example')
    // exploring does not wait
    expect(choose([busy(), other(5_000, { attempts: 0, passedOver: DEFAULT_SELECT.unknownPatience })]).chosen?.provider.id).toBe('http:other.example')
  })

  it('says why: in the choice and for everybody left out', () => {
    expect(choose([])).toEqual({ because: 'nobody is left to ask', skipped: [], passed: [] })
    expect(choose([candidate('a', { latency: 12 })]).because).toBe('the only one left; usually 12 ms')
    expect(choose([candidate('a', { latency: 1.25 })]).because).toBe('the only one left; usually 1.3 ms')
    // it was cut off each time it was asked: that is no habit of its own
    expect(choose([candidate('a', { latency: 236, view: { rtt: undefined } })]).because).toBe('the only one left; expected 236 ms, no answer yet')
    expect(choose([candidate('a')]).because).toBe('the only one left; not measured yet')
    expect(choose([candidate('a', { latency: 9, view: { breaker: 'half-open' } })]).because).toBe('the only one left; probing after a pause')
    expect(choose([candidate('a', { latency: 50 }), candidate('b', { latency: 5_000 })]).because).toBe('cheapest of 2; usually 50 ms')

    const { skipped } = choose([
      candidate('good'),
      candidate('bad', { view: { selectable: false } }),
      candidate('away', { view: { breaker: 'open', retryAt: 77 } }),
      candidate('full', { inFlight: 3, limit: 3 }),
      candidate('twin', { provider: { domains: ['x'] } }),
      candidate('spare', { provider: { fallback: true } })
    ], { activeDomains: new Set(['x']) })
    expect(skipped.map(({ candidate, reason, until }) => [candidate.provider.id, reason, until])).toEqual([
      ['http:bad.example', 'banned', undefined],
      ['http:away.example', 'backing off', 77],
      ['http:full.example', 'busy', undefined],
      ['http:spare.example', 'last resort', undefined],
      ['http:twin.example', 'same failure domain', undefined]
    ])
  })
})

describe('drawCost', () => {
  it('is a positive number whatever is believed', () => {
    fc.assert(fc.property(anyCandidate, fc.integer({ min: 1, max: 2 ** 31 }), fc.integer(), ({ domain: _, fallback: __, ...init }, size, seed) => {
      const drawn = drawCost(candidate('a', init), { size, random: seededRandom(seed), latencyPrior: Math.log(150), throughputPrior: Math.log(2_000) })
      expect(Number.isFinite(drawn) && drawn > 0).toBe(true)
    }))
  })

  it('never falls with attempts in flight, latency, size, failures and bad conduct, nor rises with belief and throughput', () => {
    const pair = (max: number): fc.Arbitrary<[number, number]> => fc.tuple(fc.double({ min: 0.01, max, noNaN: true }), fc.double({ min: 0.01, max, noNaN: true })).map(([a, b]) => a < b ? [a, b] : [b, a])
    const known = { latency: 100, throughput: 1_000 }
    const rises = (of: (value: number) => number, [low, high]: [number, number]): void => { expect(of(high)).toBeGreaterThanOrEqual(of(low)) }
    fc.assert(fc.property(pair(500), pair(1), ([low, high], shares) => {
      rises(inFlight => cost(candidate('a', { ...known, inFlight })), [low, high])
      rises(latency => cost(candidate('a', { ...known, latency })), [low, high])
      rises(size => cost(candidate('a', known), size), [low, high])
      rises(failures => cost(candidate('a', { ...known, view: { failures } })), [low, high])
      rises(shame => cost(candidate('a', { ...known, view: { conduct: -shame } })), [low, high])
      rises(doubt => cost(candidate('a', { ...known, has: 1 - doubt })), shares)
      rises(slowness => cost(candidate('a', { ...known, throughput: 1 / slowness })), [low, high])
    }))
  })

  it('doubles at the comfortable number in flight, and for a provider that is only probed', () => {
    const known = { latency: 100, throughput: 1_000, has: 1, view: { successes: 1e6 } }
    const plain = cost(candidate('a', known))
    expect(cost(candidate('a', { ...known, inFlight: DEFAULT_SELECT.comfortableInFlight }))).toBeCloseTo(2 * plain, 3)
    expect(cost(candidate('a', { ...known, view: { ...known.view, breaker: 'half-open' } }))).toBeCloseTo(2 * plain, 3)
  })

  it('is twice as high where half the blocks are expected to be missing', () => {
    const known = { latency: 100, throughput: 1_000, view: { successes: 1e6 } }
    expect(cost(candidate('a', { ...known, has: 0.4 }))).toBeCloseTo(2 * cost(candidate('a', { ...known, has: 0.8 })), 3)
  })

  it('hopes only while nothing is in flight there: the first to look again may, the others go by what was seen', () => {
    const slow = { throughput: 1e9, view: { latency: { mean: Math.log(1_000), sd: 0.1, weight: 1e9 }, hope: Math.log(10) } }
    const sober = { ...slow, view: { ...slow.view, hope: slow.view.latency.mean } }
    expect(cost(candidate('a', slow), 1)).toBeCloseTo(cost(candidate('a', sober), 1) / 100, 3)
    expect(cost(candidate('a', { ...slow, inFlight: 1 }), 1)).toBe(cost(candidate('a', { ...sober, inFlight: 1 }), 1))
  })
})

describe('selectStale', () => {
  it('picks one that was passed over and that little is known about, neither the last resort nor foreign code', () => {
    const little = { mean: Math.log(50), sd: 0.5, weight: DEFAULT_SELECT.staleWeight / 2 }
    const stale = candidate('stale', { view: { latency: little } })
    const passed = [
      candidate('measured', { latency: 50 }),
      candidate('spare', { view: { latency: little }, provider: { fallback: true } }),
      { ...candidate('foreign', { view: { latency: little } }), route: { provider: 'broker:x' as const, transport: 'broker' as const } }
    ]
    const selection = (candidates: readonly CandidateView[]): Selection => ({ because: '', skipped: [], passed: candidates })
    for (let seed = 0; seed < 20; seed++) {
      expect(selectStale(selection([...passed, stale]), 1_024, seededRandom(seed))).toBe(stale)
      expect(selectStale(selection(passed), 1_024, seededRandom(seed))).toBeUndefined()
    }
  })
  it('picks first one that delivered and was paused, when its turn has come, however well it is known', () => {
    const little = { mean: Math.log(5), sd: 0.5, weight: DEFAULT_SELECT.staleWeight / 2 }
    const fresh = candidate('fresh', { view: { latency: little } })
    const paused = (passedOver: number, successes = 10): CandidateView => candidate('paused', { latency: 500, view: { breaker: 'half-open', successes, passedOver } })
    const pick = (other: CandidateView, seed: number): CandidateView | undefined => {
      return selectStale({ because: '', skipped: [], passed: [fresh, other] }, 1_024, seededRandom(seed))
    }

    for (let seed = 0; seed < 20; seed++) {
      expect(pick(paused(50), seed)).not.toBe(fresh)
      expect(pick(paused(20), seed)).toBe(fresh)
      expect(pick(paused(50, 0), seed)).toBe(fresh)
    }
  })
  it('comes back to those that never delivered, however many names there are, once in two hundred', () => {
    const known = candidate('known', { latency: 50 })
    const paused = (passedOver: number, count: number): CandidateView[] => {
      return Array.from({ length: count }, (_, i) => candidate(`stranger${i}`, { latency: 500, view: { breaker: 'half-open', successes: 0, passedOver } }))
    }

    for (const count of [1, 5, 50]) {
      const pick = (passedOver: number): CandidateView | undefined => {
        return selectStale({ because: '', skipped: [], passed: [known, ...paused(passedOver, count)] }, 1_024, seededRandom(count))
      }
      expect(pick(200 * count - 1)).toBeUndefined()
      expect(pick(200 * count)?.view.successes).toBe(0)
    }
  })
})
