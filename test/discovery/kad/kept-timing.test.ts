import { MemoryDatastore } from 'datastore-core'
import { Key } from 'interface-datastore/key'
import { describe, expect, it } from 'vitest'
import { seededRandom } from '../../../src/clock/random.ts'
import { KeptTiming, TIMING_PREFIX } from '../../../src/discovery/kad/kept-timing.ts'
import { PeerTiming } from '../../../src/discovery/kad/peer-timing.ts'
import { EntryKeeper } from '../../../src/keeper/entry-keeper.ts'
import { silentLogger } from '../../../src/testing/silent-logger.ts'
import { VirtualClock } from '../../../src/testing/virtual-clock.ts'

const HOUR = 3_600_000
const reach = { rounds: 2 } as const

interface Run {
  readonly timing: PeerTiming
  readonly table: KeptTiming
  readonly keeper: EntryKeeper
}

/** One run of a node: its clock is its own, but for the time of day */
function run (datastore: MemoryDatastore, clock: VirtualClock): Run {
  const timing = new PeerTiming()
  const table = new KeptTiming(clock, timing)
  return { timing, table, keeper: new EntryKeeper({ table, datastore, logger: silentLogger, clock }, { prefix: TIMING_PREFIX, name: 'test' }) }
}

function learn ({ timing }: Run, count: number, now: number): void {
  const random = seededRandom(1)
  for (let i = 0; i < count; i++) {
    const round = 20 + random.next() * 100
    timing.dialled(`peer-${i}`, 3 * round)
    timing.answered(`peer-${i}`, { reach: { rounds: 2, dialled: 3 * round }, took: 2 * round, askedAt: now, now })
    timing.failed(`gone-${i}`, { askedAt: now, now })
  }
}

async function keys (datastore: MemoryDatastore): Promise<string[]> {
  const all: string[] = []
  for await (const key of datastore.queryKeys({})) {
    all.push(key.toString())
  }
  return all
}

describe('times of peers that are kept', () => {
  it('are there after a restart, the dead for as long as is left of their pause', async () => {
    const datastore = new MemoryDatastore()
    const clock = new VirtualClock()
    const first = run(datastore, clock)
    learn(first, 50, clock.now())
    first.table.flush()
    await first.keeper.save()
    await clock.advance(30_000)

    const second = run(datastore, clock)
    await second.keeper.load()
    expect(second.timing.slowAfter('peer-7', reach)).toBe(first.timing.slowAfter('peer-7', reach))
    expect(second.timing.patience('new')).toBe(first.timing.patience('new'))
    expect([second.timing.silent, second.timing.dead('gone-3', clock.now()), second.timing.dead('gone-3', clock.now() + 31_000)]).toEqual([50, true, false])
    expect(second.table.passedOver).toBe(0)
  })

  it('are worth nothing after a day, nor from a clock that ran ahead', async () => {
    for (const [away, known] of [[23 * HOUR, 50], [25 * HOUR, 0], [7 * 24 * HOUR, 0], [-HOUR, 0]] as const) {
      const datastore = new MemoryDatastore()
      const clock = new VirtualClock()
      const first = run(datastore, clock)
      learn(first, 50, clock.now())
      first.table.flush()
      await first.keeper.save()

      const later = { now: () => 5, wall: () => clock.wall() + away, timeout: clock.timeout.bind(clock) }
      const timing = new PeerTiming()
      const table = new KeptTiming(later, timing)
      await new EntryKeeper({ table, datastore, logger: silentLogger, clock }, { prefix: TIMING_PREFIX, name: 'test' }).load()
      expect(timing.toJSON({ now: 5, wall: 0 }).peers).toHaveLength(known)
      expect(timing.silent).toBe(known)
    }
  })

  it('are written every ten minutes at most, and at the end, in entries that can be read again', async () => {
    const datastore = new MemoryDatastore()
    const clock = new VirtualClock()
    const first = run(datastore, clock)
    learn(first, 5_000, clock.now())
    await first.keeper.save()
    expect(await keys(datastore)).toEqual([])
    await clock.advance(600_000)
    await first.keeper.save()
    // one of times, four of 256 peers each, and four of dead ones
    expect(await keys(datastore)).toHaveLength(9)
    for await (const { value } of datastore.query({})) {
      expect(value.byteLength).toBeLessThan(65_536)
    }

    const second = run(datastore, clock)
    await second.keeper.load()
    expect(second.keeper.stats()).toEqual({ dropped: 0, failedWrites: 0 })
    expect(second.timing.toJSON({ now: 0, wall: 0 }).peers).toEqual(first.timing.toJSON({ now: 0, wall: 0 }).peers.slice(-1_024))
    // those who live again leave nothing behind
    for (let i = 0; i < 5_000; i++) {
      second.timing.answered(`gone-${i}`, { reach, took: 50, askedAt: clock.now(), now: clock.now() })
    }
    second.table.flush()
    await second.keeper.save()
    expect(await keys(datastore)).toHaveLength(5)
  })

  it('that make no sense are counted and passed over, each by itself', async () => {
    const datastore = new MemoryDatastore()
    const clock = new VirtualClock()
    const first = run(datastore, clock)
    learn(first, 300, clock.now())
    first.table.flush()
    await first.keeper.save()
    const [one, two] = (await keys(datastore)).filter(key => Buffer.from(key.split('/').at(-1) ?? '', 'base64url').toString().startsWith('peers'))
    await datastore.put(new Key(one as string), Uint8Array.of(0x7b, 0xff))
    const entry = JSON.parse(new TextDecoder().decode(await datastore.get(new Key(two as string)))) as { peers: unknown[] }
    entry.peers.push(['x'.repeat(500), 1, 1], ['y', -1, 1], null, 'z', ['w', 1, 1e12])
    await datastore.put(new Key(two as string), new TextEncoder().encode(JSON.stringify(entry)))

    const second = run(datastore, clock)
    await second.keeper.load()
    expect(second.keeper.stats().dropped).toBe(1)
    expect(second.table.passedOver).toBe(5)
    const { peers } = second.timing.toJSON({ now: 0, wall: 0 })
    expect([44, 256]).toContain(peers.length)
    expect(second.timing.silent).toBe(300)
  })

  it('make nothing older of what was learnt since the start', async () => {
    const datastore = new MemoryDatastore()
    const clock = new VirtualClock()
    const first = run(datastore, clock)
    learn(first, 50, clock.now())
    first.table.flush()
    await first.keeper.save()

    const second = run(datastore, clock)
    second.timing.answered('peer-1', { reach, took: 2_000, askedAt: clock.now(), now: clock.now() })
    const before = second.timing.slowAfter('peer-1', reach)
    await second.keeper.load()
    expect(second.timing.slowAfter('peer-1', reach)).toBe(before)
  })
})
