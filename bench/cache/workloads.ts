import { normal, seededRandom } from '../../src/clock/random.ts'
import { TraceBuilder } from './trace.ts'
import type { Random } from '../../src/interface/clock.ts'
import type { Trace } from './trace.ts'

export interface Workload {
  readonly trace: Trace
  /** Shares of the footprint, where it has others than the rest */
  readonly shares?: readonly number[]
  /** One of those that the picture shows: the others look much alike */
  readonly plotted: boolean
}

type Fill = (builder: TraceBuilder, random: Random, requests: number) => void

const REQUESTS = 200_000
/** Ten requests for each on average: enough that the popular ones can be told from the others */
const OBJECTS = 20_000
/** Of traffic that is disturbed by something: what web traces have */
const ALPHA = 0.9
const ONE_HIT_SHARE = 0.25
const SCAN_EVERY = 20_000
/** A quarter of the requests; flushes a cache of 10 % that takes what comes */
const SCAN_LENGTH = 5_000
const SHIFTS = 4
const LOOP_LENGTH = 2_000
const FILES = 2_000
/** Blocks of a file, log-normal: most have a few, some hundreds, as directories of photos and programs */
const FILE_BLOCKS = 8
const FILE_SIGMA = 1.2
const MAX_FILE_BLOCKS = 500
/** Reads under way at once, whose blocks mix */
const READERS = 8
const KIB = 1_024

/** The seeded workloads: the same seed gives the same requests everywhere */
export function workloads (seed: number, requests = REQUESTS): Workload[] {
  const make = (name: string, fill: Fill, { shares, sized, plotted = false }: { shares?: readonly number[], sized?: boolean, plotted?: boolean } = {}): Workload => {
    const builder = new TraceBuilder()
    // each its own dice: one workload can change without the others
    const dice = [...name].reduce((sum, letter) => Math.imul(sum, 31) + letter.charCodeAt(0), seed)
    fill(builder, seededRandom(dice), requests)
    return { trace: builder.build(name, { seed, sized }), shares, plotted }
  }

  return [
    make('zipf .8', fillZipf(0.8)),
    make('zipf 1.0', fillZipf(1), { plotted: true }),
    make('one-hit', fillOneHit),
    make('zipf+scan', fillScan),
    // half of the loop fits: what is twice the cache
    make('loop 2x', fillLoop, { shares: [0.02, 0.1, 0.3, 0.5] }),
    make('shift', fillShift, { plotted: true }),
    make('dag walk', fillDagWalk, { plotted: true }),
    make('ipfs-sized', fillSizes, { sized: true })
  ]
}

/** Ranks from 0, the most popular: rank r is drawn in proportion to 1 / (r + 1) ** alpha */
export function zipf (objects: number, alpha: number, random: Random): () => number {
  const sums = new Float64Array(objects)
  let sum = 0

  for (let rank = 0; rank < objects; rank++) {
    sum += (rank + 1) ** -alpha
    sums[rank] = sum
  }

  return () => {
    const wanted = random.next() * sum
    let low = 0
    let high = objects - 1

    while (low < high) {
      const middle = (low + high) >> 1

      if ((sums[middle] ?? 0) > wanted) {
        high = middle
      } else {
        low = middle + 1
      }
    }

    return low
  }
}

function fillZipf (alpha: number): Fill {
  return (builder, random, requests) => {
    const draw = zipf(OBJECTS, alpha, random)

    while (builder.length < requests) {
      builder.add(draw())
    }
  }
}

function fillOneHit (builder: TraceBuilder, random: Random, requests: number): void {
  const draw = zipf(OBJECTS, ALPHA, random)

  while (builder.length < requests) {
    builder.add(random.next() < ONE_HIT_SHARE ? `once ${builder.length}` : draw())
  }
}

/** Now and then everything in an archive is read once, from its beginning to its end */
function fillScan (builder: TraceBuilder, random: Random, requests: number): void {
  const draw = zipf(OBJECTS, ALPHA, random)

  while (builder.length < requests) {
    for (let i = 0; i < SCAN_EVERY - SCAN_LENGTH && builder.length < requests; i++) {
      builder.add(draw())
    }
    for (let i = 0; i < SCAN_LENGTH && builder.length < requests; i++) {
      builder.add(`scanned ${i}`)
    }
  }
}

function fillLoop (builder: TraceBuilder, random: Random, requests: number): void {
  const start = Math.floor(random.next() * LOOP_LENGTH)

  while (builder.length < requests) {
    builder.add((start + builder.length) % LOOP_LENGTH)
  }
}

/** Again and again all ranks go to other objects */
function fillShift (builder: TraceBuilder, random: Random, requests: number): void {
  const draw = zipf(OBJECTS, ALPHA, random)
  const objects = Array.from({ length: OBJECTS }, (_, i) => i)

  for (let shift = 1; shift <= SHIFTS; shift++) {
    shuffle(objects, random)

    while (builder.length < requests * shift / SHIFTS) {
      builder.add(objects[draw()] ?? 0)
    }
  }
}

/** Popular files, block after block from the root; several readers at once, some of whom leave early */
function fillDagWalk (builder: TraceBuilder, random: Random, requests: number): void {
  const draw = zipf(FILES, ALPHA, random)
  const lengths = Array.from({ length: FILES }, () => Math.min(MAX_FILE_BLOCKS, Math.ceil(FILE_BLOCKS * Math.exp(FILE_SIGMA * normal(random)))))
  const start = (): { file: number, block: number, end: number } => {
    const file = draw()
    const length = lengths[file] ?? 1
    return { file, block: 0, end: random.next() < 0.2 ? Math.ceil(length * random.next()) : length }
  }
  const readers = Array.from({ length: READERS }, start)

  while (builder.length < requests) {
    const i = Math.floor(random.next() * READERS)
    const reader = readers[i]

    if (reader == null || reader.block >= reader.end) {
      readers[i] = start()
    } else {
      builder.add(`${reader.file}/${reader.block++}`)
    }
  }
}

/** Leaves as importers cut them, 256 KiB and 1 MiB, and beside them directories, nodes and small files from 100 bytes */
function fillSizes (builder: TraceBuilder, random: Random, requests: number): void {
  const draw = zipf(OBJECTS, 0.8, random)
  const sizes = Array.from({ length: OBJECTS }, () => {
    const kind = random.next()
    return kind < 0.35 ? 256 * KIB : kind < 0.6 ? KIB * KIB : Math.min(KIB * KIB, Math.ceil(100 + 4 * KIB * Math.exp(2 * normal(random))))
  })

  while (builder.length < requests) {
    const object = draw()
    builder.add(object, sizes[object])
  }
}

function shuffle (items: number[], random: Random): void {
  for (let i = items.length - 1; i > 0; i--) {
    const j = Math.floor(random.next() * (i + 1))
    const item = items[i] ?? 0
    items[i] = items[j] ?? 0
    items[j] = item
  }
}
