import { WINDOW_SHARE } from './experts/frequent.ts'
import { classAtFirst, classOfFame } from './reuse-model.ts'
import { grown, NONE } from './slot-lists.ts'
import { faded, fading, worth } from './worth.ts'
import { WorthChains } from './worth-chains.ts'
import { WorthLists } from './worth-lists.ts'
import type { Requests } from './experts/expert.ts'
import type { FrequencySketch } from './frequency-sketch.ts'

const FIRST_SLOTS = 64
/** The facts of a slot stand together: of a million, each that is looked at is a line of memory that no cache holds */
const FACTS = 4
const HASH = 0
const SIZE = 1
const LAST = 2
/** Zero: nothing is here */
const FREQUENCY = 3
/** Of a frequency, which is a fraction */
const STEPS = 256
const MAX_STEPS = 0xffffff
/** Above the frequency: the class that the model of reuse has for it */
const CLASS = 0x1000000

/** Tells what a block of a class and an age is worth, whatever its size */
export interface Learned {
  readonly sizePower: number
  worth (of: number, age: number): number
}

export interface ResidentsComponents {
  readonly requests: Requests
  readonly sketch: FrequencySketch
  readonly learned: Learned
  /** In bytes */
  readonly capacity: number
}

/** The blocks that are here, at 16 bytes each and 9 or 10 more while they are ranked, and which of them a rule would let go */
export class Residents {
  readonly #components: Omit<ResidentsComponents, 'capacity'>
  #facts = new Uint32Array(FIRST_SLOTS * FACTS)
  #ranking: WorthLists | WorthChains | undefined
  #count = 0
  #used = 0
  #capacity: number
  /** Of newcomers that nobody was compared with, in bytes */
  #new = 0

  constructor ({ capacity, ...components }: ResidentsComponents) {
    this.#components = components
    this.#capacity = capacity
  }

  get count (): number {
    return this.#count
  }

  /** In bytes */
  get used (): number {
    return this.#used
  }

  has (slot: number): boolean {
    return (this.#facts[slot * FACTS + FREQUENCY] ?? 0) > 0
  }

  hash (slot: number): number {
    return this.#facts[slot * FACTS + HASH] as number
  }

  touch (slot: number): void {
    const { now, halfLife } = this.#components.requests
    const at = slot * FACTS
    const frequency = Math.min(MAX_STEPS, Math.round(faded(this.#steps(slot), this.#age(slot), halfLife) + STEPS))
    this.#facts[at + FREQUENCY] = frequency + classOfFame(frequency / STEPS) * CLASS
    this.#facts[at + LAST] = now

    if (this.#isNewcomer(slot)) {
      this.#newcomers?.pushNewcomer(slot)
    } else {
      this.#push(slot)
    }
  }

  add (slot: number, hash: number, size: number): void {
    const { requests, sketch } = this.#components
    const at = slot * FACTS
    this.#facts = grown(this.#facts, at + FACTS)
    this.#facts[at + HASH] = hash
    this.#facts[at + SIZE] = size
    this.#facts[at + LAST] = requests.now
    this.#facts[at + FREQUENCY] = Math.max(1, sketch.estimate(hash)) * STEPS + classAtFirst(size) * CLASS
    this.#used += size
    this.#count++

    if (this.#newcomers === undefined) {
      this.#push(slot)
    } else {
      this.#newcomers.pushNewcomer(slot)
      this.#new += size

      if (this.#used <= this.#capacity) {
        this.#settleLeaving()
      }
    }
  }

  resize (capacity: number): void {
    this.#capacity = capacity
  }

  delete (slot: number): void {
    if (this.#isNewcomer(slot)) {
      this.#new -= this.#facts[slot * FACTS + SIZE] as number
    }

    this.#facts[slot * FACTS + FREQUENCY] = 0
    this.#used -= this.#facts[slot * FACTS + SIZE] as number
    this.#count--
    this.#ranking?.unlink(slot)
  }

  /**
   * From now on they can be asked who goes first.
   *
   * @param sized - they differ in size: by what was learnt, by worth otherwise
   */
  rank (sized: boolean): void {
    if (this.#ranking !== undefined && this.#ranking instanceof WorthChains === sized) {
      return
    }

    const slots: number[] = []

    for (let slot = 0; slot * FACTS < this.#facts.length; slot++) {
      if (this.has(slot)) {
        slots.push(slot)
      }
    }

    const { learned } = this.#components
    this.#new = 0
    this.#ranking = sized ? new WorthChains(slot => learned.worth(this.#class(slot), this.#age(slot)), learned.sizePower) : new WorthLists()

    for (const slot of slots.sort((a, b) => this.#age(b) - this.#age(a))) {
      this.#push(slot)
    }
  }

  /** What they are worth has changed */
  rescore (): void {
    if (this.#ranking instanceof WorthChains) {
      this.#ranking.rescore(this.#components.learned.sizePower)
    }
  }

  leastLearned (): number {
    return this.#ranking instanceof WorthChains ? this.#ranking.least() : NONE
  }

  longestUnasked (): number {
    return this.#least(slot => -this.#age(slot))
  }

  leastWorthy (): number {
    const { halfLife } = this.#components.requests
    return this.#least(slot => this.#worth(slot) - fading(this.#age(slot), halfLife))
  }

  /**
   * Newcomers have time to be asked for again: they are compared when they leave the window, and go
   * unless they are asked for more often than the one that would have to.
   */
  leastFrequent (): number {
    const { sketch } = this.#components
    const frequency = (slot: number): number => sketch.estimate(this.hash(slot))
    const candidate = this.#leaving()
    const found = this.#newcomers?.leastBy(slot => frequency(slot) - this.#age(slot) / 0x100000000, { newcomers: false }) ?? NONE

    if (found === NONE) {
      return this.#newcomers?.oldestNewcomer() ?? NONE
    }
    if (candidate === NONE) {
      return found
    }
    if (frequency(found) >= frequency(candidate)) {
      return candidate
    }

    this.#settle(candidate)
    return found
  }

  get #newcomers (): WorthLists | undefined {
    return this.#ranking instanceof WorthLists ? this.#ranking : undefined
  }

  #isNewcomer (slot: number): boolean {
    return this.#newcomers?.isNewcomer(slot) === true
  }

  /** @returns the newcomer that the window has no room for, or NONE. One is always in it. */
  #leaving (): number {
    const oldest = this.#newcomers?.oldestNewcomer() ?? NONE
    return oldest !== NONE && this.#new > Math.max(this.#capacity * WINDOW_SHARE, this.#facts[oldest * FACTS + SIZE] as number) ? oldest : NONE
  }

  /** It is like all others from now on */
  #settle (slot: number): void {
    this.#new -= this.#facts[slot * FACTS + SIZE] as number
    this.#push(slot)
  }

  /** Compared with nobody */
  #settleLeaving (): void {
    for (let slot = this.#leaving(); slot !== NONE; slot = this.#leaving()) {
      this.#settle(slot)
    }
  }

  #least (value: (slot: number) => number): number {
    this.#settleLeaving()
    return this.#ranking?.leastBy(value) ?? NONE
  }

  #push (slot: number): void {
    if (this.#ranking instanceof WorthChains) {
      this.#ranking.push(slot, this.#class(slot), this.#facts[slot * FACTS + SIZE] as number)
    } else {
      this.#ranking?.push(slot, this.#worth(slot))
    }
  }

  #worth (slot: number): number {
    return worth(this.#steps(slot) / STEPS, this.#facts[slot * FACTS + SIZE] as number)
  }

  #steps (slot: number): number {
    return (this.#facts[slot * FACTS + FREQUENCY] as number) % CLASS
  }

  #class (slot: number): number {
    return Math.floor((this.#facts[slot * FACTS + FREQUENCY] as number) / CLASS)
  }

  #age (slot: number): number {
    return (this.#components.requests.now - (this.#facts[slot * FACTS + LAST] as number)) >>> 0
  }
}
