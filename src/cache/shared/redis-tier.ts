import { CID } from 'multiformats/cid'
import * as Digest from 'multiformats/hashes/digest'
import { IDENTITY_CODE } from '../../block/hashes.ts'
import { multihashKey } from '../../block/key.ts'
import { AskedBlocks } from './asked-blocks.ts'
import { JoinedReads } from './joined-reads.ts'
import { patience } from './patience.ts'
import { loadRedisLibrary } from './redis-connection-egress.ts'
import { RedisError } from './redis-error.ts'
import { RedisLink } from './redis-link.ts'
import { redisOptions } from './redis-options.ts'
import { WriteQueue } from './write-queue.ts'
import type { RedisConnection, RedisLibrary } from './redis-connection-egress.ts'
import type { RedisOptions, RedisTierInit } from './redis-options.ts'
import type { SharedTier, SharedTierComponents, SharedTierFactory } from './shared-tier.ts'
import type { QueuedWrite } from './write-queue.ts'
import type { CacheHealth, SharedStats } from '../../interface/cache.ts'
import type { Disclosure, Observer } from '../../interface/disclosure.ts'
import type { Purpose } from '../../interface/request.ts'
import type { AbortOptions } from '@libp2p/interface'

/** A block that was asked for once may never be again: most are not */
const HOT = 2

/** Reads under way. More than a server nearby answers at once in the time of one read; all of them are lost when it stalls */
const MAX_READS = 256

/** Writes under way: 256 KiB, which hold up the replies behind them by 2 ms on a gigabit line */
const MAX_WRITES = 4

/** The codec of a block is none of the shared cache's business */
const RAW = 0x55

const NOTHING: Promise<undefined> = Promise.resolve(undefined)

/**
 * A second level of the cache in Redis or Valkey, shared by several nodes: for small
 * blocks that are asked for again and again. Needs the package `ioredis`.
 *
 * @example
 *
 * ```ts
 * import { openBlockCache, redisTier } from 'portolan'
 *
 * const cache = await openBlockCache({
 *   path: './cache',
 *   shared: redisTier({ url: 'rediss://cache.example:6380', username: 'portolan', password: process.env.CACHE_PASSWORD })
 * })
 * ```
 */
export function redisTier (init: RedisTierInit): SharedTierFactory {
  const options = redisOptions(init)
  const open = async (components: SharedTierComponents): Promise<SharedTier> => openRedisTier(options, components, await loadRedisLibrary())
  return Object.assign(open, { location: options.name })
}

export async function openRedisTier (options: RedisOptions, components: SharedTierComponents, library: RedisLibrary): Promise<SharedTier> {
  const tier = new RedisTier(options, components, library)
  await tier.start()
  return tier
}

class RedisTier implements SharedTier {
  readonly #options: RedisOptions
  readonly #components: SharedTierComponents
  readonly #link: RedisLink
  readonly #observer: Observer
  readonly #asked = new AskedBlocks()
  readonly #queue = new WriteQueue()
  readonly #reads = new JoinedReads()
  /** Ends the wait of each read under way */
  readonly #waiting = new Set<() => void>()
  readonly #counts = { asked: 0, hits: 0, misses: 0, bypassed: 0, late: 0, written: 0, dropped: 0, damaged: 0 }
  #writing = 0
  #closing: Promise<void> | undefined

  constructor (options: RedisOptions, components: SharedTierComponents, library: RedisLibrary) {
    const { clock, random, logger } = components
    this.#options = options
    this.#components = components
    this.#observer = `party:${options.name}`
    this.#link = new RedisLink({
      library,
      options,
      clock,
      random,
      log: logger.forComponent('portolan:cache:shared'),
      disclose: () => components.request(undefined, 'join')?.disclose({ observer: this.#observer, form: 'none', transport: 'dial', audience: 'one' }),
      onOpen: () => { this.#letGo() }
    })
  }

  async start (): Promise<void> {
    await this.#link.start()
  }

  get (multihash: Uint8Array, { signal }: AbortOptions = {}): Promise<Uint8Array | undefined> {
    const connection = this.#link.connection
    const key = connection == null ? '' : multihashKey({ bytes: multihash as Uint8Array<ArrayBuffer> })

    // known at once: nothing to wait for, nothing to be told to anybody
    if (connection == null || (!this.#reads.has(key) && (this.#waiting.size >= MAX_READS || connection.pending >= 2 * MAX_READS))) {
      this.#counts.bypassed++
      return NOTHING
    }
    return this.#reads.join(key, async signal => this.#read(connection, multihash, signal), signal ?? undefined)
  }

  offer (multihash: Uint8Array, bytes: Uint8Array): void {
    const { length } = bytes

    if (this.#closing != null || length === 0 || length > this.#options.maxBlockBytes) {
      return
    }
    const key = multihashKey({ bytes: multihash as Uint8Array<ArrayBuffer> })
    if (this.#asked.count(key) < HOT || this.#asked.isHeld(key, this.#components.clock.now())) {
      return
    }
    if (!this.#link.writable || !this.#queue.add({ key, multihash, bytes })) {
      this.#counts.dropped++
      return
    }
    this.#pump()
  }

  stats (): SharedStats {
    return { ...this.#counts, outages: this.#link.outages }
  }

  health (): CacheHealth {
    return this.#link.health
  }

  async close (): Promise<void> {
    this.#closing ??= this.#close()
    await this.#closing
  }

  async #close (): Promise<void> {
    this.#letGo()
    await this.#link.close()
  }

  /** Whoever waits has waited long enough, and nobody would take what is queued */
  #letGo (): void {
    this.#counts.dropped += this.#queue.clear()
    for (const end of [...this.#waiting]) {
      end()
    }
  }

  async #read (connection: RedisConnection, multihash: Uint8Array, signal: AbortSignal): Promise<Uint8Array | undefined> {
    const cid = this.#cid(multihash)
    const disclosure = cid == null ? undefined : this.#disclose(cid, 'read')

    if (cid == null || disclosure == null) {
      this.#counts.bypassed++
      return undefined
    }
    const { keyPrefix, maxBlockBytes } = this.#options
    const key = multihashKey(cid.multihash)
    this.#counts.asked++

    let bytes: Uint8Array | undefined
    try {
      bytes = await this.#inTime(connection.read(keyPrefix + key, maxBlockBytes, disclosure), signal)
    } catch (err) {
      if (!(err instanceof RedisError)) {
        throw err
      }
      this.#failed(err, connection, cid)
      return undefined
    }
    if (bytes == null) {
      this.#missing(key)
      return undefined
    }
    return this.#verified(connection, cid, key, bytes)
  }

  #missing (key: string): void {
    this.#asked.missing(key)
    this.#counts.misses++
  }

  async #verified (connection: RedisConnection, cid: CID, key: string, bytes: Uint8Array): Promise<Uint8Array | undefined> {
    const { clock, verifier } = this.#components
    try {
      await verifier.verify(cid, bytes, { maxBlockSize: this.#options.maxBlockBytes })
    } catch {
      // whatever is wrong with them, they are not the block
      this.#damaged(connection, cid)
      this.#missing(key)
      return undefined
    }
    this.#counts.hits++
    this.#asked.held(key, clock.now() + this.#options.ttl / 2)
    return bytes
  }

  /** A read that brought an error */
  #failed (err: RedisError, connection: RedisConnection, cid: CID): void {
    switch (err.code) {
      case 'wrong-type':
        this.#damaged(connection, cid)
        this.#missing(multihashKey(cid.multihash))
        break
      case 'stalled':
        this.#counts.late++
        break
      case 'refused':
        this.#link.failed(err.message)
        this.#counts.late++
        break
      case 'unreachable':
        this.#counts.late++
    }
  }

  /** Deleted in the background: a read need not wait for it */
  #damaged (connection: RedisConnection, cid: CID): void {
    this.#counts.damaged++
    const disclosure = this.#disclose(cid, 'read')
    if (disclosure != null) {
      connection.remove(this.#options.keyPrefix + multihashKey(cid.multihash), disclosure).catch((err: Error) => { this.#link.refuse(err.message) })
    }
  }

  /** The reply, or what ends the wait for it: the time, the breaker, the caller. The command goes on for itself. */
  async #inTime<T> (reply: Promise<T>, signal: AbortSignal): Promise<T> {
    const { timeout } = this.#options
    return new Promise((resolve, reject) => {
      const end = (): void => {
        cancel()
        this.#waiting.delete(letGo)
        signal.removeEventListener('abort', onAbort)
      }
      const fail = (err: Error): void => {
        end()
        reject(err)
      }
      const letGo = (): void => { fail(new RedisError('stalled', 'nobody waits for it')) }
      const onAbort = (): void => { fail(signal.reason as Error) }
      const cancel = patience(this.#components.clock, timeout, () => {
        fail(new RedisError('stalled', `it did not answer within ${timeout} ms`))
        this.#link.failed(`it did not answer within ${timeout} ms`)
      })
      this.#waiting.add(letGo)
      signal.addEventListener('abort', onAbort, { once: true })
      reply.then(value => {
        if (this.#waiting.has(letGo)) {
          this.#link.answered()
          end()
          resolve(value)
        }
      }, (err: Error) => {
        if (this.#waiting.has(letGo)) {
          fail(err)
        }
      })
    })
  }

  #pump (): void {
    while (this.#writing < MAX_WRITES && this.#link.writable) {
      const connection = this.#link.connection
      const write = connection == null ? undefined : this.#queue.next()
      if (connection == null || write == null) {
        return
      }
      this.#writing++
      void this.#write(connection, write).finally(() => {
        this.#writing--
        this.#pump()
      })
    }
    if (!this.#link.writable) {
      this.#counts.dropped += this.#queue.clear()
    }
  }

  async #write (connection: RedisConnection, { key, multihash, bytes }: QueuedWrite): Promise<void> {
    const { keyPrefix, ttl } = this.#options
    const cid = this.#cid(multihash)
    const disclosure = cid == null ? undefined : this.#disclose(cid, 'serve')

    if (disclosure == null) {
      this.#counts.dropped++
      return
    }
    this.#counts.asked++
    try {
      await connection.write(keyPrefix + key, bytes, ttl, disclosure)
      this.#counts.written++
      // written again while it is still asked for in the second half of its time
      this.#asked.held(key, this.#components.clock.now() + ttl / 2)
    } catch (err) {
      this.#counts.dropped++
      if ((err as RedisError).code === 'refused') {
        this.#link.refuse((err as RedisError).message)
      }
    }
  }

  /** Undefined where bytes could not be told from others by this hash, or are in the CID itself */
  #cid (multihash: Uint8Array): CID | undefined {
    try {
      const cid = CID.createV1(RAW, Digest.decode(multihash))
      this.#components.verifier.check(cid)
      return cid.multihash.code === IDENTITY_CODE ? undefined : cid
    } catch {
      return undefined
    }
  }

  #disclose (cid: CID, purpose: Purpose): Disclosure | undefined {
    return this.#components.request(cid, purpose)?.disclose({
      observer: this.#observer,
      form: 'multihash',
      transport: this.#options.server.tls ? 'rediss' : 'redis',
      audience: 'one'
    })
  }
}
