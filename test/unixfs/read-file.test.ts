import fc from 'fast-check'
import { importBytes } from 'ipfs-unixfs-importer'
import { fixedSize } from 'ipfs-unixfs-importer/chunker'
import { balanced, flat, trickle } from 'ipfs-unixfs-importer/layout'
import { identity } from 'multiformats/hashes/identity'
import { CID } from 'multiformats/cid'
import { describe, expect, it } from 'vitest'
import { FIRST_BLOCKS } from '../../src/unixfs/read-ahead.ts'
import { DEFAULT_WINDOW_BLOCKS, MAX_FILE_DEPTH, readFile } from '../../src/unixfs/read-file.ts'
import { INITIAL_WINDOW } from '../../src/block/read-window.ts'
import { VirtualClock } from '../../src/testing/virtual-clock.ts'
import { Blocks, collect, content } from './support/blocks.ts'
import type { ImporterOptions } from 'ipfs-unixfs-importer'

const KIB = 1024

async function addFile (blocks: Blocks, bytes: Uint8Array, options: ImporterOptions = {}): Promise<CID> {
  const { cid } = await importBytes(bytes, blocks.store, options)
  return cid
}

/** Chunks of 10 bytes, 3 links to a node */
const SMALL: ImporterOptions = { chunker: fixedSize({ chunkSize: 10 }), layout: balanced({ maxChildrenPerNode: 3 }) }

describe('readFile', () => {
  it.each([0, 1, 9, 10, 11, 29, 30, 31, 90, 91, 1000])('reads a file of %i bytes', async size => {
    const blocks = new Blocks()
    const bytes = content(size)

    expect(await collect(readFile(await addFile(blocks, bytes, SMALL), blocks.load))).toEqual(bytes)
  })

  it('yields what a slice of the original has, whatever the layout and range', async () => {
    const layouts = { balanced, flat, trickle }

    await fc.assert(fc.asyncProperty(
      fc.nat(600), fc.integer({ min: 1, max: 64 }), fc.integer({ min: 2, max: 7 }),
      fc.constantFrom('balanced' as const, 'flat' as const, 'trickle' as const),
      fc.constantFrom(true, false), fc.constantFrom('file' as const, 'raw' as const), fc.constantFrom(true, false),
      fc.nat(700), fc.option(fc.nat(700), { nil: undefined }),
      fc.integer({ min: 1, max: 200 }), fc.integer({ min: 1, max: 5 }),
      async (size, chunkSize, maxChildrenPerNode, layout, rawLeaves, leafType, reduceSingleLeafToSelf, offset, length, window, windowBlocks) => {
        const blocks = new Blocks()
        const bytes = content(size)
        const cid = await addFile(blocks, bytes, {
          chunker: fixedSize({ chunkSize }), layout: layouts[layout]({ maxChildrenPerNode }), rawLeaves, leafType, reduceSingleLeafToSelf
        })
        const chunks: Uint8Array[] = []

        for await (const chunk of readFile(cid, blocks.load, { offset, length, window, windowBlocks })) {
          chunks.push(chunk)
        }

        expect(chunks.every(chunk => chunk.byteLength > 0)).toBe(true)
        expect(chunks.flatMap(chunk => [...chunk])).toEqual([...bytes.subarray(offset, length == null ? undefined : offset + length)])
      }
    ), { numRuns: 400 })
  })

  it('reads the default chunks and links of importers', async () => {
    const blocks = new Blocks()
    const bytes = content(3_000_000)

    for (const profile of ['unixfs-v0-2015', 'unixfs-v1-2025'] as const) {
      const cid = await addFile(blocks, bytes, { profile })
      expect(Buffer.compare(await collect(readFile(cid, blocks.load)), bytes)).toBe(0)
    }
  })

  it('reads a bare raw block, and content inlined in a CID when the loader does', async () => {
    const blocks = new Blocks()
    const bytes = content(100)

    expect(await collect(readFile(await blocks.raw(bytes), blocks.load, { offset: 90 }))).toEqual(bytes.subarray(90))

    const inline = CID.createV1(0x55, identity.digest(bytes))
    const cid = await blocks.file([{ cid: inline, size: 100 }, { cid: inline, size: 100 }])
    const load: typeof blocks.load = async (cid, options) => cid.multihash.code === 0 ? cid.multihash.digest : blocks.load(cid, options)

    expect(await collect(readFile(cid, load, { offset: 50 }))).toEqual(Uint8Array.from([...bytes.subarray(50), ...bytes]))
  })

  it('reads the content of inner nodes before that of their children', async () => {
    const blocks = new Blocks()
    const bytes = content(60)
    const leaf = await blocks.raw(bytes.subarray(40))
    const inner = await blocks.file([{ cid: leaf, size: 20 }], bytes.subarray(20, 40))
    const root = await blocks.file([{ cid: inner, size: 40 }], bytes.subarray(0, 20))

    await fc.assert(fc.asyncProperty(fc.nat(65), fc.nat(65), async (offset, length) => {
      expect(await collect(readFile(root, blocks.load, { offset, length }))).toEqual(bytes.subarray(offset, offset + length))
    }))
  })

  it('loads the path to a byte and nothing else', async () => {
    const blocks = new Blocks()
    // 1 000 leaves below 334, 112, 38, 13, 5, 2, 1 nodes
    const cid = await addFile(blocks, content(10_000), SMALL)

    await fc.assert(fc.asyncProperty(fc.nat(9_999), async offset => {
      blocks.loads.length = 0
      expect(await collect(readFile(cid, blocks.load, { offset, length: 1 }))).toEqual(content(10_000).subarray(offset, offset + 1))
      expect(blocks.loads.length).toBeLessThanOrEqual(8)
    }))

    blocks.loads.length = 0
    await collect(readFile(cid, blocks.load, { offset: 10_000 }))
    expect(blocks.loads).toHaveLength(1)

    blocks.loads.length = 0
    await collect(readFile(cid, blocks.load, { length: 0 }))
    expect(blocks.loads).toHaveLength(0)
  })

  it('loads no block twice and none outside the range', async () => {
    const blocks = new Blocks()
    const bytes = content(1_000)
    const cid = await addFile(blocks, bytes, SMALL)

    await fc.assert(fc.asyncProperty(fc.nat(999), fc.integer({ min: 1, max: 1_000 }), async (offset, length) => {
      blocks.loads.length = 0
      await collect(readFile(cid, blocks.load, { offset, length }))

      const leaves = blocks.loads.filter(({ cid }) => cid.code === 0x55)
      const last = Math.min(offset + length, 1_000) - 1

      expect(new Set(blocks.loads.map(({ cid }) => cid.toString())).size).toBe(blocks.loads.length)
      expect(leaves).toHaveLength(Math.floor(last / 10) - Math.floor(offset / 10) + 1)
    }))
  })

  it('tells the loader the size of each block that it can know', async () => {
    const blocks = new Blocks()
    const known = async (options: ImporterOptions): Promise<void> => {
      blocks.loads.length = 0
      const cid = await addFile(blocks, content(30 * KIB), { chunker: fixedSize({ chunkSize: KIB }), layout: balanced({ maxChildrenPerNode: 30 }), ...options })
      await collect(readFile(cid, blocks.load))
      expect(blocks.loads).toHaveLength(31)

      for (const { cid, size } of blocks.loads.slice(1)) {
        expect(size).toBe(blocks.block(cid).byteLength)
      }
    }

    await known({ rawLeaves: true })
    await known({ rawLeaves: false })

    // Inner nodes over raw leaves too; the root has no parent, but a directory may know its DAG
    blocks.loads.length = 0
    const cid = await addFile(blocks, content(90), SMALL)
    await collect(readFile(cid, blocks.load, { dagSize: 777 }))
    expect(blocks.loads.map(({ size }) => size)).toEqual([777, ...blocks.loads.slice(1).map(({ cid }) => blocks.block(cid).byteLength)])
    expect(blocks.loads.filter(({ cid }) => cid.code === 0x70)).toHaveLength(4)
  })

  it.each([
    { offset: -1 }, { offset: 0.5 }, { offset: Number.NaN }, { length: -1 }, { length: Infinity }, { window: 0 }, { windowBlocks: 0 }
  ])('refuses %o', async options => {
    const blocks = new Blocks()
    const cid = await blocks.raw(content(10))

    await expect(collect(readFile(cid, blocks.load, options))).rejects.toMatchObject({
      name: 'InvalidOptionError', message: expect.stringContaining(Object.keys(options)[0] ?? '')
    })
    expect(blocks.loads).toHaveLength(0)
  })

  it('says what is not a file', async () => {
    const blocks = new Blocks()

    await expect(collect(readFile(await blocks.directory([]), blocks.load))).rejects.toMatchObject({ name: 'UnixFSError', code: 'not-a-file' })
    await expect(collect(readFile(await blocks.shard([]), blocks.load))).rejects.toMatchObject({ code: 'not-a-file' })
    await expect(collect(readFile(await blocks.node({ type: 'symlink', data: content(3) }), blocks.load))).rejects.toMatchObject({ code: 'not-a-file' })
    await expect(collect(readFile(await blocks.cbor({}), blocks.load))).rejects.toMatchObject({ code: 'unsupported' })
  })
})

describe('readFile, ahead of its reader', () => {
  /** Loads that wait until they are let through */
  function gated (blocks: Blocks): { load: typeof blocks.load, pending: Set<{ cid: CID, bytes: number, signal?: AbortSignal, release (): void }> } {
    const pending = new Set<{ cid: CID, bytes: number, signal?: AbortSignal, release (): void }>()

    return {
      pending,
      load: async (cid, options) => {
        const block = await blocks.load(cid, options)
        const { promise, resolve } = Promise.withResolvers<void>()
        const entry = { cid, bytes: block.byteLength, signal: options?.signal, release: resolve }

        pending.add(entry)
        await promise
        pending.delete(entry)
        return block
      }
    }
  }

  async function settle (): Promise<void> {
    await new Promise(resolve => setImmediate(resolve))
  }

  async function bigFile (): Promise<{ blocks: Blocks, cid: CID, bytes: Uint8Array }> {
    const blocks = new Blocks()
    const bytes = content(400_000)
    const cid = await addFile(blocks, bytes, { chunker: fixedSize({ chunkSize: 1_000 }), layout: balanced({ maxChildrenPerNode: 20 }) })
    return { blocks, cid, bytes }
  }

  it('keeps its window full, and never more than full, whatever order blocks come in', async () => {
    const { blocks, cid, bytes } = await bigFile()

    await fc.assert(fc.asyncProperty(fc.infiniteStream(fc.nat()), fc.integer({ min: 3_000, max: 20_000 }), fc.integer({ min: 1, max: 12 }), async (dice, window, windowBlocks) => {
      const { load, pending } = gated(blocks)
      const read: number[] = []
      let most = 0
      let mostBytes = 0
      let finished = false
      const reading = (async () => {
        for await (const chunk of readFile(cid, load, { window, windowBlocks, length: 100_000 })) {
          read.push(...chunk)
        }
        finished = true
      })()

      while (!finished) {
        await settle()
        const waiting = [...pending]
        most = Math.max(most, waiting.length)
        mostBytes = Math.max(mostBytes, waiting.reduce((sum, { bytes }) => sum + bytes, 0))
        waiting[(dice.next().value as number) % Math.max(waiting.length, 1)]?.release()
      }

      await reading
      expect(read).toEqual([...bytes.subarray(0, 100_000)])
      expect(most).toBeLessThanOrEqual(windowBlocks)
      // Leaves count exactly, nodes by an estimate that is exact over raw leaves; the root's is not known
      expect(mostBytes).toBeLessThanOrEqual(Math.max(window, blocks.block(cid).byteLength))
      expect(most).toBeGreaterThanOrEqual(Math.min(windowBlocks, Math.floor(window / 1_000) - 1))
    }), { numRuns: 20 })
  })

  it('stops loading when the reader pauses', async () => {
    const { blocks, cid } = await bigFile()
    const reader = readFile(cid, blocks.load, { window: 10_000 })
    let read = 0

    for (let chunks = 1; chunks <= 150; chunks++) {
      read += (await reader.next()).value?.byteLength ?? 0
      await settle()
      const loaded = blocks.loads.filter(({ cid }) => cid.code === 0x55).length * 1_000
      expect(loaded - read).toBeLessThanOrEqual(10_000)
      // The next node and its links take some of it
      expect(loaded - read).toBeGreaterThanOrEqual(7_000)
    }

    await reader.return()
  })

  it('by default begins within 1 MiB and 64 blocks', async () => {
    const blocks = new Blocks()
    const chunk = content(256 * KIB)
    const leaf = await blocks.raw(chunk)
    const big = await blocks.file(Array.from({ length: 100 }, () => ({ cid: leaf, size: chunk.byteLength })))
    const reader = readFile(big, blocks.load)

    await reader.next()
    await settle()
    // One at the reader, the window behind it
    expect(blocks.loads.length - 1 - 1).toBe(INITIAL_WINDOW / chunk.byteLength)
    await reader.return()

    const small = await blocks.file(Array.from({ length: 100 }, () => ({ cid: leaf, size: chunk.byteLength })))
    const tiny = await blocks.raw(content(1))
    const dust = await blocks.file(Array.from({ length: 300 }, () => ({ cid: tiny, size: 1 })))
    expect(small).toEqual(big)
    blocks.loads.length = 0
    const dustReader = readFile(dust, blocks.load)
    await dustReader.next()
    await settle()
    // it might have looked at no more than this one
    expect(blocks.loads.length - 1 - 1).toBe(FIRST_BLOCKS)
    await dustReader.next()
    await settle()
    expect(blocks.loads.length - 1 - 2).toBe(DEFAULT_WINDOW_BLOCKS)
    await dustReader.return()
  })

  it('aborts what is in flight when the reader breaks, throws, returns while waiting, or fails', async () => {
    const { blocks, cid } = await bigFile()

    async function open (): Promise<{ reader: ReturnType<typeof readFile>, inFlight: Array<AbortSignal | undefined> }> {
      const { load, pending } = gated(blocks)
      const reader = readFile(cid, load, { window: 10_000 })
      const first = reader.next()

      // root, inner node, first leaf
      for (let i = 0; i < 3; i++) {
        await settle()
        expect(pending.size).toBe(i < 2 ? 1 : 10)
        ;[...pending][0]?.release()
      }

      await first
      await settle()
      const inFlight = [...pending].map(({ signal }) => signal)
      expect(inFlight.length).toBeGreaterThan(5)
      expect(inFlight.every(signal => signal?.aborted === false)).toBe(true)
      return { reader, inFlight }
    }

    const broken = await open()
    await broken.reader.return()
    expect(broken.inFlight.every(signal => signal?.aborted)).toBe(true)

    const thrown = await open()
    await expect(thrown.reader.throw(new Error('mine'))).rejects.toThrow('mine')
    expect(thrown.inFlight.every(signal => signal?.aborted)).toBe(true)

    // The next chunk never comes
    const waiting = await open()
    const next = waiting.reader.next()
    const left = waiting.reader.return()
    expect(waiting.inFlight.every(signal => signal?.aborted)).toBe(true)
    expect(await next).toEqual({ done: true, value: undefined })
    expect(await left).toEqual({ done: true, value: undefined })

    const disposed = await open()
    await disposed.reader[Symbol.asyncDispose]()
    expect(disposed.inFlight.every(signal => signal?.aborted)).toBe(true)
  })

  it('ends with the signal\'s reason although the loader ignores it', async () => {
    const { blocks, cid } = await bigFile()
    const controller = new AbortController()
    const { load, pending } = gated(blocks)
    const next = readFile(cid, load, { signal: controller.signal }).next()

    await settle()
    expect(pending.size).toBe(1)
    controller.abort(new Error('enough'))
    await expect(next).rejects.toThrow('enough')
    expect([...pending][0]?.signal?.aborted).toBe(true)

    await expect(readFile(cid, load, { signal: controller.signal }).next()).rejects.toThrow('enough')
    expect(pending.size).toBe(1)
  })

  it('delivers everything before a block that cannot be loaded, and then its error', async () => {
    const { blocks, cid, bytes } = await bigFile()
    const signals: AbortSignal[] = []
    let leaves = 0
    const read: number[] = []
    const load: typeof blocks.load = async (cid, options) => {
      if (options?.signal != null) {
        signals.push(options.signal)
      }
      if (cid.code === 0x55 && leaves++ === 7) {
        throw new Error('nobody has it')
      }
      return blocks.load(cid, options)
    }

    await expect(async () => {
      for await (const chunk of readFile(cid, load)) {
        read.push(...chunk)
      }
    }).rejects.toThrow('nobody has it')
    expect(read).toEqual([...bytes.subarray(0, 7_000)])
    expect(signals.every(signal => signal.aborted)).toBe(true)
  })

  it('asks for nothing before it is read, and nothing after', async () => {
    const { blocks, cid } = await bigFile()
    const reader = readFile(cid, blocks.load)

    await settle()
    expect(blocks.loads).toHaveLength(0)
    await reader.return()
    expect(await reader.next()).toEqual({ done: true, value: undefined })
    expect(blocks.loads).toHaveLength(0)
  })
})

describe('readFile, on DAGs that lie', () => {
  it.each([
    ['smaller', 10, 1_000], ['larger', 1_000, 10], ['a terabyte', 1_099_511_627_776, 10]
  ])('refuses a raw leaf that claims to be %s', async (_, claimed, real) => {
    const blocks = new Blocks()
    const honest = await blocks.raw(content(5))
    const liar = await blocks.raw(content(real))
    const cid = await blocks.file([{ cid: honest, size: 5 }, { cid: liar, size: claimed }, { cid: honest, size: 5 }])
    const reader = readFile(cid, blocks.load)

    expect((await reader.next()).value).toEqual(content(5))
    await expect(reader.next()).rejects.toMatchObject({ name: 'UnixFSError', code: 'malformed', message: expect.stringContaining(`claims ${claimed}`) })
    expect(await reader.next()).toEqual({ done: true, value: undefined })
  })

  it('refuses nodes whose children do not sum up to what their parent claims', async () => {
    const blocks = new Blocks()
    const leaf = await blocks.raw(content(5))
    const inner = await blocks.file([{ cid: leaf, size: 5 }, { cid: leaf, size: 5 }])
    const file = await blocks.node({ type: 'file', data: content(5), blockSizes: [] })

    for (const size of [0.5, 2].map(factor => 10 * factor)) {
      const cid = await blocks.file([{ cid: inner, size }])
      await expect(collect(readFile(cid, blocks.load))).rejects.toMatchObject({ code: 'malformed' })
    }

    await expect(collect(readFile(await blocks.file([{ cid: file, size: 6 }]), blocks.load))).rejects.toMatchObject({ code: 'malformed' })
    await expect(collect(readFile(await blocks.node({ type: 'file', blockSizes: [5n] }, [{ cid: leaf }, { cid: leaf }]), blocks.load))).rejects.toMatchObject({ code: 'malformed' })
    await expect(collect(readFile(await blocks.node({ type: 'file', blockSizes: [] }, [{ cid: leaf }]), blocks.load))).rejects.toMatchObject({ code: 'malformed' })
  })

  it('never yields more or less than the root claims, whatever the children do', async () => {
    await fc.assert(fc.asyncProperty(
      fc.array(fc.record({ claimed: fc.nat(20), real: fc.nat(20), raw: fc.boolean() }), { maxLength: 6 }), fc.nat(20), fc.nat(60),
      async (leaves, offset, length) => {
        const blocks = new Blocks()
        const links = await Promise.all(leaves.map(async ({ claimed, real, raw }) => ({
          cid: raw ? await blocks.raw(content(real)) : await blocks.node({ type: 'file', data: content(real) }), size: claimed
        })))
        const cid = await blocks.file(links)
        const total = leaves.reduce((sum, { claimed }) => sum + claimed, 0)
        let read = 0
        let error: unknown

        try {
          for await (const chunk of readFile(cid, blocks.load, { offset, length })) {
            read += chunk.byteLength
          }
        } catch (err) {
          error = err
        }

        const expected = Math.max(0, Math.min(length, total - offset))

        if (error == null) {
          expect(read).toBe(expected)
        } else {
          expect(error).toMatchObject({ name: 'UnixFSError', code: 'malformed' })
          expect(read).toBeLessThan(expected)
          expect(leaves.some(({ claimed, real }) => claimed !== real)).toBe(true)
        }
      }), { numRuns: 300 })
  })

  it('refuses sizes that no number can hold', async () => {
    const blocks = new Blocks()
    const leaf = await blocks.raw(content(5))

    for (const size of [2n ** 53n, 2n ** 63n, 2n ** 64n - 1n]) {
      await expect(collect(readFile(await blocks.file([{ cid: leaf, size }]), blocks.load))).rejects.toMatchObject({ code: 'too-large' })
    }

    const many = Array.from({ length: 3 }, () => ({ cid: leaf, size: 2n ** 52n }))
    await expect(collect(readFile(await blocks.file(many), blocks.load))).rejects.toMatchObject({ code: 'too-large' })
  })

  it('refuses directories and foreign codecs inside a file', async () => {
    const blocks = new Blocks()
    const directory = await blocks.directory([])
    const cbor = await blocks.cbor({ a: 1 })

    await expect(collect(readFile(await blocks.file([{ cid: directory, size: 5 }]), blocks.load))).rejects.toMatchObject({ code: 'malformed' })
    await expect(collect(readFile(await blocks.file([{ cid: cbor, size: 5 }]), blocks.load))).rejects.toMatchObject({ code: 'malformed' })
    expect(blocks.loads.some(({ cid }) => cid.equals(cbor))).toBe(false)
  })

  it('wraps the decoder\'s complaint about bytes that are no node', async () => {
    await fc.assert(fc.asyncProperty(fc.uint8Array({ minLength: 1, maxLength: 60 }), async bytes => {
      const blocks = new Blocks()
      const cid = await blocks.add(0x70, bytes)

      try {
        await collect(readFile(cid, blocks.load))
      } catch (err) {
        expect(err).toMatchObject({ name: expect.stringMatching(/^(UnixFSError)$/), message: expect.stringContaining(cid.toString()) })
      }
    }), { numRuns: 2_000 })

    const blocks = new Blocks()
    const cid = await blocks.add(0x70, Uint8Array.of())
    await expect(collect(readFile(cid, blocks.load))).rejects.toMatchObject({ code: 'malformed' })
  })

  it('stops at a chain of 20 000 levels', async () => {
    const blocks = new Blocks()
    let cid = await blocks.raw(content(7))

    for (let level = 0; level < 20_000; level++) {
      cid = await blocks.file([{ cid, size: 7 }])
    }

    await expect(collect(readFile(cid, blocks.load))).rejects.toMatchObject({ name: 'UnixFSError', code: 'too-large', message: expect.stringContaining('levels deep') })
    expect(blocks.loads.length).toBe(MAX_FILE_DEPTH + 1)
  })

  it('reads chains that are no deeper than allowed', async () => {
    const blocks = new Blocks()
    let cid = await blocks.raw(content(7))

    for (let level = 0; level < MAX_FILE_DEPTH; level++) {
      cid = await blocks.file([{ cid, size: 7 }])
    }

    expect(await collect(readFile(cid, blocks.load))).toEqual(content(7))
  })

  it('streams a file of a terabyte in five blocks, lazily', async () => {
    const blocks = new Blocks()
    const leaf = content(KIB)
    let cid = await blocks.raw(leaf)
    let size = BigInt(leaf.byteLength)

    for (let level = 0; level < 4; level++) {
      cid = await blocks.file(Array.from({ length: 174 }, () => ({ cid, size })))
      size *= 174n
    }

    let read = 0

    // No time passes, so the window stays as it begins
    for await (const chunk of readFile(cid, blocks.load, { clock: new VirtualClock() })) {
      read += chunk.byteLength

      if (read >= 1_000_000) {
        break
      }
    }

    expect(blocks.size).toBe(5)
    // The leaves read, six nodes over them and the three above, and a window of 128 leaves and of 6 nodes of 174 KiB
    expect(blocks.loads.length).toBeLessThanOrEqual(977 + 6 + 3 + 128 + 6)

    blocks.loads.length = 0
    expect(await collect(readFile(cid, blocks.load, { offset: Number(size) - 10 }))).toEqual(leaf.subarray(-10))
    expect(blocks.loads).toHaveLength(5)
  })

  it('gives up on a DAG that is all nodes and hardly any bytes', async () => {
    const blocks = new Blocks()
    // One byte at the end of a chain of 100 nodes, many times: 100 loads per byte
    let cid = await blocks.raw(content(1))

    for (let level = 0; level < 100; level++) {
      cid = await blocks.file([{ cid, size: 1 }])
    }

    const root = await blocks.file(Array.from({ length: 10_000 }, () => ({ cid, size: 1 })))

    await expect(collect(readFile(root, blocks.load))).rejects.toMatchObject({ code: 'too-large' })
    expect(blocks.loads.length).toBeLessThan(1_000)
  })

  it('does not visit nodes that claim no bytes', async () => {
    const blocks = new Blocks()
    let cid = await blocks.file([])

    // 100^3 nodes
    for (let level = 0; level < 3; level++) {
      cid = await blocks.file(Array.from({ length: 100 }, () => ({ cid, size: 0 })))
    }

    expect(await collect(readFile(cid, blocks.load))).toEqual(new Uint8Array())
    expect(blocks.loads).toHaveLength(1)
  })

  it('refuses a block of a million links before it has decoded them', async () => {
    const blocks = new Blocks()
    const links = new Uint8Array(2_000_000)

    for (let at = 0; at < links.length; at += 2) {
      links[at] = 0x12
    }

    await expect(collect(readFile(await blocks.add(0x70, links), blocks.load))).rejects.toMatchObject({ code: 'too-large', message: expect.stringContaining('65536 links') })
  })

  it('bounds what waits when wide nodes lead to wide nodes', async () => {
    const blocks = new Blocks()
    const leaf = await blocks.raw(content(1))
    const width = 50_000
    // Six levels, each with 50 000 links of which the first leads on: 300 000 would wait
    let cid = leaf
    let size = 1

    for (let level = 0; level < 6; level++) {
      const first = { cid, size }
      cid = await blocks.file([first, ...Array.from({ length: width - 1 }, () => ({ cid: leaf, size: 1 }))])
      size += width - 1
    }

    await expect(collect(readFile(cid, blocks.load))).rejects.toMatchObject({ code: 'too-large', message: expect.stringContaining('waiting') })
  })
})
