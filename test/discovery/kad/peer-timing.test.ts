import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { seededRandom } from '../../../src/clock/random.ts'
import { MAX_PATIENCE, PeerTiming } from '../../../src/discovery/kad/peer-timing.ts'
import type { PeerTimingMoment } from '../../../src/discovery/kad/peer-timing.ts'

const MINUTE = 60_000
const fresh = { rounds: 2 } as const
const open = { rounds: 1 } as const

/** Told of so many peers that answer within 20 to 240 ms a round, after dials of three times that */
function experienced (count = 200, timing = new PeerTiming()): PeerTiming {
  const random = seededRandom(1)

  for (let i = 0; i < count; i++) {
    const round = 20 + random.next() * 220
    timing.dialled(`peer-${i}`, 3 * round)
    timing.answered(`peer-${i}`, { reach: { rounds: 2, dialled: 3 * round }, took: 2 * round, askedAt: 0, now: 1_000 })
  }
  return timing
}

function restored (value: unknown, moment: PeerTimingMoment): PeerTiming {
  const timing = new PeerTiming()
  timing.restore(value, moment)
  return timing
}

function die (timing: PeerTiming, peer: string, now: number): void {
  timing.failed(peer, { askedAt: now - 500, now })
  timing.answered('witness', { reach: fresh, took: 100, askedAt: now - 100, now })
}

describe('peer timing', () => {
  it('calls slow what fewer than a quarter of the peers is, and is patient with all of them', () => {
    const timing = experienced()
    const random = seededRandom(2)
    const dials = Array.from({ length: 1_000 }, () => 3 * (20 + random.next() * 220))
    const slow = dials.filter(took => took > timing.slowAfter('new')).length

    expect(slow).toBeGreaterThan(50)
    expect(slow).toBeLessThan(250)
    expect(dials.filter(took => took > timing.patience('new'))).toEqual([])
  })

  it('expects of a peer what its dial took', () => {
    const timing = experienced()

    expect(timing.slowAfter('near', { rounds: 2, dialled: 90 })).toBeCloseTo(60, -1)
    expect(timing.patience('near', { rounds: 2, dialled: 90 })).toBe(600)
    expect(timing.patience('far', { rounds: 2, dialled: 900 })).toBeGreaterThan(600)
  })

  it('learns the round trip of each, and that a new stream takes two', () => {
    const timing = experienced()

    for (let i = 0; i < 40; i++) {
      timing.answered('steady', { reach: i % 2 === 0 ? open : fresh, took: i % 2 === 0 ? 50 : 100, askedAt: 0, now: 0 })
    }

    expect(timing.slowAfter('steady', open)).toBeCloseTo(50, 0)
    expect(timing.slowAfter('steady', fresh)).toBeCloseTo(100, 0)
    expect(timing.patience('steady', open)).toBe(1_000)
  })

  it('is never less patient than it calls slow, and never beyond bounds', () => {
    const duration = fc.double({ min: 0, max: 100_000, noNaN: true })
    fc.assert(fc.property(fc.array(fc.tuple(fc.constantFrom('a', 'b', 'c'), duration, duration, fc.boolean()), { maxLength: 60 }), events => {
      const timing = new PeerTiming()

      events.forEach(([peer, dialled, took, alive], i) => {
        timing.dialled(peer, dialled)
        if (alive) {
          timing.answered(peer, { reach: { rounds: 2, dialled }, took, askedAt: i, now: i })
        } else {
          timing.failed(peer, { askedAt: i, now: i })
        }
      })

      for (const reach of [undefined, open, fresh, { rounds: 2, dialled: 7 } as const]) {
        for (const peer of ['a', 'b', 'new']) {
          expect(timing.patience(peer, reach)).toBeGreaterThanOrEqual(timing.slowAfter(peer, reach))
          expect(timing.patience(peer, reach)).toBeLessThanOrEqual(Math.max(MAX_PATIENCE, timing.slowAfter(peer, reach)))
        }
      }
    }))
  })

  it('leaves a dead peer alone for one minute, then two, four, at most an hour', () => {
    const timing = experienced()
    let now = 10_000
    const pauses: number[] = []

    for (let i = 0; i < 8; i++) {
      die(timing, 'gone', now)
      let pause = 0
      while (timing.dead('gone', now + pause)) {
        pause += MINUTE
      }
      pauses.push(pause / MINUTE)
      now += pause
    }

    expect(pauses).toEqual([1, 2, 4, 8, 16, 32, 60, 60])
    timing.answered('gone', { reach: fresh, took: 10, askedAt: now, now })
    expect(timing.dead('gone', now)).toBe(false)
    expect(timing.silent).toBe(0)
  })

  it('counts silences that overlap as one', () => {
    const timing = experienced()
    die(timing, 'gone', 10_000)
    die(timing, 'gone', 10_100)

    expect(timing.dead('gone', 10_000 + MINUTE)).toBe(false)
  })

  it('does not give up one that has answered before for a single silence', () => {
    const timing = experienced()
    die(timing, 'peer-1', 10_000)
    expect(timing.dead('peer-1', 10_000)).toBe(false)
    die(timing, 'peer-1', 20_000)
    expect(timing.dead('peer-1', 20_000)).toBe(true)
  })

  it('waits less for one that was silent and never anything else', () => {
    const timing = experienced()
    const before = timing.patience('gone')
    die(timing, 'gone', 10_000)

    expect(timing.patience('gone')).toBeLessThan(before)
    expect(timing.patience('gone')).toBe(timing.slowAfter('gone'))
  })

  it('believes a connection of one that could not be dialled, and not of one that was mute', () => {
    const timing = experienced()
    die(timing, 'gone', 10_000)
    timing.failed('mute', { reach: fresh, askedAt: 9_500, now: 10_000 })
    timing.connected('gone')
    timing.connected('mute')

    expect([timing.dead('gone', 10_001), timing.dead('mute', 10_001)]).toEqual([false, true])
  })

  it('marks nobody when everybody is silent', () => {
    const timing = experienced()

    for (let i = 0; i < 50; i++) {
      timing.failed(`other-${i}`, { askedAt: 20_000, now: 23_000 })
    }
    expect(timing.silent).toBe(0)

    // the first answer after that says nothing about those who were silent before its question
    timing.answered('back', { reach: fresh, took: 100, askedAt: 30_000, now: 30_100 })
    expect(timing.silent).toBe(0)
  })

  it('marks those who were silent while somebody answered, also when that answer came later', () => {
    const timing = new PeerTiming()
    timing.failed('gone', { askedAt: 100, now: 300 })
    expect(timing.dead('gone', 300)).toBe(false)
    timing.answered('there', { reach: fresh, took: 500, askedAt: 100, now: 600 })
    expect(timing.dead('gone', 600)).toBe(true)
  })

  it('knows the share of strangers that is silent, and a connection that fails for everybody is not held against them', () => {
    const timing = new PeerTiming()
    expect(timing.silentShare).toBe(0.25)

    for (let i = 0; i < 300; i++) {
      timing.failed(`cut off ${i}`, { askedAt: 0, now: 0 })
    }
    expect(timing.silentShare).toBe(0.25)

    for (let i = 0; i < 400; i++) {
      timing.answered(`new ${i}`, { reach: fresh, took: 100, askedAt: 10_000 + i, now: 10_100 + i })
    }
    expect(timing.silentShare).toBeLessThan(0.02)

    for (let i = 0; i < 400; i++) {
      // half of the strangers; those who are known count once
      const at = 20_000 + i
      timing.answered(`newer ${i}`, { reach: fresh, took: 100, askedAt: at, now: at })
      timing.answered(`new ${i}`, { reach: fresh, took: 100, askedAt: at, now: at })
      timing.failed(`gone ${i}`, { askedAt: at, now: at })
      timing.failed(`gone ${i}`, { askedAt: at, now: at })
    }
    expect(timing.silentShare).toBeCloseTo(0.5, 1)

    for (let i = 300; i < 400; i++) {
      // they were only late
      timing.answered(`gone ${i}`, { reach: fresh, took: 100, askedAt: 30_000, now: 30_000 })
    }
    expect(timing.silentShare).toBeLessThan(0.1)
  })

  it('holds no more than its bounds', () => {
    const timing = experienced(6_000)
    for (let i = 0; i < 6_000; i++) {
      timing.failed(`gone-${i}`, { askedAt: 500, now: 900 })
    }
    const stored = timing.toJSON({ now: 1_000, wall: 0 })

    expect(timing.silent).toBe(4_096)
    expect([stored.peers.length, stored.dials.length, stored.dead.length]).toEqual([4_096, 256, 4_096])
  })

  it('is the same after a restart, on another clock', () => {
    const before = experienced()
    die(before, 'gone', 10_000)
    const then: PeerTimingMoment = { now: 20_000, wall: 1_000_000 }
    const now: PeerTimingMoment = { now: 5, wall: 1_010_000 }
    const after = restored(JSON.parse(JSON.stringify(before.toJSON(then))), now)

    for (const peer of ['peer-1', 'gone', 'new']) {
      for (const reach of [undefined, open, { rounds: 2, dialled: 100 } as const]) {
        expect(after.patience(peer, reach)).toBe(before.patience(peer, reach))
        expect(after.slowAfter(peer, reach)).toBe(before.slowAfter(peer, reach))
      }
    }
    expect(after.silentShare).toBeCloseTo(before.silentShare, 1)
    // of its minute, 20 seconds are over
    expect([after.dead('gone', 5 + 39_000), after.dead('gone', 5 + 41_000)]).toEqual([true, false])
  })

  it('reads anything that was stored', () => {
    const moment = { now: 0, wall: 0 }
    fc.assert(fc.property(fc.oneof(fc.jsonValue(), fc.record({ dials: fc.jsonValue(), peers: fc.array(fc.jsonValue()), dead: fc.array(fc.jsonValue()), newcomers: fc.oneof(fc.jsonValue(), fc.record({ answered: fc.double(), silent: fc.double() })) })), value => {
      const timing = restored(value, moment)
      expect(timing.patience('x')).toBeGreaterThan(0)
      expect(timing.silentShare).toBeGreaterThanOrEqual(0)
      expect(timing.silentShare).toBeLessThanOrEqual(1)
    }))
    expect(restored({ dead: [{ peer: 'x', until: 1e15, times: 1e9, mute: false }] }, moment).dead('x', 3_600_001)).toBe(false)
  })
})
