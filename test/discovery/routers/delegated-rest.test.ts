import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { LONGEST_REST, afterAnswer, afterFailure, awake, mayAsk, probeLost, probing } from '../../../src/discovery/routers/delegated-rest.ts'
import type { RouterRest } from '../../../src/discovery/routers/delegated-rest.ts'

const fail = (rest: RouterRest, now: number, more: { startedAt?: number, dice?: number, overloaded?: boolean, retryAfter?: number, late?: boolean } = {}): RouterRest =>
  afterFailure(rest, { now, startedAt: more.startedAt ?? now, dice: 0, why: 'it broke', ...more })
const until = (rest: RouterRest): number => rest.state === 'resting' ? rest.until : 0

describe('the rest of a router', () => {
  it('begins with the third failure in a row', () => {
    const two = fail(fail(awake, 1), 2)
    expect(two).toEqual({ state: 'awake', failures: 2 })
    expect(afterAnswer(two, 0)).toEqual(awake)
    expect(fail(two, 3)).toEqual({ state: 'resting', failures: 3, since: 3, until: 1_003, probing: false, why: 'it broke' })
  })

  it('begins at once when it says that it is overloaded, and is as long as it says', () => {
    expect(until(fail(awake, 0, { overloaded: true }))).toBe(1_000)
    expect(until(fail(awake, 0, { overloaded: true, retryAfter: 60_000 }))).toBe(60_000)
    expect(until(fail(awake, 0, { overloaded: true, retryAfter: 60_000, dice: 0.999 }))).toBeLessThan(75_000)
  })

  it('lets one request through when it is over', () => {
    const rest = fail(awake, 0, { overloaded: true })
    expect([mayAsk(rest, 999), mayAsk(rest, 1_000)]).toEqual(['no', 'probe'])
    const tried = probing(rest)
    expect(mayAsk(tried, 2_000)).toBe('no')
    expect(mayAsk(probeLost(tried), 2_000)).toBe('probe')
    expect(afterAnswer(tried, 1_000)).toEqual(awake)
    expect(mayAsk(afterAnswer(tried, 1_000), 2_000)).toBe('yes')
  })

  it('is neither ended nor made longer by what was asked before it began', () => {
    const rest = fail(awake, 100, { overloaded: true })
    expect(afterAnswer(rest, 50)).toBe(rest)
    expect(fail(rest, 200, { startedAt: 50 })).toBe(rest)
    expect(until(fail(rest, 200, { startedAt: 50, overloaded: true, retryAfter: 30_000 }))).toBe(30_200)
  })

  it('stays short for one that is only late', () => {
    let rest: RouterRest = awake
    let now = 0
    for (let i = 0; i < 20; i++) {
      rest = fail(rest, now, { late: true })
      expect(until(rest) - now).toBeLessThanOrEqual(15_000)
      now = Math.max(now, until(rest))
    }
  })

  it('is never longer than its bounds, and always ends', () => {
    fc.assert(fc.property(fc.array(fc.record({ dice: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), overloaded: fc.boolean(), retryAfter: fc.option(fc.nat(600_000), { nil: undefined }), ok: fc.boolean() })), events => {
      let rest: RouterRest = awake
      let now = 0
      for (const { ok, ...event } of events) {
        expect(mayAsk(rest, now)).not.toBe('no')
        rest = ok ? afterAnswer(rest, now) : fail(rest, now, event)
        expect(until(rest) - now).toBeLessThanOrEqual(Math.max(LONGEST_REST, event.retryAfter ?? 0) * 1.25)
        expect(JSON.parse(JSON.stringify(rest))).toEqual(rest)
        now = Math.max(now, until(rest))
      }
    }))
  })
})
