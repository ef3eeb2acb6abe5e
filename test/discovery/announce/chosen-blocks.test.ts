import { CID } from 'multiformats/cid'
import * as raw from 'multiformats/codecs/raw'
import { create } from 'multiformats/hashes/digest'
import { CustomProgressEvent } from 'progress-events'
import { describe, expect, it } from 'vitest'
import { seededRandom } from '../../../src/clock/random.ts'
import { AnnounceRefusedError } from '../../../src/discovery/announce/announce-error.ts'
import { AnnouncedTable, SLOTS } from '../../../src/discovery/announce/announced-table.ts'
import { ChosenBlocks } from '../../../src/discovery/announce/chosen-blocks.ts'
import { kadKey } from '../../../src/discovery/kad/kad-key.ts'
import { silentLogger } from '../../../src/testing/silent-logger.ts'
import { VirtualClock } from '../../../src/testing/virtual-clock.ts'
import type { ChosenBlocksComponents } from '../../../src/discovery/announce/chosen-blocks.ts'
import type { AnnounceWatcher } from '../../../src/interface/announce.ts'

const MINUTE = 60_000

function blocks (count: number, code = 0x12, from = 0): CID[] {
  return Array.from({ length: count }, (_, i) => CID.createV1(raw.code, create(code, kadKey(new TextEncoder().encode(`block ${from + i}`)))))
}

/** What a strategy names, on virtual time, and what was announced when */
class World {
  readonly clock: VirtualClock
  readonly asked = new AnnouncedTable()
  readonly chosen: ChosenBlocks
  readonly announced: Array<{ at: number, cids: string[] }> = []
  named: readonly CID[] = []
  readings = 0
  watcher: AnnounceWatcher | undefined
  /** How many peers took each */
  holders: (cid: CID) => number = () => 20
  /** Before anybody is told */
  announce: (cids: readonly CID[]) => Promise<void> = async () => {}

  constructor (parts: Partial<ChosenBlocksComponents> = {}, clock = new VirtualClock()) {
    const named = (): readonly CID[] => this.named
    this.clock = clock
    this.chosen = new ChosenBlocks({
      clock,
      random: seededRandom(1),
      log: silentLogger.forComponent('test'),
      asked: this.asked,
      check: () => {},
      source: async function * () {
        yield * named()
      },
      watch: watcher => {
        this.watcher = watcher
        return () => { this.watcher = undefined }
      },
      announce: async (cids, { onProgress }) => {
        this.announced.push({ at: clock.now(), cids: cids.map(String) })
        await this.announce(cids)
        const swept = cids.map(cid => ({ cid, holders: this.holders(cid) }))
        onProgress?.(new CustomProgressEvent('portolan:announce:region', { swept, lookups: 1 }))
        const failed = swept.filter(({ holders }) => holders === 0)

        if (failed.length > 0) {
          throw new AggregateError(failed.map(({ cid }) => new Error(String(cid))), 'some')
        }
      },
      ...parts
    })
  }

  async minutes (count: number): Promise<void> {
    await this.clock.run(this.clock.sleep(count * MINUTE))
  }

  all (): string[] {
    return this.announced.flatMap(({ cids }) => cids)
  }

  /** What has its turn in the schedule */
  turns (): number {
    return Array.from({ length: SLOTS }, (_, slot) => [...this.chosen.inSlot(slot)].length).reduce((a, b) => a + b)
  }

  async stop (): Promise<void> {
    await this.chosen.stop()
    expect(this.clock.pending).toBe(0)
    expect(this.watcher).toBeUndefined()
  }
}

describe('what a strategy names', () => {
  it('is announced within a minute of the start, together, and then has its turns', async () => {
    const world = new World()
    world.named = blocks(100)
    world.asked.add(world.named[7]?.multihash.bytes as Uint8Array)
    world.chosen.start()
    await world.minutes(1)
    expect(world.announced).toHaveLength(1)
    // somebody has asked for one of them: it has its turn already
    expect(world.all().sort()).toEqual(world.named.filter((_, i) => i !== 7).map(String).sort())
    expect([world.turns(), world.chosen.stats()]).toEqual([99, { chosen: 100, waiting: 0 }])
    await world.minutes(60)
    expect(world.announced).toHaveLength(1)
    await world.stop()
  })

  it('is announced within a minute when it is told of, in batches, and no more when it has gone', async () => {
    const world = new World()
    const cids = blocks(60)
    world.chosen.start()
    await world.minutes(10)
    expect(world.announced).toEqual([])
    cids.slice(0, 50).forEach(cid => { world.watcher?.added(cid) })
    await world.minutes(1)
    expect(world.announced.map(({ cids }) => cids.length)).toEqual([50])
    cids.slice(40).forEach(cid => { world.watcher?.added(cid) })
    world.watcher?.removed(cids[55] as CID)
    world.watcher?.removed(cids[0] as CID)
    await world.minutes(1)
    expect(world.announced.map(({ cids }) => cids.length)).toEqual([50, 9])
    expect(world.turns()).toBe(58)
    world.named = cids.slice(10)
    await world.minutes(22.5 * 60)
    // what was read again and was not named any more has no turn
    expect(world.turns()).toBe(50)
    expect(world.announced.map(({ cids }) => cids.length)).toEqual([50, 9, 1])
    await world.stop()
  })

  it('is not announced again after a restart, unless it is new; what is named no more is forgotten', async () => {
    const first = new World()
    first.named = blocks(300)
    first.chosen.start()
    await first.minutes(2)
    await first.stop()

    const second = new World({}, first.clock)
    first.chosen.announced.takeDirty(Infinity).forEach(([, entry]) => { second.chosen.announced.restore(entry) })
    second.named = blocks(200, 0x12, 150)
    second.chosen.start()
    expect(second.turns()).toBe(0)
    await second.minutes(1)
    expect(second.all().sort()).toEqual(second.named.slice(150).map(String).sort())
    expect(second.turns()).toBe(200)
    await second.stop()

    // and nothing is left of it without a strategy
    const third = new World({ source: undefined }, first.clock)
    second.named.forEach(({ multihash }) => { third.chosen.announced.add(multihash.bytes) })
    expect(third.chosen.scheduled).toBe(200)
    third.chosen.start()
    expect([third.chosen.scheduled, third.turns()]).toEqual([0, 0])
    await third.minutes(60)
    expect(third.announced).toEqual([])
    await third.stop()
  })

  it('is announced in parts when it is much, and what is new does not wait for all of it', async () => {
    const cids = blocks(12_000)
    const late = blocks(1, 0x12, 40_000)[0] as CID
    const world = new World()
    world.named = cids
    world.announce = async () => {
      if (world.announced.length === 1) {
        world.watcher?.added(late)
      }
      await world.clock.sleep(10 * MINUTE)
    }
    world.chosen.start()
    await world.minutes(60)
    expect(world.all()).toHaveLength(12_001)
    expect(new Set(world.all()).size).toBe(12_001)
    expect(world.announced.length).toBeGreaterThan(2)
    expect(Math.max(...world.announced.map(({ cids }) => cids.length))).toBeLessThan(5_300)
    expect(world.announced[1]?.cids).toContain(late.toString())
    await world.stop()
  })

  it('is tried again when nobody was there, soon after the start and later after pauses that grow', async () => {
    const world = new World()
    const [cid, other] = blocks(2) as [CID, CID]
    world.named = [cid]
    world.announce = async () => { throw new AnnounceRefusedError('no-peers', 'nobody is known yet') }
    world.chosen.start()
    await world.minutes(3)
    expect(world.announced.length).toBeGreaterThan(3)

    world.announce = async () => { throw new AggregateError([new Error('away')], 'all') }
    const before = world.announced.length
    await world.minutes(3 * 60)
    expect(world.announced.length - before).toBeGreaterThanOrEqual(4)
    expect(world.announced.length - before).toBeLessThan(7)
    expect([world.turns(), world.chosen.stats()]).toEqual([0, { chosen: 1, waiting: 1 }])

    world.announce = async () => {}
    world.watcher?.added(other)
    await world.minutes(6 * 60)
    expect(world.turns()).toBe(2)
    await world.stop()
  })

  it('waits for its turn where some of it found nobody, or the hash is one that nobody keeps', async () => {
    const world = new World()
    const [sha512] = blocks(1, 0x13)
    const cids = blocks(10)
    world.named = cids
    world.holders = cid => cid.equals(cids[4]) || cid.multihash.code === 0x13 ? 0 : 20
    world.chosen.start()
    await world.minutes(60)
    expect([world.announced.length, world.turns()]).toEqual([1, 10])
    world.watcher?.added(sha512 as CID)
    await world.minutes(24 * 60)
    expect(world.all().filter(text => text === String(sha512)).length).toBe(1)
    expect(world.turns()).toBe(10)
    await world.stop()
  })

  it('is announced only when it is stored, and a store that does not say is asked again later', async () => {
    const cids = blocks(3)
    let broken = true
    const world = new World({
      has: async ({ multihash }) => {
        if (broken && multihash.bytes.join() === cids[2]?.multihash.bytes.join()) {
          throw new Error('the disk is away')
        }
        return multihash.bytes.join() !== cids[1]?.multihash.bytes.join()
      }
    })
    world.named = cids
    world.chosen.start()
    await world.minutes(2)
    expect(world.all()).toEqual([String(cids[0])])
    broken = false
    await world.minutes(15)
    expect(world.all()).toEqual([String(cids[0]), String(cids[2])])
    await world.stop()
  })

  it('is read although the clock was a year ahead meanwhile', async () => {
    const clock = new VirtualClock()
    const wall = clock.wall.bind(clock)
    const year = 365 * 24 * 60 * MINUTE
    clock.wall = () => wall() + year
    let readings = 0
    const world = new World({
      source: async function * () {
        readings++
        yield * blocks(5)
      }
    }, clock)
    world.chosen.start()
    await world.minutes(1)
    clock.wall = wall
    await world.minutes(2)
    expect(readings).toBe(2)
    await world.minutes(60)
    expect(readings).toBe(2)
    await world.stop()
  })

  it('stays as it was when it cannot be read, and is read again', async () => {
    let fails = false
    const world = new World({
      source: async function * () {
        yield * blocks(5)
        if (fails) {
          throw new Error('the records are away')
        }
      }
    })
    world.chosen.start()
    await world.minutes(1)
    expect(world.turns()).toBe(5)
    fails = true
    await world.minutes(22.2 * 60)
    expect([world.turns(), world.announced.length]).toEqual([5, 1])
    await world.stop()

    // nothing has its turn while nobody knows what is named
    world.chosen.start()
    await world.minutes(1)
    expect(world.turns()).toBe(0)
    fails = false
    await world.minutes(12)
    expect([world.turns(), world.announced.length]).toEqual([5, 1])
    await world.stop()
  })

  it('is not announced while that is refused, and at once when it is no more', async () => {
    let refused = true
    const world = new World({
      check: () => {
        if (refused) {
          throw new AnnounceRefusedError('no-address', 'nobody could come')
        }
      }
    })
    world.named = blocks(5)
    world.chosen.start()
    await world.minutes(60)
    expect(world.announced).toEqual([])
    refused = false
    await world.minutes(1)
    expect(world.all()).toHaveLength(5)
    await world.stop()
  })

  it('what comes and goes while everything is read counts as it is in the end', async () => {
    const cids = blocks(4)
    const world = new World({
      source: async function * () {
        yield cids[0] as CID
        world.watcher?.added(cids[1] as CID)
        world.watcher?.removed(cids[0] as CID)
        // read before it went
        world.watcher?.removed(cids[2] as CID)
        yield cids[2] as CID
        world.watcher?.removed(cids[3] as CID)
        world.watcher?.added(cids[3] as CID)
      }
    })
    world.chosen.start()
    await world.minutes(1)
    expect(world.all().sort()).toEqual([cids[1], cids[3]].map(String).sort())
    await world.stop()
  })

  it('a source that hangs, or announcing that does, ends with a stop', async () => {
    const hanging = new World({ source: async function * () { await new Promise(() => {}) } })
    hanging.chosen.start()
    await hanging.minutes(1)
    await hanging.stop()

    const world = new World({ announce: async (_, { signal }) => { await new Promise((_resolve, reject) => { signal.addEventListener('abort', () => { reject(signal.reason as Error) }) }) } })
    world.named = blocks(1)
    await world.chosen.stop()
    world.chosen.start()
    await world.minutes(1)
    const { watcher } = world
    await world.stop()
    watcher?.added(blocks(1, 0x12, 9)[0] as CID)
    expect(world.chosen.stats().chosen).toBe(1)
  })
})
