import { describe, expect, it } from 'vitest'
import { FrequencySketch } from '../../../src/cache/policy/frequency-sketch.ts'
import { Residents } from '../../../src/cache/policy/residents.ts'
import { FIRST_CLASSES } from '../../../src/cache/policy/reuse-model.ts'
import { NONE } from '../../../src/cache/policy/slot-lists.ts'
import { mixHash } from './requests.ts'

interface World {
  residents: Residents
  requests: { now: number, halfLife: number }
  sketch: FrequencySketch
  learned: { sizePower: number, worth (of: number, age: number): number }
  /** Classes that were asked about, as what is worth what */
  asked: number[]
}

function world (capacity = 1_000_000): World {
  const requests = { now: 0, halfLife: 1000 }
  const sketch = new FrequencySketch()
  const asked: number[] = []
  const learned = {
    sizePower: 1,
    worth (of: number, age: number): number {
      asked.push(of)
      return (of + 1) / (age + 1)
    }
  }
  return { residents: new Residents({ requests, sketch, learned, capacity }), requests, sketch, learned, asked }
}

function touchOften (residents: Residents, slot: number, times: number): void {
  for (let i = 0; i < times; i++) {
    residents.touch(slot)
  }
}

describe('residents', () => {
  it('are counted, with their bytes and hashes', () => {
    const { residents } = world()
    residents.add(3, 77, 100)
    residents.add(500, 78, 20)
    expect([residents.count, residents.used, residents.hash(3), residents.hash(500)]).toEqual([2, 120, 77, 78])
    expect([3, 4, 500, 501].map(slot => residents.has(slot))).toEqual([true, false, true, false])
    residents.delete(3)
    expect([residents.count, residents.used, residents.has(3)]).toEqual([1, 20, false])
  })

  it.each([false, true])('give nobody when there is nobody, or when they are not ranked (sized: %s)', sized => {
    const { residents } = world()
    residents.add(1, 1, 1)
    expect([residents.longestUnasked(), residents.leastLearned()]).toEqual([NONE, NONE])
    residents.delete(1)
    residents.rank(sized)
    expect([residents.longestUnasked(), residents.leastWorthy(), residents.leastLearned()]).toEqual([NONE, NONE, NONE])
  })

  it.each([false, true])('give whoever was not asked for longest, ranked before or after (sized: %s)', sized => {
    const { residents, requests } = world()

    for (let slot = 0; slot < 5; slot++) {
      requests.now++
      residents.add(slot, slot, 10 ** slot)
    }

    requests.now++
    residents.touch(0)
    residents.rank(sized)
    expect(residents.longestUnasked()).toBe(1)
    requests.now++
    residents.touch(1)
    expect(residents.longestUnasked()).toBe(2)
    residents.rank(!sized)
    residents.delete(2)
    expect(residents.longestUnasked()).toBe(3)
  })

  it('give the least worthy: large, or seldom asked for', () => {
    const { residents, requests } = world()
    residents.rank(false)
    residents.add(1, 1, 1000)
    residents.add(2, 2, 4000)
    residents.add(3, 3, 4000)
    requests.now++
    residents.touch(1)
    residents.touch(3)
    expect(residents.leastWorthy()).toBe(2)
    residents.delete(2)
    residents.rank(true)
    expect(residents.leastWorthy()).toBe(3)
  })

  it('give the least frequent; newcomers, when the window has no room for them, if nobody is asked for less', () => {
    const { residents, requests, sketch } = world(300)
    residents.rank(false)
    const add = (slot: number, times: number): void => {
      for (let i = 0; i < times; i++) {
        sketch.add(mixHash(slot))
      }
      requests.now++
      residents.add(slot, mixHash(slot), 1)
    }

    add(1, 3)
    add(2, 2)
    // a hundredth of the capacity: all of them are newcomers
    add(3, 1)
    expect(residents.leastFrequent()).toBe(1)
    // the first one leaves: it may stay
    add(4, 1)
    expect(residents.leastFrequent()).toBe(1)
    add(5, 1)
    expect(residents.leastFrequent()).toBe(2)
    requests.now++
    residents.touch(3)
    add(6, 1)
    // 3 was asked for again
    expect(residents.leastFrequent()).toBe(4)
    residents.delete(4)
    add(7, 3)
    expect(residents.leastFrequent()).toBe(5)
    // for others they are like all that are here
    expect(residents.longestUnasked()).toBe(1);
    [1, 2].forEach(slot => { residents.delete(slot) })
    expect(residents.longestUnasked()).toBe(5);
    [5, 3, 6, 7].forEach(slot => { residents.delete(slot) })
    add(8, 1)
    expect([residents.leastFrequent(), residents.longestUnasked(), residents.count, residents.used]).toEqual([8, 8, 1, 1])
  })

  it('give what was learnt to be worth least for its bytes: classes are of size at first, then of fame', () => {
    const { residents, requests, learned, asked } = world()
    residents.rank(true)
    residents.add(1, 1, 64)
    residents.add(2, 2, 1024)
    expect(new Set(asked)).toEqual(new Set([3, 5]))
    expect(residents.leastLearned()).toBe(2)
    asked.length = 0
    requests.now++
    residents.touch(2)
    expect(asked).toEqual([FIRST_CLASSES + 1])
    requests.now++
    touchOften(residents, 2, 25)
    expect(asked.at(-1)).toBe(FIRST_CLASSES + 4)
    // Asked for so often it is worth more, if its size is not looked at
    learned.sizePower = 0
    residents.rescore()
    expect(residents.leastLearned()).toBe(1)
    learned.sizePower = 1
    residents.rescore()
    expect(residents.leastLearned()).toBe(2)
  })

  it('know a frequency beside the class: fame fades', () => {
    const { residents, requests, asked } = world()
    residents.rank(true)
    residents.add(1, 1, 64)
    touchOften(residents, 1, 40)
    requests.now += 3000
    residents.touch(1)
    // 41 / 8 + 1
    expect(asked.at(-1)).toBe(FIRST_CLASSES + 2)
  })

  it('count on when somebody was asked for more often than can be told', () => {
    const { residents, asked } = world()
    residents.rank(true)
    residents.add(1, 1, 64)
    touchOften(residents, 1, 70_000)
    expect(asked.at(-1)).toBe(FIRST_CLASSES + 5)
    expect(residents.has(1)).toBe(true)
  })
})
