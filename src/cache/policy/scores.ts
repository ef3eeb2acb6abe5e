/** The one to start with, that none may fall behind in bytes: it keeps what is recent */
export const BASELINE = 0

/** Hits count half after so many times the blocks that are here: enough to tell who is good at what is asked for now, */
const SHORT_MEMORY = 5
/** and to see both ends of a sweep to and fro over some times as many, where the lead of a moment is worth nothing */
const LONG_MEMORY = 20
/** Requests, for caches of a few blocks: with 1000, going to and fro between experts that are as good cost a third of the hits on loops */
const MIN_MEMORY = 4000
/** Who is behind by more than this many standard deviations of chance is replaced; by the baseline at once */
const MARGIN = 1
/** Of the bytes that the baseline hits, for whoever wants to lead */
const BYTES_AT_LEAST = 0.98
/** Beyond it, sums lose what is added to them */
const MAX_WEIGHT = 1e100

/** What each of some experts hit of late, and which of them leads */
export class Scores {
  readonly #count: number
  readonly #short: Tally
  readonly #long: Tally

  constructor (count: number) {
    this.#count = count
    this.#short = new Tally(count, SHORT_MEMORY)
    this.#long = new Tally(count, LONG_MEMORY)
  }

  /** Another request was made, with so many blocks here */
  pass (population: number): void {
    this.#short.pass(population)
    this.#long.pass(population)
  }

  /** It was for something that these experts, as bits, keep */
  add (hit: number, size: number): void {
    this.#short.add(hit, size)
    this.#long.add(hit, size)
  }

  /** @returns who should lead from now on, of those that can be followed */
  best (leader: number, isUsed: (expert: number) => boolean): number {
    let best = leader

    for (let i = 0; i < this.#count; i++) {
      if (i !== leader && isUsed(i) && this.#replaces(i, leader) && (best === leader || this.#short.lead(i, best) > 0)) {
        best = i
      }
    }

    return best
  }

  /** @returns the bytes that one hit of late, over those that the baseline did */
  bytes (i: number): number {
    return this.#long.bytes(i)
  }

  /** @returns all sets of experts, as bits: those with least to say first, and last those that the leader is in */
  order (leader: number): number[] {
    const shares = this.#short.shares()
    const weights = Array.from({ length: 1 << this.#count }, (_, experts) => shares.reduce((sum, share, i) => {
      return (experts >>> i & 1) === 0 ? sum : sum + (i === leader ? this.#count : share)
    }, 0))
    return weights.map((_, experts) => experts).sort((a, b) => (weights[a] as number) - (weights[b] as number))
  }

  /** The baseline is left when both memories say so, and returned to when one does */
  #replaces (i: number, leader: number): boolean {
    if (!this.#long.sparesBytes(i)) {
      return false
    }

    if (!this.#long.sparesBytes(leader)) {
      return true
    }

    if (i === BASELINE) {
      return this.#short.isAhead(i, leader) || this.#long.isAhead(i, leader)
    }

    return this.#short.isAhead(i, leader) && (leader !== BASELINE || this.#long.isAhead(i, leader))
  }
}

class Tally {
  readonly #count: number
  readonly #memory: number
  readonly #hits: Float64Array
  readonly #hitBytes: Float64Array
  /** Requests that one of two experts hit, and the other did not: what chance works on */
  readonly #differ: Float64Array
  /** The same against the baseline, in squared bytes */
  readonly #differBytes: Float64Array
  /** Of a request now; instead of fading all that was, what comes weighs more */
  #weight = 1

  constructor (count: number, memory: number) {
    this.#count = count
    this.#memory = memory
    this.#hits = new Float64Array(count)
    this.#hitBytes = new Float64Array(count)
    this.#differ = new Float64Array(count * count)
    this.#differBytes = new Float64Array(count)
  }

  pass (population: number): void {
    this.#weight *= 1 + Math.LN2 / Math.max(this.#memory * population, MIN_MEMORY)

    if (this.#weight > MAX_WEIGHT) {
      for (const sums of [this.#hits, this.#hitBytes, this.#differ, this.#differBytes]) {
        sums.forEach((sum, i) => { sums[i] = sum / this.#weight })
      }

      this.#weight = 1
    }
  }

  add (hit: number, size: number): void {
    const weight = this.#weight

    for (let i = 0; i < this.#count; i++) {
      if ((hit >>> i & 1) === 1) {
        this.#hits[i] = (this.#hits[i] as number) + weight
        this.#hitBytes[i] = (this.#hitBytes[i] as number) + weight * size
      }

      if ((hit >>> i & 1) !== (hit & 1)) {
        this.#differBytes[i] = (this.#differBytes[i] as number) + weight * size * size
      }

      for (let j = 0; j < i; j++) {
        if ((hit >>> i & 1) !== (hit >>> j & 1)) {
          this.#differ[i * this.#count + j] = (this.#differ[i * this.#count + j] as number) + weight
        }
      }
    }
  }

  lead (i: number, other: number): number {
    return ((this.#hits[i] as number) - (this.#hits[other] as number)) / this.#weight
  }

  /** By more than chance makes of the requests on which they differ */
  isAhead (i: number, other: number): boolean {
    if (i === BASELINE) {
      return this.lead(i, other) > 0
    }

    const differ = (this.#differ[Math.max(i, other) * this.#count + Math.min(i, other)] as number) / this.#weight
    return this.lead(i, other) > MARGIN * (Math.sqrt(differ) + 1)
  }

  /** Hits of objects are not bought with bytes, but for what chance makes of a few large ones */
  sparesBytes (i: number): boolean {
    const ahead = ((this.#hitBytes[i] as number) - BYTES_AT_LEAST * (this.#hitBytes[BASELINE] as number)) / this.#weight
    return ahead >= -MARGIN * Math.sqrt((this.#differBytes[i] as number) / this.#weight)
  }

  /** Nothing is as good as nothing */
  bytes (i: number): number {
    return ((this.#hitBytes[i] as number) + this.#weight) / ((this.#hitBytes[BASELINE] as number) + this.#weight)
  }

  /** @returns the hits of each, as a share of those who have most */
  shares (): number[] {
    const most = Math.max(...this.#hits, 1)
    return Array.from(this.#hits, hits => hits / most)
  }
}
