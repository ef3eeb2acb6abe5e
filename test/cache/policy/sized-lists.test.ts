import fc from 'fast-check'
import { expect, it } from 'vitest'
import { Entries } from '../../../src/cache/policy/entries.ts'
import { SizedLists } from '../../../src/cache/policy/sized-lists.ts'
import { NONE } from '../../../src/cache/policy/slot-lists.ts'

it('sized lists know what their entries take, wherever these go', () => {
  const step = fc.record({ list: fc.constantFrom(NONE, 0, 1, 2), entry: fc.nat(20) })

  fc.assert(fc.property(fc.array(step, { maxLength: 200 }), steps => {
    const entries = new Entries()
    const lists = new SizedLists(3, entries)
    const where = new Map<number, number>()

    for (let entry = 0; entry <= 20; entry++) {
      entries.add(entry, 3 ** (entry % 7), 0, 1)
    }

    for (const { list, entry } of steps) {
      if (list === NONE) {
        lists.unlink(entry)
      } else {
        lists.push(list, entry)
      }

      where.set(entry, list)
    }

    for (const list of [0, 1, 2]) {
      const bytes = [...where].filter(([, its]) => its === list).reduce((sum, [entry]) => sum + 3 ** (entry % 7), 0)
      expect(lists.bytes(list)).toBe(bytes)
    }
  }))
})
