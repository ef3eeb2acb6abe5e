import { describe, expect, it } from 'vitest'
import { oneReading } from '../../src/clock/one-reading.ts'

describe('one reading', () => {
  it('serves a quarter of a second, and then there is another', () => {
    let now = 1_000
    let readings = 0
    const read = oneReading(() => now, () => ++readings)

    expect([read(), read()]).toEqual([1, 1])
    now += 249
    expect(read()).toBe(1)
    now += 1
    expect([read(), read()]).toEqual([2, 2])
  })

  it('that failed is made again', () => {
    let fails = true
    const read = oneReading(() => 0, () => {
      if (fails) {
        throw new Error('not yet')
      }
      return 'here'
    })

    expect(read).toThrow('not yet')
    fails = false
    expect(read()).toBe('here')
  })
})
