import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Heap } from '../../../bench/cache/heap.ts'

const OBJECTS = 8

const step = fc.oneof(
  fc.record({ do: fc.constant('set' as const), object: fc.nat(OBJECTS - 1), priority: fc.integer({ min: -3, max: 3 }) }),
  fc.record({ do: fc.constant('pop' as const) }),
  fc.record({ do: fc.constant('restore' as const) })
)

describe('Heap', () => {
  it('is a sorted list, after whatever happened', () => {
    fc.assert(fc.property(fc.array(step, { maxLength: 60 }), steps => {
      const heap = new Heap(OBJECTS)
      let list: Array<{ object: number, priority: number, turn: number }> = []
      let popped: typeof list = []

      for (const [turn, step] of steps.entries()) {
        if (step.do === 'set') {
          heap.set(step.object, step.priority)
          list = [...list.filter(({ object }) => object !== step.object), { object: step.object, priority: step.priority, turn }]
          popped = popped.filter(({ object }) => object !== step.object)
        } else if (step.do === 'pop') {
          const lowest = list.shift()
          expect(heap.pop()).toBe(lowest?.object ?? -1)
          popped.push(...lowest == null ? [] : [lowest])
        } else {
          popped.forEach(({ object }) => { heap.restore(object) })
          list.push(...popped)
          popped = []
        }

        list.sort((a, b) => a.priority - b.priority || a.turn - b.turn)
        expect(heap.size).toBe(list.length)
        expect(heap.peek()).toBe(list[0]?.object ?? -1)
        for (const { object, priority } of list) {
          expect(heap.has(object)).toBe(true)
          expect(heap.priority(object)).toBe(priority)
        }
        for (const { object } of popped) {
          expect(heap.has(object)).toBe(false)
        }
      }
    }), { numRuns: 300 })
  })
})
