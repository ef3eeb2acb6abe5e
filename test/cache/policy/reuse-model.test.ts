import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { classAtFirst, classOfFame, CLASSES, FIRST_CLASSES, ReuseModel } from '../../../src/cache/policy/reuse-model.ts'

const A = 3
const B = 4
const FAMOUS = FIRST_CLASSES + 2

describe('classes', () => {
  it('of those asked for once are two doublings of size, of the others one of fame', () => {
    expect([0, 1, 3, 4, 15, 16, 2 ** 31, 2 ** 32 - 1].map(classAtFirst)).toEqual([0, 0, 0, 1, 1, 2, 15, 15])
    expect([0, 1, 1.9, 2, 3.9, 4, 31, 32, 1e9].map(frequency => classOfFame(frequency) - FIRST_CLASSES)).toEqual([0, 0, 0, 1, 1, 2, 4, 5, 5])
  })
})

describe('the model of reuse', () => {
  it('knows nothing at first, and then what is recent is worth more: the order of LRU', () => {
    const model = new ReuseModel()
    const worths = [1, 4, 20, 100, 1000, 100_000].map(age => model.worth(A, age))
    expect(worths).toEqual(worths.toSorted((a, b) => b - a))
    expect(new Set(worths).size).toBe(worths.length)
    expect(model.worth(FAMOUS, 20)).toBe(model.worth(A, 20))
  })

  it('learns which class comes again', () => {
    const model = new ReuseModel()

    for (let i = 0; i < 500; i++) {
      model.hit(A, 100)
      model.forgotten(B, 100)
    }

    model.fit(() => {}, 100)
    expect(model.worth(A, 10)).toBeGreaterThan(10 * model.worth(B, 10))
    // One that nothing is known of is in between
    expect(model.worth(5, 10)).toBeGreaterThan(model.worth(B, 10))
    expect(model.worth(5, 10)).toBeLessThan(model.worth(A, 10))
  })

  it('learns at what age: it is worth most just before, and not much when that has passed', () => {
    const model = new ReuseModel()

    for (let i = 0; i < 1000; i++) {
      model.hit(A, 1000)
      model.forgotten(A, 3000)
    }

    model.fit(() => {}, 100)
    expect(model.worth(A, 900)).toBeGreaterThan(3 * model.worth(A, 100))
    expect(model.worth(A, 100)).toBeGreaterThan(model.worth(A, 1200))
    // Half of them come, after 1000 requests
    expect(model.worth(A, 1)).toBeGreaterThan(0.5 / 1300)
    expect(model.worth(A, 1)).toBeLessThan(0.5 / 800)
  })

  it('counts those that are still waiting as far as they got', () => {
    const worthWith = (age: number): number => {
      const model = new ReuseModel()

      for (let i = 0; i < 100; i++) {
        model.hit(A, 50)
      }

      model.fit(add => { add(A, age, 900) }, 100)
      return model.worth(A, 40)
    }

    expect(worthWith(1000)).toBeLessThan(worthWith(20) / 3)
  })

  it('forgets half at a time', () => {
    const model = new ReuseModel()
    const teach = (of: number, other: number): void => {
      for (let i = 0; i < 100; i++) {
        model.hit(of, 100)
        model.forgotten(other, 100)
      }
    }

    teach(A, B)
    const before = model.save(() => {})
    model.fade()
    expect(model.save(() => {})).toEqual(before.map(value => value / 2))
    Array.from({ length: 6 }, () => model.fade())
    teach(B, A)
    model.fit(() => {}, 100)
    expect(model.worth(B, 10)).toBeGreaterThan(5 * model.worth(A, 10))
  })

  it('is the same after it was saved and restored', () => {
    fc.assert(fc.property(fc.array(fc.record({ of: fc.nat(CLASSES - 1), age: fc.nat(100_000), hit: fc.boolean() }), { maxLength: 200 }), fc.nat(CLASSES - 1), fc.nat(10_000), (events, of, age) => {
      const model = new ReuseModel()

      for (const event of events) {
        if (event.hit) {
          model.hit(event.of, event.age)
        } else {
          model.forgotten(event.of, event.age)
        }
      }

      model.fit(() => {}, 0)
      const saved = model.save(() => {})
      expect(ReuseModel.canRestore(saved)).toBe(true)
      const other = new ReuseModel()
      other.restore(saved)
      expect(other.save(() => {})).toEqual(saved)
      expect(other.worth(of, age)).toBe(model.worth(of, age))
      expect(model.worth(of, age)).toBeGreaterThan(0)
      expect(model.worth(of, age)).toBeLessThanOrEqual(2)
    }), { numRuns: 50 })
  })

  it('saves those that are still waiting as not watched any longer', () => {
    const model = new ReuseModel()
    const other = new ReuseModel()
    model.forgotten(A, 70)
    model.forgotten(A, 70)
    model.forgotten(B, 700)
    expect(other.save(add => { add(A, 70, 2); add(B, 700, 1) })).toEqual(model.save(() => {}))
  })
})
