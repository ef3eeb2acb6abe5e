import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Flights } from '../../src/routing/flights.ts'
import type { Flight } from '../../src/routing/flight.ts'

describe('Flights', () => {
  it('are found by id and by block, as long as they are under way', () => {
    fc.assert(fc.property(fc.array(fc.tuple(fc.boolean(), fc.integer({ min: 0, max: 3 }), fc.constantFrom('open', 'strict'))), steps => {
      const flights = new Flights()
      const model = new Map<string, Flight>()

      for (const [add, n, mode] of steps) {
        const id = `${mode} ${n}`

        if (add && !model.has(id)) {
          const flight = { key: `${n}` } as Flight
          flights.add(id, flight)
          model.set(id, flight)
        } else if (!add) {
          flights.delete(id)
          model.delete(id)
        }

        expect(flights.size).toBe(model.size)
        expect(flights.all()).toEqual([...model.values()])
        expect(flights.get(id)).toBe(model.get(id))
        expect(new Set(flights.of(`${n}`))).toEqual(new Set([...model.values()].filter(({ key }) => key === `${n}`)))
      }
    }))
  })
})
