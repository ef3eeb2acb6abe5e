import { describe, expect, it } from 'vitest'
import { CacheCounts } from '../../src/cache/cache-counts.ts'
import { DiskHealth } from '../../src/cache/disk-health.ts'
import { DiskWrites } from '../../src/cache/disk-writes.ts'
import { FetchedWrites } from '../../src/cache/fetched-writes.ts'
import { cacheKey } from '../../src/cache/key.ts'
import { MemoryTier } from '../../src/cache/memory-tier.ts'
import { adaptivePolicy } from '../../src/cache/policy/adaptive-policy.ts'
import { Residents } from '../../src/cache/residents.ts'
import { Room } from '../../src/cache/room.ts'
import { Shares } from '../../src/cache/shares.ts'
import { Transit } from '../../src/cache/transit.ts'
import { seededRandom } from '../../src/clock/random.ts'
import { VirtualClock } from '../../src/testing/virtual-clock.ts'
import { blocks, read } from './support/blocks.ts'
import { MemoryDisk } from './support/memory-disk.ts'
import { smallCache } from './support/small-cache.ts'
import type { CacheParts } from '../../src/cache/cache-parts.ts'
import type { TestBlock } from './support/blocks.ts'

/** Of a block of a thousand bytes on a `MemoryDisk` */
const COST = 1_048
const CAPACITY = 10 * COST
const LIMIT = 4 * COST

const full = (): Error => Object.assign(new Error('ENOSPC: no space left on device'), { code: 'ENOSPC' })

function opened (): { disk: MemoryDisk, clock: VirtualClock, policy: ReturnType<typeof adaptivePolicy>, residents: Residents, shares: Shares, bring (some: readonly TestBlock[]): Promise<boolean[]> } {
  const disk = new MemoryDisk()
  const clock = new VirtualClock()
  const random = seededRandom(1)
  const log = Object.assign(() => {}, { error () {}, trace () {} })
  const policy = adaptivePolicy({ capacity: CAPACITY, random })
  const residents = new Residents({ disk, policy, clock, capacity: CAPACITY })
  const shares = new Shares(() => LIMIT)
  const health = new DiskHealth({ clock, random, log, probe: async () => {} })
  const room = new Room({ disk, residents, clock, log, maxBytes: 2 * CAPACITY, evicting () {}, failed () {} })
  const parts = { disk, residents, policy, shares, health, room, clock, random, log, memory: new MemoryTier(0), counts: new CacheCounts(), transit: new Transit({ clock, maxBytes: CAPACITY, time: 1 }) }
  // it needs no more of them than these
  const writes = new FetchedWrites(parts as unknown as CacheParts, new DiskWrites(parts as unknown as CacheParts), async () => -1)

  return {
    disk,
    clock,
    policy,
    residents,
    shares,
    bring: async some => Promise.all(some.map(async ({ cid, bytes }) => writes.write({ cid, bytes, key: cacheKey(cid) }, 0, { client: 'a' })))
  }
}

describe('what a client owns', () => {
  it('makes way for what is kept of it, and stays when that is declined', async () => {
    const { residents, shares, policy, bring } = opened()
    expect(await bring(await blocks(4))).toEqual([true, true, true, true])
    expect(shares.excess('a', COST)).toEqual([0])

    const insert = policy.insert.bind(policy)
    policy.insert = ticket => [ticket]
    expect(await bring(await blocks(3))).toEqual([false, false, false])
    expect([...residents.condemned.keys()]).toEqual([])

    policy.insert = insert
    expect(await bring(await blocks(1))).toEqual([true])
    expect([...residents.condemned.keys()]).toEqual([0])
    expect(shares.excess('a', 0)).toEqual([])
  })

  it('stays when what comes cannot be written, as do its share and the room of all', async () => {
    const { clock, disk, residents, shares, policy, bring } = opened()
    await bring(await blocks(2))
    const before = policy.used

    disk.writeFault = full()
    for (const one of await blocks(20)) {
      expect(await bring([one])).toEqual([false])
      expect(policy.used).toBe(before)
      // a probe that finds the disk well: the next one is written again
      await clock.advance(60_000)
    }
    expect([shares.allows('a', LIMIT), shares.excess('a', 2 * COST), [...residents.condemned.keys()]]).toEqual([true, [], []])

    disk.writeFault = undefined
    expect(await bring(await blocks(2))).toEqual([true, true])
    expect([disk.usage().blocks, policy.used]).toEqual([4, 4 * COST])
  })
})

describe('a put after a fetch', () => {
  it('of a block that was declined promises it anew', async () => {
    const { cache, clock } = await smallCache({ capacity: 500 })
    const [{ cid, bytes }] = await blocks(1) as [TestBlock]
    expect(await cache.admit(cid, bytes, { origin: 'test' })).toBe(false)
    await clock.advance(4_000)
    cache.fetched(bytes)
    await cache.put(cid, bytes)
    await clock.advance(5_000)
    expect(await read(cache.get(cid))).toEqual(Buffer.from(bytes))
  })
})
