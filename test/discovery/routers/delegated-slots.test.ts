import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { NoPlaceError, RequestSlots } from '../../../src/discovery/routers/delegated-slots.ts'

const never = new AbortController().signal
const settle = async (): Promise<void> => new Promise(resolve => { setImmediate(resolve) })

describe('RequestSlots', () => {
  it('lets those who ask much take turns with those who ask little', async () => {
    const slots = new RequestSlots(1, 100)
    const order: string[] = []
    const work = async (who: string): Promise<void> => {
      const giveBack = await slots.take(who, never)
      order.push(who)
      await settle()
      giveBack()
    }
    await Promise.all(['a', 'a', 'a', 'a', 'a', 'b', 'c', 'b'].map(work))
    expect(order).toEqual(['a', 'a', 'b', 'c', 'a', 'b', 'a', 'a'])
    expect([slots.active, slots.waiting]).toEqual([0, 0])
  })

  it('sends away the last of whoever has most waiting, and a newcomer when that is fair', async () => {
    const slots = new RequestSlots(1, 3)
    const giveBack = await slots.take('a', never)
    const waiting = ['a', 'a', 'a'].map(async who => slots.take(who, never))
    const outcome = waiting.map(async one => one.then(() => 'got it', (err: Error) => err.name))
    const newcomer = slots.take('b', never)
    expect(await outcome[2]).toBe('NoPlaceError')
    await expect(slots.take('a', never)).rejects.toBeInstanceOf(NoPlaceError)
    expect(slots.waiting).toBe(3)
    giveBack()
    ;(await waiting[0])?.()
    ;(await newcomer)()
    ;(await waiting[1])?.()
    expect([slots.active, slots.waiting]).toEqual([0, 0])
  })

  it('forgets whoever leaves, and takes a place back once', async () => {
    const slots = new RequestSlots(1, 3)
    const gone = new AbortController()
    const giveBack = await slots.take('a', never)
    const left = slots.take('b', gone.signal)
    gone.abort(new Error('left'))
    await expect(left).rejects.toThrow('left')
    await expect(slots.take('b', gone.signal)).rejects.toThrow('left')
    giveBack()
    giveBack()
    expect([slots.active, slots.waiting]).toEqual([0, 0])
  })

  it('never has more than there are places, and serves everybody who stays', async () => {
    await fc.assert(fc.asyncProperty(fc.integer({ min: 1, max: 4 }), fc.array(fc.record({ who: fc.constantFrom('a', 'b', 'c'), leaves: fc.boolean() }), { maxLength: 30 }), async (max, askers) => {
      const slots = new RequestSlots(max, 100)
      let served = 0
      await Promise.all(askers.map(async ({ who, leaves }) => {
        const controller = new AbortController()
        const taken = slots.take(who, controller.signal).then(async giveBack => {
          expect(slots.active).toBeLessThanOrEqual(max)
          served++
          await settle()
          giveBack()
        }, () => {})
        if (leaves) {
          controller.abort()
        }
        await taken
      }))
      expect(served).toBeGreaterThanOrEqual(askers.filter(({ leaves }) => !leaves).length)
      expect([slots.active, slots.waiting]).toEqual([0, 0])
    }))
  })
})
