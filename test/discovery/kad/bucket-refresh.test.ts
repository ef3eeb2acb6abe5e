import { describe, expect, it } from 'vitest'
import { seededRandom } from '../../../src/clock/random.ts'
import { BucketRefresh } from '../../../src/discovery/kad/bucket-refresh.ts'
import { commonPrefixLength, kadKey, peerKey } from '../../../src/discovery/kad/kad-key.ts'
import { preimageAt } from '../../../src/discovery/kad/key-search.ts'
import { silentLogger } from '../../../src/testing/silent-logger.ts'
import { VirtualClock } from '../../../src/testing/virtual-clock.ts'
import type { KadPeer } from '../../../src/discovery/kad/kad-client.ts'
import type { WalkResult } from '../../../src/discovery/kad/walk-run.ts'

const SELF = '12D3KooWGC6TvWhfajpX6wvJHMYvKpDMXPb3ZnCZ6dMoaMtimQ5o'
const MINUTE = 60_000
const DONE: WalkResult = { end: 'settled', closest: [], asked: 8, answered: 8, failed: 0, passedOver: 0, leftOut: 0, hops: 1, took: 1 }

interface Walked {
  readonly at: number
  /** Bits in common with us; 256 towards ourselves */
  readonly depth: number
  readonly signal: AbortSignal
}

/** A table that does not change, and walks that take as long as they are told to */
class World {
  readonly clock = new VirtualClock()
  readonly walks: Walked[] = []
  readonly dead = new Set<string>()
  running = 0
  most = 0
  offset = 0
  readonly refresh: BucketRefresh

  constructor (counts: readonly number[], walk: (clock: VirtualClock, signal: AbortSignal) => Promise<void>, seed = 1) {
    const { clock } = this
    const buckets = new Map(counts.map((count, depth) => [depth, Array.from({ length: count }, (_, i): KadPeer => ({ id: `${depth}-${i}`, key: new Uint8Array(32), addresses: [] }))]))

    this.refresh = new BucketRefresh({
      clock: { ...clock, now: () => clock.now(), wall: () => clock.wall() + this.offset, schedule: (ms, fn) => clock.schedule(ms, fn) },
      random: seededRandom(seed),
      logger: silentLogger,
      self: SELF,
      table: { buckets: () => buckets },
      timing: { dead: peer => this.dead.has(peer) },
      walker: {
        findClosest: async (preimage, { signal }) => {
          this.walks.push({ at: clock.now(), depth: commonPrefixLength(peerKey(SELF), kadKey(preimage)), signal })
          this.most = Math.max(this.most, ++this.running)
          try {
            await walk(clock, signal)
          } finally {
            this.running--
          }
          return DONE
        }
      }
    })
  }

  async pass (ms: number): Promise<void> {
    await this.clock.run(this.clock.sleep(ms))
  }
}

const quick = async (clock: VirtualClock): Promise<void> => { await clock.sleep(500) }

describe('a preimage', () => {
  it('is a multihash whose key has so many bits in common with ours', () => {
    for (const depth of [0, 1, 5, 9, 12]) {
      const preimage = preimageAt(peerKey(SELF), depth, seededRandom(depth))
      expect(preimage?.subarray(0, 2)).toEqual(Uint8Array.of(0x12, 0x20))
      expect(preimage).toHaveLength(34)
      expect(commonPrefixLength(peerKey(SELF), kadKey(preimage as Uint8Array))).toBe(depth)
    }
    expect(preimageAt(peerKey(SELF), 0, seededRandom(1))).not.toEqual(preimageAt(peerKey(SELF), 0, seededRandom(2)))
    expect(preimageAt(peerKey(SELF), 40, seededRandom(1))).toBeUndefined()
  })
})

describe('refreshing buckets', () => {
  it('walks to each as often as is due, two at a time at most, and to none after it was stopped', async () => {
    const world = new World([20, 20, 20, 20, 12, 6, 3], async clock => clock.sleep(20_000))
    world.refresh.start()
    world.refresh.start()
    await world.pass(121 * MINUTE)

    const of = (depth: number): number => world.walks.filter(walk => walk.depth === depth).length
    // ticks come every half minute, so an interval of five takes up to half a minute more
    expect(of(256)).toBeGreaterThanOrEqual(21)
    expect(of(256)).toBeLessThanOrEqual(24)
    expect(of(6)).toBe(0)
    expect(of(2)).toBeGreaterThanOrEqual(3)
    expect(of(2)).toBeLessThanOrEqual(5)
    expect(world.most).toBe(2)
    expect(world.refresh.stats()).toMatchObject({ walks: world.walks.length, failed: 0 })
    expect(world.refresh.stats().buckets.map(({ depth }) => depth)).toEqual([6, 5, 4, 3, 2, 1, 0])

    world.refresh.stop()
    const before = world.walks.length
    await world.pass(60 * MINUTE)
    expect(world.walks).toHaveLength(before)
    expect(world.clock.pending).toBe(0)
  })

  it('ends the walks that are under way with its stop', async () => {
    const world = new World([20, 20, 20, 20, 12, 6, 3], async (_clock, signal) => new Promise((_resolve, reject) => { signal.addEventListener('abort', () => { reject(signal.reason as Error) }) }))
    world.refresh.start()
    while (world.running === 0) {
      await world.pass(1_000)
    }
    world.refresh.stop()
    expect(world.walks.at(-1)?.signal.aborted).toBe(true)
    await world.pass(0)
    expect(world.running).toBe(0)
    expect(world.refresh.stats()).toMatchObject({ failed: 0 })
    expect(world.clock.pending).toBe(0)
  })

  it('is not done by all nodes at once that started together', async () => {
    const starts = await Promise.all(Array.from({ length: 8 }, async (_, seed) => {
      const world = new World([20, 20, 20], quick, seed)
      world.refresh.start()
      await world.pass(20 * MINUTE)
      world.refresh.stop()
      return world.walks.filter(({ depth }) => depth === 256).map(({ at }) => Math.round(at / 1_000))
    }))
    // the first is due after half of its interval to all of it, and from then on each node has a beat of its own
    const firsts = starts.map(([first]) => first as number)
    expect(new Set(firsts).size).toBeGreaterThan(5)
    expect(Math.min(...firsts)).toBeGreaterThanOrEqual(150)
    expect(Math.max(...firsts)).toBeLessThanOrEqual(340)
    expect(new Set(starts.map(([first, second]) => (second as number) - (first as number))).size).toBeGreaterThan(4)
  })

  it('goes towards ourselves where no key can be found for a bucket', async () => {
    const world = new World(Array.from({ length: 20 }, () => 20), quick)
    world.refresh.start()
    await world.pass(30 * MINUTE)
    expect(world.walks.map(({ depth }) => depth).filter(depth => depth > 14 && depth < 256)).toEqual([])
    const deep = world.refresh.stats().buckets.filter(({ depth }) => depth > 16)
    expect(deep).toHaveLength(3)
    expect(deep.every(({ walkedAgo }) => (walkedAgo ?? Infinity) < 11 * MINUTE)).toBe(true)
    world.refresh.stop()
  })

  it('leaves out what a lookup went through', async () => {
    const world = new World([20, 20, 20], quick)
    const far = preimageAt(peerKey(SELF), 1, seededRandom(3)) as Uint8Array
    world.refresh.start()
    for (let minute = 0; minute < 60; minute++) {
      world.refresh.walked(kadKey(far))
      await world.pass(MINUTE)
    }
    expect(world.walks.filter(({ depth }) => depth === 1)).toEqual([])
    expect(world.walks.filter(({ depth }) => depth === 0).length).toBeGreaterThan(3)
    world.refresh.stop()
  })

  it('ends a walk that does not, and counts one that fails', async () => {
    const world = new World([5], async (clock, signal) => {
      await clock.sleep(3_600_000, { signal })
    })
    world.refresh.start()
    await world.pass(10 * MINUTE)
    expect(world.walks.length).toBeGreaterThan(0)
    expect(world.walks[0]?.signal.aborted).toBe(true)
    expect(world.refresh.stats().failed).toBe(world.walks.length)
    await world.pass(5 * MINUTE)
    world.refresh.stop()
    await world.pass(MINUTE)
    expect(world.running).toBe(0)
    expect(world.clock.pending).toBe(0)
  })

  it('waits a moment after the machine slept, and then refreshes what has become old', async () => {
    const world = new World([20, 20, 20, 20, 12, 6, 3], quick)
    world.refresh.start()
    await world.pass(MINUTE)
    expect(world.walks).toEqual([])
    // eight hours later
    world.offset += 8 * 60 * MINUTE
    await world.pass(2 * MINUTE)
    expect(new Set(world.walks.map(({ depth }) => depth))).toEqual(new Set([256, 4, 3, 2, 1, 0]))
    expect(world.walks).toHaveLength(6)
    // a clock that is set back says nothing
    world.offset -= 4 * 60 * MINUTE
    await world.pass(2 * MINUTE)
    expect(world.walks).toHaveLength(6)
    world.refresh.stop()
  })

  it('comes sooner where peers have died', async () => {
    const world = new World([20, 20, 20], quick)
    world.refresh.start()
    await world.pass(70 * MINUTE)
    const before = world.walks.filter(({ depth }) => depth === 0).length
    for (let i = 0; i < 20; i++) {
      world.dead.add(`0-${i}`)
    }
    await world.pass(2 * MINUTE)
    expect(world.walks.filter(({ depth }) => depth === 0).length).toBe(before + 1)
    await world.pass(2 * MINUTE)
    expect(world.walks.filter(({ depth }) => depth === 0).length).toBe(before + 1)
    world.refresh.stop()
  })
})
