import { BaseDatastore } from 'datastore-core'
import { LRUCache } from 'lru-cache'
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
/** Who has what: the block and the peer, as the parts of a key */
export const PROVIDERS = '/dht/provider/'

/** Characters of a key: of a SHA-512 and a peer it has 180. A multihash may hold megabytes, and each is one record. */
const MAX_KEY = 512
/** Bytes of a value: a public key with RSA has 600, and what is appended to one is not looked at by kad-dht */
const MAX_VALUE = 4_096
/** Values that are not about providers: public keys, which never expire and which nobody asks for any more */
const MAX_VALUES = 1_000
/** Milliseconds between two looks at who has most, and until somebody is looked at again who has too many himself: each reads all keys */
const LOOK_PAUSE = 5_000
const REFUSED_FOR = 60_000
const MAX_REFUSED = 1_000
/** Share of all records that goes at once when somebody who has few of them comes: finding them means reading all keys */
const EVICTED = 0.02

/** Some 25 MB on disk. A million blocks in a network of a hundred servers are as many for each. */
const DEFAULT_MAX_RECORDS = 200_000

/** Milliseconds between two counts while it is full: kad-dht looks for what has expired every hour */
const COUNTED_FOR = 300_000

/**
 * The datastore of a server of the DHT, for kad-dht alone, which keeps whatever
 * it is given: beyond a limit whoever has most records here loses some to those
 * who have less than half as many, and is refused himself; he learns so. What is
 * there already may be renewed.
 */
export class DhtRecords extends BaseDatastore {
  readonly #datastore: Datastore
  readonly #maxRecords: number
  readonly #clock: Pick<Clock, 'now'>
  #count: Promise<Counted> | undefined
  #countedAt = 0
  #added = 0
  #addedValues = 0
  #evicting: Promise<boolean> | undefined
  #lookedAt = -Infinity
  /** Who has too many himself, until when */
  readonly #refused = new LRUCache<string, number>({ max: MAX_REFUSED })

  constructor (datastore: Datastore, init: DhtRecordsInit = {}) {
    super()
    this.#datastore = datastore
    this.#maxRecords = init.maxRecords ?? DEFAULT_MAX_RECORDS
    this.#clock = init.clock ?? systemClock
  }

  override async put (key: Key, value: Uint8Array, options?: AbortOptions): Promise<Key> {
    const text = key.toString()

    if (text.startsWith(RECORDS)) {
      if (text.length > MAX_KEY || value.byteLength > MAX_VALUE) {
        throw new RecordsFullError(`a record has a key of at most ${MAX_KEY} characters and a value of at most ${MAX_VALUE} bytes, not ${text.length} and ${value.byteLength}`)
      }
      if (!await this.#datastore.has(key, options)) {
        await this.#room(text, options)
      }
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
  async #room (key: string, options?: AbortOptions): Promise<void> {
    const isValue = !key.startsWith(PROVIDERS)
    const { all, values } = await raceSignal(this.#count ?? this.#counting(), options?.signal)

    if (isValue ? values + this.#addedValues < Math.min(MAX_VALUES, this.#maxRecords) : all + this.#added < this.#maxRecords) {
      this.#added++
      this.#addedValues += isValue ? 1 : 0
      return
    }
    if (this.#clock.now() - this.#countedAt < COUNTED_FOR && (isValue || !await this.#evicted(peerOf(key), options))) {
      throw new RecordsFullError(`there is room for ${this.#maxRecords} records of others, and as many are here`)
    }
    this.#count = undefined
    await this.#room(key, options)
  }

  /** One for all who come at a time. @returns whether there is room now */
  async #evicted (peer: string, options?: AbortOptions): Promise<boolean> {
    const now = this.#clock.now()

    if ((this.#refused.get(peer) ?? 0) > now || (this.#evicting == null && now - this.#lookedAt < LOOK_PAUSE)) {
      return false
    }
    this.#evicting ??= this.#evict(peer).finally(() => { this.#evicting = undefined })
    return raceSignal(this.#evicting, options?.signal)
  }

  async #evict (peer: string): Promise<boolean> {
    const byPeer = new Map<string, number>()
    this.#lookedAt = this.#clock.now()

    for await (const key of this.#datastore.queryKeys({ prefix: PROVIDERS })) {
      const of = peerOf(key.toString())
      byPeer.set(of, (byPeer.get(of) ?? 0) + 1)
    }
    const [most, count] = [...byPeer].reduce((a, b) => a[1] >= b[1] ? a : b, ['', 0])
    const room = Math.min(Math.ceil(count / 4), Math.ceil(this.#maxRecords * EVICTED))
    let evicted = 0

    if (count <= 2 * ((byPeer.get(peer) ?? 0) + 1)) {
      this.#refused.set(peer, this.#lookedAt + REFUSED_FOR)
      return false
    }
    for await (const key of this.#datastore.queryKeys({ prefix: PROVIDERS, filters: [key => peerOf(key.toString()) === most], limit: room })) {
      await this.#datastore.delete(key)
      evicted++
    }
    return evicted > 0
  }

  /** One count for all who ask, whoever of them leaves */
  async #counting (): Promise<Counted> {
    const count = this.#counted()
    this.#count = count
    this.#countedAt = this.#clock.now()
    this.#added = 0
    this.#addedValues = 0
    // it rejects for those who wait; whoever comes next begins anew
    count.catch(() => {
      if (this.#count === count) {
        this.#count = undefined
      }
    })
    return count
  }

  async #counted (): Promise<Counted> {
    let all = 0
    let values = 0
    for await (const key of this.#datastore.queryKeys({ prefix: RECORDS })) {
      all++
      values += key.toString().startsWith(PROVIDERS) ? 0 : 1
    }
    return { all, values }
  }
}

interface Counted {
  readonly all: number
  /** Of them, those that are not about providers */
  readonly values: number
}

function peerOf (key: string): string {
  return key.slice(key.lastIndexOf('/') + 1)
}

/** What libp2p gives its services, with a limit to what kad-dht keeps */
export function withRecordLimit<C extends { readonly datastore: Datastore }> (components: C, init?: DhtRecordsInit): C {
  // libp2p's components are a proxy, which is asked for everything else
  return Object.create(components, { datastore: { value: new DhtRecords(components.datastore, init) } }) as C
}
