import { expect, it } from 'vitest'
import { DiskHealth } from '../../src/cache/disk-health.ts'
import { seededRandom } from '../../src/clock/random.ts'
import { VirtualClock } from '../../src/testing/virtual-clock.ts'

const log = Object.assign(() => {}, { error () {}, trace () {} })

it('a disk is looked at again in steps that get longer, until it works, and not after the end', async () => {
  const clock = new VirtualClock()
  const probes: number[] = []
  let works = false
  const health = new DiskHealth({
    clock,
    random: seededRandom(1),
    log,
    async probe () {
      probes.push(clock.now())
      if (!works) {
        throw new Error('still broken')
      }
    }
  })
  const began = clock.now()

  health.failed('writing', Object.assign(new Error('no space'), { code: 'ENOSPC' }))
  expect(health.health).toEqual({ state: 'degraded', reason: 'writing: ENOSPC: no space' })
  await clock.advance(300_000)
  const pauses = probes.map((at, i) => at - (probes[i - 1] ?? began))
  // at least three quarters of 1, 2, 4 ... seconds, and of half a minute from then on
  for (const [i, pause] of pauses.entries()) {
    const longest = Math.min(30_000, 1_000 * 2 ** i)
    expect(pause).toBeLessThanOrEqual(longest)
    expect(pause).toBeGreaterThanOrEqual(longest * 0.75)
  }
  expect(pauses.length).toBeGreaterThan(10)

  works = true
  await clock.advance(30_000)
  expect([health.ok, clock.pending]).toEqual([true, 0])

  health.failed('writing', new Error('again'))
  health.close()
  health.failed('reading', new Error('what was under way'))
  expect([health.ok, clock.pending]).toEqual([false, 0])
})

it('a slow disk is an error in the log, once until it works again', async () => {
  const errors: unknown[][] = []
  const health = new DiskHealth({
    clock: new VirtualClock(),
    random: seededRandom(1),
    log: Object.assign(() => {}, { error: (...args: unknown[]) => { errors.push(args) }, trace () {} }),
    probe: async () => {}
  })
  health.slow('a read takes longer than 5000 ms', new Promise(() => {}))
  health.slow('a read takes longer than 5000 ms', new Promise(() => {}))
  expect(errors).toEqual([['the disk under the cache is slow: %s', 'a read takes longer than 5000 ms']])
  health.worked()
  health.slow('a write took 1200 ms', new Promise(() => {}))
  expect(errors.length).toBe(2)
  health.close()
})
