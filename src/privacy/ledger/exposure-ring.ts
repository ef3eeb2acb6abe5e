import type { DisclosureEntry, DisclosureInit, DisclosureState, Observer, PrivacyMode } from '../../interface/disclosure.ts'

/** Longest text kept of a name, twice the longest that is any: a peer id has 60 characters, a host name 253. Others write them, and a table of them must stay small. */
export const MAX_TEXT = 512

/** Texts of one entry: a peer id, a key, a request and what else it says take some 200. Longer ones lie apart. */
const ENTRY_BYTES = 320
const TEXTS = 6
const ABSENT = 0xffff

/** Entries whose texts are longer than most, as a part of all: host names and requests can be, a table full of them would be ten times as large */
const LONG = 1 / 16
const LEAST_LONG = 10

/**
 * The newest so many entries of an owner, as a part of all, which no busier owner pushes out. Of 10 000 they are 312: some twenty
 * reads with look-ups of a dozen hops, or all of a walk through a DHT.
 */
const SHARE = 1 / 32

/** Owners are counted by a hash that is another one in each process: with 10 000 of them one in seven shares its count with somebody */
const OWNERS = 65_536

const FORMS: ReadonlyArray<DisclosureInit['form']> = ['none', 'cid', 'multihash', 'prefix', 'hostname', 'peer']
const AUDIENCES: ReadonlyArray<DisclosureInit['audience']> = ['unbounded', 'one', 'many']
const MODES: readonly PrivacyMode[] = ['open', 'balanced', 'strict']
const STATES: readonly DisclosureState[] = ['intended', 'sent', 'not-sent', 'unknown']

const CANCELLED = 4

const encoder = new TextEncoder()
// what begins with a byte order mark keeps it: without it all that follows would begin one too early
const decoder = new TextDecoder('utf-8', { ignoreBOM: true })

interface Columns {
  /** Monotonic: a wall clock that is set back makes nothing older or younger */
  readonly time: Float64Array
  readonly at: Float64Array
  /** Of which entry it is; 0: of none */
  readonly number: Float64Array
  readonly owner: Uint16Array
  readonly length: Uint16Array
  readonly lengths: Uint16Array
  readonly codes: Uint8Array
  readonly state: Uint8Array
  readonly bytes: Uint8Array
}

/**
 * The newest entries: when it is full the oldest makes room, of those who have more than their share where there are any, and
 * what is too old goes. They lie in a few buffers and not in the heap, where a table that turns over all the time leaves a
 * hundred megabytes of garbage.
 */
export class ExposureRing {
  readonly #max: number
  readonly #maxAge: number
  readonly #share: number
  #columns: Columns | undefined
  /** Texts that are too long for their column, by place; the oldest first */
  readonly #long = new Map<number, Uint8Array>()
  /** Of each owner, how many entries there are */
  #held = new Uint32Array()
  /** Owners with more than their share */
  #busy = 0
  #next = 1
  #now = -Infinity
  readonly #salt: number

  /** @param salt - of the hash by which owners are counted: nobody can choose to be counted as somebody else */
  constructor (max: number, maxAge: number, salt: number = crypto.getRandomValues(new Uint32Array(1))[0] ?? 0) {
    this.#max = max
    this.#maxAge = maxAge
    this.#share = Math.floor(max * SHARE)
    this.#salt = salt
  }

  get size (): number {
    return this.#columns?.number.reduce((size, number) => size + (this.#has(number) ? 1 : 0), 0) ?? 0
  }

  /** @returns its number: the first is 1, none comes twice, and later ones are greater */
  add (entry: DisclosureEntry, now: number): number {
    this.expire(now)
    this.#spare()
    const number = this.#next++
    this.#put(number, entry, now)
    return number
  }

  /** It says something new, if it is still there */
  set (number: number, entry: DisclosureEntry): void {
    if (this.#has(number) && this.#columns != null) {
      this.#columns.state[number % this.#max] = stateOf(entry)
    }
  }

  /** The least number that what comes next can have */
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
    const open = this.numbers().filter(number => ((state[number % this.#max] ?? 0) & 3) === 0)
    open.forEach(number => { state[number % this.#max] = (state[number % this.#max] ?? 0) | STATES.indexOf('unknown') })
    return open
  }

  get (number: number): DisclosureEntry | undefined {
    if (!this.#has(number) || this.#columns == null) {
      return undefined
    }
    const { at, length, lengths, codes, state, bytes } = this.#columns
    const i = number % this.#max
    const text = decoder.decode(this.#long.get(i) ?? bytes.subarray(i * ENTRY_BYTES, i * ENTRY_BYTES + (length[i] ?? 0)))
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
    this.#now = Math.max(this.#now, now)
  }

  /** Puts older ones before those that are there, as many as there is room for. @returns by how much the numbers of these have grown */
  restore (older: ReadonlyArray<readonly [entry: DisclosureEntry, time: number]>, now: number): number {
    this.expire(now)
    const numbers = this.numbers()
    const present = numbers.map((number): [number, DisclosureEntry | undefined, number] => [number, this.get(number), this.#columns?.time[number % this.#max] ?? now])
    const first = numbers[0] ?? this.#next
    const room = Math.max(0, this.#max - (this.#next - first))
    const fitting = room === 0 ? [] : older.slice(-room)
    this.clear()
    fitting.forEach(([entry, time], i) => { this.#put(first + i, entry, time) })

    for (const [number, entry, time] of present) {
      if (entry != null) {
        this.#put(number + fitting.length, entry, time)
      }
    }
    this.#next += fitting.length
    return fitting.length
  }

  clear (): void {
    this.#columns?.number.fill(0)
    this.#held.fill(0)
    this.#long.clear()
    this.#busy = 0
  }

  /** Oldest first */
  numbers (): number[] {
    const { number = new Float64Array() } = this.#columns ?? {}
    return [...number.filter(each => this.#has(each)).sort()]
  }

  #has (number: number): boolean {
    const i = number % this.#max
    return number > 0 && this.#columns?.number[i] === number && this.#now - (this.#columns.time[i] ?? 0) <= this.#maxAge
  }

  /**
   * The place of the oldest that is nobody's share is the next to be taken: those before it keep theirs. As those who have more
   * than theirs have a 32nd of all at least, it is 32 steps for each entry on average, and none where nobody has.
   */
  #spare (): void {
    while (this.#busy > 0) {
      const i = this.#next % this.#max
      const number = this.#columns?.number[i] ?? 0

      if (!this.#has(number) || (this.#held[this.#columns?.owner[i] ?? 0] ?? 0) > this.#share) {
        return
      }
      this.#next++
    }
  }

  #put (number: number, entry: DisclosureEntry, time: number): void {
    const columns = this.#columns ??= newColumns(this.#max)
    const i = number % this.#max
    this.#drop(i)
    const texts = [cut(entry.observer), cut(entry.request), cut(entry.transport), cut(entry.purpose), cut(entry.key), cut(entry.client)]
    const text = texts.map(each => each ?? '').join('')
    const { read, written } = encoder.encodeInto(text, columns.bytes.subarray(i * ENTRY_BYTES, (i + 1) * ENTRY_BYTES))

    if (read < text.length) {
      this.#keepLong(i, text)
    }
    columns.number[i] = number
    columns.length[i] = written
    columns.time[i] = time
    columns.at[i] = entry.at
    texts.forEach((each, k) => { columns.lengths[i * TEXTS + k] = each?.length ?? ABSENT })
    columns.codes[i] = Math.max(0, FORMS.indexOf(entry.form)) | Math.max(0, AUDIENCES.indexOf(entry.audience)) << 3 | Math.max(0, MODES.indexOf(entry.mode)) << 5
    columns.state[i] = stateOf(entry)
    columns.owner[i] = this.#ownerOf(entry)
    this.#count(columns.owner[i] ?? 0, 1)
  }

  #drop (i: number): void {
    const { number, owner } = this.#columns ?? {}

    if (number?.[i] !== undefined && number[i] !== 0) {
      number[i] = 0
      this.#long.delete(i)
      this.#count(owner?.[i] ?? 0, -1)
    }
  }

  #keepLong (i: number, text: string): void {
    const [oldest] = this.#long.keys()

    if (oldest != null && this.#long.size >= Math.max(LEAST_LONG, Math.floor(this.#max * LONG))) {
      this.#drop(oldest)
    }
    this.#long.set(i, encoder.encode(text))
  }

  #count (owner: number, change: 1 | -1): void {
    if (this.#held.length === 0) {
      this.#held = new Uint32Array(OWNERS)
    }
    const before = this.#held[owner] ?? 0
    const after = before + change
    this.#held[owner] = after

    if (this.#share > 0 && Math.max(before, after) === this.#share + 1 && Math.min(before, after) === this.#share) {
      this.#busy += change
    }
  }

  /** Whose share an entry is: of the client who asked, of the peer who was served, of one read of this node's own, or of all else that it does */
  #ownerOf ({ client, purpose, observer, request }: DisclosureEntry): number {
    if (client != null) {
      return this.#hash(client, 1)
    }
    return purpose === 'read' ? this.#hash(request, 2) : purpose === 'serve' ? this.#hash(observer, 3) : this.#hash(purpose, 4)
  }

  /** FNV-1a over a kind and what is kept of a text: as a part of the salt, the kind would be undone by the first character */
  #hash (text: string, kind: number): number {
    let hash = Math.imul(this.#salt ^ kind, 0x01000193)

    for (let i = 0; i < text.length && i < MAX_TEXT; i++) {
      hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193)
    }
    return (hash ^ hash >>> 16) & (OWNERS - 1)
  }
}

function newColumns (max: number): Columns {
  return {
    time: new Float64Array(max),
    at: new Float64Array(max),
    number: new Float64Array(max),
    owner: new Uint16Array(max),
    length: new Uint16Array(max),
    lengths: new Uint16Array(max * TEXTS),
    codes: new Uint8Array(max),
    state: new Uint8Array(max),
    bytes: new Uint8Array(max * ENTRY_BYTES)
  }
}

function cut (text: string | undefined): string | undefined {
  return text == null || text.length <= MAX_TEXT ? text : `${text.slice(0, MAX_TEXT - 1)}…`
}

function stateOf ({ state, cancelled }: DisclosureEntry): number {
  return Math.max(0, STATES.indexOf(state)) | (cancelled ? CANCELLED : 0)
}
