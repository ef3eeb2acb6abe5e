import { setImmediate } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { TaskTurns, Turns } from '../../src/clock/turns.ts'
import { failure } from '../cache/support/blocks.ts'

/** Each look at it takes a millisecond */
function busyClock (): { now (): number } {
  let now = 0
  return { now: () => now++ }
}

describe('walks that wait for nothing', () => {
  it('let others have a turn every few milliseconds, and one at a time goes on', async () => {
    const turns = new Turns(busyClock())
    const steps: string[] = []
    const walk = async (name: string): Promise<void> => {
      const othersTurn = turns.walk()
      for (let i = 0; i < 40; i++) {
        steps.push(name)
        await othersTurn()
      }
    }
    const walks = ['a', 'b', 'c'].map(walk)
    const runs: string[] = []
    for (let isOver = false, before = 0; !isOver;) {
      isOver = await Promise.race([Promise.all(walks).then(() => true), setImmediate(false)])
      runs.push([...new Set(steps.slice(before))].join(''))
      expect(steps.length - before).toBeLessThanOrEqual(15)
      before = steps.length
    }
    expect(steps).toHaveLength(120)
    // after the beginning each has turns of its own
    expect(runs.slice(1).filter(run => run.length > 1)).toEqual([])
    expect(new Set(runs.slice(1, 8).filter(run => run !== '')).size).toBe(3)
  })

  it('go on at once while they are short', () => {
    const othersTurn = new Turns({ now: () => 7 }).walk()
    expect([othersTurn(), othersTurn()]).toEqual([undefined, undefined])
  })

  it('end when nobody wants them any more', async () => {
    const turns = new Turns(busyClock())
    const leaver = new AbortController()
    const leaving = turns.walk(leaver.signal)
    const staying = turns.walk()
    let left: Promise<void> | undefined
    while (left == null) {
      left = leaving()
    }
    leaver.abort(new Error('enough'))
    expect(await failure(left)).toBe('Error')
    for (let pause; pause == null; await pause) {
      pause = staying()
    }
  })
})

describe('pieces of work', () => {
  it('are done one in a turn, in their order, and the first of all at once', async () => {
    const turns = new TaskTurns()
    for (let again = 0; again < 2; again++) {
      const done: number[] = []
      expect(turns.next()).toBe(undefined)
      const others = [1, 2, 3].map(async i => turns.next()?.then(() => { done.push(i) }))
      const seen: number[] = []
      for (let i = 0; i < 8; i++) {
        await setImmediate()
        seen.push(done.length)
      }
      await Promise.all(others)
      expect(done).toEqual([1, 2, 3])
      // others had a turn between any two
      expect(seen.filter((count, i) => count - (seen[i - 1] ?? 0) > 1)).toEqual([])
      expect(seen.at(-1)).toBe(3)
    }
  })
})
