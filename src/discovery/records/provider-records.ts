import { LRUCache } from 'lru-cache'
import { fromWall, toWall } from '../../keeper/kept-time.ts'
import { RECORD_LASTING, RELAYED_LASTING } from '../lasting.ts'
import { MAX_ANSWER, fitProviders, mergeKnown, namedProvider, restoreKnown, stillKnown, storeKnown } from './known-provider.ts'
import type { KnownProvider } from './known-provider.ts'
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
  /** Bytes of all answers, as JSON and with what an entry takes besides */
  readonly bytes: number
}

/**
 * Providers come and go by the hour, so five minutes lose next to nothing. Ten thousand answers of usual providers are 20 MB, those of hostile
 * ones would be 1.3 GB; 20 providers are what a DHT walk stops at.
 */
export const DEFAULT_RECORDS: RecordParams = { fresh: 300_000, relayed: RELAYED_LASTING, lasting: RECORD_LASTING, entries: 10_000, providers: 20, bytes: 33_554_432 }

export const RECORDS_PREFIX = '/portolan/discovery/records/v1'

/** A name and a multihash of 64 bytes, as base64url */
const MAX_ID = 512
/** Bytes of an entry besides its providers: keys and places in three tables */
const ENTRY_OVERHEAD = 512
/** Milliseconds for which an answer stays fresh whatever is said: a record a second would cost a lookup a second */
const MIN_RENEWAL = 30_000

/** What a router said about a key */
export interface ProviderAnswer {
  readonly providers: readonly Provider[]
  /** Need not be asked for again */
  readonly fresh: boolean
}

interface Entry {
  readonly source: string
  readonly key: BlockKey
  /** When the router was asked last. Monotonic; before the start of the process for what was restored */
  readonly at: number
  readonly providers: readonly KnownProvider[]
  /** Of the providers, as JSON */
  readonly bytes: number
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
      maxSize: params.bytes,
      sizeCalculation: sizeOf,
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

    const known = this.#stillKnown(entry.providers)
    if (known.length === 0) {
      this.#entries.delete(id)
      return undefined
    }
    return { providers: known.map(({ provider }) => provider), fresh: this.#clock.now() - entry.at < this.#params.fresh }
  }

  /**
   * @param found - a provider that is named twice is one
   * @param whole - the router had nothing more to say: what it said before and does not now is forgotten. Else that stays, and is as old as it was.
   */
  set (source: string, key: BlockKey, found: readonly Provider[], whole: boolean): void {
    const id = idOf(source, key)
    const now = this.#clock.now()
    const named = found.map(provider => namedProvider(provider, now))
    const before = whole ? [] : this.#stillKnown(this.#entries.get(id)?.providers ?? [])

    if (id.length > MAX_ID || (!whole && named.length === 0)) {
      return
    }
    if (!this.#put({ source, key, at: now }, [...named, ...before])) {
      this.#entries.delete(id)
    }
    this.#touch(id)
  }

  /**
   * Somebody who need not be right said that this has changed: it is something to
   * begin with while the router is asked again. Not more often than is good.
   */
  renew (key: BlockKey): void {
    const { fresh } = this.#params
    const now = this.#clock.now()

    for (const source of this.#sources) {
      const id = idOf(source, key)
      const entry = this.#entries.peek(id)

      if (entry != null && now - entry.at >= MIN_RENEWAL && now - entry.at < fresh) {
        this.#entries.set(id, { ...entry, at: now - fresh })
        this.#touch(id)
      }
    }
  }

  /** This has changed */
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
    const monotonic = (wall: number): number => this.#monotonic(wall)
    const known = this.#stillKnown(providers.slice(0, this.#params.providers).map(provider => restoreKnown(provider, source, { at, monotonic })))

    if (known.length === 0) {
      this.#touch(id as string)
      return
    }
    // what was learnt since the start counts
    if (!this.#entries.has(id as string) && this.#entries.size < this.#params.entries && this.#entries.calculatedSize < this.#params.bytes - MAX_ANSWER - ENTRY_OVERHEAD) {
      this.#put({ source, key, at: monotonic(at) }, known)
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
      const wall = (monotonic: number): number => toWall(this.#clock, monotonic)
      return [id, { id, source, key, at: wall(at), providers: providers.map(known => storeKnown(known, wall)).filter(provider => provider != null) }]
    })
  }

  giveBack (ids: readonly string[]): void {
    ids.forEach(id => { this.#touch(id) })
  }

  /** Whether there was anything to remember */
  #put (entry: Pick<Entry, 'source' | 'key' | 'at'>, named: readonly KnownProvider[]): boolean {
    const known = new Map<string, KnownProvider>()

    for (const each of named) {
      const newer = known.get(each.provider.id)
      known.set(each.provider.id, newer == null ? each : mergeKnown(newer, each))
    }

    const { providers, bytes } = fitProviders([...known.values()].slice(0, this.#params.providers))

    if (providers.length > 0) {
      this.#sources.add(entry.source)
      this.#entries.set(idOf(entry.source, entry.key), { ...entry, providers, bytes })
    }
    return providers.length > 0
  }

  #stillKnown (providers: readonly KnownProvider[]): KnownProvider[] {
    const { lasting, relayed } = this.#params
    const now = this.#clock.now()
    return providers.map(known => stillKnown(known, { any: now - lasting, relayed: now - relayed })).filter(known => known != null)
  }

  /** What is newer than now is of an unknown age, so not fresh */
  #monotonic (wall: number): number {
    return fromWall(this.#clock, wall, this.#params.relayed)
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

function sizeOf ({ bytes }: Entry): number {
  return bytes + ENTRY_OVERHEAD
}
