import { BaseDatastore } from 'datastore-core'
import { raceSignal } from '../clock/race-signal.ts'
import { systemClock } from '../clock/system-clock.ts'
import { RecordsFullError } from './errors.ts'
import type { Clock } from '../interface/clock.ts'
import type { AbortOptions } from '@libp2p/interface'
import type { Datastore, Key, KeyQuery, Pair, Query } from 'interface-datastore'

export interface DhtRecordsInit {
  /** Records of others that are kept. @default 200_000 */
  maxRecords?: number
  /** @default the machine's */
  clock?: Pick<Clock, 'now'>
}

/** Where kad-dht keeps what others give it */
const RECORDS = '/dht/'

/** Some 25 MB on disk. A million blocks in a network of a hundred servers are as many for each. */
const DEFAULT_MAX_RECORDS = 200_000

/** Milliseconds between two counts while it is full: kad-dht looks for what has expired every hour */
const COUNTED_FOR = 300_000

/**
 * The datastore of a server of the DHT, for kad-dht alone, which keeps whatever
 * it is given: beyond a limit what is new is refused, and whoever gave it learns
 * so. What is there already may be renewed.
 */
export class DhtRecords extends BaseDatastore {
  readonly #datastore: Datastore
  readonly #maxRecords: number
  readonly #clock: Pick<Clock, 'now'>
  #count: Promise<number> | undefined
  #countedAt = 0
  #added = 0

  constructor (datastore: Datastore, init: DhtRecordsInit = {}) {
    super()
    this.#datastore = datastore
    this.#maxRecords = init.maxRecords ?? DEFAULT_MAX_RECORDS
    this.#clock = init.clock ?? systemClock
  }

  override async put (key: Key, value: Uint8Array, options?: AbortOptions): Promise<Key> {
    if (key.toString().startsWith(RECORDS) && !await this.#datastore.has(key, options)) {
      await this.#room(options)
    }
    return this.#datastore.put(key, value, options)
  }

  override async get (key: Key, options?: AbortOptions): Promise<Uint8Array> {
    return this.#datastore.get(key, options)
  }

  override async has (key: Key, options?: AbortOptions): Promise<boolean> {
    return this.#datastore.has(key, options)
  }

  override async delete (key: Key, options?: AbortOptions): Promise<void> {
    await this.#datastore.delete(key, options)
  }

  override async * query (query: Query, options?: AbortOptions): AsyncGenerator<Pair> {
    yield * this.#datastore.query(query, options)
  }

  override async * queryKeys (query: KeyQuery, options?: AbortOptions): AsyncGenerator<Key> {
    yield * this.#datastore.queryKeys(query, options)
  }

  /** Counts at the first record, and again while it looks full: what went is not noted */
  async #room (options?: AbortOptions): Promise<void> {
    const counted = await raceSignal(this.#count ?? this.#counting(), options?.signal)

    if (counted + this.#added < this.#maxRecords) {
      this.#added++
      return
    }
    if (this.#clock.now() - this.#countedAt < COUNTED_FOR) {
      throw new RecordsFullError(`there is room for ${this.#maxRecords} records of others, and as many are here`)
    }
    this.#count = undefined
    await this.#room(options)
  }

  /** One count for all who ask, whoever of them leaves */
  async #counting (): Promise<number> {
    const count = this.#counted()
    this.#count = count
    this.#countedAt = this.#clock.now()
    this.#added = 0
    // it rejects for those who wait; whoever comes next begins anew
    count.catch(() => {
      if (this.#count === count) {
        this.#count = undefined
      }
    })
    return count
  }

  async #counted (): Promise<number> {
    let count = 0
    for await (const key of this.#datastore.queryKeys({ prefix: RECORDS })) {
      count += key == null ? 0 : 1
    }
    return count
  }
}

/** What libp2p gives its services, with a limit to what kad-dht keeps */
export function withRecordLimit<C extends { readonly datastore: Datastore }> (components: C, init?: DhtRecordsInit): C {
  // libp2p's components are a proxy, which is asked for everything else
  return Object.create(components, { datastore: { value: new DhtRecords(components.datastore, init) } }) as C
}
