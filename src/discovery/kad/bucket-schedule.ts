/** Part of the table: the peers whose keys begin with exactly so many bits as ours */
export interface BucketView {
  readonly depth: number
  readonly peers: number
  /** Those of them that gave no answer lately */
  readonly dead: number
}

export interface BucketState extends BucketView {
  /** Milliseconds since a walk went through it; undefined: none did */
  readonly walkedAgo: number | undefined
  /** Milliseconds until it is refreshed if nothing happens; not below 0 */
  readonly dueIn: number
}

/** `near`: towards ourselves, which goes through all buckets that the nearest peers are in */
export type Refresh = { readonly type: 'near', readonly depth: number } | { readonly type: 'bucket', readonly depth: number }

const MINUTE = 60_000

/**
 * Counted from the deepest bucket in use. Near peers keep records for us and we
 * for them, and there are few of them to take a dead one's place; of the far
 * ones nearly anybody will do.
 */
const INTERVALS: ReadonlyArray<{ readonly below: number, readonly every: number }> = [
  { below: 2, every: 5 * MINUTE },
  { below: 4, every: 10 * MINUTE },
  { below: 8, every: 30 * MINUTE }
]
const FAR = 60 * MINUTE

/** A bucket of which half died since its last walk is not refreshed sooner than that after it */
const SOONEST = MINUTE
/** Share of a bucket's peers that died since its last walk: from here on it is refreshed as soon as may be */
const ALARMING = 0.5
/** In the DHT records lie with the twenty nearest: a walk towards ourselves asks as many */
const NEAREST = 20

interface Walked {
  readonly at: number
  /** Dead peers that were there all the same: nobody else can take them out of the table */
  readonly dead: number
}

/** When which bucket is refreshed. Pure: time and dice are passed in. */
export class BucketSchedule {
  readonly #startedAt: number
  readonly #dice: number
  readonly #walked = new Map<number, Walked>()
  /** Milliseconds that the machine slept: nothing was refreshed meanwhile */
  #slept = 0

  /** @param dice - in [0, 1): nodes that start together do not refresh together */
  constructor (now: number, dice: number) {
    this.#startedAt = now
    this.#dice = dice
  }

  /** A walk whose target has so many bits in common with our key went its way */
  walked (depth: number, buckets: readonly BucketView[], now: number): void {
    // a table has at most 256 of them
    if (depth < 256) {
      this.#walked.set(depth, { at: now + this.#slept, dead: buckets.find(each => each.depth === depth)?.dead ?? 0 })
    }
  }

  /** A walk towards our own key */
  walkedNear (buckets: readonly BucketView[], now: number): void {
    for (const { depth } of nearOf(buckets)) {
      this.walked(depth, buckets, now)
    }
  }

  /** The machine slept, so everything is older than it looks */
  slept (ms: number): void {
    this.#slept += ms
  }

  /** What is due, the most overdue first; of equals the nearest */
  next (buckets: readonly BucketView[], now: number): Refresh | undefined {
    const near = new Set(nearOf(buckets).map(({ depth }) => depth))
    let best: { readonly depth: number, readonly overdue: number } | undefined

    for (const [rank, bucket] of ranked(buckets)) {
      const overdue = (now - this.#dueAt(bucket, rank)) / everyOf(rank)

      if (overdue >= 0 && (best == null || overdue > best.overdue)) {
        best = { depth: bucket.depth, overdue }
      }
    }
    return best == null ? undefined : { type: near.has(best.depth) ? 'near' : 'bucket', depth: best.depth }
  }

  /** Nearest first */
  state (buckets: readonly BucketView[], now: number): BucketState[] {
    return ranked(buckets).map(([rank, bucket]) => {
      const walked = this.#walked.get(bucket.depth)
      return {
        ...bucket,
        walkedAgo: walked == null ? undefined : now + this.#slept - walked.at,
        dueIn: Math.max(0, this.#dueAt(bucket, rank) - now)
      }
    })
  }

  #dueAt ({ depth, peers, dead }: BucketView, rank: number): number {
    const every = everyOf(rank)
    const walked = this.#walked.get(depth)

    if (walked == null) {
      // kad-dht looks around itself when it starts
      return this.#startedAt - this.#slept + every * (1 + this.#dice) / 2
    }
    const died = peers === 0 ? 0 : Math.max(0, dead - walked.dead) / peers
    const alarm = Math.min(1, died / ALARMING)
    return walked.at - this.#slept + every + (Math.min(SOONEST, every) - every) * alarm
  }
}

/** All buckets down to the first, the deepest first: also the empty ones between */
function ranked (buckets: readonly BucketView[]): Array<[rank: number, bucket: BucketView]> {
  const deepest = Math.max(-1, ...buckets.filter(({ peers }) => peers > 0).map(({ depth }) => depth))
  const byDepth = new Map(buckets.map(bucket => [bucket.depth, bucket]))

  return Array.from({ length: deepest + 1 }, (_, rank) => [rank, byDepth.get(deepest - rank) ?? { depth: deepest - rank, peers: 0, dead: 0 }])
}

/** The buckets that our nearest peers are in */
function nearOf (buckets: readonly BucketView[]): BucketView[] {
  const near: BucketView[] = []
  let peers = 0

  for (const [, bucket] of ranked(buckets)) {
    peers += bucket.peers
    if (near.length > 0 && peers > NEAREST) {
      break
    }
    near.push(bucket)
  }
  return near
}

function everyOf (rank: number): number {
  return INTERVALS.find(({ below }) => rank < below)?.every ?? FAR
}
