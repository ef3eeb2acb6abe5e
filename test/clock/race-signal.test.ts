import { describe, expect, it } from 'vitest'
import { raceSignal } from '../../src/clock/race-signal.ts'

describe('raceSignal', () => {
  it('settles with the promise, with and without a signal', async () => {
    const { signal } = new AbortController()
    expect(await raceSignal(Promise.resolve(1))).toBe(1)
    expect(await raceSignal(Promise.resolve(1), signal)).toBe(1)
    await expect(raceSignal(Promise.reject(new Error('no')), signal)).rejects.toThrow('no')
  })

  it('rejects with the reason at once, however late, and swallows what the promise does later', async () => {
    const controller = new AbortController()
    const { promise, reject } = Promise.withResolvers<void>()
    const racing = raceSignal(promise, controller.signal)
    controller.abort(new Error('enough'))
    await expect(racing).rejects.toThrow('enough')
    reject(new Error('late'))
    await expect(raceSignal(new Promise(() => {}), controller.signal)).rejects.toThrow('enough')
  })

  it('leaves no listener on the signal', async () => {
    const { signal } = new AbortController()
    let listeners = 0
    const { addEventListener, removeEventListener } = AbortSignal.prototype
    signal.addEventListener = (...args: Parameters<typeof addEventListener>) => {
      listeners++
      addEventListener.apply(signal, args)
    }
    signal.removeEventListener = (...args: Parameters<typeof removeEventListener>) => {
      listeners--
      removeEventListener.apply(signal, args)
    }
    await raceSignal(Promise.resolve(), signal)
    await raceSignal(Promise.reject(new Error('no')), signal).catch(err => err as unknown)
    expect(listeners).toBe(0)
  })
})
