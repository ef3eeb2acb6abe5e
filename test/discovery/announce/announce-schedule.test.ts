import { CID } from 'multiformats/cid'
import * as raw from 'multiformats/codecs/raw'
import { create } from 'multiformats/hashes/digest'
import { describe, expect, it } from 'vitest'
import { seededRandom } from '../../../src/clock/random.ts'
import { AnnounceSchedule } from '../../../src/discovery/announce/announce-schedule.ts'
import { AnnouncedTable } from '../../../src/discovery/announce/announced-table.ts'
import { kadKey } from '../../../src/discovery/kad/kad-key.ts'
import { silentLogger } from '../../../src/testing/silent-logger.ts'
import { VirtualClock } from '../../../src/testing/virtual-clock.ts'
import type { AnnounceScheduleComponents } from '../../../src/discovery/announce/announce-schedule.ts'

const HOUR = 3_600_000

function blocks (count: number): CID[] {
  return Array.from({ length: count }, (_, i) => CID.createV1(raw.code, create(0x12, kadKey(new TextEncoder().encode(`block ${i}`)))))
}

function slotOf (cid: CID): number {
  return kadKey(cid.multihash.bytes)[0] ?? 0
}

/** A schedule that runs on virtual time, and what it announced when */
class World {
  readonly clock: VirtualClock
  readonly table: AnnouncedTable
  readonly schedule: AnnounceSchedule
  readonly announced: Array<{ at: number, cids: CID[] }> = []
  /** Of the wall clock against the other one: the machine slept */
  asleep = 0
  announce: (cids: CID[]) => Promise<void> = async () => {}

  constructor (parts: Partial<AnnounceScheduleComponents> = {}, table = new AnnouncedTable(), clock = new VirtualClock()) {
    this.clock = clock
    this.table = table
    this.schedule = new AnnounceSchedule({
      clock: { ...clock, now: () => clock.now(), wall: () => clock.wall() + this.asleep, schedule: (ms, fn) => clock.schedule(ms, fn), timeout: ms => clock.timeout(ms) },
      random: seededRandom(1),
      log: silentLogger.forComponent('test'),
      table: this.table,
      check: () => {},
      announce: async cids => {
        const list: CID[] = []
        for await (const cid of cids) {
          list.push(cid)
        }
        this.announced.push({ at: clock.now(), cids: list })
        await this.announce(list)
      },
      ...parts
    })
  }

  async hours (count: number): Promise<void> {
    await this.clock.run(this.clock.sleep(count * HOUR))
  }

  async stop (): Promise<void> {
    await this.schedule.stop()
    expect(this.clock.pending).toBe(0)
  }
}

describe('the schedule of announcements', () => {
  it('announces everything once in 22 h, in the order of the keyspace, spread evenly', async () => {
    const world = new World()
    const cids = blocks(2_000)
    cids.forEach(cid => { world.schedule.add(cid) })
    world.schedule.start()
    await world.hours(22.05)

    const seen = world.announced.flatMap(({ cids }) => cids.map(slotOf))
    expect(seen).toHaveLength(2_000)
    expect(seen).toEqual(seen.toSorted((a, b) => a - b))
    for (let hour = 0; hour < 22; hour++) {
      const count = world.announced.filter(({ at }) => at >= hour * HOUR && at < (hour + 1) * HOUR).flatMap(({ cids }) => cids).length
      expect(count).toBeGreaterThan(40)
      expect(count).toBeLessThan(180)
    }
    expect(world.announced.every(({ cids }) => new Set(cids.map(slotOf)).size === 1)).toBe(true)

    // and again, no later
    await world.hours(22.2)
    const times = new Map<string, number>()
    world.announced.flatMap(({ cids }) => cids).forEach(cid => { times.set(String(cid), (times.get(String(cid)) ?? 0) + 1) })
    expect([times.size, Math.min(...times.values())]).toEqual([2_000, 2])
    expect(world.schedule.stats()).toMatchObject({ scheduled: 2_000, overdue: 0, failedSweeps: 0, dropped: 0 })
    await world.stop()
  })

  it('drops what is not stored any more, keeps what a broken store does not tell of, and leaves out what was cancelled', async () => {
    const cids = blocks(300)
    const gone = new Set(cids.slice(0, 100).map(({ multihash }) => multihash.bytes.join()))
    const broken = new Set(cids.slice(100, 150).map(({ multihash }) => multihash.bytes.join()))
    const world = new World({
      has: async ({ multihash }) => {
        if (broken.has(multihash.bytes.join())) {
          throw new Error('the disk is away')
        }
        return !gone.has(multihash.bytes.join())
      }
    })
    cids.forEach(cid => { world.schedule.add(cid) })
    expect(world.schedule.cancel(cids.slice(200))).toBe(100)
    world.schedule.start()
    await world.hours(22.1)

    expect(world.announced.flatMap(({ cids }) => cids.map(String)).sort()).toEqual(cids.slice(100, 200).map(String).sort())
    expect(world.schedule.stats()).toMatchObject({ scheduled: 100, dropped: 100 })
    await world.stop()
  })

  it('after a long stop begins with what is overdue, one part after the other', async () => {
    const first = new World()
    const cids = blocks(1_000)
    cids.forEach(cid => { first.schedule.add(cid) })
    first.schedule.start()
    await first.hours(30)
    await first.stop()

    const table = new AnnouncedTable()
    first.table.takeDirty(Infinity).forEach(([, entry]) => { table.restore(entry) })
    await first.clock.advance(30 * HOUR)
    const second = new World({}, table, first.clock)
    const start = second.clock.now()
    second.schedule.start()
    expect(second.schedule.stats()).toMatchObject({ scheduled: 1_000, overdue: 256 })
    await second.hours(3)

    expect(second.announced.flatMap(({ cids }) => cids)).toHaveLength(1_000)
    second.announced.forEach(({ at }, i) => { expect(at - (second.announced[i - 1]?.at ?? start)).toBeGreaterThan(20_000) })
    // the one that was announced longest ago
    const before = first.announced.toSorted((a, b) => a.at - b.at).slice(-second.announced.length)
    expect(slotOf(second.announced[0]?.cids[0] as CID)).toBe(slotOf(before[0]?.cids[0] as CID))
    await second.stop()
  })

  it('notices that the machine slept, and waits for the network', async () => {
    const world = new World()
    blocks(500).forEach(cid => { world.schedule.add(cid) })
    world.schedule.start()
    await world.hours(22.1)
    const count = world.announced.length
    world.asleep += 12 * HOUR
    await world.hours(1.5)
    expect(world.announced.length - count).toBeGreaterThan(100)
    await world.stop()
  })

  it('tries a part again soon when nothing of it could be announced, and lets one that fails in part be', async () => {
    const world = new World()
    const [cid] = blocks(1) as [CID]
    world.schedule.add(cid)
    world.announce = async () => { throw new AggregateError([new Error('nobody')], 'all') }
    world.table.swept(slotOf(cid), world.clock.wall() - 23 * HOUR)
    world.schedule.start()
    await world.hours(0.5)
    expect(world.announced.length).toBeGreaterThanOrEqual(2)
    expect(world.announced.length).toBeLessThan(5)
    expect(world.schedule.stats().failedSweeps).toBe(world.announced.length)

    const count = world.announced.length
    world.announce = async () => {}
    await world.hours(12)
    expect(world.announced).toHaveLength(count + 1)
    await world.stop()
  })

  it('announces nothing while that is refused', async () => {
    const world = new World({ check: () => { throw new Error('serves nobody') } })
    blocks(100).forEach(cid => { world.schedule.add(cid) })
    world.schedule.start()
    await world.hours(30)
    expect(world.announced).toEqual([])
    expect(world.schedule.stats().scheduled).toBe(100)
    await world.stop()
  })

  it('comes to the last part of the keyspace although the node is started again and again', async () => {
    const cids = blocks(1_000)
    const table = new AnnouncedTable()
    const clock = new VirtualClock()
    const seen: CID[] = []
    cids.forEach(cid => { table.add(cid.multihash.bytes) })

    for (let start = 0; start < 4; start++) {
      const world = new World({}, table, clock)
      world.schedule.start()
      await world.hours(6)
      seen.push(...world.announced.flatMap(({ cids }) => cids))
      await world.stop()
    }
    expect(new Set(seen.map(String)).size).toBe(1_000)
  })

  it('gives what a strategy names its turn, and drops it when it is not stored any more', async () => {
    const cids = blocks(20)
    const dropped: string[] = []
    const world = new World({
      has: ({ multihash }) => multihash.bytes.join() !== cids[3]?.multihash.bytes.join(),
      chosen: {
        scheduled: 10,
        * inSlot (slot) { yield * cids.slice(0, 10).filter(cid => slotOf(cid) === slot).map(({ multihash }) => multihash.bytes) },
        drop: hash => dropped.push(hash.join()) > 0
      }
    })
    cids.slice(10).forEach(cid => { world.schedule.add(cid) })
    world.schedule.start()
    await world.hours(22.1)
    expect(world.announced.flatMap(({ cids }) => cids.map(String)).sort()).toEqual(cids.filter((_, i) => i !== 3).map(String).sort())
    expect(dropped).toEqual([cids[3]?.multihash.bytes.join()])
    expect(world.schedule.stats()).toMatchObject({ scheduled: 20, dropped: 1 })
    await world.stop()
  })

  it('announces at once what a clock that was set back says was announced in the future', async () => {
    const [cid] = blocks(1) as [CID]
    const table = new AnnouncedTable()
    const clock = new VirtualClock()
    table.add(cid.multihash.bytes)
    for (let slot = 0; slot < 256; slot++) {
      table.swept(slot, clock.wall() + 1_000 * HOUR)
    }
    const world = new World({}, table, clock)
    world.schedule.start()
    await world.hours(3)
    expect(world.announced).toHaveLength(1)
    await world.stop()
  })

  it('gives up a part that takes half an hour, and tries it again after ten minutes', async () => {
    const [cid] = blocks(1) as [CID]
    const begun: number[] = []
    const world: World = new World({
      announce: async (_cids, { signal }) => {
        begun.push(world.clock.now())
        await new Promise((_resolve, reject) => { signal.addEventListener('abort', () => { reject(signal.reason as Error) }) })
      }
    })
    world.schedule.add(cid)
    world.schedule.start()
    await world.hours(24)
    expect(begun.length).toBeGreaterThan(1)
    expect(world.schedule.stats().failedSweeps).toBeGreaterThanOrEqual(begun.length - 1)
    const pause = (begun[1] ?? 0) - (begun[0] ?? 0)
    expect(pause).toBeGreaterThanOrEqual(2_400_000)
    expect(pause).toBeLessThan(2_500_000)
    await world.stop()
  })

  it('ends with what is under way when it is stopped, and begins again', async () => {
    const world = new World({ announce: async (_, { signal }) => { await new Promise((_resolve, reject) => { signal.addEventListener('abort', () => { reject(signal.reason as Error) }) }) } })
    await world.schedule.stop()
    const [cid] = blocks(1) as [CID]
    world.schedule.add(cid)
    world.table.swept(slotOf(cid), 0 - 30 * HOUR)
    world.schedule.start()
    await world.hours(0.1)
    await world.stop()
    world.schedule.start()
    await world.hours(0.1)
    await world.stop()
    expect(world.schedule.stats()).toMatchObject({ sweeps: 0, failedSweeps: 0 })
  })
})
