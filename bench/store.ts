import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { NONCE_BYTES, blockHead } from '../src/cache/disk/record.ts'
import { endsInSha256 } from '../src/cache/native-sha256.ts'
import { seededRandom } from '../src/clock/random.ts'
import { accountExternalMemory } from '../src/index.ts'
import { median } from './end-to-end/median.ts'
import { CONTESTANTS } from './store/contestants.ts'
import { memoryHits } from './store/memory-hits.ts'
import { opening } from './store/opening.ts'
import { collected, noiseBlocks, readAll, shuffled, writeAll } from './store/passes.ts'
import type { Block } from './store/passes.ts'
import type { BenchOptions, BenchResult } from './types.ts'

export const description = 'The block cache as a store, in a process that has loaded Helia, as `portolan` runs it: reads and writes beside blockstore-fs and blockstore-level, hits in memory, opening a million blocks'

const MIB = 1024 ** 2
const SIZES = [
  { label: '1K', size: 1_024, count: 3_000, rounds: 7 },
  { label: '100K', size: 102_400, count: 400, rounds: 9 },
  // blockstore-fs has two speeds, as the system gives it pages that it had before or others
  { label: '1M', size: MIB, count: 64, rounds: 15 }
] as const
/** One after the other, and as many at a time as a gateway with some clients */
const WIDTHS = [{ wide: 1, suffix: '' }, { wide: 8, suffix: 'x8' }] as const
/** The part of the blocks that ours may have in memory */
const IN_MEMORY = 1 / 16
const ENTRIES = 1_000_000

type Name = typeof CONTESTANTS[number]['name']
type Rates = Record<Name, number[]>

export async function run ({ seed, short, log }: BenchOptions): Promise<BenchResult> {
  // as the command does: what buffers cost the collector costs every store
  accountExternalMemory()
  const folder = await mkdtemp(join(tmpdir(), 'portolan-store-'))
  const ratios: Record<string, number> = {}
  const absolute: Record<string, number> = {}

  try {
    for (const { label, size, count, rounds } of SIZES) {
      const blocks = await noiseBlocks(short ? count / 8 : count, size, seed + size)

      for (const { wide, suffix } of WIDTHS) {
        const { cpu, ...passes } = await passesOf({ folder, blocks, wide, rounds: short ? 2 : rounds, seed })
        for (const kind of ['read', 'write', 'first'] as const) {
          const rates = passes[kind]
          const peers = kind === 'write' ? rates.fs.map((fs, i) => Math.max(fs, rates.level[i] ?? 0)) : rates.fs
          const key = `${kind}${label}${suffix}`
          ratios[key] = median(rates.own.map((own, i) => own / (peers[i] ?? NaN)))
          for (const { name } of CONTESTANTS) {
            const key = `${kind}${label}${suffix}${name[0]?.toUpperCase()}${name.slice(1)}`
            absolute[`${key}MBps`] = median(rates[name]) * size / 1e6
            if (kind === 'write') {
              absolute[`${key}CpuMs`] = median(cpu[name])
            }
          }
        }
        if (label === '1M' && wide > 1) {
          const check = checkMs(blocks)
          const bounds = cpu.fs.map(fs => fs / (fs + check))
          ratios.write1Mx8Bound = median(bounds)
          ratios.write1Mx8OfBound = median(passes.write.own.map((own, i) => own / (passes.write.fs[i] ?? NaN) / (bounds[i] ?? NaN)))
          absolute.write1Mx8CheckMs = check
        }
        log(`${label}, ${wide} at a time: ${(['read', 'write', 'first'] as const).map(kind => `${kind} ${CONTESTANTS.map(({ name }) => `${name} ${(median(passes[kind][name]) * size / 1e6).toFixed(0)}`).join(', ')}`).join('; ')} MB/s`)
      }
    }

    const hits = await memoryHits({ path: join(folder, 'memory'), seed, rounds: short ? 10 : 60 })
    ratios.memoryGet = Math.min(hits.fresh.ratio, hits.used.ratio)
    for (const [name, { own, bare, ratio }] of Object.entries(hits)) {
      Object.assign(absolute, { [`memoryGet_${name}Ratio`]: ratio, [`memoryGet_${name}Own`]: own, [`memoryGet_${name}Lru`]: bare })
    }

    const entries = short ? ENTRIES / 20 : ENTRIES
    const opened = await opening(join(folder, 'opening'), entries)
    ratios.openSeconds = opened.seconds
    ratios.openRssMiB = opened.rssMiB
    absolute.openEntries = entries
    absolute.openSegments = opened.segments
    absolute.openRssBeforeMiB = opened.rssBeforeMiB
    log(`portolan/cache alone: ${entries} blocks in ${opened.segments} segments opened in ${opened.seconds.toFixed(2)} s: ${opened.rssMiB.toFixed(0)} MiB, of which ${opened.rssBeforeMiB.toFixed(0)} were there before, with its modules`)
    return {
      ratios,
      absolute,
      bars: {
        ...Object.fromEntries(SIZES.flatMap(({ label }) => [[`read${label}`, { min: 2 }], [`read${label}x8`, { min: 2 }], [`write${label}`, { min: 1 }]])),
        write1Kx8: { min: 1 },
        write100Kx8: { min: 1 },
        write1Mx8OfBound: { min: 0.75 },
        memoryGet: { min: 0.5 },
        openSeconds: { max: 5 },
        openRssMiB: { max: 300 }
      }
    }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

interface PassesInit {
  readonly folder: string
  readonly blocks: readonly Block[]
  readonly wide: number
  readonly rounds: number
  readonly seed: number
}

/**
 * Blocks a second, and milliseconds of processor for each that is written. Each round every store is made anew and written, read in
 * random order, and, opened once more, read for the first time (`first`: ours
 * hashes every block then). Who begins changes with the round; one round before
 * them all warms the code up.
 */
async function passesOf ({ folder, blocks, wide, rounds, seed }: PassesInit): Promise<Record<'read' | 'write' | 'first' | 'cpu', Rates>> {
  const rates = { read: empty(), write: empty(), first: empty(), cpu: empty() }
  const random = seededRandom(seed)
  const memoryBytes = Math.ceil(blocks.reduce((sum, { bytes }) => sum + bytes.byteLength, 0) * IN_MEMORY)

  for (let round = -1; round < rounds; round++) {
    const order = CONTESTANTS.map((_, i) => CONTESTANTS[(i + round + CONTESTANTS.length) % CONTESTANTS.length]).filter(contestant => contestant != null)
    const asked = shuffled(blocks, random)

    for (const { name, open } of order) {
      const path = join(folder, `${name}-${round}`)
      const first = await open(path, memoryBytes)
      const { ms: write, cpuMs } = await writeAll(first.store, blocks, wide)
      // once for the page cache and the allocator
      await readAll(first.store, asked, wide)
      await tidy()
      const read = await readAll(first.store, asked, wide)
      await first.close()
      const again = await open(path, memoryBytes)
      await tidy()
      const firstRead = await readAll(again.store, asked, wide)
      await again.close()
      await rm(path, { recursive: true })

      if (round >= 0) {
        rates.write[name].push(blocks.length * 1_000 / write)
        rates.cpu[name].push(cpuMs / blocks.length)
        rates.read[name].push(blocks.length * 1_000 / read)
        rates.first[name].push(blocks.length * 1_000 / firstRead)
      }
    }
  }
  return rates
}

/** What one store has left behind is not collected at the cost of the next one */
async function tidy (): Promise<void> {
  if (globalThis.gc == null) {
    throw new Error('The garbage of others can only be left out with node --expose-gc')
  }
  await collected()
}

/**
 * Milliseconds of one thread in which the bytes of a block are compared with its multihash, and the checksum of its record is made:
 * what blockstore-fs does without. Whoever does that besides what it does writes at most its processor time for a block / that and this together
 * as fast, with all processors busy.
 */
function checkMs (blocks: readonly Block[]): number {
  const nonce = new Uint8Array(NONCE_BYTES).fill(1)
  return median(blocks.map(({ cid, bytes }) => {
    const started = performance.now()
    if (endsInSha256?.(cid.multihash.bytes, bytes) !== true) {
      throw new Error(`${cid} cannot be checked in one call`)
    }
    blockHead(nonce, cid.multihash.bytes, bytes, 'authored')
    return performance.now() - started
  }))
}

function empty (): Rates {
  return { own: [], fs: [], level: [] }
}
