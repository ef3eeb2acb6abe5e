import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { openBlockCache } from '../../src/open-block-cache.ts'
import { block, blocks, failure, read } from './support/blocks.ts'
import { smallCache } from './support/small-cache.ts'

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

  it('that was filled again after the disk did not take it in time is no block for anybody', async () => {
    const { cache, clock, disk } = await smallCache()
    const { cid, bytes } = await block()
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
    expect(await clock.run(other)).toBe('CacheDiskError')
    expect(await clock.run(failure(async () => read(cache.get(cid))))).toBe('NotFoundError')
    await clock.run(clock.sleep(120_000))
    await clock.run((async () => cache.put(cid, right))())
    expect(await read(cache.get(cid))).toEqual(Buffer.from(right))
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
