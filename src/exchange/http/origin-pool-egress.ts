import { Client } from 'undici'
import { TransportError } from '../../interface/http-transport.ts'
import type { Dial } from './dial-egress.ts'
import type { Carrier, Ending, Exchange } from './undici-exchange-egress.ts'
import type { Disclosure } from '../../interface/disclosure.ts'
import type { Socket } from 'node:net'

export interface OriginPoolInit {
  readonly dial: Dial
  /** Most connections at a time */
  readonly connections: number
  /** Milliseconds after which an unused connection is closed */
  readonly idleTimeout: number
  readonly maxHeaderSize: number
}

/** Connections of an origin that are kept for as long as was asked for */
const KEPT = 32

/** What more a burst took is closed sooner, in ms: the next window of the same reader comes within a round trip */
const BURST_IDLE_TIMEOUT = 4_000

/** The connections to one origin, and who waits for one. undici's own Pool cannot give up a dial or a place in its queue. */
export class OriginPool {
  readonly #origin: string
  readonly #init: OriginPoolInit
  readonly #lanes = new Set<Lane>()
  /** The last one used is used next, so that the others idle out */
  readonly #idle: Lane[] = []
  readonly #queue: Exchange[] = []
  readonly #closing = new Set<Promise<void>>()
  readonly #onQuiet: () => void

  /** @param onQuiet told when nothing is under way any more */
  constructor (origin: string, init: OriginPoolInit, onQuiet: () => void) {
    this.#origin = origin
    this.#init = init
    this.#onQuiet = onQuiet
  }

  /** Nothing is under way: it may be closed without harm */
  get quiet (): boolean {
    return this.#queue.length === 0 && this.#idle.length === this.#lanes.size
  }

  /** Neither under way nor connected: nothing is lost by forgetting it */
  get empty (): boolean {
    return this.#lanes.size === 0 && this.#queue.length === 0 && this.#closing.size === 0
  }

  get connections (): number {
    return this.#lanes.size
  }

  submit (exchange: Exchange): void {
    exchange.onEnd = () => {
      this.#queue.splice(this.#queue.indexOf(exchange), 1)
      this.#settleDown()
    }
    this.#queue.push(exchange)
    this.#pump()
  }

  /** Ends what is under way with `reason`, and every connection */
  async close (reason: Error): Promise<void> {
    for (const exchange of [...this.#queue]) {
      exchange.abort(reason)
    }

    for (const lane of [...this.#lanes]) {
      lane.exchange?.abort(reason)
      this.#retire(lane)
    }

    await Promise.all(this.#closing)
  }

  #pump (): void {
    while (this.#queue.length > 0) {
      const lane = this.#idle.pop() ?? this.#open()
      const exchange = lane === undefined ? undefined : this.#queue.shift()

      if (lane === undefined || exchange === undefined) {
        return
      }

      exchange.onEnd = ending => { this.#onEnd(lane, ending) }
      lane.run(exchange)
    }
  }

  #open (): Lane | undefined {
    if (this.#lanes.size >= this.#init.connections) {
      return undefined
    }

    const { idleTimeout } = this.#init
    const init = this.#lanes.size < KEPT ? this.#init : { ...this.#init, idleTimeout: Math.min(idleTimeout, BURST_IDLE_TIMEOUT) }
    const lane = new Lane(this.#origin, init, () => {
      if (lane.exchange === undefined) {
        this.#retire(lane)
        this.#settleDown()
      }
    })
    this.#lanes.add(lane)
    return lane
  }

  #onEnd (lane: Lane, ending: Ending): void {
    lane.exchange = undefined

    if (!this.#lanes.has(lane)) {
      return
    }

    if (ending === 'complete') {
      lane.served++
      this.#idle.push(lane)
    } else if (ending === 'abandoned' && lane.connected) {
      // nothing was written: the connection is as good as before
      this.#idle.push(lane)
    } else {
      this.#retire(lane)
    }

    if (ending === 'stale') {
      // what ended this kept connection (a restart, a middlebox) has likely ended the other kept ones
      for (const other of [...this.#idle]) {
        this.#retire(other)
      }
    }

    this.#pump()
    this.#settleDown()
  }

  #retire (lane: Lane): void {
    if (!this.#lanes.delete(lane)) {
      return
    }

    const at = this.#idle.indexOf(lane)

    if (at >= 0) {
      this.#idle.splice(at, 1)
    }

    const closing = lane.destroy().finally(() => {
      this.#closing.delete(closing)
      this.#settleDown()
    })
    this.#closing.add(closing)
  }

  #settleDown (): void {
    if (this.quiet) {
      this.#onQuiet()
    }
  }
}

/** One connection at a time, and the exchange it carries */
class Lane implements Carrier {
  readonly #client: Client
  #socket?: Socket
  exchange?: Exchange
  /** Of the exchange that came last: a connection is made for it */
  #disclosure?: Disclosure
  connected = false
  /** Answers that the current connection has carried */
  served = 0

  constructor (origin: string, init: OriginPoolInit, onDisconnect: () => void) {
    this.#client = new Client(origin, {
      connect: (options, callback) => {
        if (this.#disclosure === undefined) {
          callback(new TransportError('connect', 'nobody asked for a connection'), null)
          return
        }
        const { observer } = this.#disclosure
        this.#socket = init.dial(options, callback, this.#disclosure.also({ observer, form: 'none', transport: 'dial', audience: 'one' }))
      },
      pipelining: 1,
      keepAliveTimeout: init.idleTimeout,
      // a server may shorten the time that a connection is kept, never lengthen it
      keepAliveMaxTimeout: init.idleTimeout,
      maxHeaderSize: init.maxHeaderSize,
      // an attempt's timers belong to whoever made it: its signal ends it
      headersTimeout: 0,
      bodyTimeout: 0
    })
    this.#client.on('connect', () => {
      this.connected = true
      this.served = 0
      // behind undici's own listener, so the bytes have been read
      this.#socket?.on('readable', () => { this.exchange?.onReceived() })
    })
    this.#client.on('disconnect', () => {
      this.connected = false
      onDisconnect()
    })
  }

  get reused (): boolean {
    return this.served > 0
  }

  get unwritten (): number {
    return this.#socket?.writableLength ?? 0
  }

  get received (): number {
    return this.#socket?.bytesRead ?? 0
  }

  run (exchange: Exchange): void {
    this.exchange = exchange
    this.#disclosure = exchange.disclosure
    exchange.carry(this)
    this.#client.dispatch({ ...exchange.options }, exchange)
  }

  /** Resolves when the socket is closed */
  async destroy (): Promise<void> {
    const socket = this.#socket
    const closed = Promise.withResolvers<void>()

    if (socket === undefined || socket.closed) {
      closed.resolve()
    } else {
      socket.once('close', () => { closed.resolve() })
    }

    const destroyed = this.#client.destroy()
    // the client learns of its socket only once it has connected
    socket?.destroy()
    await Promise.all([destroyed, closed.promise])
  }
}
