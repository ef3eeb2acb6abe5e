import { encode } from '@ipld/dag-pb'
import fc from 'fast-check'
import { UnixFS } from 'ipfs-unixfs'
import { CID } from 'multiformats/cid'
import { create as createDigest } from 'multiformats/hashes/digest'
import { describe, expect, it } from 'vitest'
import { fileParts } from '../../src/block/file-parts.ts'
import { blockKey } from '../../src/block/key.ts'
import { FeedBuffer, MAX_AHEAD } from '../../src/routing/feed-buffer.ts'
import { FeedPlan } from '../../src/routing/feed-plan.ts'
import { carSections } from '../../src/testing/car-sections.ts'
import { sampleFile } from '../../src/testing/sample-file.ts'
import type { Block } from '../../src/interface/fetcher.ts'
import type { BlockKey } from '../../src/interface/provider.ts'
import type { SampleFile } from '../../src/testing/sample-file.ts'

const LEAF = 1_024
// two levels: 1024 links in a node
const file = await sampleFile({ size: 1_500 * LEAF, chunkSize: LEAF })
const order = await depthFirst(file, 0, Infinity)
const leaves = order.filter(({ cid }) => cid.code === 0x55)
const root = order[0] as Block

/** The blocks of a part of the file as a provider sends them */
async function depthFirst ({ root, blocks }: SampleFile, from: number, to: number): Promise<Block[]> {
  const found: Block[] = []
  let header = true

  for await (const section of carSections(root, async cid => blocks.get(blockKey(cid)), { scope: 'entity', from, to })) {
    if (!header) {
      const at = section.findIndex(byte => byte < 0x80) + 1
      const [cid, bytes] = CID.decodeFirst(section.subarray(at))
      found.push({ cid, bytes })
    }
    header = false
  }
  return found
}

function feed (init: { from?: number, to?: number, first?: BlockKey, window?: number } = {}): FeedBuffer {
  const { window = 1e9, ...rest } = init
  return new FeedBuffer({ root: blockKey(root.cid), window: () => window, ...rest })
}

const keyOf = ({ cid }: Block): BlockKey => blockKey(cid)

describe('the parts of a file in a stream', () => {
  it('are known by their bytes: what came says how far it has come', () => {
    const buffer = feed()
    order.slice(0, 5).forEach(block => { buffer.add(block) })
    expect(buffer.position).toBe(3 * LEAF)
    expect(buffer.count).toBe(5)
  })

  it('are the same whatever part is asked for: all that an honest provider sends is wanted, and then all has come', async () => {
    await fc.assert(fc.asyncProperty(fc.nat(1_500 * LEAF - 1), fc.nat(200 * LEAF), async (from, length) => {
      const to = Math.min(from + length, 1_500 * LEAF - 1)
      const buffer = feed({ from, to })

      for (const block of await depthFirst(file, from, to)) {
        expect(buffer.judge(block)).toBe('wanted')
        buffer.add(block)
      }
      expect(buffer.complete).toBe(true)
      expect(buffer.position).toBe(to + 1)
    }), { numRuns: 25 })
  })

  it('that were not asked for are dropped, and not for long', async () => {
    const buffer = feed({ from: 1_400 * LEAF, to: 1_500 * LEAF })
    buffer.add(root)
    const verdicts = order.slice(1, 20).map(block => buffer.judge(block))
    expect(new Set(verdicts.slice(0, 16))).toEqual(new Set(['outside']))
    expect(verdicts.at(-1)).toBe('too-many-outside')
    expect(buffer.bytes).toBe(root.bytes.byteLength)
  })

  it('can be waited for before anything has come that links to them', async () => {
    const buffer = feed()
    const third = leaves[2] as Block
    expect(buffer.wait(keyOf(third))).toBeUndefined()
    const waiting = buffer.wait(keyOf(third), 2 * LEAF)
    order.slice(0, 5).forEach(block => { buffer.add(block) })
    expect(await waiting).toBe(third.bytes)
  })

  it('that are far away or passed are not waited for', async () => {
    const buffer = feed({ from: 0, to: 1e9 })
    const somewhere = keyOf(leaves[1_000] as Block)
    expect(buffer.wait(somewhere, MAX_AHEAD + 1)).toBeUndefined()
    expect(buffer.wait(somewhere, 1e9 + 1)).toBeUndefined()
    const passed = buffer.wait(somewhere, LEAF + 1)
    const next = buffer.wait(keyOf(leaves[3] as Block), 3 * LEAF)
    order.slice(0, 5).forEach(block => { buffer.add(block) })
    // it claimed to be in the second leaf, and the third has come
    expect(await passed).toBeUndefined()
    expect(buffer.wait(somewhere + 'x', LEAF)).toBeUndefined()
    buffer.add(order[5] as Block)
    expect(await next).toBe(leaves[3]?.bytes)
  })

  it('that a provider leaves out are sought elsewhere as soon as what follows has come', async () => {
    const buffer = feed()
    order.slice(0, 3).forEach(block => { buffer.add(block) })
    const left = buffer.wait(keyOf(leaves[1] as Block))
    buffer.add(order[4] as Block)
    expect(await left).toBeUndefined()
  })

  it('on the way to the first that is missing are not held for anybody: their reader has them', () => {
    const first = leaves[1_200] as Block
    const buffer = feed({ from: 1_200 * LEAF, first: keyOf(first) })
    const inner = order.find(({ cid, bytes }) => fileParts(cid, bytes)?.some(part => blockKey(part.cid) === keyOf(first)))
    buffer.add(root)
    buffer.add(inner as Block)
    expect(buffer.bytes).toBe(0)
    buffer.add(first)
    expect(buffer.bytes).toBe(LEAF)
  })

  it('that somebody else brought are not held when they come after all', async () => {
    const buffer = feed()
    buffer.add(root)
    buffer.add(order[1] as Block)
    const held = buffer.bytes
    const [one, two] = leaves as [Block, Block]
    buffer.skip(keyOf(one))
    buffer.add(one)
    expect(buffer.bytes).toBe(held)
    buffer.add(two)
    expect(buffer.bytes).toBe(held + LEAF)
    buffer.skip(keyOf(two))
    expect(buffer.bytes).toBe(held)
  })

  it('that are the same block come once, and more links than most blocks have are all known', async () => {
    const same = await sampleFile({ size: 900 * 64, chunkSize: 64, distinct: 1 })
    const blocks = await depthFirst(same, 0, Infinity)
    const buffer = new FeedBuffer({ root: blockKey(same.root), window: () => 1e9 })
    blocks.forEach(block => {
      expect(buffer.judge(block)).toBe('wanted')
      buffer.add(block)
    })
    expect(blocks.length).toBe(2)
    expect(buffer.complete).toBe(true)
  })

  it('tell which is the first that somebody waits for', () => {
    const buffer = feed()
    expect(buffer.front).toBeUndefined()
    void buffer.wait('b', 20)
    void buffer.wait('a', 10)
    expect(buffer.front).toEqual({ key: 'a', at: 10 })
    buffer.end()
    expect(buffer.front).toBeUndefined()
  })
})

describe('a node with very many links', () => {
  const link = (n: number): CID => {
    const digest = new Uint8Array(32)
    new DataView(digest.buffer).setUint32(0, n)
    return CID.createV1(0x70, createDigest(0x12, digest))
  }
  const nodeOf = (links: CID[]): Uint8Array => encode({
    Data: new UnixFS({ type: 'file', blockSizes: links.map(() => 100n) }).marshal(),
    Links: links.map(Hash => ({ Name: '', Tsize: 1, Hash }))
  })
  const bytes = new Uint8Array(1)

  it('is not read: what is below it is no fault of the sender, and not all of the file', () => {
    const plan = new FeedPlan(blockKey(root.cid), 0, Infinity)
    expect(plan.arrive({ cid: root.cid, bytes: nodeOf(Array.from({ length: 4_097 }, (_, i) => link(i))) }).leaf).toBe(false)
    expect(plan.judge({ cid: link(0), bytes })).toBe('full')
    expect(plan.begin(blockKey(link(0)))).toBeUndefined()
    expect(plan.complete).toBe(false)
  })

  it('of which as many are the same costs one key', () => {
    const plan = new FeedPlan(blockKey(root.cid), 0, Infinity, () => 2)
    plan.arrive({ cid: root.cid, bytes: nodeOf(Array.from({ length: 4_096 }, () => link(7))) })
    expect(plan.judge({ cid: link(7), bytes })).toBe('wanted')
    plan.arrive({ cid: link(7), bytes: nodeOf([]) })
    expect(plan.complete).toBe(true)
  })

  it('again and again is read no longer than a file may be', () => {
    const plan = new FeedPlan(blockKey(root.cid), 0, Infinity)
    let key = root.cid
    let read = 0

    // each links 4,095 times to what is known, and once to the next like it
    for (; read < 100; read++) {
      plan.arrive({ cid: key, bytes: nodeOf([...Array.from({ length: 4_095 }, (_, i) => link(i % 2)), link(1_000 + read)]) })
      key = link(1_000 + read)

      if (plan.judge({ cid: key, bytes }) === 'full') {
        break
      }
    }
    expect(read).toBe(131_072 / 4_096 - 1)
  })

  it('leaves what was known before in its place: leaves go on, and all streams share what may be kept', () => {
    let keys = 100
    const plan = new FeedPlan(blockKey(root.cid), 0, 1_000, () => keys)
    plan.arrive({ cid: root.cid, bytes: nodeOf(Array.from({ length: 50 }, (_, i) => link(i))) })
    keys = 20
    expect(plan.judge({ cid: link(3), bytes })).toBe('wanted')
    expect(plan.arrive({ cid: link(3), bytes: nodeOf([]) })).toEqual({ place: { from: 300, to: 400 }, leaf: true })
    expect(plan.judge({ cid: link(99), bytes })).toBe('full')
    keys = 100
    expect(plan.judge({ cid: link(99), bytes })).toBe('foreign')
    keys = 20
    plan.arrive({ cid: link(4), bytes: nodeOf([link(99)]) })
    keys = 100
    expect(plan.judge({ cid: link(99), bytes })).toBe('full')
  })
})

describe('fileParts', () => {
  it('says where each link of a node of a file begins and ends', () => {
    const parts = fileParts(root.cid, root.bytes) ?? []
    expect(parts.map(({ from, to }) => to - from).reduce((a, b) => a + b)).toBe(1_500 * LEAF)
    expect(parts[1]?.from).toBe(parts[0]?.to)
  })

  it('knows nothing of leaves and of bytes that are no node', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), bytes => {
      fileParts(root.cid, bytes)
    }))
    expect(fileParts((leaves[0] as Block).cid, (leaves[0] as Block).bytes)).toBeUndefined()
    expect(fileParts(root.cid, new Uint8Array([255, 255]))).toBeUndefined()
  })
})
