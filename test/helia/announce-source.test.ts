import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { unixfs } from '@helia/unixfs'
import { MemoryBlockstore } from 'blockstore-core'
import { MemoryDatastore } from 'datastore-core'
import { createHeliaLight } from 'helia'
import { Key } from 'interface-datastore/key'
import { afterEach, describe, expect, it } from 'vitest'
import { linksOf } from '../../src/block/links.ts'
import { PINNED_BLOCKS, announceSource } from '../../src/helia/announce-source.ts'
import { openBlockCache, withContentRouting } from '../../src/index.ts'
import { blockFrom } from '../e2e/node.ts'
import { block } from './own-routing.ts'
import type { AnnounceStrategy } from '../../src/interface/announce.ts'
import type { BlockCache } from '../../src/interface/cache.ts'
import type { CID } from 'multiformats/cid'

type Node = ReturnType<typeof createHeliaLight>

const closing: Array<() => Promise<unknown>> = []

afterEach(async () => {
  for (const close of closing.splice(0).reverse()) {
    await close()
  }
})

async function started (init: Parameters<typeof createHeliaLight>[0] = {}): Promise<Node> {
  const helia = await createHeliaLight({ datastore: new MemoryDatastore(), ...init }).start() as Node
  closing.push(async () => helia.stop())
  return helia
}

async function cached (): Promise<{ helia: Node, cache: BlockCache }> {
  const directory = await mkdtemp(join(tmpdir(), 'portolan-announce-'))
  const cache = await openBlockCache({ path: join(directory, 'cache'), maxBytes: 50_000_000 })
  closing.push(async () => rm(directory, { recursive: true }), async () => cache.close())
  const helia = withContentRouting(createHeliaLight({ datastore: new MemoryDatastore(), blockstore: cache }))
  await helia.start()
  closing.push(async () => helia.stop())
  return { helia, cache }
}

/** A file of a root and ten leaves, each different */
async function file (helia: Node, seed: number): Promise<{ root: CID, blocks: string[], leaf: CID }> {
  const bytes = new Uint8Array(10 * 1_048_576)
  new Uint32Array(bytes.buffer).forEach((_, i, words) => { words[i] = i * 2_654_435_761 + seed })
  const root = await unixfs(helia).addBytes(bytes)
  const blocks: string[] = []
  let leaf = root
  for await (const cid of walk(helia, root)) {
    blocks.push(hash(cid))
    leaf = cid
  }
  return { root, blocks, leaf }
}

/** In document order, the root first */
async function * walk (helia: Node, cid: CID): AsyncGenerator<CID> {
  yield cid
  for (const link of linksOf(cid, await blockFrom(helia.blockstore, cid))) {
    yield * walk(helia, link.cid)
  }
}

async function pin (helia: Node, root: CID, options?: { depth: number }): Promise<void> {
  for await (const cid of helia.pins.add(root, options)) {
    expect(cid).toBeDefined()
  }
}

async function unpin (helia: Node, root: CID): Promise<void> {
  for await (const cid of helia.pins.rm(root)) {
    expect(cid).toBeDefined()
  }
}

function hash (cid: CID): string {
  return Buffer.from(cid.multihash.bytes).toString('hex')
}

async function named (helia: Node, strategy: Exclude<AnnounceStrategy, 'none'>): Promise<string[]> {
  const found = new Set<string>()
  for await (const cid of announceSource(() => helia, strategy).source({ signal: new AbortController().signal })) {
    found.add(hash(cid))
  }
  return [...found].sort()
}

/** What is told of from now on */
function watched (helia: Node, strategy: Exclude<AnnounceStrategy, 'none'>): { added: Set<string>, removed: Set<string>, end: () => void } {
  const added = new Set<string>()
  const removed = new Set<string>()
  const end = announceSource(() => helia, strategy).watch({ added: cid => { added.add(hash(cid)) }, removed: cid => { removed.add(hash(cid)) } })
  return { added, removed, end }
}

describe('what a Helia node announces by itself', () => {
  it('roots: those of pins; pinned: every block of them, as deep as they are pinned, read from a list and not from the blocks', async () => {
    const blockstore = new MemoryBlockstore()
    const helia = await started({ blockstore })
    const [kept, shallow, other] = [await file(helia, 1), await file(helia, 2), await file(helia, 3)] as const
    await pin(helia, kept.root)
    await pin(helia, shallow.root, { depth: 0 })
    expect(kept.blocks).toHaveLength(11)
    blockstore.get = () => { throw new Error('a block was read') }

    expect(await named(helia, 'roots')).toEqual([hash(kept.root), hash(shallow.root)].sort())
    expect(await named(helia, 'pinned')).toEqual([...kept.blocks, hash(shallow.root)].sort())
    expect(other.blocks.some(block => [...kept.blocks, hash(shallow.root)].includes(block))).toBe(false)
  })

  it('tells of pins as they come and go', async () => {
    const helia = await started()
    const [one, two] = [await file(helia, 1), await file(helia, 2)] as const
    const roots = watched(helia, 'roots')
    const pinned = watched(helia, 'pinned')
    await pin(helia, one.root)
    await pin(helia, two.root)
    // pinned by itself too
    await pin(helia, one.leaf)
    await unpin(helia, one.root)

    expect([...roots.added]).toEqual([hash(one.root), hash(two.root), hash(one.leaf)])
    expect([...roots.removed]).toEqual([hash(one.root)])
    expect([...pinned.added].sort()).toEqual([...one.blocks, ...two.blocks].sort())
    expect([...pinned.removed].sort()).toEqual(one.blocks.filter(block => block !== hash(one.leaf)).sort())

    pinned.end()
    roots.end()
    expect(Object.keys(helia.pins)).not.toContain('add')
    await pin(helia, one.root)
    expect(roots.added.size).toBe(3)
  })

  it('all: what is pinned and what was put here, but not what was merely fetched', async () => {
    const { helia, cache } = await cached()
    const watch = watched(helia, 'all')
    const mine = await file(helia, 1)
    const fetched = await file(await started(), 2)
    const { cid, bytes } = await block('fetched')
    await cache.admit(cid, bytes, { origin: 'test' })

    expect([...watch.added].sort()).toEqual(mine.blocks.toSorted())
    expect(await named(helia, 'all')).toEqual(mine.blocks.toSorted())
    // a pin says that it is to be kept, and found
    await pin(helia, cid)
    expect(await named(helia, 'all')).toEqual([...mine.blocks, hash(cid)].sort())
    expect([...watch.added].sort()).toEqual([...mine.blocks, hash(cid)].sort())
    expect(fetched.blocks.some(block => watch.added.has(block))).toBe(false)
    watch.end()
  })

  it('all needs a store that tells what was put from what was fetched', async () => {
    const helia = await started()
    await expect(named(helia, 'all')).rejects.toMatchObject({ name: 'InvalidOptionError' })
    expect(() => announceSource(() => helia, 'mfs' as 'all')).toThrow(expect.objectContaining({ name: 'InvalidOptionError', message: 'announce must be one of none, roots, pinned, all, got "mfs"' }))
    expect(() => announceSource(() => helia, 'none' as 'all')).toThrow('leave it out')
  })

  it('says so where Helia notes the blocks of a pin in another place', async () => {
    const datastore = new MemoryDatastore()
    const helia = await started({ datastore })
    expect(await named(helia, 'pinned')).toEqual([])
    const { root } = await file(helia, 1)
    await pin(helia, root)
    for await (const key of datastore.queryKeys({ prefix: PINNED_BLOCKS })) {
      await datastore.delete(new Key(key.toString()))
    }
    await expect(named(helia, 'pinned')).rejects.toMatchObject({ name: 'UnsupportedHeliaError' })
  })

  it('ends with its signal', async () => {
    const helia = await started()
    const { root } = await file(helia, 1)
    await pin(helia, root)
    const values = announceSource(() => helia, 'pinned').source({ signal: AbortSignal.abort(new Error('enough')) })
    await expect(values[Symbol.asyncIterator]().next()).rejects.toThrow('enough')
  })
})
