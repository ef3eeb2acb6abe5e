import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Entries } from '../../../src/cache/policy/entries.ts'
import { NONE } from '../../../src/cache/policy/slot-lists.ts'
import { worth } from '../../../src/cache/policy/worth.ts'

describe('entries', () => {
  it('are found by their hash as long as they are there, and told apart', () => {
    fc.assert(fc.property(fc.array(fc.record({ add: fc.boolean(), key: fc.nat(200) }), { maxLength: 500 }), steps => {
      const entries = new Entries()
      const model = new Map<number, number>()

      for (const { add, key } of steps) {
        const hash = Math.imul(key, 0x10001) >>> 0
        const known = model.get(hash)

        if (add && known == null) {
          model.set(hash, entries.add(hash, key, 7, 1))
        } else if (!add && known != null) {
          entries.delete(known)
          model.delete(hash)
        }

        expect(entries.find(hash)).toBe(model.get(hash) ?? NONE)
        expect(entries.count).toBe(model.size)
      }

      for (const [hash, entry] of model) {
        expect([entries.find(hash), entries.hash[entry], entries.slot[entry], entries.holders[entry]]).toEqual([entry, hash, NONE, 0])
      }

      expect(entries.end).toBeGreaterThanOrEqual(model.size)
      expect(new Set(model.values()).size).toBe(model.size)
    }))
  })

  it('count requests, of which old ones count less, and know the last two', () => {
    const entries = new Entries()
    const entry = entries.add(1, 64, 100, 3)
    expect([entries.last[entry], entries.previous[entry], entries.frequency[entry]]).toEqual([100, 101, 3])
    expect(entries.worth[entry]).toBeCloseTo(worth(3, 64))
    entries.ask(entry, { now: 150, halfLife: 50 })
    expect([entries.last[entry], entries.previous[entry], entries.frequency[entry]]).toEqual([150, 100, 2.5])
    expect(entries.worth[entry]).toBeCloseTo(worth(2.5, 64))
  })

  it('are known while somebody keeps them or they are here', () => {
    const entries = new Entries()
    const entry = entries.add(1, 1, 0, 1)
    expect(entries.isKnown(entry)).toBe(false)
    entries.slot[entry] = 0
    expect(entries.isKnown(entry)).toBe(true)
    entries.slot[entry] = NONE
    entries.holders[entry] = 0x200
    expect(entries.isKnown(entry)).toBe(true)
  })
})
