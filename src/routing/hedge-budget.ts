export interface HedgeParams {
  /** Tokens earned per request: extra requests stay below this share of all */
  readonly share: number
  /** Tokens that can be saved up: enough to get past a handful of silent providers in a row */
  readonly burst: number
  /** Tokens at the start: a node without experience needs them most */
  readonly initial: number
  /** Hedge at this quantile of the recent attempts */
  readonly quantile: number
  /** Never hedge sooner than this, in ms: a pause of the garbage collector or a busy loop is not a slow provider */
  readonly minDelay: number
  /** The delay before there are enough samples, in ms; halved for each further hedge of the same read */
  readonly coldDelay: number
  /** The same while nobody has ever answered: whoever is named first may be dead, and there is nobody to go by */
  readonly blindDelay: number
  /** Attempts of one read under way at once */
  readonly maxConcurrent: number
  /**
   * Tokens that a read must leave to others while it has waited for less than half
   * again the delay: the last ones go to those that wait longest
   */
  readonly reserve: number
  /** Share of reads that also measure a provider that nobody has measured lately, saved up one at a time */
  readonly shadowShare: number
  /**
   * Share of reads that may ask a stranger first while one that delivers is free, and
   * come to nothing: those that deliver in time cost nothing. Together with
   * measurements below the share of hedges, which rescue such reads.
   */
  readonly exploreShare: number
  /** The same that may come to nothing at the start, and be saved up: a handful of strangers beside the first that delivered */
  readonly exploreBurst: number
}

export const DEFAULT_HEDGE: HedgeParams = {
  share: 0.1,
  burst: 10,
  initial: 6,
  quantile: 0.9,
  minDelay: 30,
  coldDelay: 120,
  blindDelay: 80,
  maxConcurrent: 6,
  reserve: 2,
  shadowShare: 0.03,
  exploreShare: 0.04,
  exploreBurst: 4
}

/** Of what is saved up, the share that prefetches leave */
const SAVED_FOR_READS = 0.5

/** When a second provider is asked: after the delay, while the budget lasts */
export class HedgeBudget {
  readonly #params: HedgeParams
  #tokens: number
  #measurements = 0
  #explorations: number

  constructor (params: HedgeParams = DEFAULT_HEDGE) {
    this.#params = params
    this.#tokens = params.initial
    this.#explorations = params.exploreBurst
  }

  get tokens (): number {
    return this.#tokens
  }

  /** More than half is saved up: what is only wanted ahead may have the rest, and leaves a read in need that half */
  get hasSpare (): boolean {
    return this.#tokens >= 1 + this.#params.burst * SAVED_FOR_READS
  }

  /** A read was started: it earns its share */
  earn (): void {
    this.#tokens = Math.min(this.#params.burst, this.#tokens + this.#params.share)
    this.#measurements = Math.min(1, this.#measurements + this.#params.shadowShare)
    this.#explorations = Math.min(this.#params.exploreBurst, this.#explorations + this.#params.exploreShare)
  }

  /** A read may ask a stranger first although one that delivers is free */
  get mayExplore (): boolean {
    return this.#explorations >= 1
  }

  /** It did */
  explore (): void {
    this.#explorations--
  }

  /** And the stranger delivered in time: it cost nothing */
  explored (): void {
    this.#explorations = Math.min(this.#params.exploreBurst, this.#explorations + 1)
  }

  /** True when an extra request may go out beyond the reserve; it is paid for */
  spend (reserve = 0): boolean {
    if (this.#tokens < 1 + reserve) {
      return false
    }

    this.#tokens--
    return true
  }

  /** True when a measurement may go out: its turn has come and a hedge's worth is left for reads in need */
  measure (): boolean {
    if (this.#measurements < 1 || !this.spend(1)) {
      return false
    }

    this.#measurements = 0
    return true
  }

  /** Milliseconds to wait for the n-th hedge of a read (0 is the first) */
  delay (n: number, recent: number | undefined, blind = false): number {
    const base = recent ?? (blind ? Math.min(this.#params.blindDelay, this.#params.coldDelay) : this.#params.coldDelay)
    return Math.max(this.#params.minDelay, base / 2 ** n)
  }
}
