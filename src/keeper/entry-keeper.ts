import { anySignal } from 'any-signal'
import { Key } from 'interface-datastore/key'
import { fromString } from 'uint8arrays/from-string'
import { toString } from 'uint8arrays/to-string'
import { raceSignal } from '../clock/race-signal.ts'
import { systemClock } from '../clock/system-clock.ts'
import type { Clock } from '../interface/clock.ts'
import type { ComponentLogger, Logger } from '../interface/logger.ts'
import type { Datastore, Pair } from 'interface-datastore'

/** A bounded table of small entries, each with an id and a form as JSON that has it as `id` */
export interface KeptTable {
  /** Takes in one entry. Throws when it makes no sense. */
  restore (entry: unknown): void
  /** All that could be read is restored */
  settle (): void
  /** Entries that changed since they were last taken; undefined for those that are gone */
  takeDirty (limit: number): Array<[id: string, entry: object | undefined]>
  /** These could not be written: they are dirty again */
  giveBack (ids: readonly string[]): void
}

export interface KeeperComponents {
  table: KeptTable
  datastore: Datastore
  logger: ComponentLogger
  /** @default the machine's */
  clock?: Pick<Clock, 'timeout'>
}

export interface KeeperInit {
  /** Versioned, as `/portolan/reputation/v1`: a later format starts a new prefix and reads the former */
  prefix: string
  /** What is kept, for the log: `reputation` */
  name: string
  /** Bytes of one entry: what is larger is not ours. @default 65_536 */
  maxEntry?: number
  /** Longest wait in ms for one save, or for the load. @default 5_000 */
  timeout?: number
}

/** Half of what the common supervisors give a process to stop in; ten thousand entries are read in a tenth of it */
export const DEFAULT_KEEPER_TIMEOUT = 5_000

/** Entries per batch: about 200 KB and some milliseconds, so that a full table does not hold up reads */
const BATCH = 500

/** A provider's entry with all its routes is below 4 KB */
const DEFAULT_MAX_ENTRY = 65_536

/** Unreadable entries remembered for deletion; the rest follows at the next load */
const MAX_UNREADABLE = 10_000

/** Keeps a table in the node's datastore: one small value per entry, only changed ones written */
export class EntryKeeper {
  readonly #components: KeeperComponents
  readonly #init: KeeperInit
  readonly #timeout: number
  readonly #clock: Pick<Clock, 'timeout'>
  readonly #log: Logger
  /** The write under way; never rejects */
  #writing: Promise<void> = Promise.resolve()
  /** The save that waits for it: whoever asks meanwhile shares it */
  #waiting: Promise<void> | undefined
  readonly #unreadable = new Map<string, Key>()
  #dropped = 0
  #failedWrites = 0

  constructor (components: KeeperComponents, init: KeeperInit) {
    this.#components = components
    this.#init = init
    this.#timeout = init.timeout ?? DEFAULT_KEEPER_TIMEOUT
    this.#clock = components.clock ?? systemClock
    this.#log = components.logger.forComponent(`portolan:${init.name}`)
  }

  /** Entries that could not be read, and writes that failed */
  stats (): { dropped: number, failedWrites: number } {
    return { dropped: this.#dropped, failedWrites: this.#failedWrites }
  }

  /** Reads what was kept; whatever was read before a failure stays. Throws when the datastore does. */
  async load (options: { signal?: AbortSignal } = {}): Promise<void> {
    const { table, datastore } = this.#components
    const { prefix } = this.#init
    const timeout = this.#clock.timeout(this.#timeout)
    const signal = anySignal([timeout.signal, options.signal])
    const entries = (async function * (): AsyncGenerator<Pair, undefined> {
      yield * datastore.query({ prefix: `${prefix}/` }, { signal })
    })()
    let done = false

    try {
      while (!done) {
        const entry = await raceSignal(entries.next(), signal)
        done = entry.done === true

        if (entry.done !== true) {
          this.#take(entry.value)
        }
      }
    } finally {
      timeout[Symbol.dispose]()
      signal.clear()
      table.settle()

      if (!done) {
        // a store that hangs may hang here too: nobody waits for it
        entries.return(undefined).catch(err => { this.#log.error('could not end reading - %e', err) })
      }
    }
  }

  /**
   * Writes what changed. One write at a time, and never longer than the timeout;
   * what could not be written is counted and tried again with the next save.
   */
  async save (): Promise<void> {
    this.#waiting ??= this.#save()
    await this.#waiting
  }

  #take ({ key, value }: Pair): void {
    try {
      const { maxEntry = DEFAULT_MAX_ENTRY } = this.#init
      if (value.byteLength > maxEntry) {
        throw new TypeError(`An entry has at most ${maxEntry} bytes, got ${value.byteLength}`)
      }

      const stored = JSON.parse(toString(value)) as { id?: unknown } | null

      if (this.#keyOf(String(stored?.id)).toString() !== key.toString()) {
        throw new TypeError('The entry is not about what its key names')
      }

      this.#components.table.restore(stored)
    } catch (err) {
      this.#dropped++
      this.#log.error('dropped an unreadable entry %s - %e', key, err)

      if (this.#unreadable.size < MAX_UNREADABLE) {
        this.#unreadable.set(key.toString(), key)
      }
    }
  }

  async #save (): Promise<void> {
    const timeout = this.#clock.timeout(this.#timeout)

    try {
      try {
        await raceSignal(this.#writing, timeout.signal)
      } finally {
        // what changes from here on is for the next save
        this.#waiting = undefined
      }

      this.#writing = this.#write(timeout.signal)
      await raceSignal(this.#writing, timeout.signal)
    } catch (err) {
      this.#failed(err)
    } finally {
      timeout[Symbol.dispose]()
    }
  }

  async #write (signal: AbortSignal): Promise<void> {
    const { table, datastore } = this.#components

    while (!signal.aborted) {
      const changed = table.takeDirty(BATCH)
      const written = changed.map(([id, stored]): [Key, object | undefined] => [this.#keyOf(id), stored])
      // some stores put what is to be put before they delete what is to be deleted
      written.forEach(([key]) => { this.#unreadable.delete(key.toString()) })
      const unreadable = [...this.#unreadable.values()].slice(0, BATCH)

      if (changed.length === 0 && unreadable.length === 0) {
        return
      }

      try {
        const batch = datastore.batch()

        for (const key of unreadable) {
          batch.delete(key)
        }

        for (const [key, stored] of written) {
          if (stored == null) {
            batch.delete(key)
          } else {
            batch.put(key, fromString(JSON.stringify(stored)))
          }
        }

        await batch.commit({ signal })
        unreadable.forEach(key => { this.#unreadable.delete(key.toString()) })
      } catch (err) {
        table.giveBack(changed.map(([id]) => id))

        if (!signal.aborted) {
          this.#failed(err)
        }

        return
      }
    }
  }

  #failed (err: unknown): void {
    this.#failedWrites++
    this.#log.error('could not save - %e', err)
  }

  #keyOf (id: string): Key {
    return new Key(`${this.#init.prefix}/${toString(fromString(id), 'base64url')}`)
  }
}
