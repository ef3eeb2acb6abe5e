import { AGE_STARTS, AGES, ageStep } from './ages.ts'

/** Seen once: by size, two octaves to a class */
export const FIRST_CLASSES = 16
/** Seen again: by the octave of how often of late */
export const FAME_CLASSES = 6
export const CLASSES: number = FIRST_CLASSES + FAME_CLASSES

const CELLS = CLASSES * AGES

/** Observations that what is known in general counts for beside those of a class; 4 to 30 measure alike */
const PRIOR_OBSERVATIONS = 10
/** Of all that comes again, the share that does within a doubling of age: the prior, with which the order is LRU's */
const PRIOR_SLOPE = 0.3
/**
 * While hardly anything has come again, age says nothing about what does: statistics alone would keep the oldest,
 * of whose age there are fewest. This much LRU is added then, halved when as many hits were seen as a tenth of the residents.
 */
const CAUTION = 0.02
const CAUTION_HITS = 16
const CAUTION_SHARE = 0.1
const MOST = 0.999

/** Tells of those whose age is growing */
export type Living = (add: (of: number, age: number, count: number) => void) => void

/**
 * Learns when blocks are asked for again: by class and age how many were, out of how many that came to that age,
 * here or not (a life table, in which those whose age is still growing count as far as they got). From this, what
 * it is worth to keep one: its hits over the requests it takes up room for, for the best time to give up on it
 * (the Gittins index).
 */
export class ReuseModel {
  /** Numbers that are saved */
  static readonly SAVED: number = 2 * CELLS

  readonly #hits = new Float32Array(CELLS)
  /** Those whose age has ended, by a hit or by being forgotten */
  readonly #ended = new Float32Array(CELLS)
  readonly #reached = new Float64Array(CELLS)
  readonly #worth = new Float32Array(CELLS)
  readonly #pooledHits = new Float64Array(AGES * 2)
  readonly #pooledReached = new Float64Array(AGES * 2)
  readonly #chances = new Float64Array(AGES * 2)
  // The stack of `#rate`
  readonly #gain = new Float64Array(AGES)
  readonly #cost = new Float64Array(AGES)
  readonly #left = new Float64Array(AGES)

  constructor () {
    this.fit(() => {}, 0)
  }

  /** One of this class was asked for again at this age */
  hit (of: number, age: number): void {
    this.#add(this.#hits, of, ageStep(age))
    this.#add(this.#ended, of, ageStep(age))
  }

  /** One of this class was not until this age, and is not watched any longer */
  forgotten (of: number, age: number): void {
    this.#add(this.#ended, of, ageStep(age))
  }

  /** Hits for each request that the block is kept, at its best */
  worth (of: number, age: number): number {
    return this.#worth[of * AGES + ageStep(age)] as number
  }

  /** What was learnt counts half */
  fade (): void {
    for (let cell = 0; cell < CELLS; cell++) {
      this.#hits[cell] = (this.#hits[cell] as number) / 2
      this.#ended[cell] = (this.#ended[cell] as number) / 2
    }
  }

  fit (living: Living, residents: number): void {
    this.#reached.set(this.#ended)
    living((of, age, count) => { this.#add(this.#reached, of, ageStep(age), count) })
    this.#pool()
    const again = this.#chancesInGeneral()
    const caution = CAUTION / (1 + again / (CAUTION_HITS + CAUTION_SHARE * residents))

    for (let of = 0; of < CLASSES; of++) {
      this.#rate(of, caution)
    }
  }

  /** What is learnt so far: whoever goes on from it does not watch those any longer whose age is growing */
  save (living: Living): Float32Array<ArrayBuffer> {
    const saved = new Float32Array(ReuseModel.SAVED)
    saved.set(this.#hits)
    const ended = saved.subarray(CELLS)
    ended.set(this.#ended)
    living((of, age, count) => { this.#add(ended, of, ageStep(age), count) })
    return saved
  }

  /** Whether it was one of ours: no more hits than ends, and none of them infinite, negative or no number */
  static canRestore (saved: Float32Array): boolean {
    const ended = saved.subarray(CELLS)
    return saved.length === ReuseModel.SAVED && ended.every(Number.isFinite) &&
      saved.subarray(0, CELLS).every((hits, cell) => hits >= 0 && hits <= (ended[cell] as number))
  }

  /** @param saved - that can be restored */
  restore (saved: Float32Array): void {
    this.#hits.set(saved.subarray(0, CELLS))
    this.#ended.set(saved.subarray(CELLS))
    this.fit(() => {}, 0)
  }

  #add (table: Float32Array | Float64Array, of: number, step: number, count = 1): void {
    const cell = of * AGES + step
    table[cell] = (table[cell] as number) + count
  }

  /** From those whose age ended or is in a step to those who came to it, and over all classes of a kind */
  #pool (): void {
    this.#pooledHits.fill(0)
    this.#pooledReached.fill(0)

    for (let of = 0; of < CLASSES; of++) {
      const kind = kindOf(of)
      let reached = 0

      for (let step = AGES - 1; step >= 1; step--) {
        const cell = of * AGES + step
        const hits = this.#hits[cell] as number
        const here = this.#reached[cell] as number
        reached += here
        // Who did not get through the step was in it for half of it
        this.#reached[cell] = reached - Math.max(0, here - hits) / 2
        this.#pooledHits[kind + step] = (this.#pooledHits[kind + step] as number) + hits
        this.#pooledReached[kind + step] = (this.#pooledReached[kind + step] as number) + (this.#reached[cell] as number)
      }
    }
  }

  /** @returns the hits seen */
  #chancesInGeneral (): number {
    let again = 0

    for (let step = 1; step < AGES; step++) {
      again += (this.#pooledHits[step] as number) + (this.#pooledHits[AGES + step] as number)
    }

    const started = (this.#pooledReached[1] as number) + (this.#pooledReached[AGES + 1] as number) + 1

    for (let step = 1; step < AGES; step++) {
      const prior = again / started * Math.min(0.5, PRIOR_SLOPE * widthOf(step) / (startOf(step) + 1))
      const hits = (this.#pooledHits[step] as number) + (this.#pooledHits[AGES + step] as number)
      const reached = (this.#pooledReached[step] as number) + (this.#pooledReached[AGES + step] as number)
      const all = smoothed(hits, reached, prior)

      for (const kind of [0, AGES]) {
        this.#chances[kind + step] = smoothed(this.#pooledHits[kind + step] as number, this.#pooledReached[kind + step] as number, all)
      }
    }

    return again
  }

  /** From the last age to the first: to keep a block for longer than a step pays as long as what follows is better than what it has so far */
  #rate (of: number, caution: number): void {
    const kind = kindOf(of)
    let top = 0

    for (let step = AGES - 1; step >= 1; step--) {
      const cell = of * AGES + step
      const width = widthOf(step)
      const chance = Math.min(MOST, smoothed(this.#hits[cell] as number, this.#reached[cell] as number, this.#chances[kind + step] as number) +
        caution * width / startOf(step))
      let gain = chance
      let cost = width * (1 - chance / 2)
      let left = 1 - chance

      while (top > 0 && (this.#gain[top - 1] as number) * cost >= gain * (this.#cost[top - 1] as number)) {
        top--
        gain += left * (this.#gain[top] as number)
        cost += left * (this.#cost[top] as number)
        left *= this.#left[top] as number
      }

      this.#gain[top] = gain
      this.#cost[top] = cost
      this.#left[top++] = left
      this.#worth[cell] = gain / cost
    }
  }
}

/** Of one that was not asked for again so far */
export function classAtFirst (size: number): number {
  return Math.min(FIRST_CLASSES - 1, (31 - Math.clz32(Math.max(1, size))) >> 1)
}

/** Of one that was, so often of late */
export function classOfFame (frequency: number): number {
  return FIRST_CLASSES + Math.min(FAME_CLASSES - 1, 31 - Math.clz32(Math.max(1, frequency)))
}

function kindOf (of: number): number {
  return of < FIRST_CLASSES ? 0 : AGES
}

function startOf (step: number): number {
  return AGE_STARTS[step] as number
}

function widthOf (step: number): number {
  return startOf(step + 1) - startOf(step)
}

function smoothed (hits: number, reached: number, general: number): number {
  return (hits + PRIOR_OBSERVATIONS * general) / (reached + PRIOR_OBSERVATIONS)
}
