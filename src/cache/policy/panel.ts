import { Entries } from './entries.ts'
import { Frequent } from './experts/frequent.ts'
import { Learned } from './experts/learned.ts'
import { LeastRecent } from './experts/least-recent.ts'
import { ShortInterval } from './experts/short-interval.ts'
import { Worthy } from './experts/worthy.ts'
import { KeySample } from './key-sample.ts'
import { canBeAsked, COUNT, EXPERTS, INTERVAL, LEARNED, VOTES } from './roster.ts'
import { BASELINE, Scores } from './scores.ts'
import { SizeSpread } from './size-spread.ts'
import { NONE } from './slot-lists.ts'
import type { Expert, ExpertComponents, Requests } from './experts/expert.ts'
import type { FrequencySketch } from './frequency-sketch.ts'
import type { ExpertName } from './roster.ts'

/** The worth of a request halves after so many times the blocks that are here: fashions change slower than leaders */
const FASHION = 100
/** Where sizes differ and fame has a class: of 5, 10 and 20, twenty hits less where popularity drifts */
const SIZED_FASHION = 10
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
  /** Another expert leads, or by other rules */
  led (): void
  /** What the one that learns makes of blocks has changed */
  rescored (): void
}

/**
 * Experts that each imagine the cache as they would run it, on the same requests; the one with the
 * most hits of late leads. What the experts keep is known key by key, so the cache can
 * become the leader's without any of them knowing of the others.
 */
export class Panel {
  readonly learned: Learned
  readonly #entries = new Entries()
  readonly #experts: readonly Expert[]
  readonly #init: PanelInit
  readonly #scores = new Scores(COUNT)
  readonly #sample = new KeySample()
  readonly #spread = new SizeSpread()
  #sized = false
  #leader = BASELINE
  #capacity: number
  #maxEntries: number
  /** Being worked on: not to be dropped, whoever releases it */
  #current = NONE

  constructor (init: PanelInit) {
    this.#init = init
    this.#capacity = init.capacity
    // Thinned to the end, one key is left
    this.#maxEntries = Math.max(2, init.maxEntries ?? DEFAULT_MAX_ENTRIES)
    this.learned = new Learned(this.#components(LEARNED))
    this.#experts = [...[LeastRecent, Worthy, Frequent, ShortInterval].map((Expert, i) => new Expert(this.#components(i))), this.learned]
    this.resize(init.capacity)
  }

  get leader (): ExpertName {
    return EXPERTS[this.#leader] as ExpertName
  }

  /** Only a sample of the keys is watched */
  get sampled (): boolean {
    return this.#sample.partial
  }

  /** Blocks differ in size */
  get sized (): boolean {
    return this.#sized
  }

  get windowShare (): number {
    return (this.#experts[this.#leader] as Expert).windowShare
  }

  /** @returns the experts that keep the block, as bits. Of two with one hash, only the later is known. */
  votes (slot: number, hash: number): number {
    const entry = this.#in(slot, hash)
    return entry === NONE ? 0 : (this.#entries.holders[entry] as number) & (VOTES - 1)
  }

  /** @returns the sets of experts, those with least to say first */
  order (): number[] {
    return this.#scores.order(this.#leader)
  }

  ask (hash: number, population: number): void {
    const { requests } = this.#init
    requests.halfLife = (this.#sized ? SIZED_FASHION : FASHION) * Math.max(population, MIN_POPULATION)
    this.#scores.pass(population)
    if (this.#sized && this.learned.pass(this.#scores.bytes(LEARNED))) {
      this.#init.rescored()
    }

    const entry = this.#find(hash)

    if (entry !== NONE) {
      this.#entries.ask(entry, requests)
      this.#score(entry)

      if (this.#entries.slot[entry] === NONE) {
        // They may have it when it has come
        this.#settle(entry)
      } else {
        this.#enter(entry, i => this.#isUsed(i))
      }
    }

    if (requests.now % INTERVAL_OF_LOOKS === 0) {
      this.#look()
    }
  }

  arrive (slot: number, hash: number, size: number): void {
    this.#spread.add(size)
    if (this.#spread.wide !== this.#sized) {
      this.#change(this.#spread.wide)
    }
    if (!this.#sample.has(hash)) {
      return
    }

    const { sketch, requests } = this.#init
    const entries = this.#entries
    let entry = entries.find(hash)

    if (entry !== NONE) {
      // Of two keys with one hash the later is watched: nobody keeps the other
      const other = entries.slot[entry] as number
      if (other !== NONE && other !== slot) {
        this.#init.moved(other, 0)
      }
      if (entries.size[entry] !== size) {
        this.#forget(entry)
        entry = NONE
      }
    }
    if (entry === NONE) {
      entry = entries.add(hash, size, requests.now, Math.max(1, sketch.estimate(hash)))
    }

    this.#enter(entry, i => this.#isUsed(i))
    entries.slot[entry] = slot

    // At, not above: one more would double the arrays
    while (entries.count >= this.#maxEntries) {
      this.#thin()
    }
  }

  /** Evicted: the experts may still imagine it here */
  evicted (slot: number, hash: number): void {
    const entry = this.#in(slot, hash)
    if (entry !== NONE) {
      this.#entries.slot[entry] = NONE
      this.#settle(entry)
    }
  }

  /** There is no such block any more, or it is not up to the cache whether it stays */
  removed (slot: number, hash: number): void {
    const entry = this.#in(slot, hash)
    if (entry !== NONE) {
      this.#forget(entry)
    }
  }

  resize (capacity: number): void {
    this.#capacity = capacity
    const share = capacity * this.#sample.share

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
    if (entry !== this.#current && !this.#entries.isKnown(entry)) {
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

  /** With those of some that do not keep it */
  #enter (entry: number, which: (expert: number) => boolean): void {
    const holders = this.#entries.holders[entry] as number
    this.#current = entry

    for (let i = 0; i < COUNT; i++) {
      if ((holders >>> i & 1) === 0 && which(i)) {
        (this.#experts[i] as Expert).enter(entry)
      }
    }

    this.#current = NONE
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

  #find (hash: number): number {
    return this.#sample.has(hash) ? this.#entries.find(hash) : NONE
  }

  #in (slot: number, hash: number): number {
    const entry = this.#find(hash)
    return entry !== NONE && this.#entries.slot[entry] === slot ? entry : NONE
  }

  #isUsed (i: number, sized = this.#sized): boolean {
    return canBeAsked(i, { sized, sampled: this.sampled })
  }

  /** Sizes differ from now on, or no longer: others are asked, who begin with what is here */
  #change (sized: boolean): void {
    const entries = this.#entries
    const here: number[] = []

    for (let entry = 0; entry < entries.end; entry++) {
      if (entries.slot[entry] !== NONE) {
        here.push(entry)
      }

      this.#experts.filter((_, i) => !this.#isUsed(i, sized)).forEach(expert => { expert.forget(entry) })
    }

    const age = (entry: number): number => (this.#init.requests.now - (entries.last[entry] as number)) >>> 0

    for (const entry of here.sort((a, b) => age(b) - age(a))) {
      this.#enter(entry, i => this.#isUsed(i, sized) && !this.#isUsed(i, !sized))
    }

    this.#sized = sized

    if (!this.#isUsed(this.#leader)) {
      this.#leader = sized ? LEARNED : BASELINE
    }

    this.#init.led()
  }

  #thin (): void {
    this.#sample.halve()
    this.#maxEntries = Math.min(this.#maxEntries, SAMPLED_ENTRIES)
    const entries = this.#entries

    for (let entry = 0; entry < entries.end; entry++) {
      if (!entries.isKnown(entry)) {
        continue
      }

      if (this.#sample.has(entries.hash[entry] as number)) {
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
