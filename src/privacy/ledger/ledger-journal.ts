import { raceSignal } from '../../clock/race-signal.ts'
import { jittered } from '../../clock/random.ts'
import { Turns } from '../../clock/turns.ts'
import { COUNTS, PREFIX, chunkKey, commit, erase, freeName, nameOf, valueOf } from './journal-keys.ts'
import { decodeChunk, decodeCounts, encodeChunk, encodeCounts, identity, newest } from './journal-chunk.ts'
import { Pseudonyms } from './pseudonyms.ts'
import type { KeptCounts } from './journal-chunk.ts'
import type { Clock, Random } from '../../interface/clock.ts'
import type { JournalStats } from '../../interface/ledger.ts'
import type { ComponentLogger, Logger } from '../../interface/logger.ts'
import type { Exposure } from '../../interface/privacy.ts'
import type { Datastore, Key } from 'interface-datastore'

export interface JournalComponents {
  readonly clock: Clock
  readonly random: Random
  readonly logger: ComponentLogger
  readonly datastore: Datastore
}

export interface JournalInit {
  readonly raw: boolean
  readonly maxEntries: number
  readonly maxAge: number
  /** What an entry says, as it is now; undefined when it has left */
  exposure (number: number): Exposure | undefined
  counts (): KeptCounts
  /** What earlier runs left; called once, before the first write. @returns by how much the numbers of entries have grown */
  restored (counts: KeptCounts | undefined, exposures: readonly Exposure[]): number
}

interface Chunk {
  readonly key: Key
  readonly entries: number
  /** Wall clock, in ms, of the newest; never later than now */
  newest: number
}

/** What a crash may lose, in ms; a tenth of a second of work for the busiest node */
export const WRITE_INTERVAL = 10_000

/** Half of what the common supervisors give a process to stop in */
const TIMEOUT = 5_000

/** About 100 KB: the last one is written again with each tick until it is full */
const CHUNK_ENTRIES = 500

/** Of one interval, the newest: a busy gateway has more, and would not keep the oldest for long anyway */
const MAX_RAW = 10_000
/** Each takes two new pseudonyms, and those 20 µs: half a percent of a core at most */
const MAX_NAMED = 2_000

/** A pseudonym links what was disclosed within a day at most, in ms */
const KEY_LIFE = 86_400_000

/** Of the age at which entries go, what a chunk may span: it goes as a whole */
const SPAN = 1 / 24

/** The ledger in the node's datastore: worth having, never worth failing or waiting for */
export class LedgerJournal {
  readonly #components: JournalComponents
  readonly #init: JournalInit
  readonly #log: Logger
  readonly #turns: Turns
  #pseudonyms = new Pseudonyms()
  #keyedAt: number
  #pending = new Set<number>()
  /** Those before, once there were as many as are written */
  #before = new Set<number>()
  readonly #maxPending: number
  /** Counted since the last write, or said anything new */
  #isDirty = false
  #chunks: Chunk[] = []
  /** What is in the last chunk; with the next key, or when it is full, another one begins */
  #head: Exposure[] = []
  #lastName = 0
  #isLoaded = false
  #dropped = 0
  #failedWrites = 0
  #isFailing = false
  #cancelTick: () => void = () => {}
  /** One write at a time; never rejects */
  #writing: Promise<void> = Promise.resolve()

  constructor (components: JournalComponents, init: JournalInit) {
    this.#components = components
    this.#init = init
    this.#log = components.logger.forComponent('portolan:privacy:ledger')
    this.#turns = new Turns(components.clock)
    this.#keyedAt = components.clock.now()
    this.#maxPending = init.raw ? MAX_RAW : MAX_NAMED
  }

  stats (): JournalStats {
    return { raw: this.#init.raw, chunks: this.#chunks.length, entries: this.#entries, dropped: this.#dropped, failedWrites: this.#failedWrites }
  }

  /** Something is counted; the entry of that number is there, or says something new. 0: it is only counted */
  changed (number: number): void {
    this.#isDirty = true

    if (number > 0) {
      if (this.#pending.size >= this.#maxPending) {
        this.#before = this.#pending
        this.#pending = new Set()
      }
      this.#pending.add(number)
    }
  }

  /** Reads what was kept, and writes what changes from now on. Never rejects, and bounded by itself. */
  async start (): Promise<void> {
    await this.#inTurn(async () => {})
    this.#tick()
  }

  /** Bounded by itself */
  async stop (): Promise<void> {
    this.#cancelTick()
    this.#cancelTick = () => {}
    await this.#inTurn(async signal => { await this.#write(signal) })
  }

  /** What lies in the datastore, oldest first: pseudonyms where names were not kept as they are */
  async * kept (options: { signal?: AbortSignal } = {}): AsyncGenerator<Exposure, void, undefined> {
    const { clock, datastore } = this.#components

    for (const { key } of [...this.#chunks]) {
      using timeout = clock.timeout(TIMEOUT)
      const signal = options.signal == null ? timeout.signal : AbortSignal.any([options.signal, timeout.signal])
      // one that is gone meanwhile was too old
      const value = await raceSignal(valueOf(datastore, key, signal), signal)
      yield * (value == null ? undefined : this.#decoded(key, value)?.exposures) ?? []
    }
  }

  get #entries (): number {
    return this.#chunks.reduce((sum, { entries }) => sum + entries, 0)
  }

  #tick (): void {
    this.#cancelTick()
    const { clock, random } = this.#components
    const cancel = clock.schedule(jittered(WRITE_INTERVAL, random), () => {
      void this.#inTurn(async signal => { await this.#write(signal) }).finally(() => {
        // a stop, or a stop and a start, has taken over meanwhile
        if (this.#cancelTick === cancel) {
          this.#tick()
        }
      })
    })
    this.#cancelTick = cancel
  }

  /** What could not be read is not written over: without it there is no number for what comes next, and no sum */
  async #inTurn (step: (signal: AbortSignal) => Promise<void>): Promise<void> {
    const turn = this.#writing.then(async () => {
      using timeout = this.#components.clock.timeout(TIMEOUT)
      try {
        if (!this.#isLoaded) {
          await raceSignal(this.#load(timeout.signal), timeout.signal)
        }
        await step(timeout.signal)
        this.#isFailing = false
      } catch (err) {
        this.#failedWrites++
        if (!this.#isFailing) {
          this.#isFailing = true
          this.#log.error('the ledger cannot be kept for now, and reads go on - %e', err)
        }
      }
    })
    this.#writing = turn
    await turn
  }

  async #load (signal: AbortSignal): Promise<void> {
    const { datastore } = this.#components
    const found = new Map<string, Exposure>()
    const chunks: Chunk[] = []
    const unwanted: Key[] = []
    let counts: KeptCounts | undefined

    for await (const { key, value } of datastore.query({ prefix: `${PREFIX}/` }, { signal })) {
      signal.throwIfAborted()

      if (key.toString() === COUNTS.toString()) {
        counts = this.#attempt(key, () => decodeCounts(value))
        continue
      }
      const chunk = nameOf(key) == null ? undefined : this.#decoded(key, value)
      if (chunk == null || (chunk.raw && !this.#init.raw)) {
        // names that nobody wants to be kept any more, or what is no piece of a ledger
        unwanted.push(key)
        continue
      }
      chunks.push({ key, entries: chunk.exposures.length, newest: newest(chunk.exposures) })
      if (chunk.raw) {
        chunk.exposures.forEach(exposure => { found.set(identity(exposure), exposure) })
      }
    }
    await erase(datastore, unwanted, signal)
    signal.throwIfAborted()
    this.#chunks = chunks.sort((a, b) => (nameOf(a.key) ?? 0) - (nameOf(b.key) ?? 0))
    this.#lastName = nameOf(this.#chunks.at(-1)?.key) ?? 0
    this.#isLoaded = true
    const grown = this.#init.restored(counts, [...found.values()].sort((a, b) => a.at - b.at))
    this.#pending = new Set([...this.#pending].map(number => number + grown))
    this.#before = new Set([...this.#before].map(number => number + grown))
  }

  async #write (signal: AbortSignal): Promise<void> {
    const expired = this.#expired()

    if (!this.#isDirty && expired.length === 0) {
      return
    }
    const pending = [...new Set([...this.#before, ...this.#pending])].sort((a, b) => a - b).slice(-this.#maxPending)
    this.#pending = new Set()
    this.#before = new Set()
    this.#isDirty = false

    try {
      const { chunks, head, writes } = await this.#appended(pending, signal)
      const retired = this.#retired(chunks, expired)
      await erase(this.#components.datastore, this.#init.raw ? expired.map(({ key }) => key) : [], signal)
      await commit(this.#components.datastore, [...writes, ...retired.map(({ key }): [Key] => [key]), [COUNTS, encodeCounts(this.#init.counts())]], signal)
      const last = chunks.at(-1)
      this.#chunks = chunks.filter(chunk => !retired.includes(chunk))
      this.#head = last == null || retired.includes(last) ? [] : head
    } catch (err) {
      this.#isDirty = true
      this.#before = new Set([...pending, ...this.#before])
      throw err
    }
  }

  /** What comes of the chunks when these are added to them: nothing is changed until it is written */
  async #appended (pending: Iterable<number>, signal: AbortSignal): Promise<{ chunks: Chunk[], head: Exposure[], writes: Array<[Key, Uint8Array]> }> {
    const { raw, exposure } = this.#init
    const chunks = [...this.#chunks]
    const writes: Array<[Key, Uint8Array]> = []
    const pause = this.#turns.walk(signal)
    const goesOn = this.#goesOn()
    let head = goesOn ? [...this.#head] : []
    let last = goesOn ? chunks.pop() : undefined
    let isChanged = false

    const close = (): void => {
      const key = last?.key ?? this.#nextKey()
      chunks.push(isChanged || last == null ? { key, entries: head.length, newest: newest(head) } : last)
      if (isChanged) {
        writes.push([key, encodeChunk({ raw, exposures: head })])
      }
    }

    for (const number of pending) {
      const entry = exposure(number)
      if (entry == null) {
        continue
      }
      if (head.length >= CHUNK_ENTRIES) {
        close()
        head = []
        last = undefined
      }
      head.push(this.#named(entry))
      isChanged = true
      await pause()
    }
    if (head.length > 0) {
      close()
    }
    return { chunks, head, writes }
  }

  #named (exposure: Exposure): Exposure {
    if (this.#init.raw) {
      return exposure
    }
    const { observer, request, subject, client } = exposure
    return {
      ...exposure,
      observer: this.#pseudonyms.of('observer', observer),
      request: this.#pseudonyms.of('request', request),
      ...subject == null ? {} : { subject: this.#pseudonyms.of('subject', subject) },
      ...client == null ? {} : { client: this.#pseudonyms.of('client', client) }
    }
  }

  /** Whether the last chunk does: not under a new key, and not for ever */
  #goesOn (): boolean {
    const { clock } = this.#components
    const [first] = this.#head

    if (clock.now() - this.#keyedAt >= KEY_LIFE) {
      this.#keyedAt = clock.now()
      this.#pseudonyms = new Pseudonyms()
      return false
    }
    return first != null && Math.abs(clock.wall() - first.at) <= this.#init.maxAge * SPAN
  }

  #expired (): Chunk[] {
    const now = this.#components.clock.wall()

    return this.#chunks.filter(chunk => {
      // of what comes from the future nobody knows the age: it counts from here
      chunk.newest = Math.min(chunk.newest, now)
      return now - chunk.newest > this.#init.maxAge
    })
  }

  /** The oldest ones too, as long as there are enough without them */
  #retired (chunks: readonly Chunk[], expired: readonly Chunk[]): Chunk[] {
    const retired = [...expired].filter(chunk => chunks.includes(chunk))
    let entries = chunks.reduce((sum, chunk) => sum + (retired.includes(chunk) ? 0 : chunk.entries), 0)

    for (const chunk of chunks) {
      if (entries - chunk.entries < this.#init.maxEntries) {
        break
      }
      if (!retired.includes(chunk)) {
        retired.push(chunk)
        entries -= chunk.entries
      }
    }
    return retired
  }

  #nextKey (): Key {
    this.#lastName = freeName(this.#lastName, this.#components.clock.wall(), new Set(this.#chunks.map(({ key }) => nameOf(key))))
    return chunkKey(this.#lastName)
  }

  #decoded (key: Key, value: Uint8Array): ReturnType<typeof decodeChunk> | undefined {
    return this.#attempt(key, () => decodeChunk(value))
  }

  #attempt<T> (key: Key, decode: () => T): T | undefined {
    try {
      return decode()
    } catch (err) {
      this.#dropped++
      this.#log.error('a piece of the ledger, %s, is damaged and was dropped: %s', nameOf(key) ?? 'of no known name', (err as Error).message)
      return undefined
    }
  }
}
