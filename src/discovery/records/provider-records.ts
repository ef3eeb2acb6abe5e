import { LRUCache } from 'lru-cache'
import { isRelayed } from '../../provider/endpoint.ts'
import { mergeProviders } from '../../provider/merge.ts'
import { restoreProvider, storeProvider } from '../../provider/stored-provider.ts'
import type { Clock } from '../../interface/clock.ts'
import type { BlockKey, Provider } from '../../interface/provider.ts'
import type { KeptTable } from '../../keeper/entry-keeper.ts'

export interface RecordParams {
  /** Milliseconds for which nobody is asked again */
  readonly fresh: number
  /** Milliseconds after which the address of a relay is worth nothing */
  readonly relayed: number
  /** Milliseconds after which a record is worth nothing */
  readonly lasting: number
  /** Answers remembered: of one router about one key each */
  readonly entries: number
  /** Providers remembered in one answer */
  readonly providers: number
}

/**
 * Providers come and go by the hour, so five minutes lose next to nothing. A
 * reservation at a relay lasts an hour and is renewed once; a record in the DHT
 * lasts 48 h. Ten thousand answers of usual providers are 20 MB; 20 providers are
 * what a DHT walk stops at.
 */
export const DEFAULT_RECORDS: RecordParams = { fresh: 300_000, relayed: 7_200_000, lasting: 172_800_000, entries: 10_000, providers: 20 }

export const RECORDS_PREFIX = '/portolan/discovery/records/v1'

/** A name and a multihash of 64 bytes, as base64url */
const MAX_ID = 512
/** Clocks of one machine differ by less between two runs */
const MAX_SKEW = 60_000

/** What a router said about a key */
export interface ProviderAnswer {
  readonly providers: readonly Provider[]
  /** Need not be asked for again */
  readonly fresh: boolean
}

interface Entry {
  readonly source: string
  readonly key: BlockKey
  /** Monotonic; before the start of the process for what was restored */
  readonly at: number
  readonly providers: readonly Provider[]
}

/** What routers said about whom to ask, as long as it is worth something. Who said nothing is not in here. */
export class ProviderRecords implements KeptTable {
  readonly #clock: Pick<Clock, 'now' | 'wall'>
  readonly #params: RecordParams
  readonly #entries: LRUCache<string, Entry>
  readonly #dirty = new Set<string>()
  /** Whose answers there may be: for `forget` */
  readonly #sources = new Set<string>()

  constructor (clock: Pick<Clock, 'now' | 'wall'>, params: RecordParams = DEFAULT_RECORDS) {
    this.#clock = clock
    this.#params = params
    this.#entries = new LRUCache({
      max: params.entries,
      dispose: (_, id, reason) => {
        if (reason !== 'set') {
          this.#touch(id)
        }
      }
    })
  }

  get size (): number {
    return this.#entries.size
  }

  get (source: string, key: BlockKey): ProviderAnswer | undefined {
    const id = idOf(source, key)
    const entry = this.#entries.get(id)
    if (entry == null) {
      return undefined
    }

    const { fresh, relayed, lasting } = this.#params
    const age = this.#clock.now() - entry.at
    if (age >= lasting) {
      this.#entries.delete(id)
      return undefined
    }
    return { providers: age < relayed ? entry.providers : entry.providers.map(withoutRelays), fresh: age < fresh }
  }

  /** @param whole - the router had nothing more to say: what it said before and does not now is forgotten */
  set (source: string, key: BlockKey, found: readonly Provider[], whole: boolean): void {
    const id = idOf(source, key)
    const before = whole ? [] : this.get(source, key)?.providers ?? []
    const providers = new Map(found.map(provider => [provider.id, provider]))

    if (id.length > MAX_ID) {
      return
    }
    for (const provider of before) {
      const now = providers.get(provider.id)
      providers.set(provider.id, now == null ? provider : mergeProviders(now, provider))
    }
    if (providers.size === 0) {
      this.#entries.delete(id)
      return
    }
    this.#sources.add(source)
    this.#entries.set(id, { source, key, at: this.#clock.now(), providers: [...providers.values()].slice(0, this.#params.providers) })
    this.#touch(id)
  }

  /** Somebody said that this has changed */
  forget (key: BlockKey): void {
    for (const source of this.#sources) {
      this.#entries.delete(idOf(source, key))
    }
  }

  restore (stored: unknown): void {
    const { id, source, key, at, providers } = (stored ?? {}) as { id?: unknown, source?: unknown, key?: unknown, at?: unknown, providers?: unknown }

    if (typeof source !== 'string' || typeof key !== 'string' || id !== idOf(source, key) || typeof at !== 'number' || !Number.isFinite(at) || !Array.isArray(providers)) {
      throw new TypeError('Not a stored answer of a router')
    }
    const known = providers.slice(0, this.#params.providers).map(provider => restoreProvider(provider, source))
    const age = this.#clock.wall() - at

    if (age >= this.#params.lasting) {
      this.#touch(id as string)
      return
    }
    // newer than now: of an unknown age, so not fresh
    const believed = age < -MAX_SKEW ? this.#params.relayed : Math.max(0, age)
    // what was learnt since the start counts
    if (!this.#entries.has(id as string) && this.#entries.size < this.#params.entries) {
      this.#sources.add(source)
      this.#entries.set(id as string, { source, key, at: this.#clock.now() - believed, providers: known })
    }
  }

  settle (): void {
    // restored entries need nothing more
  }

  takeDirty (limit: number): Array<[id: string, entry: object | undefined]> {
    const taken = [...this.#dirty].slice(0, limit)

    return taken.map(id => {
      this.#dirty.delete(id)
      const entry = this.#entries.peek(id)
      if (entry == null) {
        return [id, undefined]
      }
      const { source, key, at, providers } = entry
      return [id, { id, source, key, at: Math.round(this.#clock.wall() - (this.#clock.now() - at)), providers: providers.map(storeProvider).filter(provider => provider != null) }]
    })
  }

  giveBack (ids: readonly string[]): void {
    ids.forEach(id => { this.#touch(id) })
  }

  /** Beyond the limit what is gone stays in the store, until it is too old at a start */
  #touch (id: string): void {
    if (this.#dirty.size < 2 * this.#params.entries) {
      this.#dirty.add(id)
    }
  }
}

function idOf (source: string, key: BlockKey): string {
  return `${source} ${key}`
}

/** The peer stays: its addresses can be asked for */
function withoutRelays (provider: Provider): Provider {
  return provider.addresses.some(isRelayed) ? { ...provider, addresses: provider.addresses.filter(address => !isRelayed(address)) } : provider
}
