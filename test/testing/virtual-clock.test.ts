import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { seededRandom } from '../../src/clock/random.ts'
import { VirtualClock } from '../../src/testing/virtual-clock.ts'

describe('the virtual clock', () => {
  it('fires in the order of time, and of scheduling where that is the same, but not what was cancelled', async () => {
    const timers = fc.array(fc.record({ ms: fc.oneof(fc.nat(10), fc.double({ min: -5, max: 1_000, noNaN: true })), cancelled: fc.boolean() }), { maxLength: 100 })
    await fc.assert(fc.asyncProperty(timers, async list => {
      const clock = new VirtualClock()
      const fired: Array<{ i: number, at: number }> = []
      const cancels = list.map(({ ms }, i) => clock.schedule(ms, () => { fired.push({ i, at: clock.now() }) }))
      list.forEach(({ cancelled }, i) => {
        if (cancelled) {
          cancels[i]?.()
          cancels[i]?.()
        }
      })
      const expected = list
        .map(({ ms, cancelled }, i) => ({ i, at: Math.max(0, ms), cancelled }))
        .filter(({ cancelled }) => !cancelled)
        .sort((a, b) => a.at - b.at || a.i - b.i)
        .map(({ i, at }) => ({ i, at }))

      expect(clock.pending).toBe(expected.length)
      await clock.advance(1_000)
      expect(fired).toEqual(expected)
      expect(clock.pending).toBe(0)
      expect(clock.now()).toBe(1_000)
    }), { numRuns: 50 })
  })

  it('time stands still unless it is told to pass', async () => {
    const clock = new VirtualClock()
    const fired: string[] = []
    clock.schedule(0, () => fired.push('timer'))
    await new Promise(resolve => { setImmediate(resolve) })
    expect(fired).toEqual([])
    expect(clock.now()).toBe(0)
    await clock.advance(0)
    expect(fired).toEqual(['timer'])
  })

  it('advances exactly as far as told, and fires what is due at the very end', async () => {
    const clock = new VirtualClock()
    const fired: number[] = []
    for (const ms of [99.999, 100, 100.001]) {
      clock.schedule(ms, () => fired.push(ms))
    }
    await clock.advance(100)
    expect(fired).toEqual([99.999, 100])
    expect(clock.now()).toBe(100)
    await clock.advance(0.001)
    expect(fired).toEqual([99.999, 100, 100.001])
  })

  it('fires what is scheduled by what fires, in its turn', async () => {
    const clock = new VirtualClock()
    const fired: string[] = []
    clock.schedule(10, () => {
      fired.push(`a ${clock.now()}`)
      clock.schedule(0, () => fired.push(`b ${clock.now()}`))
      clock.schedule(5, () => fired.push(`d ${clock.now()}`))
      void Promise.resolve().then(() => { clock.schedule(5, () => fired.push(`e ${clock.now()}`)) })
    })
    clock.schedule(12, () => fired.push(`c ${clock.now()}`))
    await clock.advance(15)
    expect(fired).toEqual(['a 10', 'b 10', 'c 12', 'd 15', 'e 15'])
  })

  it.each([NaN, -1, Infinity])('cannot advance by %s', async ms => {
    const clock = new VirtualClock()
    clock.schedule(5, () => {})
    await clock.advance(3)
    await expect(clock.advance(ms)).rejects.toThrow(RangeError)
    expect(clock.now()).toBe(3)
    expect(clock.pending).toBe(1)
  })

  it('refuses a timer after no number of milliseconds', () => {
    const clock = new VirtualClock()
    expect(() => clock.schedule(NaN, () => {})).toThrow('NaN')
    expect(clock.pending).toBe(0)
  })

  it('a timer that is infinitely far away never fires', async () => {
    const clock = new VirtualClock()
    const leaving = new AbortController()
    const sleeping = clock.sleep(Infinity, { signal: leaving.signal })
    await expect(clock.run(Promise.race([sleeping]))).rejects.toThrow('never settle')
    expect(clock.now()).toBe(0)
    leaving.abort(new Error('enough'))
    await expect(sleeping).rejects.toThrow('enough')
  })

  it('runs a day in no time, to the result or the failure', async () => {
    const clock = new VirtualClock()
    expect(await clock.run((async () => {
      for (let i = 0; i < 24; i++) {
        await clock.sleep(3_600_000)
      }
      return 'done'
    })())).toBe('done')
    expect(clock.now()).toBe(86_400_000)
    expect(clock.wall()).toBe(Date.UTC(2026, 0, 2))
    await expect(clock.run((async () => {
      await clock.sleep(1)
      throw new Error('no')
    })())).rejects.toThrow('no')
    expect(await clock.run(Promise.resolve(1))).toBe(1)
  })

  it('throws rather than wait for what would never settle', async () => {
    const clock = new VirtualClock()
    const fired: number[] = []
    clock.schedule(10, () => fired.push(10))
    await expect(clock.run(new Promise(() => {}))).rejects.toThrow('Nothing is scheduled at 10 ms')
    // everything else has happened
    expect(fired).toEqual([10])
  })

  it('stops where the promise settles', async () => {
    const clock = new VirtualClock()
    const fired: number[] = []
    clock.schedule(20, () => fired.push(20))
    await clock.run(clock.sleep(10))
    expect(clock.now()).toBe(10)
    expect(fired).toEqual([])
    expect(clock.pending).toBe(1)
  })

  it('what a timer throws comes out of run and advance, and the rest goes on', async () => {
    const clock = new VirtualClock()
    const fired: string[] = []
    clock.schedule(1, () => { throw new Error('thrown') })
    clock.schedule(2, () => fired.push('after'))
    await expect(clock.advance(5)).rejects.toThrow('thrown')
    await clock.advance(5)
    expect(fired).toEqual(['after'])
  })

  it('two that advance at once never turn it back', async () => {
    const clock = new VirtualClock()
    await Promise.all([clock.advance(100), clock.advance(10), clock.run(clock.sleep(50))])
    expect(clock.now()).toBe(100)
  })

  it('sleep and timeout can be given up and leave nothing behind', async () => {
    const clock = new VirtualClock()
    const leaving = new AbortController()
    const sleeping = clock.sleep(1_000, { signal: leaving.signal })
    leaving.abort(new Error('enough'))
    await expect(sleeping).rejects.toThrow('enough')
    await expect(clock.sleep(1, { signal: leaving.signal })).rejects.toThrow('enough')
    {
      const timeout = clock.timeout(500)
      timeout[Symbol.dispose]()
      await clock.advance(1_000)
      expect(timeout.signal.aborted).toBe(false)
    }
    const timeout = clock.timeout(500)
    expect(clock.pending).toBe(1)
    await clock.advance(500)
    expect(timeout.signal.reason).toMatchObject({ name: 'TimeoutError' })
    expect(clock.pending).toBe(0)
  })

  it('timers that are cancelled do not pile up', async () => {
    const clock = new VirtualClock()
    for (let i = 0; i < 100_000; i++) {
      clock.schedule(1e9, () => {})()
    }
    expect(clock.held).toBeLessThan(1_000)
  })

  it('the same seed gives the same run', async () => {
    const day = async (seed: number): Promise<string[]> => {
      const clock = new VirtualClock()
      const random = seededRandom(seed)
      const log: string[] = []
      const worker = async (name: string): Promise<void> => {
        for (let i = 0; i < 20; i++) {
          await clock.sleep(Math.floor(random.next() * 5))
          log.push(`${name} ${clock.now()}`)
        }
      }
      await clock.run(Promise.all(['a', 'b', 'c'].map(worker)))
      return log
    }
    const first = await day(7)
    expect(await day(7)).toEqual(first)
    expect(await day(8)).not.toEqual(first)
  })
})
