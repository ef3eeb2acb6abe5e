import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { NONE } from '../../../src/cache/policy/slot-lists.ts'
import { WorthChains } from '../../../src/cache/policy/worth-chains.ts'

/** The first class of those asked for again */
const AGAIN = 16

describe('worth chains', () => {
  it('give the one with the least worth for its bytes, of each class and size the oldest', () => {
    const step = fc.record({ op: fc.constantFrom('push', 'push', 'push', 'unlink', 'age'), slot: fc.nat(80), of: fc.integer({ min: AGAIN, max: 21 }), octave: fc.nat(31) })

    fc.assert(fc.property(fc.array(step, { maxLength: 200 }), fc.constantFrom(0, 0.5, 1), (steps, power) => {
      const facts = new Map<number, { of: number, size: number, at: number }>()
      const worths = Float64Array.from({ length: 81 }, (_, i) => 1 + i)
      const chains = new WorthChains(slot => worths[slot] as number, power)
      let now = 0

      for (const { op, slot, of, octave } of steps) {
        const size = 2 ** octave
        now++

        if (op === 'push') {
          chains.push(slot, of, size)
          facts.set(slot, { of, size, at: now })
        } else if (op === 'unlink') {
          expect(chains.unlink(slot) !== NONE).toBe(facts.delete(slot))
        } else {
          worths[slot] = now
          chains.rescore(power)
        }

        expect(chains.has(slot)).toBe(facts.has(slot))
      }

      const score = (slot: number): number => (worths[slot] as number) * (facts.get(slot)?.size ?? 1) ** -power
      const oldest = [...facts].filter(([, one]) => [...facts.values()].every(({ of, size, at }) => of !== one.of || size !== one.size || at >= one.at)).map(([slot]) => slot)
      const least = chains.least()

      if (facts.size === 0) {
        expect(least).toBe(NONE)
      } else {
        expect(oldest).toContain(least)
        expect(score(least)).toBeCloseTo(Math.min(...oldest.map(score)), 6)
      }

      expect(chains.leastBy(slot => -(worths[slot] as number))).toBe(oldest.reduce((a, b) => a === NONE || (worths[b] as number) > (worths[a] as number) ? b : a, NONE))
    }))
  })

  it('have those asked for once in one chain whatever their class, and tell sizes half a doubling apart', () => {
    const chains = new WorthChains(() => 1, 1);
    [[1, 3, 100], [2, 5, 100], [3, 5, 140], [4, AGAIN, 100]].forEach(([slot, of, size]) => { chains.push(slot as number, of as number, size as number) })
    const [first, second, third, fourth] = [1, 2, 3, 4].map(slot => chains.unlink(slot))
    expect(second).toBe(first)
    expect(new Set([first, third, fourth]).size).toBe(3)
  })

  it('take back who was given away, before those that came later', () => {
    const chains = new WorthChains(() => 1, 1);
    [1, 2, 3].forEach(slot => { chains.push(slot, AGAIN, 8) })
    const chain = chains.unlink(1)
    chains.unlink(2)
    expect(chains.least()).toBe(3)
    chains.giveBack(2, chain)
    expect(chains.least()).toBe(2)
    chains.giveBack(1, chain)
    expect(chains.least()).toBe(1)
  })

  it('look again at a chain only when its oldest changes, or when they are told to', () => {
    let worth = 5
    const chains = new WorthChains(slot => slot === 1 ? worth : 3, 0)
    chains.push(1, AGAIN, 8)
    chains.push(2, AGAIN + 1, 8)
    expect(chains.least()).toBe(2)
    worth = 1
    expect(chains.least()).toBe(2)
    chains.rescore(0)
    expect(chains.least()).toBe(1)
  })
})
