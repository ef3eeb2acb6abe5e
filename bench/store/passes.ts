import process from 'node:process'
import { setTimeout } from 'node:timers/promises'
import { sha256 } from 'multiformats/hashes/sha2'
import { CID } from 'multiformats/cid'
import { seededRandom } from '../../src/clock/random.ts'
import type { Random } from '../../src/interface/clock.ts'
import type { Blockstore } from 'interface-blockstore'

export interface Block {
  readonly cid: CID
  readonly bytes: Uint8Array
}

/** Noise, as blocks mostly are */
export async function noiseBlocks (count: number, size: number, seed: number): Promise<Block[]> {
  const random = seededRandom(seed)
  return Promise.all(Array.from({ length: count }, async () => {
    const bytes = new Uint8Array(size)
    const words = new Uint32Array(bytes.buffer, 0, Math.floor(size / 4))
    words.forEach((_, i) => { words[i] = random.next() * 2 ** 32 })
    return { cid: CID.createV1(0x55, await sha256.digest(bytes)), bytes }
  }))
}

export function shuffled<T> (items: readonly T[], random: Random): T[] {
  const copy = [...items]
  for (let i = copy.length - 1; i > 0; i--) {
    const j = Math.floor(random.next() * (i + 1));
    [copy[i], copy[j]] = [copy[j] as T, copy[i] as T]
  }
  return copy
}

/** Milliseconds until all were worked on, `wide` at a time */
export async function timed (blocks: readonly Block[], wide: number, work: (block: Block) => Promise<void>): Promise<number> {
  const started = performance.now()
  let next = 0
  await Promise.all(Array.from({ length: wide }, async () => {
    for (let block = blocks[next++]; block != null; block = blocks[next++]) {
      await work(block)
    }
  }))
  return performance.now() - started
}

/** For which the collector's threads go on sweeping, in ms, on a processor that a store may want: 38 MB in 5 to 10 */
const SWEEPING = 10

/** What was left behind so far is not collected at the cost of what comes */
export async function collected (): Promise<void> {
  await globalThis.gc?.({ type: 'major', execution: 'async' })
  await setTimeout(SWEEPING)
}

export interface Written {
  /** Until all were written */
  readonly ms: number
  /** Of processor meanwhile, of all threads; without what was made ready before */
  readonly cpuMs: number
}

/** Puts a copy: none of the stores has seen these bytes before, as when they come from a socket or an importer */
export async function writeAll (store: Blockstore, blocks: readonly Block[], wide: number): Promise<Written> {
  const fresh = blocks.map(({ cid, bytes }) => ({ cid, bytes: bytes.slice() }))
  await collected()
  const before = process.cpuUsage()
  const ms = await timed(fresh, wide, async ({ cid, bytes }) => { await store.put(cid, bytes) })
  const { user, system } = process.cpuUsage(before)
  return { ms, cpuMs: (user + system) / 1_000 }
}

export async function readAll (store: Blockstore, blocks: readonly Block[], wide: number): Promise<number> {
  return timed(blocks, wide, async ({ cid, bytes }) => {
    let length = 0
    for await (const chunk of store.get(cid)) {
      length += chunk.byteLength
    }
    if (length !== bytes.byteLength) {
      throw new Error(`${cid}: ${length} bytes instead of ${bytes.byteLength}`)
    }
  })
}
