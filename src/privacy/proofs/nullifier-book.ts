import { anySignal } from 'any-signal'
import { Key } from 'interface-datastore/key'
import { fromString } from 'uint8arrays/from-string'
import { raceSignal } from '../../clock/race-signal.ts'
import { systemClock } from '../../clock/system-clock.ts'
import { InvalidOptionError } from '../../interface/errors.ts'
import { checkComponents, checkOptionNames } from '../../interface/option-names.ts'
import { NullifierStoreError } from './errors.ts'
import { HORIZON, readRecord, recordOf } from './nullifier-record.ts'
import type { Clock } from '../../interface/clock.ts'
import type { Batch, Datastore, Pair } from 'interface-datastore'

/** A claim that is about to be accepted */
export interface NullifierClaim {
  readonly scope: bigint
  readonly nullifier: bigint
  /** Wall clock, in ms: from then on no proof of this scope is accepted, so it can be forgotten */
  readonly until: number
}

/** Whose claims were accepted: what tells a replay */
export interface Nullifiers {
  has (scope: bigint, nullifier: bigint): boolean
  /**
   * Takes a claim once. `seen`: it was taken before. `forgotten`: what was taken in that time is not known any more, so it
   * may have been. Throws a `NullifierStoreError` when it cannot be kept: then it was not taken.
   */
  claim (claim: NullifierClaim, options?: { signal?: AbortSignal }): Promise<'claimed' | 'seen' | 'forgotten'>
}

export interface NullifierBookComponents {
  /** Without one, a restart forgets, and lets every claim of this epoch be made once more */
  datastore?: Datastore
  /** @default the machine's */
  clock?: Clock
}

export interface NullifierBookInit {
  /** Claims that are held at once. When it is full of those that still count, no more are taken. @default 65_536 */
  maxEntries?: number
  /** Longest wait for the datastore, in ms. @default 5_000 */
  timeout?: number
}

export const NULLIFIER_OPTIONS: readonly string[] = Object.keys({ maxEntries: true, timeout: true } satisfies Record<keyof NullifierBookInit, true>)

/** Every member of the largest group in each of the three epochs that may be open at a time, five times over: below 20 MB */
export const DEFAULT_MAX_NULLIFIERS = 65_536

/** Half of what the common supervisors give a process to stop in */
export const DEFAULT_STORE_TIMEOUT = 5_000

const PREFIX = '/portolan/privacy/nullifier'

/** Written at once */
const BATCH = 500

/**
 * Nullifiers by scope. What was taken is written before it counts as taken, and
 * only forgotten when no proof of its scope would be accepted; when the clock
 * is set back afterwards, that time stays closed.
 */
export class NullifierBook implements Nullifiers {
  readonly #datastore: Datastore | undefined
  readonly #clock: Clock
  readonly #maxEntries: number
  readonly #timeout: number
  /** By id, with the time until which it counts */
  readonly #entries = new Map<string, number>()
  /** Claims that are being written: taken, unless that fails */
  readonly #writing = new Map<string, number>()
  /** Forgotten, or written in another way meanwhile, and still in the datastore */
  #gone: Key[] = []
  /** Read, and to be written as it is written now */
  #moved: string[] = []
  #horizon = 0
  #unreadable = 0

  private constructor ({ datastore, clock = systemClock }: NullifierBookComponents, { maxEntries = DEFAULT_MAX_NULLIFIERS, timeout = DEFAULT_STORE_TIMEOUT }: NullifierBookInit) {
    if (!Number.isSafeInteger(maxEntries) || maxEntries < 1) {
      throw new InvalidOptionError(`maxEntries must be a whole number from 1 on, got ${String(maxEntries)}`)
    }
    this.#datastore = datastore
    this.#clock = clock
    this.#maxEntries = maxEntries
    this.#timeout = timeout
  }

  /** Reads what was kept. Throws when that fails: without it a replay could not be told. */
  static async open (components: NullifierBookComponents = {}, init: NullifierBookInit = {}, options: { signal?: AbortSignal } = {}): Promise<NullifierBook> {
    checkComponents('a book of nullifiers', components, NULLIFIER_OPTIONS, option => `NullifierBook.open({}, { ${option} })`)
    checkOptionNames('a book of nullifiers', init, NULLIFIER_OPTIONS)
    const book = new NullifierBook(components, init)
    await book.#load(options.signal)
    return book
  }

  stats (): { entries: number, unreadable: number } {
    return { entries: this.#entries.size, unreadable: this.#unreadable }
  }

  has (scope: bigint, nullifier: bigint): boolean {
    const id = idOf(scope, nullifier)
    return this.#entries.has(id) || this.#writing.has(id)
  }

  async claim ({ scope, nullifier, until }: NullifierClaim, { signal }: { signal?: AbortSignal } = {}): Promise<'claimed' | 'seen' | 'forgotten'> {
    signal?.throwIfAborted()
    const id = idOf(scope, nullifier)

    if (this.has(scope, nullifier)) {
      return 'seen'
    }

    this.#forget()
    if (until <= this.#horizon) {
      return 'forgotten'
    }
    if (this.#entries.size + this.#writing.size >= this.#maxEntries) {
      throw new NullifierStoreError(`${this.#maxEntries} claims are held, and none of them can be forgotten yet: raise maxEntries`)
    }

    this.#writing.set(id, until)
    const gone = this.#gone.splice(0, BATCH)
    try {
      await this.#write(batch => {
        put(batch, HORIZON, this.#horizon)
        put(batch, id, until)
        gone.forEach(key => { batch.delete(key) })
      }, signal)
      this.#entries.set(id, until)
    } catch (err) {
      this.#gone.push(...gone)
      throw err
    } finally {
      this.#writing.delete(id)
    }
    return 'claimed'
  }

  /** Drops what does not count any more */
  #forget (): void {
    const now = this.#clock.wall()

    for (const [id, until] of this.#entries) {
      if (until <= now) {
        this.#entries.delete(id)
        this.#horizon = Math.max(this.#horizon, until)

        if (this.#datastore != null) {
          this.#gone.push(keyOf(id))
        }
      }
    }
  }

  async #write (fill: (batch: Batch) => void, signal: AbortSignal | undefined): Promise<void> {
    const datastore = this.#datastore

    if (datastore != null) {
      await this.#bounded('written', signal, async signal => {
        const batch = datastore.batch()
        fill(batch)
        await batch.commit({ signal })
      })
    }
  }

  async #load (signal: AbortSignal | undefined): Promise<void> {
    const datastore = this.#datastore

    if (datastore == null) {
      return
    }
    await this.#bounded('read', signal, async signal => {
      const pairs = (async function * (): AsyncGenerator<Pair> {
        yield * datastore.query({ prefix: PREFIX }, { signal })
      })()

      for await (const pair of pairs) {
        signal.throwIfAborted()
        this.#restore(pair)
      }
    })
    this.#forget()
    await this.#move(signal)
  }

  /** What a former version wrote, or what is under another key than its own, is written as it should be, and only then taken away */
  async #move (signal: AbortSignal | undefined): Promise<void> {
    const moved = this.#moved.splice(0)

    for (let at = 0; at < moved.length; at += BATCH) {
      await this.#write(batch => {
        put(batch, HORIZON, this.#horizon)
        moved.slice(at, at + BATCH).forEach(id => {
          const until = this.#entries.get(id)
          if (until != null) {
            put(batch, id, until)
          }
        })
      }, signal)
    }
    if (moved.length > 0) {
      const gone = this.#gone.splice(0)

      for (let at = 0; at < gone.length; at += BATCH) {
        await this.#write(batch => { gone.slice(at, at + BATCH).forEach(key => { batch.delete(key) }) }, signal)
      }
    }
  }

  #restore ({ key, value }: Pair): void {
    const { id, until, damaged, former } = readRecord(key, value)

    if (damaged) {
      this.#unreadable++
    }
    if (id === HORIZON) {
      // what was forgotten is not known: it may be everything until now
      this.#horizon = Math.max(this.#horizon, until ?? this.#clock.wall())
    } else if (id != null) {
      if (!this.#entries.has(id) && this.#entries.size >= this.#maxEntries) {
        throw new NullifierStoreError(`more than ${this.#maxEntries} claims are kept: raise maxEntries`)
      }
      // a claim was made, whatever became of the time until which it counts: it counts for good
      this.#entries.set(id, Math.max(this.#entries.get(id) ?? 0, until ?? Infinity))
    }
    if (former && id != null) {
      this.#moved.push(id)
      this.#gone.push(key)
    }
  }

  async #bounded (what: string, outer: AbortSignal | undefined, run: (signal: AbortSignal) => Promise<void>): Promise<void> {
    using timeout = this.#clock.timeout(this.#timeout)
    const signal = anySignal([timeout.signal, outer])

    try {
      await raceSignal(run(signal), signal)
    } catch (err) {
      outer?.throwIfAborted()
      if (err instanceof NullifierStoreError) {
        throw err
      }
      throw new NullifierStoreError(`claims could not be ${what}: ${(err as Error).message}`, { cause: err })
    } finally {
      signal.clear()
    }
  }
}

function idOf (scope: bigint, nullifier: bigint): string {
  return `${hexadecimal(scope)}-${hexadecimal(nullifier)}`
}

/** Of 64 digits */
export function hexadecimal (value: bigint): string {
  return value.toString(16).padStart(64, '0')
}

function keyOf (id: string): Key {
  return new Key(`${PREFIX}/v2/${id}`)
}

function put (batch: Batch, id: string, until: number): void {
  batch.put(keyOf(id), fromString(recordOf(id, until)))
}
