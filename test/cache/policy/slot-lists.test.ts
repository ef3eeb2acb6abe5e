import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { NONE, SlotLists } from '../../../src/cache/policy/slot-lists.ts'

const LISTS = 3

function listed (lists: SlotLists, list: number): number[] {
  const slots: number[] = []

  for (let slot = lists.oldest(list); slot !== NONE; slot = lists.newer(slot)) {
    slots.push(slot)
  }

  return slots
}

describe('slot lists', () => {
  it('are what arrays would be', () => {
    const step = fc.record({ list: fc.integer({ min: NONE, max: LISTS - 1 }), slot: fc.nat(150) })

    fc.assert(fc.property(fc.array(step, { maxLength: 300 }), steps => {
      const lists = new SlotLists(LISTS)
      const model: number[][] = Array.from({ length: LISTS }, () => [])

      for (const { list, slot } of steps) {
        for (const slots of model) {
          const at = slots.indexOf(slot)

          if (at !== -1) {
            slots.splice(at, 1)
          }
        }

        if (list === NONE) {
          lists.unlink(slot)
        } else {
          lists.push(list, slot)
          model[list]?.push(slot)
        }

        expect(lists.of(slot)).toBe(list)
      }

      expect(model.map((_, list) => listed(lists, list))).toEqual(model)
    }))
  })
})
