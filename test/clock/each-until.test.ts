import { describe, expect, it } from 'vitest'
import { eachUntil } from '../../src/clock/each-until.ts'

async function all<T> (values: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = []
  for await (const value of values) {
    found.push(value)
  }
  return found
}

describe('each until', () => {
  it('names all, and hands on an error', async () => {
    const signal = new AbortController().signal
    expect(await all(eachUntil((async function * () { yield * [1, 2] })(), signal))).toEqual([1, 2])
    await expect(all(eachUntil((async function * () { yield 1; throw new Error('broken') })(), signal))).rejects.toThrow('broken')
  })

  it('ends with the signal although the source hangs, also where it hangs in its return', async () => {
    const controller = new AbortController()
    let left = 0
    const hangs: AsyncIterable<number> = {
      [Symbol.asyncIterator]: () => ({
        next: async () => new Promise<never>(() => {}),
        return: async () => {
          left++
          return new Promise<never>(() => {})
        }
      })
    }
    const reading = all(eachUntil(hangs, controller.signal))
    controller.abort(new Error('enough'))
    await expect(reading).rejects.toThrow('enough')
    expect(left).toBe(1)
  })

  it('leaves the source when the reader leaves', async () => {
    let left = 0
    async function * source (): AsyncGenerator<number> {
      try {
        yield 1
        yield 2
      } finally {
        left++
      }
    }
    const reading = eachUntil(source(), new AbortController().signal)
    expect(await reading.next()).toEqual({ done: false, value: 1 })
    await reading.return()
    expect(left).toBe(1)
  })
})
