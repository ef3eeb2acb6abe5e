import { unixfs } from '@helia/unixfs'
import { createHeliaLight } from 'helia'
import { UnixFS as UnixFSData } from 'ipfs-unixfs'
import { importer } from 'ipfs-unixfs-importer'
import { CID } from 'multiformats/cid'
import { sha256 } from 'multiformats/hashes/sha2'
import { afterEach, describe, expect, it } from 'vitest'
import { getFilesystem, heliaMixin } from '../../src/compose.ts'
import { undiciTransport } from '../../src/exchange/http/undici-egress.ts'
import { loopbackProvider } from '../../src/testing/loopback-provider.ts'
import { sampleFile } from '../../src/testing/sample-file.ts'
import { MapBroker, OwnRouting, wrap } from './own-routing.ts'
import type { ContentRoutingOptions, Filesystem } from '../../src/compose.ts'
import type { HeliaContentRouting } from '../../src/helia/helia-routing.ts'
import type { LoopbackProvider, LoopbackProviderInit } from '../../src/testing/loopback-provider.ts'
import type { Helia } from '@helia/interface'

const closing: Array<() => Promise<unknown>> = []
const mixin = heliaMixin(({ policy }) => undiciTransport({ policy }))
const file = await sampleFile({ size: 2_000_000, chunkSize: 16_384 })

afterEach(async () => {
  for (const close of closing.splice(0).reverse()) {
    await close()
  }
})

async function gateway (init: LoopbackProviderInit): Promise<LoopbackProvider> {
  const provider = await loopbackProvider(init)
  closing.push(async () => provider.close())
  return provider
}

async function start (options: ContentRoutingOptions = {}, init: Parameters<typeof createHeliaLight>[0] = {}): Promise<Helia & { contentRouting: HeliaContentRouting }> {
  const helia = mixin(createHeliaLight(init), options)
  closing.push(async () => helia.stop())
  return helia.start()
}

async function startOver (routing: OwnRouting, ...blockBrokers: MapBroker[]): Promise<ReturnType<typeof wrap>> {
  const helia = wrap(createHeliaLight({ blockBrokers }), routing)
  closing.push(async () => helia.stop())
  await helia.start()
  return helia
}

async function bytesOf (chunks: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const all: Uint8Array[] = []

  for await (const chunk of chunks) {
    all.push(chunk)
  }

  return Buffer.concat(all)
}

async function list<T> (entries: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = []

  for await (const entry of entries) {
    all.push(entry)
  }

  return all
}

/** A directory of small files that no node has yet */
async function remoteDirectory (names: string[], shardSplitThresholdBytes?: number): Promise<{ root: CID, blocks: Array<{ cid: CID, bytes: Uint8Array }> }> {
  const blocks: Array<{ cid: CID, bytes: Uint8Array }> = []
  const put = async (cid: CID, bytes: unknown): Promise<CID> => {
    blocks.push({ cid, bytes: bytes as Uint8Array })
    return cid
  }
  let root: CID | undefined

  for await (const { cid } of importer(names.map(path => ({ path, content: Buffer.from(`content of ${path}`) })), { put }, { wrapWithDirectory: true, shardSplitThresholdBytes })) {
    root = cid
  }

  return { root: root as CID, blocks }
}

const BOTH = [true, false]

describe('getFilesystem', () => {
  it.each(BOTH)('adds and reads files, text, JSON and directories, useContentRouting %s', async useContentRouting => {
    const fs = getFilesystem(await start(), { useContentRouting })
    const text = await fs.addString('grüße')
    const json = await fs.addJson({ a: [1, null, 'ü'] })

    expect((await bytesOf(fs.cat(text))).toString()).toBe('grüße')
    expect(JSON.parse((await bytesOf(fs.cat(json))).toString())).toEqual({ a: [1, null, 'ü'] })
    expect(await bytesOf(fs.cat(await fs.addBytes(file.bytes), { offset: 999_999, length: 100_001 }))).toEqual(Buffer.from(file.bytes.subarray(999_999, 1_100_000)))
    expect(await bytesOf(fs.cat(await fs.addByteStream([Buffer.from('ab'), Buffer.from('cd')])))).toEqual(Buffer.from('abcd'))
    expect(await bytesOf(fs.cat(await fs.addString('')))).toEqual(Buffer.alloc(0))

    const wrapped = await fs.addFile({ path: 'hello.txt', content: Buffer.from('hello') }, { wrapWithDirectory: true } as object)
    expect(await bytesOf(fs.cat(wrapped, { path: 'hello.txt' }))).toEqual(Buffer.from('hello'))
    expect(await list(fs.ls(wrapped))).toMatchObject([{ name: 'hello.txt', path: `${wrapped}/hello.txt`, size: 5n }])
    expect(await list(fs.addAll([{ path: 'x', content: Buffer.from('x') }]))).toMatchObject([{ path: 'x' }])

    let directory = await fs.mkdir(await fs.addDirectory(), 'sub')
    directory = await fs.cp(text, directory, 'text')
    expect((await list(fs.ls(directory))).map(({ name }) => name)).toEqual(['sub', 'text'])
    expect(await fs.stat(directory, { path: 'text' })).toMatchObject({ type: 'raw', size: 7n, cid: text })
    directory = await fs.rm(directory, 'text')
    directory = await fs.chmod(directory, 0o700)
    directory = await fs.touch(directory, { mtime: { secs: 5n } })
    expect(await fs.stat(directory)).toMatchObject({ type: 'directory', mode: 0o700, mtime: { secs: 5n } })
    expect(await fs.stat(await fs.addBytes(file.bytes), { extended: true })).toMatchObject({ type: 'file', size: 2_000_000n, blocks: 3n })
  })

  it.each(BOTH)('refuses what is no text and no JSON, useContentRouting %s', async useContentRouting => {
    const fs = getFilesystem(await start(), { useContentRouting })
    const circle: { self?: unknown } = {}
    circle.self = circle

    for (const value of [undefined, () => {}, Symbol('s'), 1n, circle]) {
      await expect(fs.addJson(value)).rejects.toMatchObject({ name: 'InvalidOptionError', message: expect.stringContaining('JSON') })
    }

    for (const value of [null, 5, undefined, Buffer.from('a')]) {
      await expect(fs.addString(value as unknown as string)).rejects.toMatchObject({ name: 'InvalidOptionError', message: expect.stringContaining('string') })
    }
  })

  it('says what it cannot be made from', async () => {
    const plain = createHeliaLight()
    const helia = await start()

    expect(() => getFilesystem(plain)).toThrow(expect.objectContaining({ name: 'InvalidOptionError', message: expect.stringContaining('withContentRouting') }))
    expect(() => getFilesystem(helia, { useContentRouting: 'yes' as unknown as boolean })).toThrow(expect.objectContaining({ name: 'InvalidOptionError' }))

    // Without content routing a plain node will do
    const fs = getFilesystem(plain, { useContentRouting: false })
    expect(await bytesOf(fs.cat(await fs.addString('plain')))).toEqual(Buffer.from('plain'))
  })

  it('lists, resolves and stats as @helia/unixfs does', async () => {
    const names = Array.from({ length: 300 }, (_, index) => `file-${index}`)
    const helia = await start()
    const native = unixfs(helia)
    const fs = getFilesystem(helia)

    for (const threshold of [1, 1e9]) {
      const { root, blocks } = await remoteDirectory([...names, 'deep/er/file'], threshold)
      for (const { cid, bytes } of blocks) {
        await helia.blockstore.put(cid, bytes)
      }

      const byName = (a: { name: string }, b: { name: string }): number => a.name < b.name ? -1 : 1
      expect((await list(fs.ls(root))).sort(byName)).toEqual((await list(native.ls(root))).sort(byName))
      expect((await list(fs.ls(root, { path: 'deep/er' }))).map(({ name, cid, size }) => ({ name, cid, size })))
        .toEqual((await list(native.ls(root, { path: 'deep/er' }))).map(({ name, cid, size }) => ({ name, cid, size })))
      expect(await fs.stat(root)).toEqual(await native.stat(root))
      expect(await fs.stat(root, { path: 'file-17' })).toEqual(await native.stat(root, { path: 'file-17' }))
      expect(await fs.stat(root, { path: 'deep', extended: true })).toEqual(await native.stat(root, { path: 'deep', extended: true }))
      expect(await bytesOf(fs.cat(root, { path: 'deep/er/file' }))).toEqual(Buffer.from('content of deep/er/file'))

      const all = await list(fs.ls(root))
      expect(await list(fs.ls(root, { offset: 10, length: 5 }))).toEqual(all.slice(10, 15))
      expect(await list(fs.ls(root, { offset: 300 }))).toEqual(all.slice(300))
      expect(await list(fs.ls(root, { length: 0 }))).toEqual([])
    }

    const cid = await fs.addString('alone')
    expect(await list(fs.ls(cid))).toEqual([{ cid, name: cid.toString(), path: cid.toString(), size: 5n }])
    await expect(list(fs.ls(cid, { offset: -1 }))).rejects.toMatchObject({ name: 'InvalidOptionError' })
    await expect(list(fs.ls(cid, { path: 'x' }))).rejects.toMatchObject({ name: 'UnixFSError', code: 'not-a-directory' })
    await expect(fs.stat(cid, { path: 'x' })).rejects.toMatchObject({ name: 'UnixFSError' })
    await expect(bytesOf(fs.cat(await fs.addDirectory()))).rejects.toMatchObject({ name: 'UnixFSError', code: 'not-a-file' })
  })
})

describe('getFilesystem, on a cache miss', () => {
  it('reads a file over the network into the node, ranges with as few blocks as they need', async () => {
    const provider = await gateway({ blocks: file.blocks })
    const helia = await start({ providers: [provider.url] })
    const fs = getFilesystem(helia)

    expect(await bytesOf(fs.cat(file.root, { offset: 1_000_000, length: 1 }))).toEqual(Buffer.from(file.bytes.subarray(1_000_000, 1_000_001)))
    expect(provider.requests).toHaveLength(2)
    expect(await fs.stat(file.root)).toMatchObject({ type: 'file', size: 2_000_000n })
    expect(provider.requests).toHaveLength(2)

    expect(await bytesOf(fs.cat(file.root))).toEqual(Buffer.from(file.bytes))
    // Each block once, and no question whether it makes CARs: what is behind the first small blocks is no more than them
    expect(provider.requests).toHaveLength(file.blocks.size)

    // Now it is the node's, offline and without content routing too
    expect(await bytesOf(fs.cat(file.root, { offline: true }))).toEqual(Buffer.from(file.bytes))
    expect(await bytesOf(getFilesystem(helia, { useContentRouting: false }).cat(file.root))).toEqual(Buffer.from(file.bytes))
    expect(provider.requests).toHaveLength(file.blocks.size)
  })

  it('loads a window ahead and stops on the wire when the reader leaves', async () => {
    const provider = await gateway({ blocks: file.blocks })
    const fs = getFilesystem(await start({ providers: [provider.url] }))

    const reader = fs.cat(file.root)[Symbol.asyncIterator]()
    expect((await reader.next()).value).toEqual(file.bytes.subarray(0, 16_384))
    await reader.return?.()
    await new Promise(resolve => { setImmediate(resolve) })
    // The root, the leaf read, 32 ahead and one that took its place
    expect(provider.requests.length).toBeLessThanOrEqual(35)
  })

  it('does not ask anybody when it is offline', async () => {
    const provider = await gateway({ blocks: file.blocks })
    const fs = getFilesystem(await start({ providers: [provider.url] }))

    await expect(bytesOf(fs.cat(file.root, { offline: true }))).rejects.toMatchObject({ name: 'OfflineError' })
    await expect(list(fs.ls(file.root, { offline: true }))).rejects.toMatchObject({ name: 'OfflineError' })
    await expect(fs.stat(file.root, { offline: true })).rejects.toMatchObject({ name: 'OfflineError' })
    expect(provider.requests).toHaveLength(0)
  })

  it('past content routing, leaves it to the node\'s own brokers', async () => {
    const { root, blocks } = await remoteDirectory(['a'])
    const broker = new MapBroker('own', ...blocks)
    const routing = new OwnRouting()
    const helia = await startOver(routing, broker)
    const fs = getFilesystem(helia, { useContentRouting: false })

    expect((await bytesOf(fs.cat(root, { path: 'a' }))).toString()).toBe('content of a')
    expect(broker.asked.length).toBeGreaterThan(0)
    expect(routing.asked).toHaveLength(0)
    expect(routing.sessions).toHaveLength(0)
  })

  it('reads each call in a session for its root, with the hints of the call, and closes it', async () => {
    const { root, blocks } = await remoteDirectory(['a', 'b'])
    const routing = new OwnRouting().add(...blocks)
    const helia = await startOver(routing)
    const fs = getFilesystem(helia)
    const peer = blocks[0]?.cid as CID

    expect((await bytesOf(fs.cat(root, { path: 'a', providers: [peer], timeout: 77, mode: 'strict' }))).toString()).toBe('content of a')
    expect(await list(fs.ls(root))).toHaveLength(2)
    await fs.stat(root, { path: 'b' })
    await expect(bytesOf(fs.cat(root, { path: 'c' }))).rejects.toMatchObject({ code: 'not-found' })

    expect(routing.sessions).toHaveLength(4)
    expect(routing.sessions.every(session => session.closed && session.root === root.toString())).toBe(true)
    expect(routing.sessions[0]).toMatchObject({ hints: [peer.toString()], options: { timeout: 77, mode: 'strict', store: true } })
    expect(routing.asked.every(({ session }) => session === root.toString())).toBe(true)
  })

  it('reads on past a hint that makes no sense', async () => {
    const fs = getFilesystem(await start())
    const cid = await fs.addString('here')

    expect((await bytesOf(fs.cat(cid, { providers: ['nonsense' as unknown as CID] }))).toString()).toBe('here')
  })

  it.each([
    ['cat', (fs: Filesystem, cid: CID, signal?: AbortSignal) => fs.cat(cid, { signal })],
    ['ls', (fs: Filesystem, cid: CID, signal?: AbortSignal) => fs.ls(cid, { signal })]
  ] as const)('%s ends and closes its session when it is aborted or left while it waits', async (_, read) => {
    const { root, blocks } = await remoteDirectory(['a'])
    const routing = new OwnRouting().add(...blocks)
    routing.held = new Promise(() => {})
    const fs = getFilesystem(await startOver(routing))
    const controller = new AbortController()

    const asked = routing.nextAsk()
    const aborted = read(fs, root, controller.signal)[Symbol.asyncIterator]().next()
    await asked
    controller.abort(new Error('enough'))
    await expect(aborted).rejects.toThrow('enough')

    const askedAgain = routing.nextAsk()
    const left = read(fs, root)[Symbol.asyncIterator]()
    const next = left.next()
    await askedAgain
    await left.return?.()
    expect((await next).done).toBe(true)

    expect(routing.sessions.map(({ closed }) => closed)).toEqual([true, true])
    expect(routing.asked.every(({ options }) => options.signal?.aborted)).toBe(true)
  })

  it('stat ends and closes its session when it is aborted', async () => {
    const { root, blocks } = await remoteDirectory(['a'])
    const routing = new OwnRouting().add(...blocks)
    routing.held = new Promise(() => {})
    const fs = getFilesystem(await startOver(routing))

    for (const path of [undefined, 'a']) {
      const controller = new AbortController()
      const asked = routing.nextAsk()
      const stating = fs.stat(root, { path, signal: controller.signal })

      await asked
      controller.abort(new Error('enough'))
      await expect(stating).rejects.toThrow('enough')
    }

    expect(routing.sessions.map(({ closed }) => closed)).toEqual([true, true])
  })
})

describe('a file whose size ipfs-unixfs cannot write', () => {
  /** Leaves that claim to be larger than they are: nobody adds gigabytes in a test */
  function leaves (...sizes: bigint[]): Required<Parameters<Filesystem['addBytes']>>[1] {
    return {
      bufferImporter: async function * (_file, blockstore) {
        for (const [index, size] of sizes.entries()) {
          const block = Uint8Array.of(index)
          const cid = CID.createV1(0x55, await sha256.digest(block))
          await blockstore.put(cid, block)
          yield async () => ({ cid, size, block })
        }
      }
    }
  }

  const GIB = 2n ** 30n

  it.each([
    ['2 GiB', [GIB, GIB]], ['3 GiB', [GIB, GIB, GIB]], ['a byte less than 4 GiB', [GIB, GIB, GIB, GIB - 1n]], ['5 GiB, with a part of 3', [2n * GIB, 3n * GIB]]
  ])('of %s is refused by name, and its root is not stored', async (_, sizes) => {
    const helia = await start()

    for (const useContentRouting of [true, false]) {
      const fs = getFilesystem(helia, { useContentRouting })
      const added = [
        async () => fs.addBytes(Uint8Array.of(1), leaves(...sizes)),
        async () => fs.addByteStream((async function * () { yield Uint8Array.of(1) })(), leaves(...sizes)),
        async () => fs.addFile({ path: 'a', content: Uint8Array.of(1) }, leaves(...sizes)),
        async () => list(fs.addAll([{ path: 'a', content: Uint8Array.of(1) }], leaves(...sizes)))
      ]

      for (const add of added) {
        await expect(add()).rejects.toMatchObject({ name: 'FileSizeEncodingError', message: expect.stringMatching(/not stored.*protons-runtime/) })
      }
    }

    expect((await list(helia.blockstore.getAll() as AsyncIterable<{ cid: CID }>)).filter(({ cid }) => cid.code === 0x70)).toEqual([])
  })

  it.each([
    ['a byte less than 2 GiB', [GIB, GIB - 1n]], ['4 GiB', [GIB, GIB, GIB, GIB]], ['a byte', [1n]]
  ])('is none at %s', async (_, sizes) => {
    const helia = await start()
    const cid = await getFilesystem(helia).addBytes(Uint8Array.of(1), leaves(...sizes))
    expect(await helia.blockstore.has(cid)).toBe(true)
  })

  it('is still written wrongly upstream: without this the guard can go', () => {
    const written = (): readonly bigint[] => UnixFSData.unmarshal(new UnixFSData({ type: 'file', blockSizes: [2n ** 31n] }).marshal()).blockSizes
    let read: readonly bigint[] = []
    try {
      read = written()
    } catch {
      // what was in memory before is no UnixFS
    }
    expect(read).not.toEqual([2n ** 31n])
  })
})
