import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { EventRing } from '../../../src/privacy/collector/event-ring.ts'
import { NameTable } from '../../../src/privacy/collector/name-table.ts'
import type { TrafficEvent } from '../../../src/interface/privacy.ts'

const event = fc.record({
  peer: fc.constantFrom('a', 'b', 'c', 'd'),
  kind: fc.constantFrom<TrafficEvent['kind'][]>('open', 'close', 'stream', 'sent', 'received'),
  bytes: fc.option(fc.integer({ min: 0, max: 2 ** 40 }), { nil: undefined }),
  protocol: fc.option(fc.constantFrom('/x', '/y', '__proto__'), { nil: undefined }),
  gap: fc.integer({ min: 0, max: 5 })
})

describe('a ring of events', () => {
  it('holds the latest, in order and as they were, whatever its size', () => {
    fc.assert(fc.property(fc.integer({ min: 1, max: 40 }), fc.array(event, { maxLength: 120 }), fc.integer({ min: 0, max: 200 }), (capacity, events, since) => {
      const ring = new EventRing(capacity)
      const truth: TrafficEvent[] = []
      let at = 1_000

      for (const { peer, kind, bytes, protocol, gap } of events) {
        at += gap
        ring.push(at, peer, kind, bytes ?? NaN, protocol ?? '')
        truth.push({ at, peer, kind, ...(bytes == null ? {} : { bytes }), ...(protocol == null ? {} : { protocol }) })
      }

      const kept = truth.slice(-capacity)
      expect(ring.size).toBe(kept.length)
      expect(ring.list(0, () => true)).toEqual(kept)
      expect(ring.list(1_000 + since, peer => peer !== 'b')).toEqual(kept.filter(({ peer, at }) => peer !== 'b' && at >= 1_000 + since))
      ring.clear()
      expect(ring.list(0, () => true)).toEqual([])
    }))
  })

  it('crosses from one piece of memory to the next', () => {
    const ring = new EventRing(20_000)
    for (let i = 0; i < 50_000; i++) {
      ring.push(i, `p${i % 7}`, 'sent', i, '')
    }
    const events = ring.list(0, () => true)
    expect(events).toHaveLength(20_000)
    expect(events.every(({ at, peer, bytes }, i) => at === 30_000 + i && bytes === at && peer === `p${at % 7}`)).toBe(true)
  })
})

describe('a table of names', () => {
  it('knows a name for as long as somebody holds its number, and gives numbers out again', () => {
    fc.assert(fc.property(fc.array(fc.oneof(fc.constantFrom('', 'a', 'b', 'c', 'constructor'), fc.nat(20)), { maxLength: 100 }), steps => {
      const table = new NameTable()
      const held: Array<[string, number]> = []

      for (const step of steps) {
        if (typeof step === 'string') {
          held.push([step, table.take(step)])
        } else {
          const [entry] = held.splice(step % Math.max(1, held.length), 1)
          table.release(entry?.[1] ?? 0)
        }
        expect(held.map(([, number]) => table.name(number))).toEqual(held.map(([name]) => name))
        expect(table.size).toBe(new Set(held.map(([name]) => name).filter(name => name !== '')).size)
      }
    }))
  })
})
