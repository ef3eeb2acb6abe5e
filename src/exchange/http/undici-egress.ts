import { systemClock } from '../../clock/system-clock.ts'
import { InvalidOptionError, NotRunningError } from '../../interface/errors.ts'
import { addressPolicy } from '../../provider/address.ts'
import { lookedUp } from '../lease/disclosed-names.ts'
import { dialer, systemResolve } from './dial-egress.ts'
import { OriginPool } from './origin-pool-egress.ts'
import { portOf } from './port.ts'
import { Exchange } from './undici-exchange-egress.ts'
import type { HttpRequest, HttpResponse, HttpTransport } from '../../interface/http-transport.ts'
import type { Resolve } from './dial-egress.ts'
import type { Clock } from '../../interface/clock.ts'
import type { Disclosure } from '../../interface/disclosure.ts'
import type { AddressPolicy } from '../../provider/address.ts'

/**
 * HTTP/1.1 carries one exchange per connection, so this is how many requests one provider has in flight. As
 * many as routing ever allows itself by default: an attempt's timers must not run while it queues here.
 */
export const DEFAULT_CONNECTIONS_PER_ORIGIN = 128

/** Long enough for the next block of a file being watched, short enough to be a guest: boxo keeps idle ones as long */
export const DEFAULT_IDLE_TIMEOUT = 30_000

/** A backstop above what attempts allow themselves; a handshake over a satellite link fits in it three times */
export const DEFAULT_CONNECT_TIMEOUT = 5000

/** Origins with a connection at once: as many as routing has requests in flight, so that nobody waits for a place */
export const DEFAULT_MAX_ORIGINS = 256

/** Node's own limit; a trustless gateway's headers are below 2 KiB */
export const DEFAULT_MAX_HEADER_SIZE = 16_384

export interface UndiciTransportInit {
  /** Which addresses may be dialled. @default public ones only */
  policy?: AddressPolicy
  /** More requests than this wait for a connection. @default 128 */
  connectionsPerOrigin?: number
  /** Milliseconds that an unused connection is kept. @default 30_000 */
  idleTimeout?: number
  /** Milliseconds for resolving, connecting and the TLS handshake together. @default 5_000 */
  connectTimeout?: number
  /** The least recently used origin without a request under way gives way. @default 256 */
  maxOrigins?: number
  /** Bytes of an answer's head. @default 16_384 */
  maxHeaderSize?: number
  /** Certificate authorities trusted instead of the machine's, as PEM */
  ca?: string | readonly string[]
  /** Resolves host names. @default the machine's resolver */
  resolve?: Resolve
  /** @default the machine's */
  clock?: Clock
}

export interface UndiciTransport extends HttpTransport {
  close (): Promise<void>
  /** Origins and connections held now */
  stats (): { origins: number, connections: number }
}

/**
 * HTTP/1.1 over pooled connections, for Node: every address checked by the policy,
 * names resolved once per connection, certificates verified, no redirect followed,
 * nothing decompressed, nothing left after `close()`.
 *
 * @example
 * ```ts
 * const transport = undiciTransport({ policy: addressPolicy({ allow: ['127.0.0.1'] }) })
 * const fetcher = httpBlockFetcher({ transport, policy })
 * ```
 */
export function undiciTransport (init: UndiciTransportInit = {}): UndiciTransport {
  return new PooledTransport({
    policy: init.policy ?? addressPolicy(),
    connectionsPerOrigin: atLeastOne('connectionsPerOrigin', init.connectionsPerOrigin ?? DEFAULT_CONNECTIONS_PER_ORIGIN),
    idleTimeout: atLeastOne('idleTimeout', init.idleTimeout ?? DEFAULT_IDLE_TIMEOUT),
    connectTimeout: atLeastOne('connectTimeout', init.connectTimeout ?? DEFAULT_CONNECT_TIMEOUT),
    maxOrigins: atLeastOne('maxOrigins', init.maxOrigins ?? DEFAULT_MAX_ORIGINS),
    maxHeaderSize: atLeastOne('maxHeaderSize', init.maxHeaderSize ?? DEFAULT_MAX_HEADER_SIZE),
    resolve: init.resolve ?? systemResolve,
    clock: init.clock ?? systemClock,
    ca: init.ca
  })
}

function atLeastOne (name: string, value: number): number {
  if (!Number.isInteger(value) || value < 1 || value > 0x7fff_ffff) {
    throw new InvalidOptionError(`${name} must be an integer from 1 to 2147483647, got ${String(value)}`)
  }
  return value
}

type Settings = Required<Omit<UndiciTransportInit, 'ca'>> & Pick<UndiciTransportInit, 'ca'>

class PooledTransport implements UndiciTransport {
  readonly #settings: Settings
  /** Least recently used first */
  readonly #pools = new Map<string, OriginPool>()
  /** For an origin that has no pool while every place is taken by one that is under way */
  readonly #waiting: Array<{ url: URL, exchange: Exchange }> = []
  /** Pools that gave way, while their sockets close */
  readonly #leaving = new Set<Promise<void>>()
  /** Set by the first `close()` */
  #closed?: Promise<void>

  constructor (settings: Settings) {
    this.#settings = settings
  }

  async request (init: HttpRequest, disclosure: Disclosure): Promise<HttpResponse> {
    const { url, signal } = init

    try {
      if (this.#closed !== undefined) {
        throw new NotRunningError('The HTTP transport was closed')
      }
      signal.throwIfAborted()

      // equal questions get equal answers, and an origin with a pool was asked about
      if (!this.#pools.has(url.origin)) {
        this.#settings.policy.check(url.hostname, portOf(url))
      }
    } catch (error) {
      disclosure.notSent()
      throw error
    }

    const exchange = new Exchange(init, disclosure, this.#settings.clock)
    this.#submit(url, exchange)

    return exchange.response
  }

  stats (): { origins: number, connections: number } {
    let connections = 0

    for (const pool of this.#pools.values()) {
      connections += pool.connections
    }

    return { origins: this.#pools.size, connections }
  }

  async close (): Promise<void> {
    this.#closed ??= this.#close()
    await this.#closed
  }

  async #close (): Promise<void> {
    const reason = new NotRunningError('The HTTP transport was closed')

    for (const { exchange } of [...this.#waiting]) {
      exchange.abort(reason)
    }

    for (const [origin, pool] of [...this.#pools]) {
      this.#forget(origin, pool, reason)
    }

    await Promise.all(this.#leaving)
  }

  #submit (url: URL, exchange: Exchange): void {
    const { origin } = url
    const pool = this.#pools.get(origin) ?? this.#admit(url)

    if (pool === undefined) {
      const entry = { url, exchange }
      exchange.onEnd = () => { this.#waiting.splice(this.#waiting.indexOf(entry), 1) }
      this.#waiting.push(entry)
      return
    }

    this.#pools.delete(origin)
    this.#pools.set(origin, pool)
    pool.submit(exchange)
  }

  #admit (url: URL): OriginPool | undefined {
    const { maxOrigins, connectionsPerOrigin, idleTimeout, maxHeaderSize } = this.#settings

    if (this.#pools.size >= maxOrigins) {
      const leaver = [...this.#pools].find(([, pool]) => pool.quiet)

      if (leaver === undefined) {
        return undefined
      }
      this.#forget(...leaver, new NotRunningError('The HTTP transport closed this origin'))
    }

    const { resolve } = this.#settings
    const dial = dialer(url, { ...this.#settings, lookUp: async (hostname, dialled) => lookedUp(hostname, resolve, dialled) })
    const pool = new OriginPool(url.origin, { dial, connections: connectionsPerOrigin, idleTimeout, maxHeaderSize }, () => {
      this.#onQuiet(url.origin, pool)
    })

    return pool
  }

  #forget (origin: string, pool: OriginPool, reason: Error): void {
    this.#pools.delete(origin)
    const leaving = pool.close(reason).finally(() => { this.#leaving.delete(leaving) })
    this.#leaving.add(leaving)
  }

  #onQuiet (origin: string, pool: OriginPool): void {
    if (pool.empty && this.#pools.get(origin) === pool) {
      this.#pools.delete(origin)
    }

    if (this.#closed === undefined) {
      // whoever still finds no place waits on, in the same order
      for (const { url, exchange } of this.#waiting.splice(0)) {
        this.#submit(url, exchange)
      }
    }
  }
}
