import { describe, expect, it } from 'vitest'
import { VirtualClock } from '../../src/testing/virtual-clock.ts'
import { FileLinks } from '../../src/unixfs/file-links.ts'
import { readBudget } from '../../src/block/read-budget.ts'
import { MAX_LINK_BYTES, readFile } from '../../src/unixfs/read-file.ts'
import { INITIAL_WINDOW } from '../../src/block/read-window.ts'
import { Blocks, content } from './support/blocks.ts'
import { evenFile } from './support/tree.ts'
import type { CID } from 'multiformats/cid'

const MIB = 1_048_576
const clock = new VirtualClock()

/** Levels of so many links, all the same: the file has width^levels bytes */
async function wide (blocks: Blocks, width: number, levels: number): Promise<CID> {
  let cid = await blocks.raw(content(1))
  let size = 1n
  let tsize = 1

  for (let level = 0; level < levels; level++) {
    cid = await blocks.file(Array.from({ length: width }, () => ({ cid, size, tsize })))
    tsize = tsize * width + blocks.block(cid).byteLength
    size *= BigInt(width)
  }

  return cid
}

async function settle (): Promise<void> {
  await new Promise(resolve => setImmediate(resolve))
}

describe('readFile, over wide DAGs', () => {
  it('60 readers of three levels of 3 000 links hold 52 bytes a link, and a small window', async () => {
    const blocks = new Blocks()
    const root = await wide(blocks, 3_000, 3)
    const budget = readBudget()
    const most = 60 * (3 * 3_000 * 52 + INITIAL_WINDOW)
    const readers = Array.from({ length: 60 }, () => readFile(root, blocks.load, { budget, clock }))

    for (const reader of readers) {
      expect((await reader.next()).value?.byteLength).toBe(1)
    }

    await settle()
    expect(budget.readers).toBe(60)
    expect(budget.held).toBeGreaterThan(60 * 3 * 3_000 * 52)
    expect(budget.held).toBeLessThan(most)

    // And they go on reading
    for (const reader of readers) {
      for (let i = 0; i < 100; i++) {
        await reader.next()
      }
    }

    expect(budget.held).toBeLessThan(most)

    for (const reader of readers) {
      await reader.return()
    }

    expect(budget).toMatchObject({ held: 0, readers: 0 })
  })

  it('a subtree repeated 2^40 times streams, holds next to nothing, and stops with its reader', async () => {
    const blocks = new Blocks()
    const budget = readBudget()
    const reader = readFile(await wide(blocks, 4, 20), blocks.load, { budget, clock })

    for (let i = 0; i < 2_000; i++) {
      expect((await reader.next()).done).toBe(false)
      expect(budget.held).toBeLessThan(MIB)
    }

    await reader.return()
    const { length } = blocks.loads
    expect(length).toBeLessThan(3 * 2_000)
    await settle()
    expect(blocks.loads.length).toBe(length)
    expect(budget).toMatchObject({ held: 0, readers: 0 })
  })

  it('links that claim to be small do not open ahead without bounds, and are read in their turn', async () => {
    const blocks = new Blocks()
    const leaf = await blocks.raw(content(1))
    const inner = await blocks.file(Array.from({ length: 20_000 }, () => ({ cid: leaf, size: 1 })))
    // 1 MB of links each, which says it is 50 bytes
    const root = await blocks.file(Array.from({ length: 200 }, () => ({ cid: inner, size: 20_000, tsize: 20_050 })))
    const budget = readBudget()
    const reader = readFile(root, blocks.load, { budget, clock })

    for (let i = 0; i < 50_000; i++) {
      expect((await reader.next()).value?.byteLength).toBe(1)

      if (i % 1_000 === 0) {
        expect(budget.held).toBeLessThan(MAX_LINK_BYTES)
      }
    }

    await reader.return()
    // The leaves, and each node twice at most
    expect(blocks.loads.length).toBeLessThan(50_000 + 2 * 60 + 64)
  })

  it('readers that share a small budget go on one block at a time, and together hold no more', async () => {
    const blocks = new Blocks()
    const limit = 4 * MIB
    const budget = readBudget(limit)
    const root = await evenFile(blocks, { size: 64 * MIB, chunk: MIB / 4, links: 174 })
    const readers = Array.from({ length: 40 }, () => readFile(root, blocks.load, { budget, clock }))
    let most = 0

    for (let chunk = 0; chunk < 20; chunk++) {
      for (const reader of readers) {
        expect((await reader.next()).value?.byteLength).toBe(MIB / 4)
        most = Math.max(most, budget.held)
      }
    }

    // The block at each front, and its links, come on top
    expect(most).toBeLessThanOrEqual(limit + 40 * (MIB / 4 + 16_384))
    await Promise.all(readers.map(async reader => reader.return()))
    expect(budget).toMatchObject({ held: 0, readers: 0 })
  })

  it.each([174, 1024, 4096])('streams 1 GiB in nodes of %i links at the full window', async links => {
    const blocks = new Blocks()
    const chunk = MIB / 4
    const window = 16 * MIB
    const root = await evenFile(blocks, { size: 1024 * MIB, chunk, links })
    const clock = new VirtualClock()
    let inFlight = 0
    let full = 0
    let chunks = 0

    await clock.run((async () => {
      for await (const { byteLength } of readFile(root, async (cid, options) => {
        const block = await blocks.load(cid, options)
        inFlight += block.byteLength
        await clock.sleep(1_000)
        inFlight -= block.byteLength
        return block
      }, { clock, window })) {
        expect(inFlight).toBeLessThanOrEqual(window)
        chunks++
        // Where the end is not in sight
        full += chunks > 1_000 && chunks < 3_900 && byteLength === chunk && inFlight > 0.5 * window ? 1 : 0
      }
    })())

    expect(chunks).toBe(4_096)
    expect(blocks.loads.filter(({ cid }) => cid.code === 0x70)).toHaveLength(links === 4096 ? 1 : Math.ceil(4096 / links) + 1)
    expect(full).toBeGreaterThan(1_000)
  })

  it.each([
    ['right sizes', true, 16_384, 'raw'],
    ['right sizes and larger leaves', true, MIB / 4, 'raw'],
    ['no sizes', false, 16_384, 'raw'],
    ['no sizes and larger leaves', false, MIB / 4, 'raw'],
    ['no sizes, and leaves that look like nodes', false, 16_384, 'file']
  ] as const)('a chain of nodes, each with a leaf and the next one, takes a delay each: with %s', async (_, sized, chunk, kind) => {
    const levels = 120
    const delay = 25
    const blocks = new Blocks()
    const leaf = kind === 'raw' ? await blocks.raw(content(chunk)) : await blocks.file([], content(chunk))
    let next: { cid: CID, size: number, tsize: number } | undefined

    for (let level = 0; level < levels; level++) {
      const tsize = blocks.block(leaf).byteLength
      const cid: CID = await blocks.file([{ cid: leaf, size: chunk, tsize }, ...next == null ? [] : [next]].map(link => sized ? link : { ...link, tsize: undefined }))
      next = { cid, size: chunk + (next?.size ?? 0), tsize: blocks.block(cid).byteLength + tsize + (next?.tsize ?? 0) }
    }

    const clock = new VirtualClock()
    let bytes = 0
    await clock.run((async () => {
      for await (const { byteLength } of readFile(next?.cid as CID, async (cid, options) => {
        const block = await blocks.load(cid, options)
        await clock.sleep(delay)
        return block
      }, { clock })) {
        bytes += byteLength
      }
    })())

    expect(bytes).toBe(levels * chunk)
    expect(blocks.loads).toHaveLength(2 * levels)
    // the nodes, the last leaf, and what it takes until the window fits
    expect(clock.now()).toBeLessThan((levels + 6) * delay)
  })

  it('holds no more than its window and one block of leaves that look like nodes', async () => {
    const blocks = new Blocks()
    const leaf = await blocks.file([], content(MIB / 4))
    const root = await blocks.file(Array.from({ length: 400 }, () => ({ cid: leaf, size: MIB / 4 })))
    const clock = new VirtualClock()
    const window = 2 * MIB
    const { byteLength } = blocks.block(leaf)
    let inFlight = 0
    let most = 0
    await clock.run((async () => {
      for await (const bytes of readFile(root, async (cid, options) => {
        const block = await blocks.load(cid, options)
        inFlight += block.byteLength
        most = Math.max(most, inFlight)
        await clock.sleep(25)
        inFlight -= block.byteLength
        return block
      }, { clock, window })) {
        expect(bytes.byteLength).toBe(MIB / 4)
      }
    })())
    expect(most).toBeGreaterThan(window / 2)
    expect(most).toBeLessThanOrEqual(window + byteLength)
  })

  it('holds 52 bytes a link', async () => {
    const blocks = new Blocks()
    const cid = await blocks.raw(content(1))
    const links = new FileLinks(cid, Array.from({ length: 1_000 }, (_, i) => ({ hash: cid.bytes, from: i * 7, ...(i % 2 === 0 ? {} : { beyond: i }) })), 7_000)

    expect(links.bytes).toBe(52 * 1_000 + 8)
    expect([...links].every((link, i) => link.cid.equals(cid) && link.from === i * 7 && link.claimed === 7 && link.beyond === (i % 2 === 0 ? undefined : i))).toBe(true)
  })

  it('tells the loader what is wanted ahead, and when the reader waits for it', async () => {
    const blocks = new Blocks()
    const root = await evenFile(blocks, { size: 2 * MIB, chunk: MIB / 4, links: 174 })
    const asked: Array<{ purpose?: string, needed?: Promise<void>, release: () => void, waits: boolean }> = []
    const reader = readFile(root, async (cid, options = {}) => {
      const { promise, resolve } = Promise.withResolvers<void>()
      const load = { ...options, release: resolve, waits: false }
      asked.push(load)
      void options.needed?.then(() => { load.waits = true })
      await promise
      return blocks.load(cid, options)
    }, { clock })

    let next = reader.next()
    await settle()
    expect(asked.map(({ purpose }) => purpose)).toEqual([undefined])
    asked[0]?.release()
    await settle()
    expect(asked.map(({ purpose }) => purpose)).toEqual([undefined, undefined, 'prefetch', 'prefetch', 'prefetch'])
    expect(asked.some(({ waits }) => waits)).toBe(false)
    asked[1]?.release()
    await next
    await settle()
    // Nobody reads: nobody waits
    expect(asked.some(({ waits }) => waits)).toBe(false)
    next = reader.next()
    await settle()
    expect(asked.map(({ waits }) => waits)).toEqual([false, false, true, ...asked.slice(3).map(() => false)])
    asked.forEach(({ release }) => { release() })
    await next
    await reader.return()
  })
})
