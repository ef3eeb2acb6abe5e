import { FrequencySketch } from './frequency-sketch.ts'
import { grown, NONE, SlotLists } from './slot-lists.ts'
import type { EvictionPolicy } from './eviction-policy.ts'
import type { Random } from '../../interface/clock.ts'

export interface AdaptivePolicyInit {
  /** In bytes */
  readonly capacity: number
  readonly random: Random
  /** The share for newcomers to begin with, in [0, 1]. @default 0.01 */
  readonly windowShare?: number
}

/** One hundredth is the best fixed window for traffic with a stable popularity, which is the most common */
const DEFAULT_WINDOW_SHARE = 0.01
/** Of the main part, for what was asked for again while in it: the share of segmented LRU */
const PROTECTED_SHARE = 0.8

const ABSENT = 0
const WINDOW = 1
const PROBATION = 2
const PROTECTED = 3
const FIRST_SLOTS = 64

export function adaptivePolicy (init: AdaptivePolicyInit): EvictionPolicy {
  return new AdaptivePolicy(init)
}

class AdaptivePolicy implements EvictionPolicy {
  #capacity: number
  #used = 0
  #count = 0
  #windowShare: number
  readonly #bytes = [0, 0, 0, 0]
  readonly #lists = new SlotLists(4)
  readonly #sketch = new FrequencySketch()
  #place = new Uint8Array(FIRST_SLOTS)
  #size = new Uint32Array(FIRST_SLOTS)
  #hash = new Uint32Array(FIRST_SLOTS)

  constructor (init: AdaptivePolicyInit) {
    this.#capacity = init.capacity
    this.#windowShare = init.windowShare ?? DEFAULT_WINDOW_SHARE
  }

  get capacity (): number {
    return this.#capacity
  }

  get used (): number {
    return this.#used
  }

  get windowBytes (): number {
    return Math.floor(this.#capacity * this.#windowShare)
  }

  hit (slot: number): void {
    const place = this.#placeOf(slot)

    if (place === ABSENT) {
      return
    }

    this.#sketch.add(this.#hash[slot] as number)
    this.#move(slot, place === WINDOW ? WINDOW : PROTECTED)

    const most = (this.#capacity - this.windowBytes) * PROTECTED_SHARE
    while ((this.#bytes[PROTECTED] as number) > most) {
      this.#move(this.#lists.oldest(PROTECTED), PROBATION)
    }
  }

  miss (hash: number): void {
    this.#sketch.add(hash >>> 0)
  }

  insert (slot: number, hash: number, size: number): number[] {
    this.remove(slot)

    if (size > this.#capacity) {
      return [slot]
    }

    this.#reserve(slot + 1)
    this.#hash[slot] = hash
    this.#size[slot] = size
    this.#used += size
    this.#count++
    this.#sketch.fit(this.#count)
    this.#enter(slot, WINDOW)
    return this.#shrink()
  }

  remove (slot: number): void {
    const place = this.#placeOf(slot)

    if (place !== ABSENT) {
      this.#leave(slot, place)
      this.#place[slot] = ABSENT
      this.#used -= this.#size[slot] as number
      this.#count--
    }
  }

  resize (capacity: number): number[] {
    this.#capacity = capacity
    return this.#shrink()
  }

  /** Newcomers beyond the window's share go on to the main part, if they are worth what has to go for them */
  #shrink (): number[] {
    const evicted: number[] = []

    while ((this.#bytes[WINDOW] as number) > this.windowBytes) {
      const candidate = this.#lists.oldest(WINDOW)

      if (this.#used <= this.#capacity) {
        this.#move(candidate, PROBATION)
      } else {
        this.#compete(candidate, evicted)
      }
    }

    while (this.#used > this.#capacity) {
      this.#evict(this.#oldest(), evicted)
    }

    return evicted
  }

  /** A candidate stays if it is asked for more often than all its victims together */
  #compete (candidate: number, evicted: number[]): void {
    const frequency = this.#sketch.estimate(this.#hash[candidate] as number)
    const excess = this.#used - this.#capacity
    const victims: number[] = []
    let freed = 0
    let theirs = 0
    let victim = this.#lists.oldest(PROBATION)
    let inProtected = false

    while (freed < excess && theirs < frequency) {
      if (victim === NONE && !inProtected) {
        inProtected = true
        victim = this.#lists.oldest(PROTECTED)
      }

      if (victim === NONE) {
        break
      }

      theirs += this.#sketch.estimate(this.#hash[victim] as number)
      freed += this.#size[victim] as number
      victims.push(victim)
      victim = this.#lists.newer(victim)
    }

    if (freed < excess || theirs >= frequency) {
      this.#evict(candidate, evicted)
      return
    }

    for (const loser of victims) {
      this.#evict(loser, evicted)
    }

    this.#move(candidate, PROBATION)
  }

  #oldest (): number {
    for (const place of [PROBATION, PROTECTED, WINDOW]) {
      const slot = this.#lists.oldest(place)

      if (slot !== NONE) {
        return slot
      }
    }

    throw new Error('bytes are in use, but no slot is')
  }

  #evict (slot: number, evicted: number[]): void {
    this.remove(slot)
    evicted.push(slot)
  }

  #placeOf (slot: number): number {
    return this.#place[slot] ?? ABSENT
  }

  #move (slot: number, place: number): void {
    this.#leave(slot, this.#placeOf(slot))
    this.#enter(slot, place)
  }

  #enter (slot: number, place: number): void {
    this.#place[slot] = place
    this.#lists.push(place, slot)
    this.#bytes[place] = (this.#bytes[place] as number) + (this.#size[slot] as number)
  }

  #leave (slot: number, place: number): void {
    this.#lists.unlink(place, slot)
    this.#bytes[place] = (this.#bytes[place] as number) - (this.#size[slot] as number)
  }

  #reserve (slots: number): void {
    this.#lists.reserve(slots)
    this.#place = grown(this.#place, slots)
    this.#size = grown(this.#size, slots)
    this.#hash = grown(this.#hash, slots)
  }
}
