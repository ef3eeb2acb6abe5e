import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { AttemptSlots, DEFAULT_LIMITS } from '../../src/routing/slots.ts'

const clients = ['a', 'b', 'c'] as const
type Client = typeof clients[number]

type Step =
  | { readonly do: 'take', readonly client: Client, readonly priority: number }
  | { readonly do: 'release', readonly which: number }
  | { readonly do: 'leave', readonly which: number }

const anyStep: fc.Arbitrary<Step> = fc.oneof(
  { weight: 3, arbitrary: fc.record({ do: fc.constant('take' as const), client: fc.constantFrom(...clients), priority: fc.integer({ min: -2, max: 2 }) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('release' as const), which: fc.nat(100) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('leave' as const), which: fc.nat(100) }) }
)

interface Waiting {
  readonly client: Client
  readonly priority: number
  readonly order: number
  readonly leave: () => void
}

/** Attempts as reads make them: a slot at once where there is one, a place in the queue where not */
class Crowd {
  readonly slots: AttemptSlots
  readonly holding: Client[] = []
  readonly waiting: Waiting[] = []
  started: Waiting | undefined
  #order = 0

  constructor (slots: AttemptSlots) {
    this.slots = slots
  }

  take (client: Client, priority = 0): void {
    if (this.slots.tryAcquire(client)) {
      this.holding.push(client)
      return
    }

    const waiting: Waiting = {
      client,
      priority,
      order: this.#order++,
      leave: this.slots.enqueue(client, priority, () => {
        this.waiting.splice(this.waiting.indexOf(waiting), 1)
        this.holding.push(client)
        this.started = waiting
      })
    }
    this.waiting.push(waiting)
  }

  release (which: number): void {
    const [client] = this.holding.splice(which % this.holding.length, 1)
    this.started = undefined

    if (client != null) {
      this.slots.release(client)
    }
  }

  leave (which: number): void {
    const [waiting] = this.waiting.splice(which % this.waiting.length, 1)
    waiting?.leave()
    // leaving twice is leaving once
    waiting?.leave()
  }

  held (client: Client): number {
    return this.holding.filter(holder => holder === client).length
  }
}

describe('AttemptSlots', () => {
  it('holds the limits, wastes no slot and keeps count, whatever comes and goes', () => {
    fc.assert(fc.property(fc.integer({ min: 1, max: 5 }), fc.integer({ min: 1, max: 3 }), fc.array(anyStep, { maxLength: 100 }), (global, perClient, steps) => {
      const crowd = new Crowd(new AttemptSlots({ ...DEFAULT_LIMITS, global, perClient }))

      for (const step of steps) {
        if (step.do === 'take') {
          crowd.take(step.client, step.priority)
        } else if (step.do === 'release') {
          crowd.release(step.which)
        } else {
          crowd.leave(step.which)
        }

        expect(crowd.slots.inFlight).toBe(crowd.holding.length)
        expect(crowd.slots.queued).toBe(crowd.waiting.length)
        expect(crowd.holding.length).toBeLessThanOrEqual(global)

        for (const client of clients) {
          expect(crowd.held(client)).toBeLessThanOrEqual(perClient)
          const waits = crowd.waiting.some(waiting => waiting.client === client)
          expect(waits && crowd.holding.length < global && crowd.held(client) < perClient).toBe(false)
        }
      }

      while (crowd.holding.length > 0) {
        crowd.release(0)
      }

      expect(crowd.waiting).toEqual([])
      expect(crowd.slots.inFlight).toBe(0)
    }))
  })

  it('serves the higher priority of one client first, and equals in their order', () => {
    fc.assert(fc.property(fc.array(fc.integer({ min: -3, max: 3 }), { minLength: 2, maxLength: 30 }), priorities => {
      const crowd = new Crowd(new AttemptSlots({ ...DEFAULT_LIMITS, global: 1 }))
      crowd.take('a')
      priorities.forEach(priority => { crowd.take('a', priority) })
      const expected = [...crowd.waiting].sort((a, b) => b.priority - a.priority || a.order - b.order)
      const served = priorities.map(() => {
        crowd.release(0)
        return crowd.started
      })
      expect(served).toEqual(expected)
    }))
  })

  it('takes turns between clients, however many of one wait and however important it finds itself', () => {
    fc.assert(fc.property(fc.integer({ min: 1, max: 50 }), fc.integer({ min: 1, max: 10 }), (many, few) => {
      const crowd = new Crowd(new AttemptSlots({ ...DEFAULT_LIMITS, global: 1 }))
      crowd.take('c')
      for (let i = 0; i < many; i++) {
        crowd.take('a', 1_000)
      }
      for (let i = 0; i < few; i++) {
        crowd.take('b', -1_000)
      }
      const turns = Array.from({ length: many + few }, () => {
        crowd.release(0)
        return crowd.started?.client
      })
      const both = 2 * Math.min(many, few)
      expect(turns.slice(0, both).filter(client => client === 'b')).toHaveLength(both / 2)
    }))
  })

  it('passes by a client that has all it may have', () => {
    const crowd = new Crowd(new AttemptSlots({ ...DEFAULT_LIMITS, global: 3, perClient: 2 }))
    crowd.take('a')
    crowd.take('a')
    crowd.take('a')
    expect(crowd.waiting).toHaveLength(1)
    crowd.take('b')
    crowd.take('b')
    crowd.release(2)
    expect(crowd.started?.client).toBe('b')
    crowd.release(0)
    expect(crowd.started?.client).toBe('a')
  })

  it('says when the queue is full', () => {
    const crowd = new Crowd(new AttemptSlots({ ...DEFAULT_LIMITS, global: 1, queue: 2 }))
    crowd.take('a')
    crowd.take('a')
    expect(crowd.slots.full).toBe(false)
    crowd.take('b')
    expect(crowd.slots.full).toBe(true)
    crowd.leave(0)
    expect(crowd.slots.full).toBe(false)
  })

  it('counts attempts per provider and forgets providers without any', () => {
    const slots = new AttemptSlots()
    slots.enter('http:a.example')
    slots.enter('http:a.example')
    slots.enter('http:b.example')
    expect(slots.providerInFlight('http:a.example')).toBe(2)
    slots.leave('http:a.example')
    slots.leave('http:b.example')
    expect(slots.providerInFlight('http:a.example')).toBe(1)
    expect(slots.providerInFlight('http:b.example')).toBe(0)
  })
})

describe('room at a provider', () => {
  /** Leaves `count` times; who took the room each time */
  function offers (slots: AttemptSlots, count: number, wanting: ReadonlyArray<{ client: string, priority?: number, takes?: boolean }>): string[] {
    const taken: string[] = []
    wanting.forEach(({ client, priority = 0, takes = true }, i) => {
      const stop = slots.whenRoom(client, priority, () => {
        if (takes) {
          stop()
          taken.push(`${client}${i}`)
        }
        return takes
      })
    })
    for (let i = 0; i < count; i++) {
      slots.enter('http:p.example')
      slots.leave('http:p.example')
    }
    return taken
  }

  it('goes to one reader at a time', () => {
    expect(offers(new AttemptSlots(), 1, [{ client: 'a' }, { client: 'a' }])).toEqual(['a0'])
  })

  it('goes to the next one when a reader has no use for it', () => {
    expect(offers(new AttemptSlots(), 1, [{ client: 'a', takes: false }, { client: 'a' }])).toEqual(['a1'])
    expect(offers(new AttemptSlots(), 1, [{ client: 'a', takes: false }, { client: 'b' }])).toEqual(['b1'])
  })

  it('goes round the clients, and by priority within one', () => {
    expect(offers(new AttemptSlots(), 4, [
      { client: 'a' }, { client: 'a', priority: 5 }, { client: 'a' }, { client: 'b' }
    ])).toEqual(['a1', 'b3', 'a0', 'a2'])
  })

  it('is not offered to who has stopped waiting', () => {
    const slots = new AttemptSlots()
    let woken = 0
    const stop = slots.whenRoom('a', 0, () => {
      woken++
      return false
    })
    slots.leave('http:p.example')
    expect(woken).toBe(1)
    stop()
    slots.leave('http:p.example')
    expect(woken).toBe(1)
  })
})
