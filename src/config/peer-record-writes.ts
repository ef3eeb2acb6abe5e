import { BaseDatastore } from 'datastore-core'
import { LRUCache } from 'lru-cache'
import { systemClock } from '../clock/system-clock.ts'
import type { Clock } from '../interface/clock.ts'
import type { Erases } from '../interface/erases.ts'
import type { AbortOptions } from '@libp2p/interface'
import type { Batch, Datastore, Key, KeyQuery, Pair, Query } from 'interface-datastore'

export interface PeerRecordWritesInit {
  /** @default the machine's */
  clock?: Clock
  /** Milliseconds that a record may wait to be written. @default 1_000 */
  delay?: number
  /** Records that are held in memory, and that may wait. @default 1_024 */
  maxRecords?: number
}

/** Where libp2p's peer store keeps its records */
const PEER_RECORDS = '/peers/'

/** Milliseconds: what a crash costs of what was learnt about peers, and a thousandth of the writes of a busy stream of blocks */
const DEFAULT_DELAY = 1_000

/** About a kilobyte each: three times as many as there are connections */
const DEFAULT_MAX_RECORDS = 1_024

/**
 * A datastore in which the records of peers are read from memory and written
 * once a second. libp2p reads and writes the record of a peer for every stream
 * that it opens to us, before anybody sees the stream, and Kubo opens one for
 * each message: two trips to the disk on the way of every block.
 *
 * A write that failed is tried again with the next put, which fails if it does,
 * and with `close`.
 */
export class PeerRecordWrites extends BaseDatastore implements Erases {
  readonly #datastore: Datastore & Partial<Erases>
  readonly #clock: Clock
  readonly #delay: number
  readonly #maxRecords: number
  readonly #recent: LRUCache<string, Uint8Array>
  #waiting = new Map<string, Pair>()
  #writing = new Map<string, Pair>()
  /** Writes and deletions happen in the order in which they were asked for */
  #turn: Promise<unknown> = Promise.resolve()
  #cancel: (() => void) | undefined
  #failed = false

  constructor (datastore: Datastore & Partial<Erases>, init: PeerRecordWritesInit = {}) {
    super()
    this.#datastore = datastore
    this.#clock = init.clock ?? systemClock
    this.#delay = init.delay ?? DEFAULT_DELAY
    this.#maxRecords = init.maxRecords ?? DEFAULT_MAX_RECORDS
    this.#recent = new LRUCache({ max: this.#maxRecords })
  }

  /** Records that are not written yet */
  get waiting (): number {
    return this.#waiting.size + this.#writing.size
  }

  override async put (key: Key, value: Uint8Array, options?: AbortOptions): Promise<Key> {
    const name = key.toString()

    if (!name.startsWith(PEER_RECORDS)) {
      return this.#datastore.put(key, value, options)
    }

    this.#waiting.set(name, { key, value })
    this.#recent.set(name, value)

    if (this.#failed || this.#waiting.size >= this.#maxRecords) {
      try {
        await this.settle()
      } catch (err) {
        this.#forget(name)
        throw err
      }
    } else {
      this.#cancel ??= this.#clock.schedule(this.#delay, () => {
        // remembered: the next put or the end tells
        this.settle().catch(() => { this.#failed = true })
      })
    }

    return key
  }

  override async get (key: Key, options?: AbortOptions): Promise<Uint8Array> {
    const name = key.toString()

    if (!name.startsWith(PEER_RECORDS)) {
      return this.#datastore.get(key, options)
    }

    const known = this.#known(name)

    if (known != null) {
      options?.signal?.throwIfAborted()
      return known
    }

    const value = await this.#datastore.get(key, options)
    // what was put meanwhile is newer
    const newer = this.#known(name)

    if (newer != null) {
      return newer
    }
    this.#recent.set(name, value)
    return value
  }

  override async has (key: Key, options?: AbortOptions): Promise<boolean> {
    return this.#known(key.toString()) != null || this.#datastore.has(key, options)
  }

  override async delete (key: Key, options?: AbortOptions): Promise<void> {
    if (!key.toString().startsWith(PEER_RECORDS)) {
      return this.#datastore.delete(key, options)
    }

    this.#forget(key.toString())
    await this.#next(async () => {
      await this.#datastore.delete(key, options)
      // a get that began before may have remembered it again
      if (!this.#waiting.has(key.toString())) {
        this.#recent.delete(key.toString())
      }
    })
  }

  override batch (): Batch {
    const rest = this.#datastore.batch()
    const steps: Array<(options?: AbortOptions) => Promise<unknown>> = []

    return {
      put: (key, value) => {
        if (key.toString().startsWith(PEER_RECORDS)) {
          steps.push(async options => this.put(key, value, options))
        } else {
          rest.put(key, value)
        }
      },
      delete: key => {
        if (key.toString().startsWith(PEER_RECORDS)) {
          steps.push(async options => this.delete(key, options))
        } else {
          rest.delete(key)
        }
      },
      commit: async options => {
        await rest.commit(options)
        for (const step of steps.splice(0)) {
          await step(options)
        }
      }
    }
  }

  override async * query (query: Query, options?: AbortOptions): AsyncGenerator<Pair> {
    if (concernsPeers(query)) {
      await this.settle()
    }
    yield * this.#datastore.query(query, options)
  }

  override async * queryKeys (query: KeyQuery, options?: AbortOptions): AsyncGenerator<Key> {
    if (concernsPeers(query)) {
      await this.settle()
    }
    yield * this.#datastore.queryKeys(query, options)
  }

  /** As far as the datastore below does */
  async erase (prefix: string, options?: AbortOptions): Promise<void> {
    await this.#datastore.erase?.(prefix, options)
  }

  /** Resolves once everything that was put is written */
  async settle (): Promise<void> {
    this.#cancel?.()
    this.#cancel = undefined
    await this.#next(async () => this.#write())
  }

  /** Writes what waits and remembers nothing: somebody else may open the database next */
  async close (): Promise<void> {
    try {
      await this.settle()
    } finally {
      this.#waiting.clear()
      this.#recent.clear()
      this.#failed = false
    }
  }

  async #write (): Promise<void> {
    const writing = this.#waiting

    if (writing.size === 0) {
      return
    }

    const batch = this.#datastore.batch()
    this.#waiting = new Map()
    this.#writing = writing
    writing.forEach(({ key, value }) => { batch.put(key, value) })

    try {
      await batch.commit()
      this.#failed = false
    } catch (err) {
      this.#failed = true
      // those that were put meanwhile are newer
      this.#waiting = new Map([...this.#writing, ...this.#waiting])
      throw err
    } finally {
      this.#writing = new Map()
    }
  }

  async #next<T> (work: () => Promise<T>): Promise<T> {
    const turn = this.#turn.then(work)
    // whoever waits for it has the error
    this.#turn = turn.catch(() => {})
    return turn
  }

  #known (name: string): Uint8Array | undefined {
    return this.#waiting.get(name)?.value ?? this.#writing.get(name)?.value ?? this.#recent.get(name)
  }

  #forget (name: string): void {
    this.#waiting.delete(name)
    this.#writing.delete(name)
    this.#recent.delete(name)
  }
}

function concernsPeers ({ prefix = '' }: { prefix?: string }): boolean {
  return prefix.startsWith(PEER_RECORDS.slice(0, -1)) || PEER_RECORDS.startsWith(prefix)
}
