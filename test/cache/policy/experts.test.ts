import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Entries } from '../../../src/cache/policy/entries.ts'
import { Frequent } from '../../../src/cache/policy/experts/frequent.ts'
import { LeastRecent } from '../../../src/cache/policy/experts/least-recent.ts'
import { ShortInterval } from '../../../src/cache/policy/experts/short-interval.ts'
import { Worthy } from '../../../src/cache/policy/experts/worthy.ts'
import { FrequencySketch } from '../../../src/cache/policy/frequency-sketch.ts'
import { NONE } from '../../../src/cache/policy/slot-lists.ts'
import { faded, worth } from '../../../src/cache/policy/worth.ts'
import { mixHash } from './requests.ts'
import type { Expert, ExpertComponents } from '../../../src/cache/policy/experts/expert.ts'

/** An expert and what it says it keeps */
class Imagined {
  readonly kept = new Set<number>()
  readonly expert: Expert
  readonly #entries = new Entries()
  readonly #sketch = new FrequencySketch()
  readonly #requests = { now: 0, halfLife: 1000 }
  readonly #keys: number[] = []

  constructor (Kind: new (components: ExpertComponents) => Expert, capacity: number) {
    this.expert = new Kind({
      entries: this.#entries,
      sketch: this.#sketch,
      requests: this.#requests,
      hold: entry => {
        expect(this.kept.has(this.#keys[entry] ?? NONE)).toBe(false)
        this.kept.add(this.#keys[entry] ?? NONE)
      },
      release: entry => { this.kept.delete(this.#keys[entry] ?? NONE) }
    })
    this.expert.resize(capacity)
  }

  ask (key: number, size = 1): void {
    const entries = this.#entries
    this.#requests.now++
    this.#sketch.add(mixHash(key))
    let entry = entries.find(mixHash(key))

    if (entry === NONE) {
      entry = entries.add(mixHash(key), size)
      this.#keys[entry] = key
      entries.frequency[entry] = 0
      entries.last[entry] = this.#requests.now + 1
    }

    const last = entries.last[entry] as number
    const frequency = faded(entries.frequency[entry] as number, (this.#requests.now - last) >>> 0, this.#requests.halfLife) + 1
    entries.previous[entry] = last
    entries.last[entry] = this.#requests.now
    entries.frequency[entry] = frequency
    entries.worth[entry] = worth(frequency, size)

    if (this.kept.has(key)) {
      this.expert.touch(entry)
    } else {
      this.expert.enter(entry)
    }
  }

  forget (key: number): void {
    const entry = this.#entries.find(mixHash(key))

    if (entry !== NONE) {
      this.expert.forget(entry)
    }
  }

  bytes (): number {
    return [...this.kept].reduce((sum, key) => sum + (this.#entries.size[this.#entries.find(mixHash(key))] as number), 0)
  }
}

describe.each([LeastRecent, Worthy, Frequent, ShortInterval])('%o', Kind => {
  it('keeps no more than its capacity, and nothing that is gone', () => {
    const step = fc.record({ op: fc.constantFrom('ask', 'ask', 'ask', 'ask', 'forget', 'resize'), key: fc.nat(50), amount: fc.nat(100) })

    fc.assert(fc.property(fc.array(step, { maxLength: 300 }), fc.nat(100), (steps, first) => {
      const imagined = new Imagined(Kind, first)
      let capacity = first

      for (const { op, key, amount } of steps) {
        if (op === 'ask') {
          imagined.ask(key, 1 + key)
        } else if (op === 'forget') {
          imagined.forget(key)
          expect(imagined.kept.has(key)).toBe(false)
        } else {
          capacity = amount
          imagined.expert.resize(amount)
        }

        expect(imagined.bytes()).toBeLessThanOrEqual(capacity)
      }
    }))
  })

  it('keeps everything that fits', () => {
    const imagined = new Imagined(Kind, 20)
    Array.from({ length: 60 }, (_, i) => imagined.ask(i % 20))
    expect(imagined.kept.size).toBe(20)
  })
})

describe('what each is good at', () => {
  it('the recent: the last that were asked for', () => {
    const imagined = new Imagined(LeastRecent, 3);
    [1, 2, 3, 1, 4, 5].forEach(key => imagined.ask(key))
    expect([...imagined.kept].sort()).toEqual([1, 4, 5])
  })

  it('a short interval: a part of a loop, from its second round on', () => {
    const imagined = new Imagined(ShortInterval, 50)
    let hits = 0

    for (let i = 0; i < 400; i++) {
      hits += i >= 100 && imagined.kept.has(i % 100) ? 1 : 0
      imagined.ask(i % 100)
    }

    expect(hits).toBeGreaterThanOrEqual(3 * 48)
  })

  it('the frequent: a candidate has to be asked for more often than all that would have to go for it', () => {
    const imagined = new Imagined(Frequent, 100)
    const often = (key: number, times: number, size: number): void => {
      for (let i = 0; i < times; i++) {
        imagined.ask(key, size)
      }
    }

    often(1, 4, 50)
    often(2, 4, 49)
    // into the window, so that these two are in the main part
    imagined.ask(9)
    // more often than either, not than both
    often(3, 6, 90)
    imagined.ask(4, 1)
    expect([...imagined.kept].sort()).toEqual([1, 2, 4])
    often(3, 6, 90)
    imagined.ask(5, 1)
    expect(imagined.kept.has(3)).toBe(true)
    expect(imagined.kept.has(1) || imagined.kept.has(2)).toBe(false)
  })

  it('the worthy: many small ones rather than a large one', () => {
    const imagined = new Imagined(Worthy, 100)
    imagined.ask(1, 90)
    Array.from({ length: 30 }, (_, i) => imagined.ask(10 + i, 3))
    expect(imagined.kept.has(1)).toBe(false)
    expect(imagined.kept.size).toBe(30)
  })
})
