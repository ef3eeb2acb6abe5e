import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'
import { systemClock } from '../../src/clock/system-clock.ts'

describe('the system clock', () => {
  it('goes forward, and knows the day', async () => {
    const from = systemClock.now()
    await systemClock.sleep(5)
    expect(systemClock.now() - from).toBeGreaterThanOrEqual(4)
    expect(systemClock.wall()).toBeGreaterThan(Date.UTC(2025))
  })

  it('fires once, and not what was cancelled', async () => {
    const fired: string[] = []
    systemClock.schedule(0, () => fired.push('fired'))
    systemClock.schedule(0, () => fired.push('cancelled'))()
    await systemClock.sleep(10)
    expect(fired).toEqual(['fired'])
  })

  it('sleep rejects with the reason, at once, and before it began', async () => {
    const leaving = new AbortController()
    const sleeping = systemClock.sleep(1_000_000, { signal: leaving.signal })
    leaving.abort(new Error('enough'))
    await expect(sleeping).rejects.toThrow('enough')
    await expect(systemClock.sleep(0, { signal: leaving.signal })).rejects.toThrow('enough')
  })

  it('a timeout aborts with a TimeoutError, unless disposed of', async () => {
    const kept = systemClock.timeout(1)
    const disposed = systemClock.timeout(1)
    disposed[Symbol.dispose]()
    await systemClock.sleep(20)
    expect(kept.signal.reason).toMatchObject({ name: 'TimeoutError', message: 'Timed out after 1 ms' })
    expect(disposed.signal.aborted).toBe(false)
  })

  it('a wait longer than the machine can count is not over at once', async () => {
    const timeout = systemClock.timeout(2 ** 31)
    const forever = systemClock.timeout(Infinity)
    const fired: number[] = []
    const cancel = systemClock.schedule(1e12, () => fired.push(1))
    await systemClock.sleep(20)
    expect(timeout.signal.aborted).toBe(false)
    expect(forever.signal.aborted).toBe(false)
    expect(fired).toEqual([])
    timeout[Symbol.dispose]()
    forever[Symbol.dispose]()
    cancel()
  })

  it('refuses a timer after no number of milliseconds', () => {
    expect(() => systemClock.schedule(NaN, () => {})).toThrow('NaN')
  })

  it('never keeps a process alive', async () => {
    const clock = new URL('../../src/clock/system-clock.ts', import.meta.url).href
    const script = `import { systemClock } from '${clock}'
      systemClock.schedule(60_000, () => {})
      systemClock.schedule(1e12, () => {})
      systemClock.timeout(60_000)
      void systemClock.sleep(60_000)
      console.log('done')`
    const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script], { timeout: 20_000 })
    expect(stdout).toBe('done\n')
  })
})
