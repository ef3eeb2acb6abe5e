import { Entries } from './entries.ts'
import { Frequent } from './experts/frequent.ts'
import { LeastRecent } from './experts/least-recent.ts'
import { ShortInterval } from './experts/short-interval.ts'
import { Worthy } from './experts/worthy.ts'
import { BASELINE, Scores } from './scores.ts'
import { NONE } from './slot-lists.ts'
import { faded, worth } from './worth.ts'
import type { Expert, ExpertComponents, Requests } from './experts/expert.ts'
import type { FrequencySketch } from './frequency-sketch.ts'

/** In the order of their bits. The first is the one to start with. */
export const EXPERTS = ['recent', 'worthy', 'frequent', 'interval'] as const
export type ExpertName = typeof EXPERTS[number]

const COUNT = EXPERTS.length
export const VOTES = 1 << COUNT
/** Where only a sample of the keys is watched, it cannot be followed: it knows keys, not a rule for them */
const INTERVAL = 3

/** The worth of a request halves after so many times the blocks that are here: fashions change slower than leaders */
const FASHION = 100
/** Blocks, so that a cache of a few does not forget at once */
const MIN_POPULATION = 100
/** Requests between two looks at the scores */
const INTERVAL_OF_LOOKS = 16
/** Sampled, the panel is kept this small: more costs memory and tells no more */
const SAMPLED_ENTRIES = 1 << 15
/** Above it, only a sample is watched: 5 MB */
const DEFAULT_MAX_ENTRIES = 1 << 16

export interface PanelInit {
  readonly capacity: number
  readonly sketch: FrequencySketch
  readonly requests: Requests
  readonly maxEntries?: number
  /** Other experts keep the block now than before */
  moved (slot: number, votes: number): void
  /** Another expert leads */
  led (): void
}

/**
 * Experts that each imagine the cache as they would run it, on the same requests; the one with the
 * most hits of late leads. What the experts keep is known key by key, so the cache can
 * become the leader's without any of them knowing of the others.
 */
export class Panel {
  readonly #entries = new Entries()
  readonly #experts: readonly Expert[]
  readonly #init: PanelInit
  readonly #scores = new Scores(COUNT)
  #leader = BASELINE
  #capacity: number
  #maxEntries: number
  /** One key in two to the power of this is watched */
  #thinned = 0
  /** Being worked on: not to be dropped, whoever releases it */
  #current = NONE

  constructor (init: PanelInit) {
    this.#init = init
    this.#capacity = init.capacity
    // Thinned to the end, one key is left
    this.#maxEntries = Math.max(2, init.maxEntries ?? DEFAULT_MAX_ENTRIES)
    this.#experts = [LeastRecent, Worthy, Frequent, ShortInterval].map((Expert, i) => new Expert(this.#components(i)))
    this.resize(init.capacity)
  }

  get leader (): ExpertName {
    return EXPERTS[this.#leader] as ExpertName
  }

  /** Only a sample of the keys is watched */
  get sampled (): boolean {
    return this.#thinned > 0
  }

  get windowShare (): number {
    return (this.#experts[this.#leader] as Expert).windowShare
  }

  /** @returns the experts that keep the block, as bits */
  votes (hash: number): number {
    const entry = this.#entries.find(hash)
    return entry === NONE ? 0 : (this.#entries.holders[entry] as number) & (VOTES - 1)
  }

  /** @returns the sets of experts, those with least to say first */
  order (): number[] {
    const shares = this.#scores.shares()
    const weights = Array.from({ length: VOTES }, (_, votes) => shares.reduce((sum, share, i) => {
      return (votes >>> i & 1) === 0 ? sum : sum + (i === this.#leader ? COUNT : share)
    }, 0))
    return weights.map((_, votes) => votes).sort((a, b) => (weights[a] as number) - (weights[b] as number))
  }

  ask (hash: number, population: number): void {
    const { requests } = this.#init
    requests.halfLife = FASHION * Math.max(population, MIN_POPULATION)
    this.#scores.pass(population)
    const entry = this.#isWatched(hash) ? this.#entries.find(hash) : NONE

    if (entry !== NONE) {
      this.#count(entry)
      this.#score(entry)

      if (this.#entries.slot[entry] === NONE) {
        // They may have it when it has come
        this.#settle(entry)
      } else {
        this.#enter(entry)
      }
    }

    if (requests.now % INTERVAL_OF_LOOKS === 0) {
      this.#look()
    }
  }

  arrive (slot: number, hash: number, size: number): void {
    if (!this.#isWatched(hash)) {
      return
    }

    const entries = this.#entries
    let entry = entries.find(hash)

    if (entry !== NONE && entries.size[entry] !== size) {
      // Of two keys with one hash the later is watched
      this.#forget(entry)
      entry = NONE
    }

    if (entry === NONE) {
      entry = this.#add(hash, size)
    }

    this.#enter(entry)
    entries.slot[entry] = slot

    // At, not above: one more would double the arrays
    while (entries.count >= this.#maxEntries) {
      this.#thin()
    }
  }

  /** Evicted: the experts may still imagine it here */
  evicted (slot: number, hash: number): void {
    const entry = this.#isWatched(hash) ? this.#entries.find(hash) : NONE

    if (entry !== NONE && this.#entries.slot[entry] === slot) {
      this.#entries.slot[entry] = NONE
      this.#settle(entry)
    }
  }

  /** There is no such block any more, or it is not up to the cache whether it stays */
  removed (slot: number, hash: number): void {
    const entry = this.#isWatched(hash) ? this.#entries.find(hash) : NONE

    if (entry !== NONE && this.#entries.slot[entry] === slot) {
      this.#forget(entry)
    }
  }

  resize (capacity: number): void {
    this.#capacity = capacity
    const share = capacity / Math.pow(2, this.#thinned)

    for (const expert of this.#experts) {
      expert.resize(share)
    }
  }

  /** Until another is ahead: what was learnt before a restart */
  lead (name: ExpertName): void {
    this.#leader = EXPERTS.indexOf(name)
    this.#init.led()
  }

  #components (i: number): ExpertComponents {
    const entries = this.#entries
    const { sketch, requests } = this.#init
    const mine = 1 << i
    const remembered = mine << COUNT

    return {
      entries,
      sketch,
      requests,
      hold: entry => {
        entries.holders[entry] = ((entries.holders[entry] as number) | mine) & ~remembered
        this.#moved(entry)
      },
      release: (entry, isRemembered = false) => {
        const others = (entries.holders[entry] as number) & ~(mine | remembered)
        entries.holders[entry] = isRemembered ? others | remembered : others
        this.#moved(entry)
        this.#settle(entry)
      }
    }
  }

  #moved (entry: number): void {
    const slot = this.#entries.slot[entry] as number

    if (slot !== NONE) {
      this.#init.moved(slot, (this.#entries.holders[entry] as number) & (VOTES - 1))
    }
  }

  #settle (entry: number): void {
    if (entry !== this.#current && this.#entries.holders[entry] === 0 && this.#entries.slot[entry] === NONE) {
      this.#entries.delete(entry)
    }
  }

  #forget (entry: number): void {
    this.#current = entry
    this.#entries.slot[entry] = NONE

    for (const expert of this.#experts) {
      expert.forget(entry)
    }

    this.#current = NONE
    this.#settle(entry)
  }

  #add (hash: number, size: number): number {
    const { requests, sketch } = this.#init
    const entry = this.#entries.add(hash, size)
    const frequency = Math.max(1, sketch.estimate(hash))
    this.#entries.last[entry] = requests.now
    this.#entries.previous[entry] = requests.now + 1
    this.#entries.frequency[entry] = frequency
    this.#entries.worth[entry] = worth(frequency, size)
    return entry
  }

  /** With those that do not keep it */
  #enter (entry: number): void {
    const holders = this.#entries.holders[entry] as number
    this.#current = entry

    for (let i = 0; i < COUNT; i++) {
      if ((holders >>> i & 1) === 0 && this.#isUsed(i)) {
        (this.#experts[i] as Expert).enter(entry)
      }
    }

    this.#current = NONE
  }

  #count (entry: number): void {
    const entries = this.#entries
    const { now, halfLife } = this.#init.requests
    const last = entries.last[entry] as number
    const frequency = faded(entries.frequency[entry] as number, (now - last) >>> 0, halfLife) + 1
    entries.previous[entry] = last
    entries.last[entry] = now
    entries.frequency[entry] = frequency
    entries.worth[entry] = worth(frequency, entries.size[entry] as number)
  }

  #score (entry: number): void {
    const votes = (this.#entries.holders[entry] as number) & (VOTES - 1)
    this.#scores.add(votes, this.#entries.size[entry] as number)
    this.#current = entry

    for (let i = 0; i < COUNT; i++) {
      if ((votes >>> i & 1) === 1) {
        (this.#experts[i] as Expert).touch(entry)
      }
    }

    this.#current = NONE
  }

  #look (): void {
    const best = this.#scores.best(this.#leader, i => this.#isUsed(i))

    if (best !== this.#leader) {
      this.#leader = best
      this.#init.led()
    }
  }

  #isUsed (i: number): boolean {
    return i !== INTERVAL || this.#thinned === 0
  }

  #isWatched (hash: number): boolean {
    return this.#thinned === 0 || (Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d) >>> (32 - this.#thinned)) === 0
  }

  #thin (): void {
    this.#thinned++
    this.#maxEntries = Math.min(this.#maxEntries, SAMPLED_ENTRIES)
    const entries = this.#entries

    for (let entry = 0; entry < entries.end; entry++) {
      if (entries.holders[entry] === 0 && entries.slot[entry] === NONE) {
        continue
      }

      if (this.#isWatched(entries.hash[entry] as number)) {
        this.#experts[INTERVAL]?.forget(entry)
      } else {
        this.#forget(entry)
      }
    }

    this.resize(this.#capacity)

    if (!this.#isUsed(this.#leader)) {
      this.#leader = BASELINE
      this.#look()
    }

    this.#init.led()
  }
}
