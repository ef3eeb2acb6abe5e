import { grown, NONE } from './slot-lists.ts'
import { faded, fading, worth } from './worth.ts'
import type { Requests } from './experts/expert.ts'
import type { FrequencySketch } from './frequency-sketch.ts'
import type { Random } from '../../interface/clock.ts'

const FIRST_SLOTS = 64
/** Steps of a frequency, which is kept in 16 bits */
const STEPS = 16
const MAX_STEPS = 0xffff
/** For an eviction; half of what an expert draws, since a million blocks are in no processor's cache */
const DRAWN = 32
/** Slots that are free cost a draw: after so many for one that is needed, those that are there are searched in turn */
const TRIES = 8

export interface ResidentsComponents {
  readonly random: Random
  readonly requests: Requests
  readonly sketch: FrequencySketch
}

/** The blocks that are here, at 14 bytes each, and which of them a rule would let go */
export class Residents {
  readonly #components: ResidentsComponents
  #hash = new Uint32Array(FIRST_SLOTS)
  #size = new Uint32Array(FIRST_SLOTS)
  #last = new Uint32Array(FIRST_SLOTS)
  /** Zero: nothing is here */
  #frequency = new Uint16Array(FIRST_SLOTS)
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
    return (this.#frequency[slot] ?? 0) > 0
  }

  hash (slot: number): number {
    return this.#hash[slot] as number
  }

  touch (slot: number): void {
    const { now, halfLife } = this.#components.requests
    const frequency = faded(this.#frequency[slot] as number, (now - (this.#last[slot] as number)) >>> 0, halfLife) + STEPS
    this.#frequency[slot] = Math.min(MAX_STEPS, Math.round(frequency))
    this.#last[slot] = now
  }

  add (slot: number, hash: number, size: number): void {
    this.#hash = grown(this.#hash, slot + 1)
    this.#size = grown(this.#size, slot + 1)
    this.#last = grown(this.#last, slot + 1)
    this.#frequency = grown(this.#frequency, slot + 1)
    this.#hash[slot] = hash
    this.#size[slot] = size
    this.#last[slot] = this.#components.requests.now
    this.#frequency[slot] = Math.max(1, this.#components.sketch.estimate(hash)) * STEPS
    this.#end = Math.max(this.#end, slot + 1)
    this.#used += size
    this.#count++
  }

  delete (slot: number): void {
    this.#frequency[slot] = 0
    this.#used -= this.#size[slot] as number
    this.#count--
  }

  longestUnasked (): number {
    return this.#draw(slot => -this.#age(slot))
  }

  leastWorthy (): number {
    const { halfLife } = this.#components.requests
    return this.#draw(slot => worth((this.#frequency[slot] as number) / STEPS, this.#size[slot] as number) - fading(this.#age(slot), halfLife))
  }

  /** @returns the newcomer, if no other is asked for less often */
  leastFrequent (newcomer: number): number {
    const { sketch } = this.#components
    const frequency = (slot: number): number => sketch.estimate(this.#hash[slot] as number)
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
    return (this.#components.requests.now - (this.#last[slot] as number)) >>> 0
  }
}
