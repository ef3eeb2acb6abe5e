import { encode as encodePb, prepare } from '@ipld/dag-pb'
import fc from 'fast-check'
import { CID } from 'multiformats/cid'
import * as raw from 'multiformats/codecs/raw'
import { identity } from 'multiformats/hashes/identity'
import { sha256 } from 'multiformats/hashes/sha2'
import { describe, expect, it } from 'vitest'
import { blockKey } from '../../src/block/key.ts'
import { FeedBuffer } from '../../src/routing/feed-buffer.ts'
import type { Block } from '../../src/interface/fetcher.ts'

async function leaf (content: number[]): Promise<Block> {
  const bytes = new Uint8Array(content)
  return { cid: CID.createV1(raw.code, await sha256.digest(bytes)), bytes }
}

async function node (children: readonly CID[]): Promise<Block> {
  const bytes = encodePb(prepare({ Links: children.map((Hash, i) => ({ Name: `${i}`, Hash, Tsize: 1 })) }))
  return { cid: CID.createV1(0x70, await sha256.digest(bytes)), bytes }
}

const leaves = await Promise.all(Array.from({ length: 8 }, async (_, i) => leaf([i, 1, 2, 3, 4, 5, 6, 7, 8, 9])))
const cids = leaves.map(({ cid }) => cid)
const root = await node(cids)
const [first, second] = leaves as [Block, Block]
const keyOf = (block: Block): string => blockKey(block.cid)

function buffer (window = 1_000): FeedBuffer {
  return new FeedBuffer({ root: keyOf(root), window: () => window })
}

describe('FeedBuffer', () => {
  it('expects the root, then what it links to, and nothing else', async () => {
    const feed = buffer()
    expect(feed.judge(first)).toBe('foreign')
    expect(feed.judge(root)).toBe('wanted')
    feed.add(root)
    expect(leaves.map(block => feed.judge(block))).toEqual(leaves.map(() => 'wanted'))
    expect(feed.judge(await leaf([99]))).toBe('foreign')
    leaves.forEach(block => { feed.add(block) })
    expect(feed.complete).toBe(true)
    expect(feed.count).toBe(9)
  })

  it('keeps what came for whoever asks, and a moment longer for whoever reads right behind', async () => {
    const feed = buffer(80)
    feed.add(first)
    feed.add(second)
    expect(feed.bytes).toBe(20)
    expect(await feed.wait(keyOf(first))).toBe(first.bytes)
    expect(feed.bytes).toBe(10)
    expect(await feed.wait(keyOf(first))).toBe(first.bytes)
    await feed.wait(keyOf(second))
    feed.add(leaves[2] as Block)
    await feed.wait(keyOf(leaves[2] as Block))
    // a quarter of the window, the oldest go first
    expect(feed.wait(keyOf(first))).toBeUndefined()
    expect(await feed.wait(keyOf(second))).toBe(second.bytes)
    expect(feed.bytes).toBe(0)
  })

  it('gives a block that is still to come to all who wait for it', async () => {
    const feed = buffer()
    feed.add(root)
    const waiting = [feed.wait(keyOf(first)), feed.wait(keyOf(first))]
    feed.add(first)
    expect(await Promise.all(waiting)).toEqual([first.bytes, first.bytes])
    expect(feed.bytes).toBe(root.bytes.byteLength)
  })

  it('sends those who wait elsewhere when it ends, and gives away what came before', async () => {
    const feed = buffer()
    feed.add(root)
    feed.add(first)
    const waiting = feed.wait(keyOf(second))
    feed.end()
    expect(await waiting).toBeUndefined()
    expect(feed.wait(keyOf(second))).toBeUndefined()
    expect(await feed.wait(keyOf(first))).toBe(first.bytes)
  })

  it('sends those who wait for what is too far ahead elsewhere, and takes on when there is room', async () => {
    const feed = buffer(root.bytes.byteLength + 15)
    let room = 0
    feed.onRoom = () => { room++ }
    feed.add(root)
    const far = feed.wait(keyOf(leaves[7] as Block))
    feed.add(first)
    expect(feed.hasRoom).toBe(true)
    feed.add(second)
    expect(feed.hasRoom).toBe(false)
    expect(await far).toBeUndefined()
    expect(feed.wait(keyOf(leaves[6] as Block))).toBeUndefined()
    await feed.wait(keyOf(root))
    expect(feed.hasRoom).toBe(true)
    expect(room).toBe(1)
  })

  it('lets go of who lost interest: the block waits for the next one', async () => {
    const feed = buffer()
    const controller = new AbortController()
    feed.add(root)
    const left = feed.wait(keyOf(first), undefined, controller.signal)
    controller.abort()
    expect(await left).toBeUndefined()
    expect(await feed.wait(keyOf(second), undefined, AbortSignal.abort())).toBeUndefined()
    feed.add(first)
    feed.add(second)
    expect(await feed.wait(keyOf(first))).toBe(first.bytes)
    expect(await feed.wait(keyOf(second))).toBe(second.bytes)
  })

  it('lets a few blocks come twice, not many', () => {
    const feed = buffer(1e9)
    feed.add(root)
    expect(feed.judge(root)).toBe('duplicate')
    const verdicts = Array.from({ length: 300 }, () => feed.judge(root))
    expect(verdicts.slice(0, 255)).toEqual(Array.from({ length: 255 }, () => 'duplicate'))
    expect(verdicts.at(-1)).toBe('too-many-duplicates')
  })

  it('counts the bytes of duplicates too', async () => {
    const big = await leaf(Array.from({ length: 1_000_000 }, () => 1))
    const parent = await node([big.cid])
    const feed = new FeedBuffer({ root: keyOf(parent), window: () => 1e9 })
    feed.add(parent)
    feed.add(big)
    const verdicts = Array.from({ length: 17 }, () => feed.judge(big))
    expect(verdicts.filter(verdict => verdict === 'duplicate')).toHaveLength(16)
    expect(verdicts.at(-1)).toBe('too-many-duplicates')
  })

  it('neither expects nor minds the blocks that are in their CIDs', async () => {
    const bytes = new Uint8Array([1, 2, 3])
    const inline = { cid: CID.createV1(raw.code, identity.digest(bytes)), bytes }
    const parent = await node([inline.cid, first.cid])
    const feed = new FeedBuffer({ root: keyOf(parent), window: () => 1_000 })
    feed.add(parent)
    expect(feed.judge(inline)).toBe('duplicate')
    feed.add(first)
    expect(feed.complete).toBe(true)
  })

  it('settles every wait, and counts the bytes it holds, in whatever order things happen', async () => {
    const blocks = [root, ...leaves]
    await fc.assert(fc.asyncProperty(fc.array(fc.tuple(fc.constantFrom('add', 'wait', 'wait'), fc.nat({ max: 8 })), { maxLength: 60 }), fc.integer({ min: 1, max: 600 }), async (steps, window) => {
      const feed = buffer(window)
      const waits: Array<Promise<Uint8Array | undefined>> = []
      let held = 0

      for (const [what, at] of steps) {
        const block = blocks[at] as Block
        if (what === 'wait') {
          const before = feed.bytes
          const wait = feed.wait(keyOf(block))
          if (wait != null) {
            waits.push(wait)
            held -= before - feed.bytes
          }
        } else if (feed.hasRoom && feed.judge(block) === 'wanted') {
          // as a feed does: nothing more is pulled while there is no room
          const before = feed.bytes
          feed.add(block)
          held += feed.bytes - before
        }
        expect(feed.bytes).toBe(held)
        expect(feed.bytes).toBeLessThan(window + root.bytes.byteLength)
      }

      feed.end()
      for (const bytes of await Promise.all(waits)) {
        expect(bytes === undefined || blocks.some(block => block.bytes === bytes)).toBe(true)
      }
      feed.clear()
      expect(feed.bytes).toBe(0)
    }), { numRuns: 200 })
  })
})
