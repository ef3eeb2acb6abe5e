import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { EventRing } from '../../../src/privacy/collector/event-ring.ts'
import { NameTable } from '../../../src/privacy/collector/name-table.ts'
import type { EventPeer } from '../../../src/privacy/collector/event-ring.ts'
import type { TrafficEvent } from '../../../src/interface/privacy.ts'

/** Peers by name, as the ring counts them */
function named (): { of (name: string): EventPeer, nameOf (number: number): string | undefined } {
  const peers = new Map<string, EventPeer>()
  const names: string[] = []
  return {
    of (name) {
      const peer = peers.get(name) ?? { number: names.push(name) - 1, events: 0 }
      peers.set(name, peer)
      return peer
    },
    nameOf: number => names[number]
  }
}

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
      const peers = named()
      const truth: TrafficEvent[] = []
      let at = 1_000

      for (const { peer, kind, bytes, protocol, gap } of events) {
        at += gap
        ring.push(at, peers.of(peer), kind, bytes ?? NaN, protocol ?? '')
        truth.push({ at, peer, kind, ...(bytes == null ? {} : { bytes }), ...(protocol == null ? {} : { protocol }) })
      }

      const kept = truth.slice(-capacity)
      expect(ring.size).toBe(kept.length)
      expect(ring.list(0, peers.nameOf)).toEqual(kept)
      expect(ring.list(1_000 + since, number => peers.nameOf(number) === 'b' ? undefined : peers.nameOf(number))).toEqual(kept.filter(({ peer, at }) => peer !== 'b' && at >= 1_000 + since))
      ring.clear()
      expect(ring.list(0, peers.nameOf)).toEqual([])
    }))
  })

  it('crosses from one piece of memory to the next', () => {
    const ring = new EventRing(20_000)
    const peers = named()
    for (let i = 0; i < 50_000; i++) {
      ring.push(i, peers.of(`p${i % 7}`), 'sent', i, '')
    }
    const events = ring.list(0, peers.nameOf)
    expect(events).toHaveLength(20_000)
    expect(events.every(({ at, peer, bytes }, i) => at === 30_000 + i && bytes === at && peer === `p${at % 7}`)).toBe(true)
  })

  it('keeps of each peer its share, however much another one sends', () => {
    const quiet = fc.record({ peer: fc.constantFrom('a', 'b', 'c'), at: fc.nat(100) })

    fc.assert(fc.property(fc.array(quiet, { maxLength: 60 }), fc.integer({ min: 640, max: 1_500 }), fc.nat(5_000), (few, capacity, flood) => {
      const share = Math.floor(capacity / 64)
      const ring = new EventRing(capacity)
      const peers = named()
      const events = few.toSorted((a, b) => a.at - b.at)
      events.forEach(({ peer, at }, i) => { ring.push(at, peers.of(peer), 'sent', i, '/x') })
      for (let i = 0; i < flood; i++) {
        ring.push(101 + i, peers.of('flood'), 'received', 1, '/x')
      }

      const list = ring.list(0, peers.nameOf)
      expect(list).toHaveLength(Math.min(capacity, events.length + flood))
      expect(list.map(({ at }) => at)).toEqual(list.map(({ at }) => at).toSorted((a, b) => a - b))
      for (const peer of ['a', 'b', 'c']) {
        const truth = events.flatMap((event, i) => event.peer === peer ? [i] : []).slice(-share)
        expect(list.filter(event => event.peer === peer).map(({ bytes }) => bytes).slice(-share)).toEqual(truth)
      }
      expect(list.filter(({ peer }) => peer === 'flood').slice(-share).at(-1)?.at).toBe(flood === 0 ? undefined : 100 + flood)
    }), { numRuns: 50 })
  })

  it('keeps nobody\'s share for longer than it is to be kept', () => {
    const ring = new EventRing(640, 1_000)
    const peers = named()
    ring.push(0, peers.of('old'), 'open', NaN, '')
    ring.push(500, peers.of('young'), 'open', NaN, '')
    for (let i = 0; i < 5_000; i++) {
      ring.push(1_400, peers.of('flood'), 'received', 1, '')
    }
    const left = ring.list(0, peers.nameOf).map(({ peer }) => peer)
    expect(left).not.toContain('old')
    expect(left).toContain('young')
  })

  it('spares nothing of whom nobody knows any more', () => {
    const ring = new EventRing(640)
    const peers = named()
    ring.push(0, peers.of('gone'), 'open', NaN, '')
    ring.push(1, peers.of('here'), 'open', NaN, '')
    ring.forget(peers.of('gone'))
    for (let i = 0; i < 5_000; i++) {
      ring.push(2 + i, peers.of('flood'), 'received', 1, '')
    }
    const left = ring.list(0, peers.nameOf)
    expect([left.length, left.filter(({ peer }) => peer !== 'flood').map(({ peer }) => peer)]).toEqual([640, ['here']])
    expect([peers.of('here').events, peers.of('gone').events, peers.of('flood').events]).toEqual([1, 0, 639])
  })

  it('is a plain ring again when those who sent so much have gone', () => {
    const ring = new EventRing(640)
    const peers = named()
    for (let i = 0; i < 2_000; i++) {
      ring.push(i, peers.of('flood'), 'received', 1, '')
    }
    for (let i = 0; i < 6_400; i++) {
      ring.push(2_000 + i, peers.of(`p${i % 100}`), 'sent', i, '')
    }
    expect(ring.list(0, peers.nameOf).map(({ bytes }) => bytes).filter(bytes => bytes != null && bytes >= 5_760)).toHaveLength(640)
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
