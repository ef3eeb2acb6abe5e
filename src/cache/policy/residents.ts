import { grown, NONE } from './slot-lists.ts'
import { faded, fading, worth } from './worth.ts'
import type { Requests } from './experts/expert.ts'
import type { FrequencySketch } from './frequency-sketch.ts'
import type { Random } from '../../interface/clock.ts'

const FIRST_SLOTS = 64
/** The facts of a slot stand together: of a million, each that is drawn is a line of memory that no cache holds */
const FACTS = 4
const HASH = 0
const SIZE = 1
const LAST = 2
/** Zero: nothing is here */
const FREQUENCY = 3
/** Of a frequency, which is a fraction */
const STEPS = 256
const MAX_STEPS = 0xffffff

/** For an eviction */
const DRAWN = 48
/** Slots that are free cost a draw: after so many for one that is needed, those that are there are searched in turn */
const TRIES = 8

export interface ResidentsComponents {
  readonly random: Random
  readonly requests: Requests
  readonly sketch: FrequencySketch
}

/** The blocks that are here, at 16 bytes each, and which of them a rule would let go */
export class Residents {
  readonly #components: ResidentsComponents
  #facts = new Uint32Array(FIRST_SLOTS * FACTS)
  #end = 0
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
    const frequency = faded(this.#facts[at + FREQUENCY] as number, this.#age(slot), halfLife) + STEPS
    this.#facts[at + FREQUENCY] = Math.min(MAX_STEPS, Math.round(frequency))
    this.#facts[at + LAST] = now
  }

  add (slot: number, hash: number, size: number): void {
    const { requests, sketch } = this.#components
    const at = slot * FACTS
    this.#facts = grown(this.#facts, at + FACTS)
    this.#facts[at + HASH] = hash
    this.#facts[at + SIZE] = size
    this.#facts[at + LAST] = requests.now
    this.#facts[at + FREQUENCY] = Math.max(1, sketch.estimate(hash)) * STEPS
    this.#end = Math.max(this.#end, slot + 1)
    this.#used += size
    this.#count++
  }

  delete (slot: number): void {
    this.#facts[slot * FACTS + FREQUENCY] = 0
    this.#used -= this.#facts[slot * FACTS + SIZE] as number
    this.#count--
  }

  longestUnasked (): number {
    return this.#draw(slot => -this.#age(slot))
  }

  leastWorthy (): number {
    const { halfLife } = this.#components.requests

    return this.#draw(slot => {
      const at = slot * FACTS
      return worth(this.#facts[at + FREQUENCY] as number, this.#facts[at + SIZE] as number) - fading(this.#age(slot), halfLife)
    })
  }

  /** @returns the newcomer, if no other is asked for less often */
  leastFrequent (newcomer: number): number {
    const { sketch } = this.#components
    const frequency = (slot: number): number => sketch.estimate(this.hash(slot))
    const found = this.#draw(slot => frequency(slot) - this.#age(slot) / 0x100000000)
    return this.has(newcomer) && frequency(found) >= frequency(newcomer) ? newcomer : found
  }

  /** @returns of some drawn by lot the one with the least value */
  #draw (value: (slot: number) => number): number {
    let least = Infinity
    let found = NONE

    for (let i = 0; i < DRAWN; i++) {
      const slot = this.#any()
      const its = value(slot)

      if (its < least) {
        least = its
        found = slot
      }
    }

    return found
  }

  #any (): number {
    let slot = 0

    for (let i = 0; i < TRIES; i++) {
      slot = Math.floor(this.#components.random.next() * this.#end)

      if (this.has(slot)) {
        return slot
      }
    }

    while (!this.has(slot)) {
      slot = (slot + 1) % this.#end
    }

    return slot
  }

  #age (slot: number): number {
    return (this.#components.requests.now - (this.#facts[slot * FACTS + LAST] as number)) >>> 0
  }
}
