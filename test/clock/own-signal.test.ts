import { describe, expect, it } from 'vitest'
import { withOwnSignal } from '../../src/clock/own-signal.ts'

describe('withOwnSignal', () => {
  const counting = (seen: AbortSignal[]) => async function * (signal: AbortSignal): AsyncGenerator<number, void, undefined> {
    seen.push(signal)
    yield 1
    yield 2
  }

  it('aborts when the generator has ended, and gives everything before', async () => {
    const seen: AbortSignal[] = []
    const read: number[] = []

    for await (const value of withOwnSignal(counting(seen))) {
      expect(seen[0]?.aborted).toBe(false)
      read.push(value)
    }

    expect(read).toEqual([1, 2])
    expect(seen[0]?.aborted).toBe(true)
  })

  it('starts nothing until it is read', async () => {
    const seen: AbortSignal[] = []
    const values = withOwnSignal(counting(seen))

    expect(seen).toHaveLength(0)
    await values.return()
    expect(await values.next()).toEqual({ done: true, value: undefined })
    expect(seen).toHaveLength(0)
  })

  it('passes on the reason of the outer signal, and lets go of it at the end', async () => {
    const outer = new AbortController()
    const seen: AbortSignal[] = []
    const values = withOwnSignal(counting(seen), outer.signal)

    await values.next()
    outer.abort(new Error('enough'))
    expect(seen[0]?.reason).toBe(outer.signal.reason)
    await values.return()

    await expect(withOwnSignal(counting(seen), outer.signal).next()).rejects.toThrow('enough')
    expect(seen).toHaveLength(1)
  })

  it('ends a pending read when it is left, and throws when it fails by itself', async () => {
    const waiting = async function * (signal: AbortSignal): AsyncGenerator<number, void, undefined> {
      yield await new Promise<number>((_resolve, reject) => { signal.addEventListener('abort', () => { reject(signal.reason as Error) }) })
    }
    const values = withOwnSignal(waiting)
    const next = values.next()

    // The body runs up to its first await
    await Promise.resolve()
    expect(await values.return()).toEqual({ done: true, value: undefined })
    expect(await next).toEqual({ done: true, value: undefined })

    await expect(withOwnSignal(async function * () { throw new Error('broken') }).next()).rejects.toThrow('broken')
  })
})
