import { unixfs } from '@helia/unixfs'
import { createHeliaLight } from 'helia'
import { CID } from 'multiformats/cid'
import { sha256 } from 'multiformats/hashes/sha2'
import { blockKey } from '../src/block/key.ts'
import { seededRandom } from '../src/clock/random.ts'
import { getFilesystem, withContentRouting } from '../src/index.ts'
import { startFarm } from './end-to-end/farm.ts'
import { median, world } from './end-to-end/world.ts'
import type { BenchOptions, BenchResult } from './types.ts'
import type { Blocks, Helia } from '@helia/interface'
import type { UnixFS } from '@helia/unixfs'

export const description = 'What wrapping costs when it has nothing to do: cache hits, and the memory of providers that were used once'

const MIB = 1024 * 1024

export async function run ({ seed, short, log }: BenchOptions): Promise<BenchResult> {
  const absolute: Record<string, number> = {}
  const plain = await world({ side: 'plain', seed, blocks: new Map(), gateways: [] })
  const wrapped = await world({ side: 'wrapped', seed, blocks: new Map(), gateways: [] })
  let hit = 0
  let catHit = 0

  try {
    for (const size of [1024, 256 * 1024]) {
      const cid = await store([plain.helia, wrapped.helia], size, seed)
      const store1 = await pairs(plain.helia.blockstore, wrapped.helia.blockstore, cid, short)
      hit = Math.max(hit, store1.ratio)
      absolute[`hitPlain${size}Ns`] = store1.plain
      absolute[`hitWrapped${size}Ns`] = store1.wrapped
      absolute[`hit${size}`] = store1.ratio

      const sessions = [plain, wrapped].map(w => w.helia.blockstore.createSession(cid))
      const session = await pairs(sessions[0] as Reader, sessions[1] as Reader, cid, short)
      sessions.forEach(s => { s.close() })
      absolute[`sessionHit${size}`] = session.ratio
      absolute[`sessionHitPlain${size}Ns`] = session.plain
      absolute[`sessionHitWrapped${size}Ns`] = session.wrapped

      const files = [unixfs(plain.helia), getFilesystem(wrapped.helia as Wrapped)]
      const cat = await pairs(bytesOf(files[0] as Cat), bytesOf(files[1] as Cat), cid, short)
      catHit = Math.max(catHit, cat.ratio)
      absolute[`catHit${size}`] = cat.ratio
      absolute[`catHitPlain${size}Ns`] = cat.plain
      absolute[`catHitWrapped${size}Ns`] = cat.wrapped
      log(`${size} bytes: hit ${ns(store1)}, session hit ${ns(session)}, cat ${ns(cat)}`)
    }
  } finally {
    await plain.close()
    await wrapped.close()
  }

  const heap = await heapOfProviders(short ? 300 : 1000)
  log(`${heap.count} providers, each read from ${READS} times and idle since: ${heap.mb.toFixed(2)} MB of heap`)
  absolute.heapProviders = heap.count
  absolute.heapGrowthMB = heap.mb
  absolute.heapAfterWarmUpMB = heap.before
  return {
    ratios: { hit, catHit, heapPer1000MB: heap.mb * 1000 / heap.count },
    absolute,
    bars: { hit: { max: 1.1 }, heapPer1000MB: { max: 2 } }
  }
}

type Reader = Pick<Blocks, 'get'>
type Cat = Pick<UnixFS, 'cat'>
type Wrapped = Parameters<typeof getFilesystem>[0]

/** A file of one block, read as a file: `@helia/unixfs` on one side, ours on the other */
function bytesOf (fs: Cat): Reader {
  return { get: cid => fs.cat(cid) } as Reader
}

interface Pair {
  /** Nanoseconds per get, medians */
  readonly plain: number
  readonly wrapped: number
  /** The median over the pairs */
  readonly ratio: number
}

/** Batches of gets in turns, who is first alternating, so that whatever the machine does hits both */
async function pairs (plain: Reader, wrapped: Reader, cid: CID, short: boolean): Promise<Pair> {
  const rounds = short ? 60 : 400
  const times = { plain: [] as number[], wrapped: [] as number[], ratio: [] as number[] }

  for (let i = -20; i < rounds; i++) {
    const order = i % 2 === 0 ? ['plain', 'wrapped'] as const : ['wrapped', 'plain'] as const
    const took = { plain: 0, wrapped: 0 }
    for (const side of order) {
      took[side] = await batch(side === 'plain' ? plain : wrapped, cid)
    }
    if (i >= 0) { // the rounds before warm both up
      times.plain.push(took.plain)
      times.wrapped.push(took.wrapped)
      times.ratio.push(took.wrapped / took.plain)
    }
  }
  return { plain: Math.round(median(times.plain)), wrapped: Math.round(median(times.wrapped)), ratio: median(times.ratio) }
}

const BATCH = 200

/** Nanoseconds per get */
async function batch (reader: Reader, cid: CID): Promise<number> {
  const start = performance.now()
  let bytes = 0
  for (let i = 0; i < BATCH; i++) {
    for await (const chunk of reader.get(cid)) {
      bytes += chunk.byteLength
    }
  }
  if (bytes === 0) {
    throw new Error('The hits were empty')
  }
  return (performance.now() - start) * 1e6 / BATCH
}

async function store (nodes: readonly Helia[], size: number, seed: number): Promise<CID> {
  const random = seededRandom(seed)
  const bytes = Uint8Array.from({ length: size }, () => random.next() * 256)
  const cid = CID.createV1(0x55, await sha256.digest(bytes))
  for (const node of nodes) {
    await node.blockstore.put(cid, bytes)
  }
  return cid
}

const READS = 3

/**
 * Reads one block, without keeping it, from every one of `count` providers, the
 * way a caller's hint or a router would name them, and weighs what is left when
 * all are idle. One CID, so that what grows is what is kept per provider.
 */
async function heapOfProviders (count: number): Promise<{ count: number, mb: number, before: number }> {
  const gc = globalThis.gc
  if (gc == null) {
    throw new Error('The heap can only be weighed with node --expose-gc')
  }
  const bytes = new TextEncoder().encode('one block, many providers')
  const cid = CID.createV1(0x55, await sha256.digest(bytes))
  const warmUp = 100
  const farm = await startFarm({ blocks: new Map([[blockKey(cid), bytes]]), gateways: Array.from({ length: count + warmUp }, () => ({ kind: 'good' as const })), seed: 1 })
  const helia = withContentRouting(createHeliaLight(), { allowAddresses: ['127.0.0.0/8'] })
  await helia.start()

  const use = async (some: readonly string[]): Promise<void> => {
    for (let i = 0; i < READS; i++) {
      for (const url of some) {
        await helia.contentRouting.retrieve(cid, { providers: [url], store: false })
      }
    }
    // the pool lets go of unused connections after 30 s: an idle provider has none
    await new Promise(resolve => setTimeout(resolve, IDLE))
    for (let i = 0; i < 4; i++) {
      await gc({ type: 'major', execution: 'async' })
    }
  }

  try {
    // the first ones fill what is bounded anyway: code, windows, stories, the flight of this CID
    await use(farm.urls.slice(0, warmUp))
    const before = process.memoryUsage().heapUsed
    await use(farm.urls.slice(warmUp))
    return { count, mb: (process.memoryUsage().heapUsed - before) / MIB, before: before / MIB }
  } finally {
    await helia.stop()
    await farm.close()
  }
}

const IDLE = 33_000

function ns (pair: Pair): string {
  return `${pair.wrapped} / ${pair.plain} ns = ${pair.ratio.toFixed(3)}`
}
