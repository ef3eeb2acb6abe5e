import { raceSignal } from '../clock/race-signal.ts'
import { readLocal } from './local-read.ts'
import type { RoutingEnvironment } from './environment.ts'
import type { LocalStore } from '../interface/cache.ts'
import type { Clock } from '../interface/clock.ts'
import type { BlockKey } from '../interface/provider.ts'
import type { CID } from 'multiformats/cid'

/** A store that takes longer, in ms, is passed by: the network may be faster, and the read must end */
const STORE_TIMEOUT = 5_000

/**
 * Bytes that may wait for the disk while their readers go on: two of a reader's
 * largest windows, a tenth of a second of a disk's time. Beyond it readers wait for their writes, as all others do.
 */
const MAX_BACKLOG = 33_554_432

/** The same in blocks, each of which costs about a kilobyte besides its bytes */
const MAX_BACKLOG_BLOCKS = 1_024

export interface LocalReadOptions {
  readonly signal?: AbortSignal
  /** The read's own limit in ms */
  readonly timeout: number
  readonly maxBlockSize?: number
  /** Whether what is here is read; who has looked says `false`. @default true */
  readonly here?: boolean
  /** Whether a level that others share may be asked. @default true */
  readonly shared?: boolean
  /** The same session has it already: it is spared nothing by reading it once more. @default false */
  readonly again?: boolean
  /** Called when the block came from a level that others share */
  onShared? (): void
}

/** The raw store under a node, read and written so that neither wrong bytes nor a hanging disk hurt a read */
export class LocalCopies {
  readonly #env: RoutingEnvironment
  readonly #store: LocalStore
  readonly #writes = new WeakMap<Uint8Array, Promise<void>>()
  /** Delivered and not yet in the store: whoever asks now gets these bytes */
  readonly #storing = new Map<BlockKey, Uint8Array>()
  readonly #pending = new Set<Promise<void>>()
  /** The same by who reads on meanwhile; only what is not over */
  readonly #behind = new Map<string, Set<Promise<void>>>()
  #backlog = 0

  constructor (env: RoutingEnvironment, store: LocalStore) {
    this.#env = env
    this.#store = store
  }

  /** The block, when it is there and right; wrong bytes read as a miss */
  async read (cid: CID, key: BlockKey, options: LocalReadOptions): Promise<Uint8Array | undefined> {
    const { stats, clock, verifier, log } = this.#env
    const { here = true, shared = true } = options
    const arriving = here ? this.#storing.get(key) : undefined

    if (arriving != null || (!here && this.#store.getShared == null)) {
      return arriving
    }

    try {
      const bytes = await within(readLocal(this.#store, cid, { here, shared, signal: options.signal, onShared: options.onShared }), Math.min(STORE_TIMEOUT, options.timeout / 2), clock, options.signal)

      if (bytes == null) {
        return undefined
      }

      await verifier.verify(cid, bytes, { maxBlockSize: options.maxBlockSize ?? verifier.maxBlockSize })

      if (options.again !== true) {
        stats.localHits++
        stats.localBytes += bytes.byteLength
      }
      return bytes
    } catch (err) {
      options.signal?.throwIfAborted()
      stats.corruptLocal++
      log.error('the local copy of %s is unusable, fetching it again - %e', cid, err)
      return undefined
    }
  }

  /** It was not here, and nobody delivered it to those who read it */
  missed (cid: CID): void {
    this.#store.missed?.(cid)
  }

  /**
   * Callers that share the bytes share the write; a full or hanging disk costs the copy, not the read.
   *
   * @param behind - the caller's name, when it has more to read and calls `settled` at the end: it waits only when much waits already
   * @param client - whose share of a cache it takes up
   */
  async write (cid: CID, key: BlockKey, bytes: Uint8Array, behind?: string, client?: string): Promise<void> {
    const writing = this.#writes.get(bytes) ?? this.#begin(cid, key, bytes, client)

    if (behind != null && this.#pending.has(writing)) {
      this.#follow(behind, writing)
    }

    if (behind == null || this.#backlog > MAX_BACKLOG || this.#pending.size > MAX_BACKLOG_BLOCKS) {
      await writing
    }
  }

  /**
   * Resolves when what is being written now is in the store, or could not be put there; bounded by the store's time limit
   *
   * @param behind - only what this caller brought: nobody waits for the writes of others
   */
  async settled (behind?: string): Promise<void> {
    await Promise.all(behind == null ? this.#pending : this.#behind.get(behind) ?? [])
  }

  #follow (behind: string, writing: Promise<void>): void {
    const own = this.#behind.get(behind) ?? new Set()
    this.#behind.set(behind, own.add(writing))
    void writing.finally(() => {
      own.delete(writing)
      if (own.size === 0 && this.#behind.get(behind) === own) {
        this.#behind.delete(behind)
      }
    })
  }

  #begin (cid: CID, key: BlockKey, bytes: Uint8Array, client: string | undefined): Promise<void> {
    this.#storing.set(key, bytes)
    this.#backlog += bytes.byteLength
    const writing = this.#put(cid, bytes, client).finally(() => {
      this.#backlog -= bytes.byteLength
      this.#pending.delete(writing)
      this.#storing.delete(key)
    })
    this.#pending.add(writing)
    this.#writes.set(bytes, writing)
    return writing
  }

  async #put (cid: CID, bytes: Uint8Array, client: string | undefined): Promise<void> {
    const { clock, stats, log } = this.#env
    using timeout = clock.timeout(STORE_TIMEOUT)

    try {
      const { signal } = timeout
      await raceSignal((async () => {
        await (this.#store.admit == null ? this.#store.put(cid, bytes, { signal }) : this.#store.admit(cid, bytes, { origin: 'retrieval', client, wait: false }))
      })(), signal)
    } catch (err) {
      stats.storeFailures++
      log.error('could not store %s - %e', cid, err)
    }
  }
}

/** Settles with the work, the time or the signal, whichever is first; on the way of every local hit, so without a signal of its own */
async function within<T> (work: Promise<T>, ms: number, clock: Clock, signal?: AbortSignal): Promise<T> {
  const cancel = { timer: () => {} }
  const late = new Promise<never>((_resolve, reject) => {
    cancel.timer = clock.schedule(ms, () => { reject(new Error(`the store did not answer within ${ms} ms`)) })
  })

  try {
    return await Promise.race([signal == null ? work : raceSignal(work, signal), late])
  } finally {
    cancel.timer()
  }
}
