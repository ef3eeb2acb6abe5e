import { LRUCache } from 'lru-cache'
import { CID } from 'multiformats/cid'
import { openBlockCache } from '../../src/index.ts'
import { median } from '../end-to-end/median.ts'
import { noiseBlocks } from './passes.ts'

const MIB = 1024 ** 2
const BLOCKS = 2_000
const SIZE = 1_024

/** Hits a second of our memory tier and of a bare lru-cache, both called with CIDs that nobody has used before, and with used ones */
export async function memoryHits ({ path, seed, rounds }: { path: string, seed: number, rounds: number }): Promise<{ fresh: Side, used: Side }> {
  const blocks = await noiseBlocks(BLOCKS, SIZE, seed)
  const cache = await openBlockCache({ path, maxBytes: 256 * MIB, memoryBytes: 64 * MIB })
  const lru = new LRUCache<string, Uint8Array>({ maxSize: 64 * MIB, sizeCalculation: bytes => bytes.byteLength })

  const own = (cids: readonly CID[]): number => rate(cids, cid => {
    let length = 0
    const chunks = cache.get(cid)
    if (!(Symbol.iterator in chunks)) {
      throw new Error(`${cid} was not in memory`)
    }
    for (const chunk of chunks) {
      length += chunk.byteLength
    }
    return length
  })
  const bare = (cids: readonly CID[]): number => rate(cids, cid => lru.get(cid.toString())?.byteLength ?? 0)

  try {
    for (const { cid, bytes } of blocks) {
      await cache.put(cid, bytes)
      lru.set(cid.toString(), bytes)
    }
    // what was put is in memory at the latest when it was read twice
    for (let i = 0; i < 2; i++) {
      for (const { cid } of blocks) {
        for await (const chunk of cache.get(cid)) {
          void chunk
        }
      }
    }
    const copies = (): CID[] => blocks.map(({ cid }) => CID.decode(cid.bytes))
    const used = copies()
    const figures = { fresh: side(), used: side() }

    for (let i = -5; i < rounds; i++) {
      for (const [name, cids] of [['fresh', copies], ['used', () => used]] as const) {
        const sides = i % 2 === 0 ? { own: own(cids()), bare: bare(cids()) } : { bare: bare(cids()), own: own(cids()) }
        if (i >= 0) {
          figures[name].own.push(sides.own)
          figures[name].bare.push(sides.bare)
        }
      }
    }
    return { fresh: result(figures.fresh), used: result(figures.used) }
  } finally {
    await cache.close()
  }
}

export interface Side {
  /** Hits a second, medians */
  readonly own: number
  readonly bare: number
  /** The median over the rounds */
  readonly ratio: number
}

function side (): { own: number[], bare: number[] } {
  return { own: [], bare: [] }
}

function result ({ own, bare }: { own: number[], bare: number[] }): Side {
  return { own: median(own), bare: median(bare), ratio: median(own.map((rate, i) => rate / (bare[i] ?? NaN))) }
}

/** A few milliseconds at a time, so that whatever the machine does hits both */
const REPEATS = 5

function rate (cids: readonly CID[], get: (cid: CID) => number): number {
  const started = performance.now()
  let bytes = 0
  for (let i = 0; i < REPEATS; i++) {
    for (const cid of cids) {
      bytes += get(cid)
    }
  }
  if (bytes !== REPEATS * cids.length * SIZE) {
    throw new Error('some hits were misses')
  }
  return REPEATS * cids.length * 1_000 / (performance.now() - started)
}
