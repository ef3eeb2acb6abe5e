import { NONE, SlotLists } from '../slot-lists.ts'
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
  readonly #lists = new SlotLists(3)
  readonly #bytes = [0, 0, 0]
  #capacity = 0
  /** It was, so that whoever comes has to pass through the queue */
  #full = false

  constructor (components: ExpertComponents) {
    this.#components = components
  }

  touch (entry: number): void {
    if (this.#lists.of(entry) === SHORT) {
      this.#lists.push(SHORT, entry)
    } else {
      this.#move(entry, this.#isShort(entry) ? SHORT : NEWCOMERS)
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
      : !this.#full && (this.#bytes[SHORT] as number) + size <= this.#most

    this.#move(entry, short ? SHORT : NEWCOMERS)
    hold(entry)
    this.#shrink()
  }

  forget (entry: number): void {
    const list = this.#lists.of(entry)

    if (list !== NONE) {
      this.#take(entry, list)
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

    return oldest === NONE || (this.#bytes[SHORT] as number) + size <= this.#most ||
      age(requests.now, entries.previous[entry] as number) < age(requests.now, entries.last[oldest] as number)
  }

  #shrink (): void {
    while ((this.#bytes[SHORT] as number) > this.#most) {
      this.#move(this.#lists.oldest(SHORT), NEWCOMERS)
    }

    while ((this.#bytes[SHORT] as number) + (this.#bytes[NEWCOMERS] as number) > this.#capacity) {
      const entry = this.#lists.oldest(NEWCOMERS)
      this.#full = true
      this.#move(entry, GONE)
      this.#components.release(entry, true)
    }

    while ((this.#bytes[GONE] as number) > this.#capacity * MEMORY) {
      this.forget(this.#lists.oldest(GONE))
    }
  }

  #move (entry: number, list: number): void {
    const before = this.#lists.of(entry)

    if (before !== NONE) {
      this.#take(entry, before)
    }

    this.#bytes[list] = (this.#bytes[list] as number) + (this.#components.entries.size[entry] as number)
    this.#lists.push(list, entry)
  }

  #take (entry: number, list: number): void {
    this.#bytes[list] = (this.#bytes[list] as number) - (this.#components.entries.size[entry] as number)
  }
}

/** Requests since then; the count may wrap */
function age (now: number, then: number): number {
  return (now - then) >>> 0
}
