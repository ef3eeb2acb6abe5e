import { MissingDependencyError } from '../../interface/errors.ts'
import { checkedStream } from './checked-stream-egress.ts'
import { RedisError } from './redis-error.ts'
import type { CheckedStream } from './checked-stream-egress.ts'
import type { RedisServer } from './redis-options.ts'
import type { Clock } from '../../interface/clock.ts'
import type { Disclosure } from '../../interface/disclosure.ts'
import type { AbstractConnector, Redis } from 'ioredis'

/** In ms. Without any reply for this long, something is wrong with the connection and not with a command */
export const STALL_TIMEOUT = 2000

/** `INFO memory` has about 1 500 bytes in Redis 7 */
const MAX_INFO = 65_536

/** Bytes of `OK` and `PONG`, which some servers send as strings */
const MAX_STATUS = 64

export type RedisLibrary = Pick<typeof import('ioredis'), 'Redis' | 'AbstractConnector'>

/** The optional package, only where somebody configured what needs it */
export async function loadRedisLibrary (load: () => Promise<RedisLibrary> = async () => import('ioredis')): Promise<RedisLibrary> {
  try {
    return await load()
  } catch (err) {
    throw new MissingDependencyError('a shared cache is configured, and the package ioredis that it needs cannot be loaded: install it beside portolan with "npm install ioredis"', { cause: err })
  }
}

export interface RedisConnectionInit {
  readonly library: RedisLibrary
  readonly server: RedisServer
  readonly clock: Clock
  /** The connection is gone, for whatever reason: called once */
  onEnd (connection: RedisConnection, reason: RedisError): void
}

/**
 * One connection, from login to end. Nothing is queued while there is none, nothing is sent
 * twice, and it is not made again: whoever holds it decides that.
 */
export class RedisConnection {
  readonly #redis: Redis
  readonly #stream: CheckedStream
  /** Of the connection: it covers what is said of no block */
  readonly #disclosure: Disclosure
  readonly #clock: Clock
  readonly #ended: Promise<void>
  #reason: RedisError | undefined
  #unwatch: (() => void) | undefined
  #replies = 0
  /** We left, and all that was said had gone */
  #left = false

  /** @param disclosure - of the connection alone: each command about a block has its own */
  static async open (init: RedisConnectionInit, signal: AbortSignal, disclosure: Disclosure): Promise<RedisConnection> {
    const stream = await checkedStream(init.server, signal, disclosure)
    const connection = new RedisConnection(init, stream, disclosure)
    try {
      await connection.#redis.connect()
    } catch (err) {
      throw connection.#reason ?? reasonOf(err, stream)
    }
    return connection
  }

  private constructor (init: RedisConnectionInit, stream: CheckedStream, disclosure: Disclosure) {
    this.#stream = stream
    this.#disclosure = disclosure
    this.#clock = init.clock
    this.#redis = new init.library.Redis({
      Connector: connectorOf(init.library, stream),
      lazyConnect: true,
      // RESP2 has all that is needed, and all kinds of servers speak it
      protocol: 2,
      // nothing is sent that was not asked for here: the gate would take the reply for another's
      enableReadyCheck: false,
      disableClientInfo: true,
      enableOfflineQueue: false,
      autoResendUnfulfilledCommands: false,
      maxRetriesPerRequest: 0,
      retryStrategy: null
    })
    this.#redis.on('error', (err: unknown) => { this.#reason ??= reasonOf(err, stream) })
    this.#ended = new Promise(resolve => {
      stream.once('error', (err: unknown) => { this.#reason ??= reasonOf(err, stream) })
      stream.once('close', () => {
        this.#unwatch?.()
        const reason = this.#reason ??= new RedisError('unreachable', 'the connection was closed')
        resolve()
        init.onEnd(this, reason)
      })
    })
  }

  get ended (): boolean {
    return this.#stream.destroyed
  }

  /** Replies that are still to come */
  get pending (): number {
    return this.#stream.gate.pending
  }

  /** The value, of which no more than one byte above `maxBytes` is asked for; undefined when there is none */
  async read (key: string, maxBytes: number, disclosure: Disclosure): Promise<Uint8Array | undefined> {
    // not GET: a value of 512 MiB would come whole
    const value = await this.#send(maxBytes + 1, async () => this.#redis.getrangeBuffer(key, 0, maxBytes), disclosure)
    // a copy: the value is a piece of a buffer that the whole of a read from the socket shares
    return value.length === 0 ? undefined : new Uint8Array(value)
  }

  async write (key: string, bytes: Uint8Array, ttl: number, disclosure: Disclosure): Promise<void> {
    await this.#send(MAX_STATUS, async () => this.#redis.set(key, Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength), 'PX', ttl), disclosure)
  }

  async remove (key: string, disclosure: Disclosure): Promise<void> {
    await this.#send(MAX_STATUS, async () => this.#redis.del(key), disclosure)
  }

  async ping (): Promise<void> {
    await this.#send(MAX_STATUS, async () => this.#redis.ping(), this.#disclosure)
  }

  async memory (): Promise<string> {
    return this.#send(MAX_INFO, async () => this.#redis.info('memory'), this.#disclosure)
  }

  /** Idempotent: resolves when the socket is closed */
  async close (reason?: RedisError): Promise<void> {
    this.#reason ??= reason
    this.#left ||= !this.#stream.destroyed && this.#stream.unwritten === 0
    this.#redis.disconnect()
    this.#stream.destroy()
    await this.#ended
  }

  /** The disclosure is settled by what became of the command, however long that takes and whoever still waits */
  async #send<T> (maxBytes: number, command: () => Promise<T>, disclosure: Disclosure): Promise<T> {
    if (this.#stream.destroyed || this.#redis.status !== 'ready') {
      disclosure.notSent()
      throw this.#reason ?? new RedisError('unreachable', 'the connection was closed')
    }
    this.#stream.gate.expect(maxBytes)
    const reply = command()
    this.#watch()

    try {
      const value = await reply
      this.#replies++
      disclosure.sent()
      return value
    } catch (err) {
      if (isReply(err)) {
        this.#replies++
        disclosure.sent()
      } else if (this.#left) {
        // nothing broke: it did not answer in time, or nobody waits any more
        disclosure.sent()
      } else {
        disclosure.unknown()
      }
      const reason = reasonOf(err, this.#stream)
      throw isReply(err) ? reason : this.#reason ?? reason
    }
  }

  #watch (): void {
    if (this.#unwatch != null) {
      return
    }
    const replies = this.#replies
    this.#unwatch = this.#clock.schedule(STALL_TIMEOUT, () => {
      this.#unwatch = undefined
      if (this.pending === 0) {
        return
      }
      if (this.#replies === replies) {
        void this.close(new RedisError('stalled', `it has sent nothing for ${STALL_TIMEOUT} ms`))
      } else {
        this.#watch()
      }
    })
  }
}

/** Gives the client the stream that is there already */
function connectorOf (library: RedisLibrary, stream: CheckedStream): new (options: unknown) => AbstractConnector {
  return class extends library.AbstractConnector {
    constructor () {
      super(0)
    }

    // the client uses of a socket what a CheckedStream has
    async connect (): Promise<never> {
      return stream as never
    }

    override disconnect (): void {
      stream.destroy()
    }
  }
}

/** An error that the server sent: the command had arrived */
function isReply (err: unknown): boolean {
  return err instanceof Error && err.name === 'ReplyError'
}

function reasonOf (err: unknown, stream: CheckedStream): RedisError {
  if (err instanceof RedisError) {
    return err
  }
  const text = err instanceof Error ? err.message : String(err)
  if (!isReply(err)) {
    return new RedisError('unreachable', `the connection broke: ${stream.printable(text)}`)
  }
  return new RedisError(text.startsWith('WRONGTYPE') ? 'wrong-type' : 'refused', `it refuses: ${stream.printable(text)}`)
}
