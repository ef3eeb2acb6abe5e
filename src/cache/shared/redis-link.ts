import { afterAnswer, afterFault, afterLoss, afterProbe, newBreaker, probeBreaker } from './breaker.ts'
import { memoryPolicy, memoryWarning, writeRefusal } from './memory-policy.ts'
import { patience } from './patience.ts'
import { RedisConnection } from './redis-connection-egress.ts'
import { RedisError } from './redis-error.ts'
import type { Breaker } from './breaker.ts'
import type { MemoryPolicy } from './memory-policy.ts'
import type { RedisLibrary } from './redis-connection-egress.ts'
import type { RedisOptions } from './redis-options.ts'
import type { CacheHealth } from '../../interface/cache.ts'
import type { Clock, Random } from '../../interface/clock.ts'
import type { Disclosure } from '../../interface/disclosure.ts'
import type { Logger } from '../../interface/logger.ts'

/** In ms. How long nothing is written after it did not take a block, or after its policy was last looked at */
export const WRITE_PAUSE = 60_000

const IN_USE = 'is in use'

export interface RedisLinkInit {
  readonly library: RedisLibrary
  readonly options: RedisOptions
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
  /** That this node connects; undefined: it is not to be */
  disclose (): Disclosure | undefined
  /** It is left alone from now on: nobody should wait for what was asked */
  onOpen (): void
}

interface Refusal {
  readonly reason: string
  readonly until: number
}

/**
 * Keeps one connection to a server, and knows whether it is worth asking. Everything that
 * takes time happens here, on nobody's time: connecting, and finding out whether it is back.
 */
export class RedisLink {
  readonly #init: RedisLinkInit
  readonly #closing = new AbortController()
  #breaker: Breaker = newBreaker
  #connection: RedisConnection | undefined
  #cancel: (() => void) | undefined
  #probing: Promise<void> | undefined
  #refusal: Refusal | undefined
  #looking = false
  #reason = 'it was not reached yet'
  #logged: string | undefined
  #outages = 0

  constructor (init: RedisLinkInit) {
    this.#init = init
  }

  /** Where to ask; undefined: nowhere now */
  get connection (): RedisConnection | undefined {
    const usable = this.#breaker.state === 'closed' && this.#connection?.ended === false && !this.#closing.signal.aborted
    return usable ? this.#connection : undefined
  }

  /** Whether it takes blocks; where it did not, that is looked at again after a while */
  get writable (): boolean {
    if (this.#refusal != null && this.#init.clock.now() >= this.#refusal.until) {
      void this.#look()
    }
    return this.connection != null && this.#refusal == null
  }

  get outages (): number {
    return this.#outages
  }

  get health (): CacheHealth {
    const { name } = this.#init.options
    if (this.connection == null) {
      return { state: 'degraded', reason: `the shared cache ${name} is not asked: ${this.#reason}` }
    }
    return this.#refusal == null ? { state: 'ok' } : { state: 'degraded', reason: `the shared cache ${name} is only read: ${this.#refusal.reason}` }
  }

  /** Resolves when it is known whether it can be used now */
  async start (): Promise<void> {
    await this.#probe()
  }

  answered (): void {
    this.#breaker = afterAnswer(this.#breaker)
  }

  failed (reason: string): void {
    this.#reason = reason
    this.#become(afterFault(this.#breaker, this.#init.clock.now(), this.#init.random.next()))
  }

  /** It did not take a block */
  refuse (reason: string): void {
    this.#refusal = { reason, until: this.#init.clock.now() + WRITE_PAUSE }
    this.#say(`is only read for now: ${reason}`)
  }

  /** Idempotent: resolves when there is no connection and no timer left */
  async close (): Promise<void> {
    this.#reason = 'it was closed'
    this.#closing.abort(new RedisError('unreachable', this.#reason))
    this.#cancel?.()
    await this.#connection?.close()
    await this.#probing
  }

  #become (breaker: Breaker): void {
    const opened = breaker.state === 'open' && this.#breaker.state !== 'open'
    const wasClosed = this.#breaker.state === 'closed'
    this.#breaker = breaker

    if (opened) {
      if (wasClosed) {
        this.#outages++
        this.#init.onOpen()
      }
      this.#say(`is not asked for a while: ${this.#reason}`)
      this.#schedule(breaker.until)
    }
  }

  #schedule (until: number): void {
    this.#cancel?.()
    if (this.#closing.signal.aborted) {
      return
    }
    const { clock } = this.#init
    this.#cancel = clock.schedule(until - clock.now(), () => {
      this.#cancel = undefined
      this.#breaker = probeBreaker(this.#breaker, Math.max(until, clock.now()))
      void this.#probe()
    })
  }

  /** Never rejects */
  async #probe (): Promise<void> {
    this.#probing = this.#try()
    await this.#probing
  }

  async #try (): Promise<void> {
    const { clock, random, options } = this.#init
    let ok = false
    try {
      if (this.#connection?.ended !== false) {
        this.#connection = await this.#connect()
        this.#refusal = undefined
      }
      await this.#within(options.timeout, this.#connection.ping(), `it did not answer within ${options.timeout} ms`)
      await this.#look()
      ok = !this.#connection.ended
    } catch (err) {
      this.#reason = (err as Error).message
    }
    if (this.#closing.signal.aborted) {
      return
    }
    this.#become(afterProbe(this.#breaker, ok, clock.now(), random.next()))
    if (this.writable) {
      this.#say(IN_USE)
    }
  }

  async #connect (): Promise<RedisConnection> {
    const { library, options, clock } = this.#init
    const closing = this.#closing.signal
    const disclosure = this.#init.disclose()
    if (disclosure == null) {
      throw new RedisError('unreachable', 'nothing may be disclosed to it')
    }
    using deadline = clock.timeout(options.connectTimeout)
    const onEnd = (connection: RedisConnection, reason: RedisError): void => {
      if (this.#connection === connection && !closing.aborted) {
        this.#reason = reason.message
        this.#become(afterLoss(this.#breaker, clock.now(), this.#init.random.next()))
      }
    }

    try {
      const connection = await RedisConnection.open({ library, server: options.server, clock, onEnd }, AbortSignal.any([deadline.signal, closing]), disclosure)
      if (closing.aborted) {
        await connection.close()
        closing.throwIfAborted()
      }
      return connection
    } catch (err) {
      throw deadline.signal.aborted ? new RedisError('unreachable', `there was no connection within ${options.connectTimeout} ms`) : err
    }
  }

  /** How the server makes room, and so whether it may be written to. Never rejects. */
  async #look (): Promise<void> {
    const connection = this.#connection
    if (connection == null || this.#looking) {
      return
    }
    this.#looking = true
    try {
      const policy = await this.#policy(connection)
      const refusal = policy == null ? 'it does not say in time how it makes room' : writeRefusal(policy)
      const warning = policy == null ? undefined : memoryWarning(policy)

      if (refusal != null) {
        this.refuse(refusal)
      } else {
        this.#refusal = undefined
      }
      if (warning != null) {
        this.#say(`may keep blocks for longer than it should: ${warning}`)
      }
    } finally {
      this.#looking = false
    }
  }

  /** Undefined: it could not be asked */
  async #policy (connection: RedisConnection): Promise<MemoryPolicy | undefined> {
    const { connectTimeout } = this.#init.options
    try {
      return memoryPolicy(await this.#within(connectTimeout, connection.memory(), ''))
    } catch (err) {
      // users of an ACL are often not allowed to ask
      return (err as RedisError).code === 'refused' ? {} : undefined
    }
  }

  async #within<T> (ms: number, reply: Promise<T>, late: string): Promise<T> {
    return new Promise((resolve, reject) => {
      const cancel = patience(this.#init.clock, ms, () => { reject(new RedisError('stalled', late)) })
      reply.then(resolve, reject).finally(cancel)
    })
  }

  /** Once, until something else is to be said */
  #say (what: string): void {
    if (what !== this.#logged) {
      this.#logged = what
      const { log, options } = this.#init
      const say = what === IN_USE ? log : log.error
      say('the shared cache %s %s', options.name, what)
    }
  }
}
