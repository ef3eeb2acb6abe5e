import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { seededRandom } from '../../src/clock/random.ts'
import { LookupBatches } from '../../src/discovery/lookup-batches.ts'
import { STRICT_LOOKUP_DELAY } from '../../src/interface/privacy-preset.ts'
import { VirtualClock } from '../../src/testing/virtual-clock.ts'
import type { PrivacyMode } from '../../src/interface/disclosure.ts'

function world (seed = 1): { clock: VirtualClock, batches: LookupBatches, left: Array<{ name: string, at: number }>, look (name: string, init?: { mode?: PrivacyMode, signal?: AbortSignal, deadline?: number }): Promise<void> } {
  const clock = new VirtualClock()
  const batches = new LookupBatches({ clock, random: seededRandom(seed) })
  const left: Array<{ name: string, at: number }> = []
  return {
    clock,
    batches,
    left,
    look: async (name, { mode = 'strict', signal = new AbortController().signal, deadline = Infinity } = {}) => batches.turn({ mode, signal, deadline }).then(() => { left.push({ name, at: clock.now() }) })
  }
}

describe('lookups in mode strict', () => {
  it('leave together, within a second, in an order that dice draw', async () => {
    const orders = new Set<string>()

    for (let seed = 0; seed < 20; seed++) {
      const w = world(seed)
      const all = ['a', 'b', 'c', 'd'].map(async (name, i) => { await w.clock.sleep(i * 50); await w.look(name) })
      await w.clock.advance(2 * STRICT_LOOKUP_DELAY)
      await Promise.all(all)
      const times = new Set(w.left.map(({ at }) => at))
      expect(times.size).toBe(1)
      expect([...times][0]).toBeGreaterThanOrEqual(STRICT_LOOKUP_DELAY / 4)
      expect([...times][0]).toBeLessThanOrEqual(STRICT_LOOKUP_DELAY)
      expect(w.batches.size).toBe(0)
      orders.add(w.left.map(({ name }) => name).join(''))
    }
    expect(orders.size).toBeGreaterThan(5)
  })

  it('leave at another moment each time', async () => {
    const delays = await Promise.all(Array.from({ length: 20 }, async (_, seed) => {
      const w = world(seed)
      const looking = w.look('one')
      await w.clock.advance(STRICT_LOOKUP_DELAY)
      await looking
      return w.left[0]?.at
    }))
    expect(new Set(delays).size).toBeGreaterThan(15)
  })

  it('do not wait for longer than a quarter of what is left to their read', async () => {
    const w = world()
    const looking = [w.look('patient'), w.look('hurried', { deadline: 80 })]
    await w.clock.advance(20)
    await Promise.all(looking)
    expect(w.left.map(({ at }) => at)).toEqual([20, 20])
  })

  it('leave at once when there are many', async () => {
    const w = world()
    await Promise.all(Array.from({ length: 64 }, async (_, i) => w.look(`${i}`)))
    expect(w.left).toHaveLength(64)
    expect(w.clock.now()).toBe(0)
  })

  it('end with their signal, and the last one takes the timer with it', async () => {
    const w = world()
    const leaving = new AbortController()
    const looking = w.look('gone', { signal: leaving.signal })
    leaving.abort(new Error('Nobody waits'))
    await expect(looking).rejects.toThrow('Nobody waits')
    expect(w.batches.size).toBe(0)
    expect(w.clock.pending).toBe(0)
    await expect(w.look('late', { signal: leaving.signal })).rejects.toThrow('Nobody waits')
  })

  it.each(['open', 'balanced'] as const)('go at once in mode %s', async mode => {
    const w = world()
    await w.look('now', { mode })
    expect(w.left).toEqual([{ name: 'now', at: 0 }])
  })

  it('all leave or end, whoever comes and goes', async () => {
    await fc.assert(fc.asyncProperty(fc.array(fc.record({ at: fc.nat(3_000), abortAfter: fc.option(fc.nat(1_500)), deadline: fc.option(fc.nat(5_000)) }), { maxLength: 80 }), fc.nat(), async (lookups, seed) => {
      const w = world(seed)
      const all = lookups.map(async ({ at, abortAfter, deadline }) => {
        await w.clock.sleep(at)
        const leaving = new AbortController()
        if (abortAfter != null) {
          w.clock.schedule(abortAfter, () => { leaving.abort(new Error('Nobody waits')) })
        }
        await w.look('one', { signal: leaving.signal, deadline: deadline == null ? Infinity : w.clock.now() + deadline }).catch(() => {})
        expect(w.clock.now() - at).toBeLessThanOrEqual(STRICT_LOOKUP_DELAY)
      })
      await w.clock.advance(10_000)
      await Promise.all(all)
      expect(w.batches.size).toBe(0)
    }), { numRuns: 50 })
  })
})
