import { SizedLists } from '../sized-lists.ts'
import { NONE } from '../slot-lists.ts'
import type { Expert, ExpertComponents } from './expert.ts'

/** Asked for twice within a short interval: they stay */
const SHORT = 0
/** In the queue of newcomers */
const NEWCOMERS = 1
/** Went not long ago: the next request tells their interval */
const GONE = 2

/**
 * For newcomers. They only have to live until they are asked for again if that comes at
 * once, as the interval of those that went is known too; what they take away is lost on loops.
 */
const NEWCOMER_SHARE = 0.02

/** Of the capacity, in bytes, that those that went are remembered for: a loop of three times the cache is still recognised */
const MEMORY = 2

/**
 * Keeps what is asked for again within the shortest interval (LIRS, with the recency stack
 * replaced by comparing times, which is the same). A scan or a loop larger than the cache
 * leaves what it keeps in peace: of a loop it holds as much as fits, at once.
 */
export class ShortInterval implements Expert {
  readonly windowShare = NEWCOMER_SHARE
  readonly #components: ExpertComponents
  readonly #lists: SizedLists
  #capacity = 0
  /** It was, so that whoever comes has to pass through the queue */
  #full = false

  constructor (components: ExpertComponents) {
    this.#components = components
    this.#lists = new SizedLists(3, components.entries)
  }

  touch (entry: number): void {
    if (this.#lists.of(entry) === SHORT) {
      this.#lists.push(SHORT, entry)
    } else {
      this.#lists.push(this.#isShort(entry) ? SHORT : NEWCOMERS, entry)
      this.#shrink()
    }
  }

  enter (entry: number): void {
    const { entries, hold } = this.#components
    const size = entries.size[entry] as number

    if (size > this.#capacity) {
      return
    }

    const short = this.#lists.of(entry) === GONE
      ? this.#isShort(entry)
      : !this.#full && this.#lists.bytes(SHORT) + size <= this.#most

    this.#lists.push(short ? SHORT : NEWCOMERS, entry)
    hold(entry)
    this.#shrink()
  }

  forget (entry: number): void {
    if (this.#lists.of(entry) !== NONE) {
      this.#lists.unlink(entry)
      this.#components.release(entry)
    }
  }

  resize (capacity: number): void {
    this.#full &&= capacity <= this.#capacity
    this.#capacity = capacity
    this.#shrink()
  }

  /** In bytes, of those with a short interval */
  get #most (): number {
    return this.#capacity * (1 - NEWCOMER_SHARE)
  }

  /** Its interval is shorter than the time since the longest unasked of those that stay was asked for */
  #isShort (entry: number): boolean {
    const { entries, requests } = this.#components
    const size = entries.size[entry] as number
    const oldest = this.#lists.oldest(SHORT)

    if (size > this.#most) {
      return false
    }

    return oldest === NONE || this.#lists.bytes(SHORT) + size <= this.#most ||
      age(requests.now, entries.previous[entry] as number) < age(requests.now, entries.last[oldest] as number)
  }

  #shrink (): void {
    while (this.#lists.bytes(SHORT) > this.#most) {
      this.#lists.push(NEWCOMERS, this.#lists.oldest(SHORT))
    }

    while (this.#lists.bytes(SHORT) + this.#lists.bytes(NEWCOMERS) > this.#capacity) {
      const entry = this.#lists.oldest(NEWCOMERS)
      this.#full = true
      this.#lists.push(GONE, entry)
      this.#components.release(entry, true)
    }

    while (this.#lists.bytes(GONE) > this.#capacity * MEMORY) {
      this.forget(this.#lists.oldest(GONE))
    }
  }
}

/** Requests since then; the count may wrap */
function age (now: number, then: number): number {
  return (now - then) >>> 0
}
