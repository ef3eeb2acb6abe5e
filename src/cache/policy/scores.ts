/** The one to start with, that none may fall behind in bytes: it keeps what is recent */
export const BASELINE = 0

/** Hits count half after so many times the blocks that are here: on sweeps back and forth the lead of a moment is worth nothing */
const MEMORY = 10
/** Requests, for caches of a few blocks: with 1000, one to and fro between experts that are as good cost a third of the hits on loops */
const MIN_MEMORY = 4000
/** Who is behind by more than this many standard deviations of chance is replaced */
const MARGIN = 1
/** Of the bytes that the baseline hits, for whoever wants to lead */
const BYTES_AT_LEAST = 0.98
/** Beyond it, sums lose what is added to them */
const MAX_WEIGHT = 1e100

/** What each of some experts hit of late, and which of them leads */
export class Scores {
  readonly #count: number
  readonly #hits: Float64Array
  readonly #hitBytes: Float64Array
  /** Requests that one of two experts hit, and the other did not: what chance works on */
  readonly #differ: Float64Array
  /** The same against the baseline, in squared bytes */
  readonly #differBytes: Float64Array
  /** Of a request now; instead of fading all that was, what comes weighs more */
  #weight = 1

  constructor (count: number) {
    this.#count = count
    this.#hits = new Float64Array(count)
    this.#hitBytes = new Float64Array(count)
    this.#differ = new Float64Array(count * count)
    this.#differBytes = new Float64Array(count)
  }

  /** Another request was made, with so many blocks here */
  pass (population: number): void {
    this.#weight *= 1 + Math.LN2 / Math.max(MEMORY * population, MIN_MEMORY)

    if (this.#weight > MAX_WEIGHT) {
      for (const sums of [this.#hits, this.#hitBytes, this.#differ, this.#differBytes]) {
        sums.forEach((sum, i) => { sums[i] = sum / this.#weight })
      }

      this.#weight = 1
    }
  }

  /** It was for something that these experts, as bits, keep */
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

  /** @returns who should lead from now on, of those that can be followed */
  best (leader: number, isUsed: (expert: number) => boolean): number {
    let best = leader

    for (let i = 0; i < this.#count; i++) {
      if (i !== leader && isUsed(i) && this.#sparesBytes(i) && this.#isAhead(i, leader) &&
          (best === leader || (this.#hits[i] as number) > (this.#hits[best] as number))) {
        best = i
      }
    }

    return best
  }

  /** @returns the hits of each, as a share of those who have most */
  shares (): number[] {
    const most = Math.max(...this.#hits, 1)
    return Array.from(this.#hits, hits => hits / most)
  }

  #isAhead (i: number, leader: number): boolean {
    if (!this.#sparesBytes(leader)) {
      return true
    }

    const differ = (this.#differ[Math.max(i, leader) * this.#count + Math.min(i, leader)] as number) / this.#weight
    return ((this.#hits[i] as number) - (this.#hits[leader] as number)) / this.#weight > MARGIN * (Math.sqrt(differ) + 1)
  }

  /** Hits of objects are not bought with bytes, but for what chance makes of a few large ones */
  #sparesBytes (i: number): boolean {
    const ahead = ((this.#hitBytes[i] as number) - BYTES_AT_LEAST * (this.#hitBytes[BASELINE] as number)) / this.#weight
    return ahead >= -MARGIN * Math.sqrt((this.#differBytes[i] as number) / this.#weight)
  }
}
