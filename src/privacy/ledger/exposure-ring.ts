import type { DisclosureEntry } from '../../interface/disclosure.ts'

/** The newest entries, in the order in which they came: the oldest makes room, and what is too old goes */
export class ExposureRing {
  readonly #max: number
  readonly #maxAge: number
  readonly #entries: Array<DisclosureEntry | undefined> = []
  /** Monotonic, in step with the entries: a wall clock that is set back makes nothing older or younger */
  readonly #times: number[] = []
  #first = 0
  #size = 0

  constructor (max: number, maxAge: number) {
    this.#max = max
    this.#maxAge = maxAge
  }

  get size (): number {
    return this.#size
  }

  add (entry: DisclosureEntry, now: number): void {
    this.expire(now)

    if (this.#size === this.#max) {
      this.#drop()
    }
    const at = (this.#first + this.#size) % this.#max
    this.#entries[at] = entry
    this.#times[at] = now
    this.#size++
  }

  /** Forgets what is too old */
  expire (now: number): void {
    while (this.#size > 0 && now - (this.#times[this.#first] ?? 0) > this.#maxAge) {
      this.#drop()
    }
  }

  /** Puts older ones before those that are there */
  restore (older: ReadonlyArray<readonly [entry: DisclosureEntry, at: number]>, now: number): void {
    const all = [...older, ...[...this].map((entry, i): [DisclosureEntry, number] => [entry, this.#times[(this.#first + i) % this.#max] ?? now])]
    this.clear()
    all.slice(-this.#max).forEach(([entry, at]) => { this.add(entry, at) })
    this.expire(now)
  }

  clear (): void {
    this.#entries.length = 0
    this.#times.length = 0
    this.#first = 0
    this.#size = 0
  }

  /** Oldest first */
  * [Symbol.iterator] (): Generator<DisclosureEntry, void, undefined> {
    for (let i = 0; i < this.#size; i++) {
      const entry = this.#entries[(this.#first + i) % this.#max]
      if (entry != null) {
        yield entry
      }
    }
  }

  #drop (): void {
    this.#entries[this.#first] = undefined
    this.#first = (this.#first + 1) % this.#max
    this.#size--
  }
}
