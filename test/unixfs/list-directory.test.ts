import { importer } from 'ipfs-unixfs-importer'
import { describe, expect, it } from 'vitest'
import { listDirectory } from '../../src/unixfs/list-directory.ts'
import { Blocks, content } from './support/blocks.ts'
import type { DirectoryEntry } from '../../src/interface/unixfs.ts'
import type { ImporterOptions } from 'ipfs-unixfs-importer'
import type { CID } from 'multiformats/cid'

const SLOTS = Array.from({ length: 256 }, (_, slot) => slot.toString(16).toUpperCase().padStart(2, '0'))

async function list (entries: AsyncIterable<DirectoryEntry>): Promise<DirectoryEntry[]> {
  const all: DirectoryEntry[] = []

  for await (const entry of entries) {
    all.push(entry)
  }

  return all
}

async function addDirectory (blocks: Blocks, count: number, options: ImporterOptions = {}): Promise<CID> {
  let root: CID | undefined
  const files = Array.from({ length: count }, (_, index) => ({ path: `file-${index}`, content: Uint8Array.of(index & 0xff) }))

  for await (const { cid } of importer(files, blocks.store, { wrapWithDirectory: true, ...options })) {
    root = cid
  }

  if (root == null) {
    throw new Error('test bug: nothing imported')
  }

  return root
}

describe('listDirectory', () => {
  it.each([
    ['plain', 100, {}], ['sharded', 5_000, { shardSplitThresholdBytes: 1 }], ['narrow sharded', 500, { shardSplitThresholdBytes: 1, shardFanoutBits: 3 }]
  ])('lists a %s directory, each entry once, each block once', async (_, count, options) => {
    const blocks = new Blocks()
    const cid = await addDirectory(blocks, count, options)
    const entries = await list(listDirectory(cid, blocks.load))

    expect(entries.map(({ name }) => name).sort()).toEqual(Array.from({ length: count }, (_, index) => `file-${index}`).sort())
    expect(entries.every(({ size }) => size === 1)).toBe(true)
    expect(entries.every(({ name, cid }) => blocks.block(cid)[0] === (Number(name.slice(5)) & 0xff))).toBe(true)
    expect(new Set(blocks.loads.map(({ cid }) => cid.toString())).size).toBe(blocks.loads.length)
  })

  it('is empty for an empty directory', async () => {
    const blocks = new Blocks()

    expect(await list(listDirectory(await blocks.directory([]), blocks.load))).toEqual([])
    expect(await list(listDirectory(await blocks.shard([]), blocks.load))).toEqual([])
  })

  it('gives names verbatim', async () => {
    const blocks = new Blocks()
    const cid = await blocks.raw(content(1))
    const names = ['../../etc/passwd', '/abs', 'a\0b', '', 'a/b', '<script>', '\r\nSet-Cookie: x', '.', '..', '\u202Etxt.exe']
    const plain = await blocks.directory(names.map(name => ({ cid, name })))
    const sharded = await blocks.shard(names.filter(name => name !== '').map((name, slot) => ({ cid, name: `0${slot}${name}` })))

    expect((await list(listDirectory(plain, blocks.load))).map(({ name }) => name)).toEqual(names)
    expect((await list(listDirectory(sharded, blocks.load))).map(({ name }) => name)).toEqual(names.filter(name => name !== ''))
  })

  it('streams: loads ahead a little, and stops at the limit', async () => {
    const blocks = new Blocks()
    const cid = await addDirectory(blocks, 5_000, { shardSplitThresholdBytes: 1 })

    expect(await list(listDirectory(cid, blocks.load, { limit: 10 }))).toHaveLength(10)
    // The root and one shard after the other
    expect(blocks.loads.length).toBeLessThan(5)
    expect(blocks.loads.every(({ signal }) => signal?.aborted)).toBe(true)

    blocks.loads.length = 0
    const reader = listDirectory(cid, blocks.load)
    await reader.next()
    await new Promise(resolve => setImmediate(resolve))
    // Of 448 shards, those that hold the next 2 400 of 5 000 entries
    expect(blocks.loads.length).toBeGreaterThan(120)
    expect(blocks.loads.length).toBeLessThan(300)
    await reader.return()
    expect(blocks.loads.every(({ signal }) => signal?.aborted)).toBe(true)

    blocks.loads.length = 0
    expect(await list(listDirectory(cid, blocks.load, { limit: 0 }))).toEqual([])
    expect(blocks.loads).toHaveLength(0)
    expect(await list(listDirectory(cid, blocks.load, { limit: 6_000 }))).toHaveLength(5_000)
  })

  it('keeps 32 shards in flight and no more', async () => {
    const blocks = new Blocks()
    const cid = await addDirectory(blocks, 5_000, { shardSplitThresholdBytes: 1 })
    let inFlight = 0
    let most = 0
    const load: typeof blocks.load = async (cid, options) => {
      most = Math.max(most, ++inFlight)
      await new Promise(resolve => setImmediate(resolve))
      inFlight--
      return blocks.load(cid, options)
    }

    expect(await list(listDirectory(cid, load))).toHaveLength(5_000)
    expect(most).toBe(32)
  })

  it('asks for full shards once each, though more arrive than fit', async () => {
    const blocks = new Blocks()
    const cid = await blocks.raw(content(1))
    const shards = await Promise.all(Array.from({ length: 100 }, async (_, i) => blocks.shard(SLOTS.map(slot => ({ cid, name: `${slot}file-${i}-${slot}` })))))
    const root = await blocks.shard(shards.map((cid, i) => ({ cid, name: SLOTS[i] as string })))
    const load: typeof blocks.load = async (cid, options) => {
      await new Promise(resolve => setImmediate(resolve))
      return blocks.load(cid, options)
    }

    expect(await list(listDirectory(root, load))).toHaveLength(100 * 256)
    expect(blocks.loads).toHaveLength(1 + 100)
  })

  it('refuses what is no directory, and limits that are no numbers', async () => {
    const blocks = new Blocks()
    const directory = await blocks.directory([])

    await expect(list(listDirectory(await blocks.raw(content(3)), blocks.load))).rejects.toMatchObject({ name: 'UnixFSError', code: 'not-a-directory' })
    await expect(list(listDirectory(await blocks.file([]), blocks.load))).rejects.toMatchObject({ code: 'not-a-directory' })
    await expect(list(listDirectory(await blocks.node({ type: 'symlink' }), blocks.load))).rejects.toMatchObject({ code: 'not-a-directory' })
    await expect(list(listDirectory(directory, blocks.load, { limit: -1 }))).rejects.toMatchObject({ name: 'InvalidOptionError' })
    await expect(list(listDirectory(directory, blocks.load, { maxEntries: 1.5 }))).rejects.toMatchObject({ name: 'InvalidOptionError' })
  })

  it('ends with the signal\'s reason although the loader ignores it', async () => {
    const blocks = new Blocks()
    const controller = new AbortController()
    const listing = list(listDirectory(await blocks.directory([]), async () => new Promise(() => {}), { signal: controller.signal }))

    controller.abort(new Error('enough'))
    await expect(listing).rejects.toThrow('enough')
  })
})

describe('listDirectory, on bombs', () => {
  it.each([
    ['fanout 3', 3n, 0x22n], ['fanout 2^40', 2n ** 40n, 0x22n], ['fanout 0', 0n, 0x22n], ['another hash', 256n, 0x12n]
  ])('refuses a sharded directory with %s', async (_, fanout, hashType) => {
    const blocks = new Blocks()
    const cid = await blocks.shard([{ cid: await blocks.raw(content(1)), name: '00a' }], fanout, hashType)

    await expect(list(listDirectory(cid, blocks.load))).rejects.toMatchObject({ code: 'malformed' })
  })

  it('refuses shards that do not fit their parent', async () => {
    const blocks = new Blocks()
    const raw = await blocks.raw(content(1))

    for (const cid of [await blocks.shard([], 16n), await blocks.directory([]), await blocks.file([]), raw]) {
      await expect(list(listDirectory(await blocks.shard([{ cid, name: '00' }]), blocks.load))).rejects.toMatchObject({ code: 'malformed' })
    }

    await expect(list(listDirectory(await blocks.shard([{ cid: raw, name: '0' }]), blocks.load))).rejects.toMatchObject({ code: 'malformed', message: expect.stringContaining('no slot') })
  })

  it('goes no deeper than the hash', async () => {
    const blocks = new Blocks()
    let cid = await blocks.shard([{ cid: await blocks.raw(content(1)), name: '00a' }])

    for (let level = 0; level < 20; level++) {
      cid = await blocks.shard([{ cid, name: '00' }])
    }

    await expect(list(listDirectory(cid, blocks.load))).rejects.toMatchObject({ code: 'malformed', message: expect.stringContaining('deeper than its hash') })
    expect(blocks.loads).toHaveLength(9)
  })

  it('streams 256^6 entries lazily, up to the maximum', async () => {
    const blocks = new Blocks()
    const file = await blocks.raw(content(1))
    let cid = await blocks.shard(SLOTS.map(slot => ({ cid: file, name: `${slot}x` })))

    for (let level = 1; level < 6; level++) {
      cid = await blocks.shard(SLOTS.map(name => ({ cid, name })))
    }

    let entries = 0
    const listing = async (): Promise<void> => {
      for await (const { name } of listDirectory(cid, blocks.load, { maxEntries: 20_000 })) {
        expect(name).toBe('x')
        entries++
      }
    }

    await expect(listing()).rejects.toMatchObject({ name: 'UnixFSError', code: 'too-large', message: expect.stringContaining('20000 entries') })
    expect(entries).toBe(20_000)
    // 79 shards hold them, below 1 and 4 more; 16 are ahead of the reader, on each level at first
    expect(blocks.loads.length).toBeLessThan(79 + 5 + 16 * 5)
  })

  it('gives up on shards of shards without entries', async () => {
    const blocks = new Blocks()
    let cid = await blocks.shard([])

    for (let level = 1; level < 7; level++) {
      cid = await blocks.shard(SLOTS.map(name => ({ cid, name })))
    }

    await expect(list(listDirectory(cid, blocks.load))).rejects.toMatchObject({ code: 'too-large', message: expect.stringContaining('for 0 entries') })
    expect(blocks.loads.length).toBeLessThan(600)
  })

  it('refuses a directory of a million empty links', async () => {
    const blocks = new Blocks()
    const links = new Uint8Array(2_000_000)

    for (let at = 0; at < links.length; at += 2) {
      links[at] = 0x12
    }

    await expect(list(listDirectory(await blocks.add(0x70, links), blocks.load))).rejects.toMatchObject({ code: 'too-large' })
  })
})
