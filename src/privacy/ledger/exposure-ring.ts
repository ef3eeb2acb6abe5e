import type { DisclosureEntry, DisclosureInit, DisclosureState, Observer, PrivacyMode } from '../../interface/disclosure.ts'

/** Longest text kept of a name, twice the longest that is any: a peer id has 60 characters, a host name 253. Others write them, and a table of them must stay small. */
export const MAX_TEXT = 512

/** Of one entry, on average: a peer id, a key, a request and what else it says take some 200 */
const ENTRY_BYTES = 320
/** For any single entry, with six of the longest texts */
const LEAST_BYTES = 65_536
/** A character takes three bytes at most where a text counts it as one */
const CHARACTER_BYTES = 3
const TEXTS = 6
const ABSENT = 0xffff

const FORMS: ReadonlyArray<DisclosureInit['form']> = ['none', 'cid', 'multihash', 'prefix', 'hostname', 'peer']
const AUDIENCES: ReadonlyArray<DisclosureInit['audience']> = ['unbounded', 'one', 'many']
const MODES: readonly PrivacyMode[] = ['open', 'balanced', 'strict']
const STATES: readonly DisclosureState[] = ['intended', 'sent', 'not-sent', 'unknown']

const CANCELLED = 4

const encoder = new TextEncoder()
const decoder = new TextDecoder()

interface Columns {
  /** Monotonic: a wall clock that is set back makes nothing older or younger */
  readonly time: Float64Array
  readonly at: Float64Array
  readonly offset: Float64Array
  readonly length: Uint16Array
  readonly lengths: Uint16Array
  readonly codes: Uint8Array
  readonly state: Uint8Array
  readonly bytes: Uint8Array
}

/**
 * The newest entries, in the order in which they came: the oldest makes room, and
 * what is too old goes. They lie in a few buffers and not in the heap, where a
 * table that turns over all the time leaves a hundred megabytes of garbage.
 */
export class ExposureRing {
  readonly #max: number
  readonly #maxAge: number
  #columns: Columns | undefined
  #first = 1
  #next = 1
  /** Where the next text goes */
  #end = 0

  constructor (max: number, maxAge: number) {
    this.#max = max
    this.#maxAge = maxAge
  }

  get size (): number {
    return this.#next - this.#first
  }

  /** @returns its number: the first is 1, and none comes twice */
  add (entry: DisclosureEntry, now: number): number {
    this.expire(now)
    if (this.size === this.#max) {
      this.#first++
    }
    const columns = this.#columns ??= newColumns(this.#max)
    const texts = [cut(entry.observer), cut(entry.request), cut(entry.transport), cut(entry.purpose), cut(entry.key), cut(entry.client)]
    const text = texts.map(each => each ?? '').join('')
    const offset = this.#room(columns, text.length * CHARACTER_BYTES)
    const { written } = encoder.encodeInto(text, columns.bytes.subarray(offset))
    const number = this.#next++
    const i = number % this.#max

    this.#end = offset + written
    columns.time[i] = now
    columns.at[i] = entry.at
    columns.offset[i] = offset
    columns.length[i] = written
    texts.forEach((each, k) => { columns.lengths[i * TEXTS + k] = each?.length ?? ABSENT })
    columns.codes[i] = Math.max(0, FORMS.indexOf(entry.form)) | Math.max(0, AUDIENCES.indexOf(entry.audience)) << 3 | Math.max(0, MODES.indexOf(entry.mode)) << 5
    columns.state[i] = stateOf(entry)
    return number
  }

  /** It says something new, if it is still there */
  set (number: number, entry: DisclosureEntry): void {
    if (this.#has(number) && this.#columns != null) {
      this.#columns.state[number % this.#max] = stateOf(entry)
    }
  }

  /** The number of what comes next */
  get next (): number {
    return this.#next
  }

  /** It was taken back on the wire, if it is still there */
  cancel (number: number): void {
    if (this.#has(number) && this.#columns != null) {
      const i = number % this.#max
      this.#columns.state[i] = (this.#columns.state[i] ?? 0) | CANCELLED
    }
  }

  /** What is still open becomes `unknown`. @returns the numbers of those */
  abandon (): number[] {
    const { state = new Uint8Array() } = this.#columns ?? {}
    const open = [...this.numbers()].filter(number => ((state[number % this.#max] ?? 0) & 3) === 0)
    open.forEach(number => { state[number % this.#max] = (state[number % this.#max] ?? 0) | STATES.indexOf('unknown') })
    return open
  }

  get (number: number): DisclosureEntry | undefined {
    if (!this.#has(number) || this.#columns == null) {
      return undefined
    }
    const { at, offset, length, lengths, codes, state, bytes } = this.#columns
    const i = number % this.#max
    const start = offset[i] ?? 0
    const text = decoder.decode(bytes.subarray(start, start + (length[i] ?? 0)))
    let end = 0
    const [observer = '', request = '', transport = '', purpose = '', key, client] = Array.from(lengths.subarray(i * TEXTS, (i + 1) * TEXTS), length => {
      const begin = end
      end += length === ABSENT ? 0 : length
      return length === ABSENT ? undefined : text.slice(begin, end)
    })
    const code = codes[i] ?? 0
    const now = state[i] ?? 0

    return {
      observer: observer as Observer,
      request,
      transport,
      purpose,
      key,
      client,
      at: at[i] ?? 0,
      form: FORMS[code & 7] ?? 'none',
      audience: AUDIENCES[code >> 3 & 3] ?? 'unbounded',
      mode: MODES[code >> 5 & 3] ?? 'open',
      state: STATES[now & 3] ?? 'unknown',
      cancelled: (now & CANCELLED) !== 0
    }
  }

  /** Forgets what is too old */
  expire (now: number): void {
    while (this.size > 0 && now - (this.#columns?.time[this.#first % this.#max] ?? 0) > this.#maxAge) {
      this.#first++
    }
  }

  /** Puts older ones before those that are there. @returns by how much the numbers of these have grown */
  restore (older: ReadonlyArray<readonly [entry: DisclosureEntry, time: number]>, now: number): number {
    const first = this.#first
    const present = [...this.numbers()].map((number): [DisclosureEntry | undefined, number] => [this.get(number), this.#columns?.time[number % this.#max] ?? now])
    this.clear()
    older.slice(-this.#max).forEach(([entry, time]) => { this.add(entry, time) })
    const grown = this.#next - first

    for (const [entry, time] of present) {
      if (entry != null) {
        this.add(entry, time)
      }
    }
    this.expire(now)
    return grown
  }

  clear (): void {
    this.#first = this.#next
  }

  /** Oldest first */
  * numbers (): Generator<number, void, undefined> {
    for (let number = this.#first; number < this.#next; number++) {
      yield number
    }
  }

  #has (number: number): boolean {
    return number >= this.#first && number < this.#next
  }

  /** Where so many bytes are free: those whose texts lie there leave */
  #room ({ offset, bytes }: Columns, needed: number): number {
    const wraps = this.#end + needed > bytes.length
    const start = this.size === 0 || wraps ? 0 : this.#end

    while (this.size > 0) {
      const oldest = offset[this.#first % this.#max] ?? 0
      // those of the lap before are older than the ones that the next lap runs over
      const isInTheWay = wraps
        ? oldest >= this.#end || oldest < needed
        : oldest >= start && oldest < start + needed
      if (!isInTheWay) {
        break
      }
      this.#first++
    }
    return start
  }
}

function newColumns (max: number): Columns {
  return {
    time: new Float64Array(max),
    at: new Float64Array(max),
    offset: new Float64Array(max),
    length: new Uint16Array(max),
    lengths: new Uint16Array(max * TEXTS),
    codes: new Uint8Array(max),
    state: new Uint8Array(max),
    bytes: new Uint8Array(Math.max(LEAST_BYTES, max * ENTRY_BYTES))
  }
}

function cut (text: string | undefined): string | undefined {
  return text == null || text.length <= MAX_TEXT ? text : `${text.slice(0, MAX_TEXT - 1)}…`
}

function stateOf ({ state, cancelled }: DisclosureEntry): number {
  return Math.max(0, STATES.indexOf(state)) | (cancelled ? CANCELLED : 0)
}
