import { TransportError } from '../../interface/http-transport.ts'
import { transportError } from './failure.ts'
import type { HttpRequest, HttpResponse } from '../../interface/http-transport.ts'
import type { Stage } from './failure.ts'
import type { Clock } from '../../interface/clock.ts'
import type { Disclosure } from '../../interface/disclosure.ts'
import type { Dispatcher } from 'undici'

/** Bytes buffered before the socket is told to wait: twice a file's usual block, whose answer is never interrupted */
const HIGH_WATER_MARK = 524_288

/**
 * The longest rest of an unwanted answer worth reading out to keep its connection:
 * error pages are shorter, and reconnecting costs two round trips and more with TLS
 */
const DRAIN_LIMIT = 16_384

/** How long such a rest may take, in ms: about what reconnecting over a slow link would */
const DRAIN_TIMEOUT = 1000

/** HTTP allows any number of interim answers (103); a real server sends one or two, an endless one must end */
const MAX_INTERIM = 8

/**
 * What an answer may take on the wire beside its content, in bytes and as a multiple of it: headers, frames of
 * chunks, TLS records. A server that flushes every ten bytes stays below; the parser counts neither the
 * extensions of chunks nor the reason of a status, which may be as long as somebody likes.
 */
const MAX_FRAMING = 262_144
const MAX_FRAMING_PER_BYTE = 4

/** What an exchange looks at in the connection that carries it */
export interface Carrier {
  /** Has the current connection carried an answer before? */
  readonly reused: boolean
  /** Bytes written but not yet handed to the operating system */
  readonly unwritten: number
  /** Bytes that have come in over the current connection */
  readonly received: number
}

/**
 * - `complete`: the whole answer is in, the connection can carry another
 * - `abandoned`: nothing had been written, the connection (or dial) is untouched
 * - `broken`: the connection is gone, or must go; `stale` when others like it may be gone too
 */
export type Ending = 'complete' | 'abandoned' | 'broken' | 'stale'

type Headers = Record<string, string | string[] | undefined>

/** One request and its answer: what undici calls back, told as a promise and a body */
export class Exchange implements Dispatcher.DispatchHandler {
  readonly response: Promise<HttpResponse>
  /** Told once, when the exchange no longer needs whoever holds it (a queue, then a connection) */
  onEnd: (ending: Ending) => void = () => {}
  readonly #init: HttpRequest
  readonly disclosure: Disclosure
  readonly #clock: Clock
  readonly #resolve: (response: HttpResponse) => void
  readonly #reject: (error: unknown) => void
  #carrier?: Carrier
  #controller?: Dispatcher.DispatchController
  #stage: Stage = 'connecting'
  #reused = false
  #interim = 0
  /** What the connection had received before */
  #receivedBefore = 0
  #content = 0
  /** We ended it, nobody failed */
  #givenUp = false
  #ending?: Ending
  #error: unknown
  #chunks: Uint8Array[] = []
  #buffered = 0
  /** Bytes still to come, where the answer announced them */
  #rest = Infinity
  #wake?: () => void
  #draining = false
  #cancelDrain?: () => void

  constructor (init: HttpRequest, disclosure: Disclosure, clock: Clock) {
    const { promise, resolve, reject } = Promise.withResolvers<HttpResponse>()
    this.response = promise
    this.#resolve = resolve
    this.#reject = reject
    this.#init = init
    this.disclosure = disclosure
    this.#clock = clock
    init.signal.addEventListener('abort', this.#onAbort, { once: true })
  }

  /** What undici is asked to send */
  get options (): Dispatcher.DispatchOptions {
    const { url, headers } = this.#init

    return { method: 'GET', path: url.pathname + url.search, headers }
  }

  carry (carrier: Carrier): void {
    this.#carrier = carrier
  }

  /** Ends the exchange, on the wire too where it got that far */
  abort (reason: unknown): void {
    this.#givenUp = true

    if (this.#controller === undefined) {
      this.#end('abandoned', reason)
    } else {
      this.#controller.abort(reason as Error)
    }
  }

  onRequestStart (controller: Dispatcher.DispatchController): void {
    if (this.#ending !== undefined) {
      // given up while connecting; throwing leaves the connection to the next one
      throw new TransportError('connect', 'no longer wanted')
    }

    this.#controller = controller
    this.#reused = this.#carrier?.reused ?? false
    this.#receivedBefore = this.#carrier?.received ?? 0
    this.#stage = 'asked'
    this.#init.onConnected()
  }

  onResponseStarted (): void {
    this.#stage = 'answering'
    this.disclosure.sent()
  }

  onResponseStart (controller: Dispatcher.DispatchController, status: number, headers: Headers): void {
    if (status < 200) {
      if (++this.#interim > MAX_INTERIM) {
        controller.abort(new TransportError('protocol', `the answer is not acceptable HTTP (more than ${MAX_INTERIM} interim answers)`))
      }
      return
    }

    this.#stage = 'body'
    const get = (name: string): string | undefined => {
      const value = headers[name]
      return Array.isArray(value) ? value.join(', ') : value
    }
    const length = get('content-length')
    this.#rest = length === undefined ? Infinity : Number(length)
    this.#resolve({
      status,
      headers: { get },
      decoded: false,
      body: { [Symbol.asyncIterator]: () => this.#iterate() },
      discard: () => { this.#discard() }
    })
  }

  onResponseData (controller: Dispatcher.DispatchController, chunk: Uint8Array): void {
    this.#rest -= chunk.byteLength
    this.#content += chunk.byteLength

    if (this.#draining) {
      return
    }

    this.#chunks.push(chunk)
    this.#buffered += chunk.byteLength

    if (this.#buffered >= HIGH_WATER_MARK) {
      controller.pause()
    }
    this.#wake?.()
  }

  /** More bytes have come in, whatever they were */
  onReceived (): void {
    const framing = (this.#carrier?.received ?? 0) - this.#receivedBefore - this.#content

    if (this.#ending === undefined && framing > MAX_FRAMING + MAX_FRAMING_PER_BYTE * this.#content) {
      this.#controller?.abort(new TransportError('protocol', `the answer is not acceptable HTTP (${framing} bytes around ${this.#content} bytes of content)`))
    }
  }

  onResponseEnd (): void {
    this.#end('complete')
  }

  onResponseError (_controller: Dispatcher.DispatchController, error: unknown): void {
    if (this.#ending !== undefined) {
      return
    }

    if (this.#givenUp || (error as Error).name === 'AddressRefusedError') {
      this.#end('broken', error)
      return
    }

    const failure = transportError(error, this.#stage, { stale: this.#reused && this.#stage === 'asked' })
    this.#end(failure.stale ? 'stale' : 'broken', failure)
  }

  readonly #onAbort = (): void => {
    this.abort(this.#init.signal.reason)
  }

  #end (ending: Ending, error?: unknown): void {
    if (this.#ending !== undefined) {
      return
    }

    this.#ending = ending
    this.#init.signal.removeEventListener('abort', this.#onAbort)
    this.#cancelDrain?.()

    if (ending !== 'complete') {
      this.#error = error
      this.#settle()
      this.#reject(error)
    }

    if (this.#givenUp) {
      this.#chunks = []
    }
    this.#wake?.()
    this.onEnd(ending)
  }

  /** Once an answer began this changes nothing: the disclosure was settled as sent */
  #settle (): void {
    if (this.#stage === 'connecting') {
      this.disclosure.notSent()
    } else if (this.#givenUp && this.#carrier?.unwritten === 0) {
      // we lost interest, nothing broke: the bytes are on their way
      this.disclosure.sent()
    } else {
      this.disclosure.unknown()
    }
  }

  #discard (): void {
    if (this.#ending !== undefined) {
      this.#chunks = []
      return
    }

    if (this.#rest > DRAIN_LIMIT) {
      this.abort(new TransportError('lost', 'the rest of the answer was not wanted'))
      return
    }

    if (!this.#draining) {
      this.#draining = true
      this.#chunks = []
      this.#cancelDrain = this.#clock.schedule(DRAIN_TIMEOUT, () => {
        this.abort(new TransportError('lost', 'the rest of the answer did not come'))
      })
      this.#controller?.resume()
    }
  }

  #iterate (): AsyncIterator<Uint8Array> {
    return {
      next: async () => {
        while (this.#chunks.length === 0 && this.#ending === undefined) {
          await new Promise<void>(resolve => { this.#wake = resolve })
        }

        const value = this.#chunks.shift()

        if (value === undefined) {
          if (this.#ending !== 'complete') {
            throw this.#error
          }
          return { done: true, value }
        }

        this.#buffered -= value.byteLength

        if (this.#buffered < HIGH_WATER_MARK) {
          this.#controller?.resume()
        }

        return { done: false, value }
      },
      return: async () => {
        this.#discard()
        return { done: true, value: undefined }
      }
    }
  }
}
