import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { NONE, SlotLists } from '../../../src/cache/policy/slot-lists.ts'

function listed (lists: SlotLists, list: number): number[] {
  const slots: number[] = []

  for (let slot = lists.oldest(list); slot !== NONE; slot = lists.newer(slot)) {
    slots.push(slot)
  }

  return slots
}

describe.each([3, 254, 255, 448])('slot lists: %i', count => {
  it('are what arrays would be', () => {
    const step = fc.record({ list: fc.constantFrom(NONE, 0, 1, count - 1), slot: fc.nat(150), oldest: fc.boolean() })

    fc.assert(fc.property(fc.array(step, { maxLength: 300 }), steps => {
      const lists = new SlotLists(count)
      const model: number[][] = Array.from({ length: count }, () => [])

      for (const { list, slot, oldest } of steps) {
        for (const slots of model) {
          const at = slots.indexOf(slot)

          if (at !== -1) {
            slots.splice(at, 1)
          }
        }

        if (list === NONE) {
          lists.unlink(slot)
        } else if (oldest) {
          lists.pushOldest(list, slot)
          model[list]?.unshift(slot)
        } else {
          lists.push(list, slot)
          model[list]?.push(slot)
        }

        expect(lists.of(slot)).toBe(list)
      }

      expect(model.map((_, list) => listed(lists, list))).toEqual(model)
    }), { numRuns: 50 })
  })
})
