import { expect, it } from 'vitest'
import { within } from '../../src/cache/within.ts'
import { VirtualClock } from '../../src/testing/virtual-clock.ts'

it('gives what it comes to, or what is said when it is too late, and leaves no timer', async () => {
  const clock = new VirtualClock()
  let calls = 0
  const late = (): string => {
    calls++
    return 'late'
  }
  expect(await within(clock, 100, Promise.resolve('in time'), late)).toBe('in time')
  await expect(within(clock, 100, Promise.reject(new Error('failed')), late)).rejects.toThrow('failed')
  expect([calls, clock.pending]).toEqual([0, 0])

  const never = new Promise<string>(() => {})
  expect(await clock.run(within(clock, 100, never, late))).toBe('late')
  await expect(clock.run(within(clock, 100, never, () => { throw new Error('too long') }))).rejects.toThrow('too long')
  expect([calls, clock.pending, clock.now()]).toEqual([1, 0, 200])
})
