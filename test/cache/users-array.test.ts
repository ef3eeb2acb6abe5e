import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { openBlockCache } from '../../src/open-block-cache.ts'
import { block, blocks, failure, read } from './support/blocks.ts'
import { smallCache } from './support/small-cache.ts'

const LARGE = 262_144
const ORIGIN = { origin: 'test' }

describe('the array that a user puts', () => {
  it.each([1_000, 9_000, 100_000])('is his again when his put is aborted, and the block of %d bytes is there for who put it besides', async size => {
    const path = mkdtempSync(join(tmpdir(), 'portolan-array-'))
    try {
      const { cid, bytes } = await block(size)
      const right = Uint8Array.from(bytes)
      const first = await openBlockCache({ path, maxBytes: 64_000_000, memoryBytes: 0 })
      const controller = new AbortController()
      const aborted = failure(first.put(cid, bytes, { signal: controller.signal }) as Promise<unknown>)
      const other = first.put(cid, Uint8Array.from(right))
      controller.abort()
      await aborted
      bytes.fill(7)
      await other
      expect(await read(first.get(cid))).toEqual(Buffer.from(right))
      await first.close()

      const second = await openBlockCache({ path, maxBytes: 64_000_000, memoryBytes: 0 })
      expect(await read(second.get(cid))).toEqual(Buffer.from(right))
      await second.close()
    } finally {
      rmSync(path, { recursive: true, force: true })
    }
  })

  it('is his again also while the put waits for room, or for what else is done with the block', async () => {
    const { cache, clock, disk } = await smallCache({ transitBytes: 0 })
    for (const each of await blocks(15)) {
      await clock.run(cache.admit(each.cid, each.bytes, ORIGIN))
    }
    for (const deleted of [false, true]) {
      const { cid, bytes } = await block(6_000)
      const right = Uint8Array.from(bytes)
      const controller = new AbortController()
      const deleting = deleted ? cache.delete(cid) : undefined
      const aborted = failure(cache.put(cid, bytes, { signal: controller.signal }) as Promise<unknown>)
      const other = cache.put(cid, Uint8Array.from(right)) as Promise<unknown>
      await deleting
      controller.abort()
      expect(await aborted).toBe('AbortError')
      bytes.fill(7)
      await clock.run(other)
      expect(await read(cache.get(cid))).toEqual(Buffer.from(right))
      expect(await disk.read(disk.find(cid.multihash.bytes))).toEqual(right)
      await clock.run((async () => cache.delete(cid))())
    }
  })

  it.each([1_000, LARGE])('that was filled again after the disk did not take it in time spoils nothing for who put the block of %d bytes besides', async size => {
    const { cache, clock, disk } = await smallCache({ maxBytes: LARGE * 8, capacity: LARGE * 4, transitBytes: 0 })
    const { cid, bytes } = await block(size)
    const right = Uint8Array.from(bytes)
    const gate = Promise.withResolvers<void>()
    disk.writeGate = gate.promise
    const first = failure(cache.put(cid, bytes) as Promise<unknown>)
    await clock.run(clock.sleep(39_000))
    const other = failure(cache.put(cid, Uint8Array.from(right)) as Promise<unknown>)
    await clock.run(clock.sleep(5_000))
    expect(await first).toBe('CacheDiskError')
    bytes.fill(7)
    disk.writeGate = undefined
    gate.resolve()
    expect(await clock.run(other)).toBe('none')
    expect(Buffer.compare(await read(cache.get(cid)), right)).toBe(0)
  })

  it.each([1_000, 9_000, 40_000, 200_000, LARGE, LARGE * 4])('of %d bytes may be filled again right after the call, and whoever puts that block besides has it', async size => {
    const path = mkdtempSync(join(tmpdir(), 'portolan-array-'))
    const cache = await openBlockCache({ path, maxBytes: 64_000_000, memoryBytes: 0 })
    try {
      // now and then it is written before the call returns, and now and then it joins another
      for (const { cid, bytes } of await blocks(6, size)) {
        const right = Uint8Array.from(bytes)
        const puts = [failure(cache.put(cid, bytes) as Promise<unknown>)]
        bytes.fill(7)
        puts.push(failure(cache.put(cid, Uint8Array.from(right)) as Promise<unknown>))
        expect(['none', 'HashMismatchError']).toContain(await puts[0])
        expect(await puts[1]).toBe('none')
        expect(Buffer.compare(await read(cache.get(cid)), right)).toBe(0)
      }
      expect(cache.stats().quarantined).toBe(0)
    } finally {
      await cache.close()
      rmSync(path, { recursive: true, force: true })
    }
  })

  it('that is filled again while a large block is written is no block, and who puts it then has it', async () => {
    const { cache, disk } = await smallCache({ maxBytes: LARGE * 8, capacity: LARGE * 4, transitBytes: 0 })
    const { cid, bytes } = await block(LARGE)
    const right = Uint8Array.from(bytes)
    const gate = Promise.withResolvers<void>()
    disk.writeGate = gate.promise
    const put = cache.put(cid, bytes)
    await setImmediate()
    await setImmediate()
    expect(disk.writes.length).toBe(1)
    bytes.fill(7)
    gate.resolve()
    await put
    const others = [cache.put(cid, Uint8Array.from(right)), cache.admit(cid, Uint8Array.from(right), ORIGIN)]
    expect([disk.checked(disk.find(cid.multihash.bytes)), await Promise.all(others)]).toEqual([true, [cid, true]])
    expect(Buffer.compare(await read(cache.get(cid)), right)).toBe(0)
    expect([cache.stats().quarantined, disk.writes.length, disk.kind(disk.find(cid.multihash.bytes))]).toEqual([1, 2, 'authored'])
  })

  it('may be filled again while its put waits for room, for the same block, or for what is read to see whether it is there', async () => {
    const { cache, clock, disk } = await smallCache({ transitBytes: 0 })
    for (const each of await blocks(15)) {
      await clock.run(cache.admit(each.cid, each.bytes, ORIGIN))
    }
    const { cid, bytes } = await block(6_000)
    const right = Uint8Array.from(bytes)
    const put = async (meanwhile: () => Promise<unknown> | undefined): Promise<void> => {
      const array = Uint8Array.from(right)
      const done = meanwhile()
      const putting = cache.put(cid, array)
      array.fill(7)
      await clock.run(Promise.all([done, putting]))
      expect(await disk.read(disk.find(cid.multihash.bytes))).toEqual(right)
    }
    await put(() => undefined)
    expect(cache.stats().slowedWrites).toBe(1)
    await put(async () => cache.delete(cid))
    await put(() => {
      const row = disk.rows[disk.find(cid.multihash.bytes)] ?? expect.fail()
      row.checked = false
      row.bytes.fill(1)
      return undefined
    })
    expect(cache.stats().quarantined).toBe(1)
  })

  it('is not what is kept in memory where puts are of what was fetched', async () => {
    const { cache, clock } = await smallCache({ puts: 'fetched', memoryBytes: 10_000 })
    const [one, two] = await blocks(2)
    const buffer = Uint8Array.from(one?.bytes ?? [])
    const put = async (cid = one?.cid): Promise<unknown> => clock.run(Promise.resolve(cache.put(cid as never, buffer)))

    await put()
    buffer.set(two?.bytes ?? [])
    expect(await read(cache.get(one?.cid as never))).toEqual(Buffer.from(one?.bytes ?? []))
    await put(two?.cid)
    expect(await read(cache.get(two?.cid as never))).toEqual(Buffer.from(two?.bytes ?? []))
    await expect(put(one?.cid)).rejects.toMatchObject({ name: 'HashMismatchError' })
  })
})

describe('a block that comes', () => {
  it('is there for who asked, also if it is declined', async () => {
    const { cache, clock } = await smallCache({ transitBytes: 4_000 })
    for (const each of await blocks(15)) {
      await clock.run(cache.admit(each.cid, each.bytes, ORIGIN))
    }
    // whatever becomes of it
    for (const size of [100, 1_000, 3_000, 6_000]) {
      const { cid, bytes } = await block(size)
      const deleting = cache.delete(cid)
      const admitting = cache.admit(cid, bytes, { ...ORIGIN, wait: false })
      const had = await clock.run(Promise.resolve(cache.has(cid)))
      await clock.run(Promise.all([deleting, admitting]))
      await clock.run(clock.sleep(4_900))
      expect(await clock.run(failure(async () => read(cache.get(cid))))).toBe(had ? 'none' : 'NotFoundError')
    }
  })
})
