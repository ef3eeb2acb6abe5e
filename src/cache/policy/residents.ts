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
}

/** The blocks that are here, at 16 bytes each and 9 or 10 more while they are ranked, and which of them a rule would let go */
export class Residents {
  readonly #components: ResidentsComponents
  #facts = new Uint32Array(FIRST_SLOTS * FACTS)
  #ranking: WorthLists | WorthChains | undefined
  #count = 0
  #used = 0

  constructor (components: ResidentsComponents) {
    this.#components = components
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
    this.#push(slot)
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
    this.#push(slot)
  }

  delete (slot: number): void {
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

  /** @returns the newcomer, if no other is asked for less often */
  leastFrequent (newcomer: number): number {
    const { sketch } = this.#components
    const frequency = (slot: number): number => sketch.estimate(this.hash(slot))
    const found = this.#least(slot => frequency(slot) - this.#age(slot) / 0x100000000)
    return this.has(newcomer) && frequency(found) >= frequency(newcomer) ? newcomer : found
  }

  #least (value: (slot: number) => number): number {
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
