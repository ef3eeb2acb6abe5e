import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Entries } from '../../../src/cache/policy/entries.ts'
import { Frequent } from '../../../src/cache/policy/experts/frequent.ts'
import { Learned } from '../../../src/cache/policy/experts/learned.ts'
import { LeastRecent } from '../../../src/cache/policy/experts/least-recent.ts'
import { ShortInterval } from '../../../src/cache/policy/experts/short-interval.ts'
import { Worthy } from '../../../src/cache/policy/experts/worthy.ts'
import { FrequencySketch } from '../../../src/cache/policy/frequency-sketch.ts'
import { NONE } from '../../../src/cache/policy/slot-lists.ts'
import { mixHash } from './requests.ts'
import type { Expert, ExpertComponents } from '../../../src/cache/policy/experts/expert.ts'

/** An expert and what it says it keeps */
class Imagined<Kind extends Expert = Expert> {
  readonly kept = new Set<number>()
  readonly remembered = new Set<number>()
  readonly expert: Kind
  readonly #entries = new Entries()
  readonly #sketch = new FrequencySketch()
  readonly #requests = { now: 0, halfLife: 1000 }
  readonly #keys: number[] = []

  constructor (Kind: new (components: ExpertComponents) => Kind, capacity: number) {
    this.expert = new Kind({
      entries: this.#entries,
      sketch: this.#sketch,
      requests: this.#requests,
      hold: entry => {
        expect(this.kept.has(this.#keys[entry] ?? NONE)).toBe(false)
        this.kept.add(this.#keys[entry] ?? NONE)
        this.remembered.delete(this.#keys[entry] ?? NONE)
      },
      release: (entry, remembered = false) => {
        const key = this.#keys[entry] ?? NONE
        this.kept.delete(key)

        if (remembered) {
          this.remembered.add(key)
        } else {
          this.remembered.delete(key)
        }
      }
    })
    this.expert.resize(capacity)
  }

  ask (key: number, size = 1): void {
    const entries = this.#entries
    this.#requests.now++
    this.#sketch.add(mixHash(key))
    let entry = entries.find(mixHash(key))

    if (entry === NONE) {
      entry = entries.add(mixHash(key), size, this.#requests.now, 1)
      this.#keys[entry] = key
    } else {
      entries.ask(entry, this.#requests)
    }

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

const KINDS: ReadonlyArray<new (components: ExpertComponents) => Expert> = [LeastRecent, Worthy, Frequent, ShortInterval, Learned]

describe.each(KINDS)('%o', Kind => {
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

  describe('the one that learns', () => {
    const imagine = (capacity: number): Imagined<Learned> => new Imagined(Learned, capacity)
    const ask = (imagined: Imagined<Learned>, key: number, size: number, bytes = 1): void => {
      imagined.ask(key, size)
      imagined.expert.pass(bytes)
    }

    it('which sizes come again: these stay, whatever came last', () => {
      const imagined = imagine(1000)
      let once = 1_000_000
      let hits = 0

      for (let i = 0; i < 20_000; i++) {
        // Of 30 that take 20 bytes each comes again after 60 requests; nobody asks for the others twice, though they are smaller
        const key = i % 2 === 0 ? (i / 2) % 30 : once++
        hits += i > 15_000 && imagined.kept.has(key) ? 1 : 0
        ask(imagined, key, i % 2 === 0 ? 20 : 19)
      }

      expect(hits).toBeGreaterThan(2400)
      expect(imagined.expert.worth(17, 10)).toBeGreaterThan(imagined.expert.worth(2, 10))
    })

    it('declines a newcomer rather than let several go that are worth more', () => {
      const imagined = imagine(100)

      for (let i = 0; i < 4000; i++) {
        ask(imagined, i % 10, 10)
      }

      ask(imagined, 99, 90)
      expect([...imagined.kept].sort()).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
      expect(imagined.remembered.has(99)).toBe(true)
      // They are where they were: each is still found, and let go when there is no room
      imagined.expert.resize(40)
      expect([...imagined.kept].sort()).toEqual([6, 7, 8, 9])
    })

    it('looks less at size when it hits fewer bytes than enough, and more while it hits more', () => {
      const imagined = imagine(100)
      const { expert } = imagined
      const after = (requests: number, bytes: number): number => {
        for (let i = 0; i < requests; i++) {
          expert.pass(bytes)
        }

        return expert.sizePower
      }

      const first = expert.sizePower
      expect(after(1000, 1)).toBe(first)
      expect(after(100_000, 0.9)).toBe(0.4)
      expect(after(10_000, 1.1)).toBeGreaterThan(0.4)
      expect(after(100_000, 1.1)).toBe(1)
    })

    it('says when blocks are worth more or less than before: at each fit, and as they grow old', () => {
      const { expert } = imagine(100)
      const said = Array.from({ length: 200 }, (_, i) => expert.pass(1) ? i + 1 : 0).filter(at => at > 0)
      expect(said).toEqual([16, 32, 48, 64, 80, 96, 112, 128, 144, 160, 176, 192])
    })

    it('remembers four thousand that went, and three for each that it keeps', () => {
      const few = imagine(10)
      Array.from({ length: 10_000 }, (_, i) => few.ask(i))
      expect(few.remembered.size).toBe(4096)
      const many = imagine(2000)
      Array.from({ length: 10_000 }, (_, i) => many.ask(i))
      expect(many.remembered.size).toBe(6000)
    })

    it('that those who are forgotten did not come again', () => {
      const [forgetting, never] = [imagine(100_000), imagine(100_000)]

      for (const imagined of [forgetting, never]) {
        for (let i = 0; i < 600; i++) {
          ask(imagined, i % 200, 100)
        }
      }

      for (let i = 0; i < 500; i++) {
        ask(forgetting, 1000 + i, 20)
        never.expert.pass(1)
      }

      for (let i = 0; i < 500; i++) {
        forgetting.forget(1000 + i)
      }

      for (const { expert } of [forgetting, never]) {
        Array.from({ length: 2000 }, () => expert.pass(1))
      }

      expect(never.expert.worth(2, 10)).toBeGreaterThan(2 * forgetting.expert.worth(2, 10))
    })

    it('less and less of what is long ago', () => {
      const imagined = imagine(1000)
      const hits = (): number => {
        const saved = imagined.expert.save()
        const view = new DataView(saved.buffer)
        return Array.from({ length: (saved.length / 4 - 1) / 2 }, (_, i) => view.getFloat32(i * 4)).reduce((sum, count) => sum + count, 0)
      }

      for (let i = 0; i < 600; i++) {
        ask(imagined, i % 20, 10)
      }

      const before = hits()
      expect(before).toBe(580)
      Array.from({ length: 10_000 }, () => imagined.expert.pass(1))
      expect(hits()).toBeLessThan(before / 2)
    })

    it('goes on with what it had learnt', () => {
      const imagined = imagine(1000)
      let once = 1_000_000

      for (let i = 0; i < 5000; i++) {
        const odd = i % 2 === 1
        ask(imagined, odd ? once++ : (i / 2) % 30, odd ? 20 : 5, 0)
      }

      const saved = imagined.expert.save()
      expect(saved.length).toBe(Learned.SAVED_BYTES)
      expect(Learned.canRestore(saved)).toBe(true)
      const { expert } = imagine(1000)
      const untaught = expert.worth(17, 10)
      expert.restore(saved)
      expect(expert.sizePower).toBeCloseTo(imagined.expert.sizePower)
      expect(expert.sizePower).toBeLessThan(0.9)
      expect(expert.save()).toEqual(saved)
      expect(expert.worth(17, 10)).toBeGreaterThan(2 * untaught)
      expect(expert.worth(17, 10)).toBeGreaterThan(10 * expert.worth(2, 10))
    })

    it('takes nothing for learnt that is something else', () => {
      const saved = imagine(10).expert.save()
      const view = new DataView(saved.buffer)
      const cells = (saved.length / 4 - 1) / 2
      const withNumber = (at: number, value: number): Uint8Array => {
        const before = view.getFloat32(at * 4)
        view.setFloat32(at * 4, value)
        const changed = saved.slice()
        view.setFloat32(at * 4, before)
        return changed
      }

      expect(Learned.canRestore(saved)).toBe(true)
      expect(Learned.canRestore(withNumber(cells, 3))).toBe(true)
      expect([
        saved.slice(4), saved.slice(0, -1), new Uint8Array(), Uint8Array.from([...saved, 0, 0, 0, 0]),
        // More hits than ends, less than none, no numbers; a power out of bounds
        withNumber(0, 1), withNumber(0, -1), withNumber(0, NaN), withNumber(cells, Infinity), withNumber(cells, NaN),
        withNumber(2 * cells, 0.3), withNumber(2 * cells, 1.1), withNumber(2 * cells, NaN)
      ].map(Learned.canRestore)).toEqual(Array.from({ length: 12 }, () => false))
    })
  })
})
