import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { oracleWalk } from '../../../bench/lookup/oracle.ts'
import { seededRandom } from '../../../src/clock/random.ts'
import { compareDistance, kadKey } from '../../../src/discovery/kad/kad-key.ts'
import { VirtualClock } from '../../../src/testing/virtual-clock.ts'
import type { KadPeer } from '../../../src/discovery/kad/kad-client.ts'

const peers: readonly KadPeer[] = Array.from({ length: 120 }, (_, i) => ({ id: `p${i}`, key: kadKey(Uint8Array.of(i)), addresses: [] }))
const target = kadKey(Uint8Array.of(1, 2, 3))

function nearest (to: readonly KadPeer[], count: number): KadPeer[] {
  return to.toSorted((a, b) => compareDistance(target, a.key, b.key)).slice(0, count)
}

describe('the walk that knows who is dead', () => {
  it('asks nobody dead, nobody twice and never too many at a time, and all of the nearest living', async () => {
    await fc.assert(fc.asyncProperty(fc.integer({ min: 0, max: 2 ** 31 }), fc.integer({ min: 1, max: 20 }), async (seed, concurrency) => {
      const random = seededRandom(seed)
      const clock = new VirtualClock()
      const living = new Set(peers.filter(() => random.next() > 0.3).map(({ id }) => id))
      const asked: string[] = []
      let running = 0

      await clock.run(oracleWalk({
        target,
        k: 10,
        concurrency,
        known: peers.filter(() => random.next() > 0.8),
        alive: id => living.has(id),
        async ask ({ id }) {
          asked.push(id)
          expect(++running).toBeLessThanOrEqual(concurrency)
          await clock.sleep(1 + 100 * random.next())
          running--
          // everybody knows all about the neighbourhood, the dead in it too
          return nearest(peers, 20)
        }
      }))

      expect(asked.every(id => living.has(id))).toBe(true)
      expect(new Set(asked).size).toBe(asked.length)
      const found = asked.filter(id => nearest(peers, 20).some(peer => peer.id === id))
      const wanted = nearest(nearest(peers, 20).filter(({ id }) => living.has(id)), 10).map(({ id }) => id)
      expect(asked.length === 0 || wanted.every(id => found.includes(id))).toBe(true)
    }), { numRuns: 50 })
  })

  it('ends with the last answer that it needs, and takes one round where it knows all', async () => {
    const clock = new VirtualClock()
    await clock.run(oracleWalk({
      target,
      k: 20,
      concurrency: 20,
      known: peers,
      alive: () => true,
      async ask () {
        await clock.sleep(50)
        return peers.slice(0, 20)
      }
    }))
    expect(clock.now()).toBe(50)
  })

  it('ends at once where everybody is dead', async () => {
    await oracleWalk({ target, k: 20, concurrency: 10, known: peers, alive: () => false, ask: async () => { throw new Error('nobody is to be asked') } })
  })

  it('fails when somebody living does not answer: the figures would mean nothing', async () => {
    await expect(oracleWalk({ target, k: 20, concurrency: 10, known: peers, alive: () => true, ask: async () => { throw new Error('reset') } })).rejects.toThrow('reset')
  })
})
