import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { BucketSchedule } from '../../../src/discovery/kad/bucket-schedule.ts'
import type { BucketView } from '../../../src/discovery/kad/bucket-schedule.ts'

const MINUTE = 60_000

/** Ten buckets of 20 peers, but for the last ones: half as many in each */
function table (dead: Record<number, number> = {}): BucketView[] {
  return [20, 20, 20, 20, 20, 20, 20, 12, 6, 3].map((peers, depth) => ({ depth, peers, dead: dead[depth] ?? 0 }))
}

/** Each refresh is done as soon as it is due */
function replay (schedule: BucketSchedule, view: (minute: number) => BucketView[], minutes: number): Array<{ minute: number, what: string }> {
  const done: Array<{ minute: number, what: string }> = []

  for (let minute = 0; minute <= minutes; minute++) {
    const now = minute * MINUTE
    const buckets = view(minute)

    for (let due; (due = schedule.next(buckets, now)) != null;) {
      done.push({ minute, what: due.type === 'near' ? 'near' : `${due.depth}` })
      if (due.type === 'near') {
        schedule.walkedNear(buckets, now)
      }
      schedule.walked(due.depth, buckets, now)
    }
  }
  return done
}

describe('when buckets are refreshed', () => {
  it('the nearest every 5 minutes, the next every 10, then 30, then 60', () => {
    const schedule = new BucketSchedule(0, 0)
    table().forEach(({ depth }) => { schedule.walked(depth, table(), 0) })

    expect(schedule.state(table(), 0).map(({ depth, dueIn }) => [depth, dueIn / MINUTE])).toEqual([
      [9, 5], [8, 5], [7, 10], [6, 10], [5, 30], [4, 30], [3, 30], [2, 30], [1, 60], [0, 60]
    ])
  })

  it('counts from the deepest one in use, empty ones between included', () => {
    const buckets: BucketView[] = [{ depth: 0, peers: 5, dead: 0 }, { depth: 3, peers: 1, dead: 0 }, { depth: 9, peers: 0, dead: 0 }]
    const schedule = new BucketSchedule(0, 0)
    buckets.forEach(({ depth }) => { schedule.walked(depth, buckets, 0) })
    expect(schedule.state(buckets, 0).map(({ depth, peers }) => [depth, peers])).toEqual([[3, 1], [2, 0], [1, 0], [0, 5]])
    expect(schedule.state([], 0)).toEqual([])
    expect(schedule.next([], 1e9)).toBeUndefined()
  })

  it('one walk towards ourselves is enough for all that the twenty nearest are in', () => {
    const done = replay(new BucketSchedule(0, 0), () => table(), 120)
    const count = (what: string): number => done.filter(each => each.what === what).length

    // 3 + 6 in the two deepest; twelve more are beyond the twenty
    expect(count('near')).toBe(24)
    expect(count('7')).toBe(12)
    expect(count('6')).toBe(12)
    expect(count('5')).toBe(4)
    expect(count('0')).toBe(2)
    expect(done.map(({ what }) => what)).not.toContain('9')
  })

  it('does not begin with all of them at once', () => {
    const early = new BucketSchedule(0, 0)
    const late = new BucketSchedule(0, 0.999)
    expect(early.next(table(), 2 * MINUTE)).toBeUndefined()
    expect(early.next(table(), 2.5 * MINUTE)).toEqual({ type: 'near', depth: 9 })
    expect(late.next(table(), 4.9 * MINUTE)).toBeUndefined()
    expect(late.next(table(), 5 * MINUTE)).toEqual({ type: 'near', depth: 9 })
    expect(early.state(table(), 0)[0]?.walkedAgo).toBeUndefined()
  })

  it('takes any walk for a refresh', () => {
    const busy = new BucketSchedule(0, 0)
    const done = replay(busy, minute => {
      busy.walked(0, table(), minute * MINUTE)
      return table()
    }, 240)
    expect(done.filter(({ what }) => what === '0')).toEqual([])
    expect(busy.state(table(), 240 * MINUTE).at(-1)).toEqual({ depth: 0, peers: 20, dead: 0, walkedAgo: 0, dueIn: 60 * MINUTE })
    busy.walked(256, table(), 0)
  })

  it('comes sooner where many have died since, and not again and again for the same ones', () => {
    const schedule = new BucketSchedule(0, 0)
    table().forEach(({ depth }) => { schedule.walked(depth, table(), 0) })
    const dueIn = (dead: number): number => (schedule.state(table({ 0: dead }), 0).at(-1)?.dueIn ?? 0) / MINUTE

    expect([0, 5, 10, 20].map(dueIn)).toEqual([60, 30.5, 1, 1])
    expect(schedule.next(table({ 0: 10 }), MINUTE)).toEqual({ type: 'bucket', depth: 0 })
    schedule.walked(0, table({ 0: 10 }), MINUTE)
    expect(schedule.next(table({ 0: 10 }), 2 * MINUTE)).toBeUndefined()
    expect(dueIn(10)).toBe(61)
  })

  it('after a sleep everything is as old as it is, and what is most overdue comes first', () => {
    const schedule = new BucketSchedule(0, 0)
    table().forEach(({ depth }) => { schedule.walked(depth, table(), 0) })
    schedule.slept(9 * 60 * MINUTE)
    expect(schedule.next(table(), 0)).toEqual({ type: 'near', depth: 9 })
    expect(schedule.state(table(), 0).every(({ dueIn, walkedAgo }) => dueIn === 0 && walkedAgo === 9 * 60 * MINUTE)).toBe(true)
    const order = replay(schedule, () => table(), 0).map(({ what }) => what)
    expect(order).toEqual(['near', '7', '6', '5', '4', '3', '2', '1', '0'])
  })

  it('never asks for a refresh twice without time passing, and none is forgotten', () => {
    const bucket = fc.record({ depth: fc.nat(40), peers: fc.nat(20), dead: fc.nat(20) })
    fc.assert(fc.property(fc.uniqueArray(bucket, { selector: ({ depth }) => depth }), fc.double({ min: 0, max: 0.999, noNaN: true }), (buckets, dice) => {
      const schedule = new BucketSchedule(0, dice)
      const done = replay(schedule, () => buckets, 300)
      const deepest = Math.max(-1, ...buckets.filter(({ peers }) => peers > 0).map(({ depth }) => depth))

      expect(new Set(done.map(({ minute, what }) => `${minute} ${what}`)).size).toBe(done.length)
      for (const { dueIn, walkedAgo } of schedule.state(buckets, 300 * MINUTE)) {
        expect(dueIn).toBeGreaterThan(0)
        expect(walkedAgo).toBeLessThan(60 * MINUTE)
      }
      expect(done.length === 0).toBe(deepest === -1)
    }))
  })
})
