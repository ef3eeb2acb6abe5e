import { readdir, stat, statfs } from 'node:fs/promises'
import { join } from 'node:path'
import { LevelDatastore } from 'datastore-level'
import { raceSignal } from '../clock/race-signal.ts'
import { StoreError } from './errors.ts'
import { openDatabase } from './open-database.ts'
import type { Erases } from '../interface/erases.ts'
import type { AbortOptions } from '@libp2p/interface'
import type { ClassicLevel } from 'classic-level'
import type { Batch, Key, KeyQuery, Pair, Query } from 'interface-datastore'

/** What a database writes when it is opened, beside its logs: a manifest and a few names */
const LEAST_ROOM = 65_536

/** Logs are read, and what is in them is written to tables before they go */
const LOGS = 2

/**
 * A database on a disk that fills up and is emptied again. LevelDB goes on after a write that failed as if that had left
 * nothing in its log; what comes after half a record is answered, read, and gone when the log is read the next time. So it is
 * opened anew before the next write, as soon as there is room for that.
 */
export class MendedRecords extends LevelDatastore implements Erases {
  readonly #directory: string
  /** One write at a time: none may follow one that is about to fail */
  #turn: Promise<unknown> = Promise.resolve()
  #failure?: unknown
  #mending?: Promise<void>

  /** @param directory - of the store: the database is in `data` below it */
  constructor (directory: string) {
    super(join(directory, 'data'))
    this.#directory = directory
  }

  override async put (key: Key, value: Uint8Array, options?: AbortOptions): Promise<Key> {
    return this.#write(async () => super.put(key, value), options)
  }

  override async delete (key: Key, options?: AbortOptions): Promise<void> {
    await this.#write(async () => super.delete(key), options)
  }

  override batch (): Batch {
    const batch = super.batch()
    return { ...batch, commit: async options => this.#write(async () => batch.commit(), options) }
  }

  override async get (key: Key, options?: AbortOptions): Promise<Uint8Array> {
    await this.#settled()
    return super.get(key, options)
  }

  override async has (key: Key, options?: AbortOptions): Promise<boolean> {
    await this.#settled()
    return super.has(key, options)
  }

  override async * query (query: Query, options?: AbortOptions): AsyncGenerator<Pair> {
    await this.#settled()
    yield * super.query(query, options)
  }

  override async * queryKeys (query: KeyQuery, options?: AbortOptions): AsyncGenerator<Key> {
    await this.#settled()
    yield * super.queryKeys(query, options)
  }

  /** A log ends, and tables are written anew without what is over */
  async erase (prefix: string, options?: AbortOptions): Promise<void> {
    await this.#write(async () => (this.db as unknown as ClassicLevel).compactRange(prefix, `${prefix}\uffff`), options)
  }

  override async close (): Promise<void> {
    await this.#turn
    this.#failure = undefined
    await super.close()
  }

  async #write<T> (work: () => Promise<T>, { signal }: AbortOptions = {}): Promise<T> {
    const turn = this.#turn.then(async () => {
      signal?.throwIfAborted()
      if (this.#failure != null) {
        await this.#mend()
      }
      try {
        return await work()
      } catch (err) {
        // one that is closed has no log
        this.#failure = this.db.status === 'open' ? err : undefined
        throw err
      }
    })
    // whoever waits for it has the error
    this.#turn = turn.catch(() => {})
    return raceSignal(turn, signal)
  }

  async #mend (): Promise<void> {
    if (!await this.#hasRoom()) {
      throw new StoreError(`the store ${this.#directory} is not written to until there is room on its disk`, { cause: this.#failure })
    }
    this.#mending = (async () => {
      await this.db.close()
      await openDatabase(this.#directory, this)
    })()
    try {
      await this.#mending
      this.#failure = undefined
    } finally {
      this.#mending = undefined
    }
  }

  async #hasRoom (): Promise<boolean> {
    const { location } = this.db as unknown as { location: string }
    const logs = (await readdir(location)).filter(name => name.endsWith('.log'))
    const sizes = await Promise.all(logs.map(async name => (await stat(join(location, name))).size))
    const { bavail, bsize } = await statfs(location)
    return bavail * bsize >= LEAST_ROOM + LOGS * sizes.reduce((sum, size) => sum + size, 0)
  }

  /** Nobody reads while it is closed */
  async #settled (): Promise<void> {
    await this.#mending?.catch(() => {})
  }
}
