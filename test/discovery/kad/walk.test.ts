import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { madeUpPeer } from './support/peers.ts'
import { simulateWalk, simulatedNet } from './support/simulated-walk.ts'
import { seededRandom } from '../../../src/clock/random.ts'
import { compareDistance } from '../../../src/discovery/kad/kad-key.ts'
import { Walk } from '../../../src/discovery/kad/walk.ts'
import type { KadPeer } from '../../../src/discovery/kad/kad-client.ts'
import type { SimulatedPeer } from './support/simulated-walk.ts'
import type { PeerTimingView } from '../../../src/discovery/kad/walk.ts'

const patient: PeerTimingView = { slowAfter: () => 200, patience: () => 400, dead: () => false, silentShare: 0.25 }
const params = { k: 20, concurrency: 10, maxAsked: 200 }

function nearest (peers: readonly KadPeer[], target: Uint8Array, count: number): string[] {
  return peers.toSorted((a, b) => compareDistance(target, a.key, b.key)).slice(0, count).map(({ id }) => id)
}

/** One after the other, each for as long as it takes */
function sequential (target: Uint8Array, table: readonly KadPeer[], peer: (id: string) => SimulatedPeer): string[] {
  const known = new Map(table.map(entry => [entry.id, entry]))
  const asked = new Set<string>()

  for (;;) {
    const wanted = nearest([...known.values()].filter(({ id }) => peer(id).fails == null), target, 20)
    const next = wanted.find(id => !asked.has(id))

    if (next == null) {
      return wanted
    }
    asked.add(next)
    peer(next).closer().forEach(entry => { known.set(entry.id, entry) })
  }
}

const network = fc.record({
  count: fc.integer({ min: 1, max: 150 }),
  k: fc.constantFrom(4, 20),
  seed: fc.integer(),
  concurrency: fc.integer({ min: 1, max: 30 }),
  dead: fc.constantFrom(0, 0.3, 0.6, 1),
  maxAsked: fc.constantFrom(10, 400),
  known: fc.constantFrom('none', 'half', 'all')
})

describe('walk', () => {
  it('ends, asks nobody twice and never too many at a time, whatever befalls it', () => {
    fc.assert(fc.property(network, ({ count, k, seed, concurrency, dead, maxAsked, known }) => {
      const { byId, table, target, random } = simulatedNet({ count, k, seed, dead })
      const taken = new Set([...byId.values()].filter(({ fails }) => known !== 'none' && fails != null && (known === 'all' || random.next() < 0.5)).map(({ id }) => id))
      // silence for ever ends where whoever drives gives it up; here, with nobody answering, that is never
      const peer = (id: string): SimulatedPeer | undefined => {
        const found = byId.get(id)
        return found?.fails === 'never' ? { ...found, fails: 10_000 } : found
      }
      const walk = simulateWalk(target, table, peer, { k, concurrency, maxAsked }, { ...patient, dead: id => taken.has(id) })

      expect(new Set(walk.asked).size).toBe(walk.asked.length)
      expect(walk.asked.length).toBeLessThanOrEqual(maxAsked)
      expect(walk.busiest).toBeLessThanOrEqual(concurrency)
      expect(walk.closest.length).toBeLessThanOrEqual(k)
      expect(new Set(walk.closest).size).toBe(walk.closest.length)
    }), { numRuns: 150 })
  })

  it('finds exactly the nearest when all live', () => {
    fc.assert(fc.property(fc.integer(), seed => {
      const { alive, table, target, byId } = simulatedNet({ count: 150, k: 20, seed })
      const walk = simulateWalk(target, table, id => byId.get(id), params, { ...patient, patience: () => 500 })

      expect(walk.end).toBe('settled')
      expect(walk.closest).toEqual(nearest(alive, target, 20))
    }), { numRuns: 40 })
  })

  it('finds those living ones that patience without end would find, and each of them has been asked', () => {
    fc.assert(fc.property(fc.integer(), fc.constantFrom(0.1, 0.3, 0.5), (seed, dead) => {
      const { table, target, byId } = simulatedNet({ count: 150, k: 20, seed, dead })
      const walk = simulateWalk(target, table, id => byId.get(id), params, patient)
      const reference = sequential(target, table, id => byId.get(id) as SimulatedPeer)
      const key = (id: string): Uint8Array => byId.get(id)?.key as Uint8Array

      expect(walk.end).toBe('settled')
      expect(walk.closest.filter(id => byId.get(id)?.fails != null)).toEqual([])
      // it asks a few more in the stead of the slow, and so may hear of nearer ones
      expect(walk.closest.filter((id, i) => compareDistance(target, key(id), key(reference[i] as string)) > 0)).toEqual([])
    }), { numRuns: 40 })
  })

  it('is the same walk each time', () => {
    const { table, target, byId } = simulatedNet({ count: 120, k: 20, seed: 4, dead: 0.4 })
    const run = (): unknown => simulateWalk(target, table, id => byId.get(id), params, patient)

    expect(run()).toEqual(run())
  })

  it('does not wait for the dead that are known', () => {
    const { table, target, byId } = simulatedNet({ count: 150, k: 20, seed: 8, dead: 0.3 })
    const told = simulateWalk(target, table, id => byId.get(id), params, { ...patient, dead: id => byId.get(id)?.fails != null })
    const oracle = simulateWalk(target, table.filter(({ id }) => byId.get(id)?.fails == null), id => {
      const peer = byId.get(id)
      return peer == null ? undefined : { ...peer, closer: () => peer.closer().filter(({ id }) => byId.get(id)?.fails == null) }
    }, params, patient)

    expect(told.asked.filter(id => byId.get(id)?.fails != null)).toEqual([])
    expect(told.closest).toEqual(oracle.closest)
    // one more answers for each of them, which takes no longer than usual
    expect(told.at).toBeLessThanOrEqual(oracle.at + patient.slowAfter(''))
  })

  it('asks another in the stead of one that is slow, and takes the answer of the slow one', () => {
    const random = seededRandom(1)
    const peers = Array.from({ length: 4 }, () => madeUpPeer(random))
    const target = peers[0]?.key as Uint8Array
    const [first, second, third, fourth] = nearest(peers, target, 4) as [string, string, string, string]
    const walk = new Walk(target, { k: 2, concurrency: 2, maxAsked: 10 }, { ...patient, silentShare: 0 })
    walk.heard(peers)

    expect(walk.next(0).map(({ id }) => id)).toEqual([first, second])
    walk.answered(second)
    expect(walk.next(199)).toEqual([])
    expect(walk.wakeAt(199)).toBe(200)
    // one in its stead, and one for whom it would have named
    expect(walk.next(200).map(({ id }) => id)).toEqual([third, fourth])
    walk.answered(third)
    expect(walk.ended(399)).toBeUndefined()
    walk.answered(first)
    expect(walk.ended(399)).toBe('settled')
    expect(walk.closest().map(({ id }) => id)).toEqual([first, second])
  })

  it('asks as many more as are expected to be silent once somebody answers, and waits for none of these', () => {
    const random = seededRandom(6)
    const peers = Array.from({ length: 40 }, () => madeUpPeer(random))
    const target = madeUpPeer(random).key
    const [first] = nearest(peers, target, 1) as [string]
    const begin = (silentShare: number): Walk => {
      const walk = new Walk(target, { k: 8, concurrency: 40, maxAsked: 100 }, { ...patient, silentShare })
      walk.heard(peers)
      return walk
    }
    const asked = (walk: Walk, after: string): string[] => {
      const begun = walk.next(0)
      walk.answered(after)
      return [...begun, ...walk.next(1)].map(({ id }) => id)
    }

    expect(begin(0.3).next(0)).toHaveLength(8)
    expect([0, 0.1, 0.2, 0.3, 1].map(share => asked(begin(share), first).length)).toEqual([8, 11, 14, 16, 16])
    expect(asked(begin(0.2), first)).toEqual(nearest(peers, target, 14))

    const walk = begin(0.3)
    asked(walk, first)
    nearest(peers, target, 8).forEach(id => { walk.answered(id) })
    expect(walk.ended(1)).toBe('settled')
  })

  it('waits for nobody beyond patience, but takes what comes', () => {
    const random = seededRandom(2)
    const peers = Array.from({ length: 3 }, () => madeUpPeer(random))
    const target = peers[0]?.key as Uint8Array
    const [first, second, third] = nearest(peers, target, 3) as [string, string, string]
    const walk = new Walk(target, { k: 2, concurrency: 3, maxAsked: 10 }, patient)
    walk.heard(peers)
    walk.next(0)
    walk.answered(second)
    walk.next(200)
    walk.answered(third)

    expect([walk.ended(399), walk.ended(400)]).toEqual([undefined, 'settled'])
    expect([walk.takeLate(), walk.takeLate()]).toEqual([[first], []])
    expect(walk.closest().map(({ id }) => id)).toEqual([second, third])
    walk.answered(first)
    expect(walk.closest().map(({ id }) => id)).toEqual([first, second])
  })

  it('gives the time of an answer to a peer that it has reached, however late that was', () => {
    const random = seededRandom(3)
    const only = madeUpPeer(random)
    const other = madeUpPeer(random)
    const walk = new Walk(only.key, { k: 1, concurrency: 2, maxAsked: 10 }, { ...patient, patience: (_, reach) => reach == null ? 400 : 100, slowAfter: () => 50 })
    walk.heard([only, other])
    walk.next(0)
    walk.next(50)
    walk.answered(other.id)

    expect(walk.ended(400)).toBe('settled')
    walk.reached(only.id, 410, { rounds: 2, dialled: 410 })
    expect([walk.ended(509), walk.ended(510)]).toEqual([undefined, 'settled'])
  })

  it('asks the dead when there is nobody else', () => {
    const random = seededRandom(4)
    const peers = Array.from({ length: 5 }, () => madeUpPeer(random))
    const walk = new Walk(peers[0]?.key as Uint8Array, params, { ...patient, dead: () => true })
    walk.heard(peers)

    expect(walk.ended(0)).toBeUndefined()
    expect(walk.next(0)).toHaveLength(5)
    // without any answer they are waited for until they fail
    expect(walk.ended(5_000)).toBeUndefined()
    peers.forEach(({ id }) => { walk.failed(id) })
    expect(walk.ended(5_000)).toBe('exhausted')
  })

  it('is exhausted at once when nobody is known', () => {
    expect(new Walk(madeUpPeer(seededRandom(1)).key, params, patient).ended(0)).toBe('exhausted')
  })

  it('ends however what is told comes in, twice, late or from strangers', () => {
    const step = fc.record({ what: fc.constantFrom('answer', 'fail', 'reach', 'wait', 'stranger', 'again'), which: fc.nat(1_000), ms: fc.nat(500) })
    fc.assert(fc.property(fc.integer(), fc.array(step, { maxLength: 300 }), fc.integer({ min: 1, max: 12 }), (seed, steps, concurrency) => {
      const random = seededRandom(seed)
      const peers = Array.from({ length: 60 }, () => madeUpPeer(random))
      const target = madeUpPeer(random).key
      const walk = new Walk(target, { k: 6, concurrency, maxAsked: 40 }, patient)
      const open: string[] = []
      const closed: string[] = []
      let now = 0
      walk.heard(peers.slice(0, 10))

      const ask = (): void => { open.push(...walk.next(now).map(({ id }) => id)) }
      const answer = (id: string): void => {
        walk.answered(id)
        const from = Math.floor(random.next() * 60)
        walk.heard(peers.slice(from, from + 8), id)
      }

      ask()
      for (const { what, which, ms } of steps) {
        const id = open[which % Math.max(1, open.length)]

        if (what === 'wait') {
          now += ms
        } else if (what === 'stranger') {
          walk.answered('somebody')
          walk.failed('somebody')
          walk.reached('somebody', now, { rounds: 2 })
        } else if (what === 'again' && closed.length > 0) {
          walk.answered(closed[which % closed.length] as string)
        } else if (id != null && what === 'reach') {
          walk.reached(id, now, { rounds: 2, dialled: ms })
        } else if (id != null && (what === 'answer' || what === 'fail')) {
          open.splice(open.indexOf(id), 1)
          closed.push(id)
          if (what === 'answer') {
            answer(id)
          } else {
            walk.failed(id)
          }
        }
        ask()
        expect(walk.counts.asked).toBe(open.length + closed.length)
        expect(walk.counts.asked).toBeLessThanOrEqual(40)
      }

      // everybody who is still asked says something, or the time of all is over
      for (let i = 0; i < 60 && walk.ended(now) == null; i++) {
        if (seed % 2 === 0) {
          open.splice(0).forEach(answer)
        } else {
          open.splice(0).forEach(id => { walk.failed(id) })
        }
        now += 1_000
        ask()
      }
      expect(walk.ended(now)).toBeDefined()
      const found = walk.closest().map(({ id }) => id)
      expect(found).toEqual(nearest(peers.filter(({ id }) => found.includes(id)), target, 6))
    }), { numRuns: 150 })
  })

  it('is not kept from ending by peers that name thousands of others, themselves, and each other', () => {
    fc.assert(fc.property(fc.integer(), fc.boolean(), (seed, answer) => {
      const random = seededRandom(seed)
      const target = madeUpPeer(random).key
      // all share four bytes with the target, more with each answer: nearer than any honest peer
      const made = new Map<string, SimulatedPeer>()
      const make = (): SimulatedPeer => {
        const peer = madeUpPeer(random)
        const key = target.map((byte, i) => i < 4 + made.size / 8_000 ? byte : peer.key[i] as number)
        const result: SimulatedPeer = { ...peer, key, delay: 1, ...(answer ? {} : { fails: 'never' as const }), closer: () => [result, ...made.values().take(5), ...Array.from({ length: 80 }, make)] }
        made.set(peer.id, result)
        return result
      }
      const first: SimulatedPeer = { ...madeUpPeer(random), delay: 1, closer: () => Array.from({ length: 80 }, make) }
      const walk = simulateWalk(target, [first], id => id === first.id ? first : made.get(id), params, patient)

      expect(walk.asked.length).toBeLessThanOrEqual(params.maxAsked)
      expect(walk.end).not.toBeUndefined()
    }), { numRuns: 4 })
  })

  it('passes the time of honest peers by hostile ones: the true nearest that answer are among those found', () => {
    const { alive, table, target, byId } = simulatedNet({ count: 150, k: 20, seed: 11 })
    const random = seededRandom(12)
    const liar = byId.get(nearest(alive, target, 30).at(-1) as string) as SimulatedPeer
    const fakes = Array.from({ length: 40 }, (): SimulatedPeer => {
      const peer = madeUpPeer(random)
      return { ...peer, key: target.map((byte, i) => i < 3 ? byte : peer.key[i] as number), delay: 1, fails: 'never', closer: () => [] }
    })
    byId.set(liar.id, { ...liar, closer: () => fakes })
    fakes.forEach(fake => { byId.set(fake.id, fake) })
    const walk = simulateWalk(target, [...table, liar], id => byId.get(id), params, patient)

    expect(walk.end).toBe('settled')
    expect(walk.closest).toEqual(nearest(alive, target, 20))
  })
})
