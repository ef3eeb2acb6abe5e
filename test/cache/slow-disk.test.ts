import { describe, expect, it } from 'vitest'
import { openBlockCache } from '../../src/cache/open-block-cache.ts'
import { VirtualClock } from '../../src/testing/virtual-clock.ts'
import { MemoryFiles } from './disk/support/memory-files.ts'
import { blocks, failure, read } from './support/blocks.ts'
import { smallCache } from './support/small-cache.ts'
import type { TestBlock } from './support/blocks.ts'
import type { BlockCache } from '../../src/interface/cache.ts'

const ORIGIN = { origin: 'test', wait: false }
const LIMITS = { maxBytes: 16_777_216, memoryBytes: 400_000 }
/** What was read last is in memory */
const WARM = 5

interface OnDisk {
  readonly cache: BlockCache
  readonly files: MemoryFiles
  readonly clock: VirtualClock
  readonly held: readonly TestBlock[]
}

/** A cache that was opened again, with blocks of which the first few are in memory */
async function onDisk (): Promise<OnDisk> {
  const clock = new VirtualClock()
  const files = new MemoryFiles()
  const held = await blocks(60, 10_000)
  const first = await openBlockCache({ path: '/cache', clock, files, ...LIMITS })
  for (const { cid, bytes } of held) {
    await clock.run(Promise.resolve(first.put(cid, bytes)))
  }
  await clock.run(first.close())
  const cache = await openBlockCache({ path: '/cache', clock, files, ...LIMITS })
  for (const { cid } of held.slice(0, WARM)) {
    await clock.run(read(cache.get(cid)))
  }
  return { cache, files, clock, held }
}

/** What it comes to, and how long that takes */
async function timed<T> (clock: VirtualClock, work: Promise<T>): Promise<{ value: T, ms: number }> {
  const began = clock.now()
  const value = await clock.run(work)
  return { value, ms: clock.now() - began }
}

describe('a disk whose every operation takes two seconds', () => {
  it('slows no read from memory and no miss, is given no more fetched blocks after the first, says so all the time, and is used again when it is quick', async () => {
    const { cache, files, clock, held } = await onDisk()
    files.fault = async () => clock.sleep(2_000)
    const fresh = await blocks(200, 10_000)

    for (const { cid, bytes } of held.slice(0, WARM)) {
      expect(await timed(clock, read(cache.get(cid)))).toEqual({ value: Buffer.from(bytes), ms: 0 })
    }
    const fromDisk = await timed(clock, read(cache.get((held[40] as TestBlock).cid)))
    expect([fromDisk.ms <= 5_000, Buffer.compare(fromDisk.value, (held[40] as TestBlock).bytes)]).toEqual([true, 0])
    expect(await timed(clock, failure(read(cache.get((fresh[0] as TestBlock).cid))))).toEqual({ value: 'NotFoundError', ms: 0 })

    const first = fresh[0] as TestBlock
    const admitted = await timed(clock, cache.admit(first.cid, first.bytes, ORIGIN))
    expect(admitted.ms).toBeLessThanOrEqual(5_000)
    expect(cache.health()).toMatchObject({ state: 'degraded', reason: expect.stringMatching(/a write took \d+ ms/) as string })

    // two minutes of downloads: nobody waits for the disk, whatever becomes of the probes meanwhile
    for (const { cid, bytes } of fresh.slice(1, 121)) {
      expect(await timed(clock, cache.admit(cid, bytes, ORIGIN))).toEqual({ value: false, ms: 0 })
      expect((await timed(clock, read(cache.get(cid)))).ms).toBe(0)
      await clock.advance(1_000)
      expect(cache.health().state).toBe('degraded')
    }
    expect(cache.stats().skippedWrites).toBe(120)
    expect(cache.health().reason).toMatch(/the disk is slow: a few small operations took \d+ ms/)
    // a user's own goes to disk all the same, and the disk is not taken for well because that came to an end
    const own = fresh[150] as TestBlock
    expect((await timed(clock, Promise.resolve(cache.put(own.cid, own.bytes)))).ms).toBeLessThanOrEqual(10_000)
    expect(cache.health().state).toBe('degraded')

    files.fault = undefined
    await clock.advance(60_000)
    expect(cache.health()).toEqual({ state: 'ok' })
    const last = fresh[160] as TestBlock
    expect(await timed(clock, cache.admit(last.cid, last.bytes, ORIGIN))).toEqual({ value: true, ms: 0 })

    await clock.run(cache.close())
    const again = await openBlockCache({ path: '/cache', clock, files, ...LIMITS })
    for (const { cid, bytes } of [...held, own, last]) {
      expect(Buffer.compare(await clock.run(read(again.get(cid))), bytes)).toBe(0)
    }
    await clock.run(again.close())
    expect(clock.pending).toBe(0)
  })
})

describe('a disk that hangs for a minute', () => {
  it('slows no read from memory, no miss and no download, and is used again within seconds', async () => {
    const { cache, files, clock, held } = await onDisk()
    const gate = Promise.withResolvers<void>()
    files.fault = async () => gate.promise
    const fresh = await blocks(200, 10_000)
    const began = clock.now()

    const [first, ...others] = fresh.slice(0, 100) as [TestBlock, ...TestBlock[]]
    // the one that finds out waits, and no longer than a reader would
    expect(await timed(clock, cache.admit(first.cid, first.bytes, ORIGIN))).toEqual({ value: false, ms: 5_000 })
    expect(cache.health()).toMatchObject({ state: 'degraded', reason: expect.stringContaining('a write takes longer than 5000 ms') as string })
    for (const { cid, bytes } of others) {
      expect(await timed(clock, cache.admit(cid, bytes, ORIGIN))).toEqual({ value: false, ms: 0 })
      expect((await timed(clock, read(cache.get((held[0] as TestBlock).cid)))).ms).toBe(0)
      await clock.advance(500)
    }
    expect(await timed(clock, failure(read(cache.get((fresh[150] as TestBlock).cid))))).toEqual({ value: 'NotFoundError', ms: 0 })
    const unread = await timed(clock, failure(read(cache.get((held[40] as TestBlock).cid))))
    expect(unread).toEqual({ value: 'NotFoundError', ms: 5_000 })
    expect(cache.stats().skippedWrites).toBe(100)
    await clock.advance(60_000 - (clock.now() - began))

    files.fault = undefined
    gate.resolve()
    await clock.advance(10_000)
    expect(cache.health()).toEqual({ state: 'ok' })
    // what hung has come to its end meanwhile
    expect(await cache.has(first.cid)).toBe(true)
    const last = fresh[160] as TestBlock
    expect(await timed(clock, cache.admit(last.cid, last.bytes, ORIGIN))).toEqual({ value: true, ms: 0 })
    for (const { cid, bytes } of held) {
      expect(Buffer.compare(await clock.run(read(cache.get(cid))), bytes)).toBe(0)
    }
    await clock.run(cache.close())
    expect(clock.pending).toBe(0)
  })
})

describe('a disk that had much to do', () => {
  it('is looked at, found well, and given more at once', async () => {
    const { cache, disk, clock } = await smallCache()
    const [one, other] = await blocks(2) as [TestBlock, TestBlock]
    disk.writeGate = clock.sleep(3_000)
    disk.saveNote = async () => {}
    expect(await clock.run(cache.admit(one.cid, one.bytes, ORIGIN))).toBe(true)
    disk.writeGate = undefined
    expect(cache.health()).toEqual({ state: 'ok' })
    expect(await clock.run(cache.admit(other.cid, other.bytes, ORIGIN))).toBe(true)
  })
})
