import { FetchError } from '../../interface/errors.ts'
import { encodeMessage } from './encode-message.ts'
import { BITSWAP_PROTOCOLS } from './message.ts'
import { confirmWrite } from './write-confirmation.ts'
import type { BitswapProtocol } from './message.ts'
import type { Lane, Outgoing, Recipient, WriteOptions } from './network.ts'
import type { Clock } from '../../interface/clock.ts'
import type { Connection, Stream } from '@libp2p/interface'

/** A stream that takes nothing for this long has nobody at its other end: as long as TCP takes for its fifth retransmission */
export const DEFAULT_SEND_TIMEOUT = 30_000
/** Opening costs two round trips and, at a busy peer, its turn */
const OPEN_TIMEOUT = 10_000
/** Kept open between messages. Less than a lease rests, so that its connection carries nothing of ours when it ends; a new stream costs one round trip. */
export const IDLE_STREAM = 20_000
/** Peers whose version is remembered: what asking again costs is one round trip */
const MAX_VERSIONS = 4_096
/** Pieces below this go together with their neighbour: a frame of their own costs more than copying them */
const SMALL_PIECE = 16_384
/** Bytes left to write when the next message may come: what is on the wire meanwhile hides the time it takes to make it */
const LOW_WATER = 262_144
const DRAINING = ['drain', 'idle', 'close'] as const

export interface OutgoingStreamsInit {
  readonly clock: Clock
  readonly sendTimeout: number
  /** Outgoing streams of this protocol per connection */
  readonly maxStreams: number
  onBroken (to: { peer: string, lane: Lane }, error: Error): void
  onNotReading (peer: string, message: string): void
}

interface Open {
  readonly stream: Stream
  readonly connection: Connection
  readonly protocol: BitswapProtocol
  usedAt: number
}

interface LaneState {
  readonly to: { peer: string, lane: Lane }
  open?: Open
  /** Messages of one lane go one after the other */
  tail: Promise<void>
  pending: number
}

/** The streams that we write to: one per peer and lane, opened for the first message, opened again when it broke */
export class OutgoingStreams {
  readonly #init: OutgoingStreamsInit
  readonly #lanes = new Map<string, LaneState>()
  readonly #versions = new Map<string, BitswapProtocol>()
  #stopped = new AbortController()

  constructor (init: OutgoingStreamsInit) {
    this.#init = init
  }

  get size (): number {
    return this.#lanes.size
  }

  start (): void {
    this.#stopped = new AbortController()
  }

  stop (): void {
    const reason = stopped()
    this.#stopped.abort(reason)

    for (const lane of this.#lanes.values()) {
      this.#drop(lane, reason)
    }

    this.#lanes.clear()
  }

  /** Ends streams that nobody has used for a while */
  sweep (): void {
    const before = this.#init.clock.now() - IDLE_STREAM

    for (const [key, lane] of this.#lanes) {
      if (lane.pending === 0 && (lane.open == null || lane.open.usedAt < before)) {
        this.#lanes.delete(key)
        const { open } = lane
        lane.open = undefined
        this.#end(open?.stream)
      }
    }
  }

  async write (to: Recipient, compose: (protocol: BitswapProtocol) => Outgoing | undefined, options: WriteOptions): Promise<void> {
    const key = `${to.lane} ${to.peer}`
    let lane = this.#lanes.get(key)

    if (lane == null) {
      lane = { to: { peer: to.peer, lane: to.lane }, tail: Promise.resolve(), pending: 0 }
      this.#lanes.set(key, lane)
    }

    const state = lane
    state.pending++
    const turn = state.pending === 1 ? this.#write(state, to, compose, options) : state.tail.then(async () => this.#write(state, to, compose, options))
    // the next one waits for this one, however it ends; its failure is told to whoever wrote it
    state.tail = turn.then(() => {}, () => {}).then(() => { state.pending-- })
    await turn
  }

  async #write (lane: LaneState, to: Recipient, compose: (protocol: BitswapProtocol) => Outgoing | undefined, options: WriteOptions): Promise<void> {
    const { signal } = options
    const open = this.#usable(lane) ?? await this.#open(lane, to, signal)
    this.#check(signal)
    const outgoing = compose(open.protocol)

    if (outgoing == null) {
      return
    }

    const { message, disclosures, cancelled = [] } = outgoing
    let more = true
    let taken = 0

    try {
      const pieces = joined(encodeMessage(message, open.protocol))

      if (pieces.length === 0) {
        for (const disclosure of disclosures) {
          disclosure.notSent()
        }
        return
      }

      open.usedAt = this.#init.clock.now()

      for (const piece of pieces) {
        more = open.stream.send(piece) && more
        taken++
      }
    } catch (error) {
      for (const disclosure of disclosures) {
        if (taken === 0) {
          // it was over before it took anything
          disclosure.notSent()
        } else {
          disclosure.unknown()
        }
      }
      throw unreachable(to.peer, error as Error)
    }

    if (!more) {
      try {
        await this.#drained(lane, open, to, options)
      } catch (error) {
        for (const disclosure of disclosures) {
          disclosure.unknown()
        }
        throw error
      }
    }

    confirmWrite(open, { disclosures, cancelled }, this.#stopped.signal).catch((error: Error) => { this.#drop(lane, error) })
  }

  #usable ({ open }: LaneState): Open | undefined {
    return open?.stream.writeStatus === 'writable' && open.connection.status === 'open' ? open : undefined
  }

  async #open (lane: LaneState, to: Recipient, outer: AbortSignal): Promise<Open> {
    this.#check(outer)
    const timeout = this.#init.clock.timeout(OPEN_TIMEOUT)
    const signal = AbortSignal.any([outer, this.#stopped.signal, timeout.signal])
    const known = this.#versions.get(to.peer)
    let stream: Stream

    try {
      stream = await to.connection.newStream(known == null ? [...BITSWAP_PROTOCOLS] : [known, ...BITSWAP_PROTOCOLS.filter(protocol => protocol !== known)], { signal, maxOutboundStreams: this.#init.maxStreams })
    } catch (error) {
      this.#check(outer)
      throw unreachable(to.peer, error as Error)
    } finally {
      timeout[Symbol.dispose]()
    }

    if (this.#stopped.signal.aborted) {
      stream.abort(stopped())
      this.#check(outer)
    }

    const open: Open = { stream, connection: to.connection, protocol: stream.protocol as BitswapProtocol, usedAt: this.#init.clock.now() }
    this.#remember(to.peer, open.protocol)
    this.#leave(lane)
    lane.open = open

    // answers come over streams of the peer's own
    stream.closeRead().catch((error: unknown) => { stream.abort(error as Error) })
    stream.addEventListener('close', event => {
      if (lane.open === open) {
        lane.open = undefined
        this.#init.onBroken(lane.to, event.error ?? new Error('The stream was closed'))
      }
    })

    return open
  }

  /**
   * Waits until most of it has left; gives the stream up when it takes nothing at
   * all. Not by the stream's own `onDrain`, which resolves at once ever after it has resolved once (libp2p 3.3).
   */
  async #drained (lane: LaneState, { stream }: Open, to: Recipient, { signal, progress, leaving = LOW_WATER }: WriteOptions): Promise<void> {
    const { clock, sendTimeout } = this.#init
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    let left = stream.writeBufferLength
    let cancel = (): void => {}

    const giveUp = (error: Error): void => {
      reject(error)
      this.#drop(lane, error)
    }
    const expire = (): void => {
      const message = `${to.peer} has read nothing for ${sendTimeout} ms, ${left} bytes are waiting`
      giveUp(new FetchError('stalled', message, { provider: `p2p:${to.peer}` }))
      this.#init.onNotReading(to.peer, message)
    }
    const look = (): void => {
      if (stream.status !== 'open') {
        reject(this.#stopped.signal.aborted ? stopped() : unreachable(to.peer, new Error(`the stream is ${stream.status}`)))
      } else if (stream.writeBufferLength <= leaving) {
        resolve()
      } else if (stream.writeBufferLength < left) {
        left = stream.writeBufferLength
        cancel()
        cancel = clock.schedule(sendTimeout, expire)
        progress?.()
      }
    }
    // the stream goes on writing one microtask after it was told that it may
    const lookSoon = (): void => { queueMicrotask(look) }
    // a want that is on its way is cancelled by another line, not by cutting it off
    const onAbort = (): void => {
      if (to.lane === 'answers') {
        giveUp(new FetchError('cancelled', 'Nobody waits for this message any more', { cause: signal.reason }))
      }
    }

    cancel = clock.schedule(sendTimeout, expire)
    DRAINING.forEach(event => { stream.addEventListener(event, lookSoon) })
    signal.addEventListener('abort', onAbort)
    lookSoon()

    try {
      await promise
    } finally {
      cancel()
      DRAINING.forEach(event => { stream.removeEventListener(event, lookSoon) })
      signal.removeEventListener('abort', onAbort)
    }
  }

  #drop (lane: LaneState, reason: Error): void {
    const { open } = lane
    lane.open = undefined
    open?.stream.abort(reason)
  }

  /** Another stream takes over: this one is ended in order, its bytes still arrive */
  #leave (lane: LaneState): void {
    const { open } = lane
    lane.open = undefined

    this.#end(open?.stream)
  }

  #end (stream: Stream | undefined): void {
    if (stream?.status !== 'open') {
      return
    }

    const timeout = this.#init.clock.timeout(OPEN_TIMEOUT)
    stream.close({ signal: AbortSignal.any([this.#stopped.signal, timeout.signal]) })
      .catch((error: unknown) => { stream.abort(error as Error) })
      .finally(() => { timeout[Symbol.dispose]() })
  }

  #remember (peer: string, protocol: BitswapProtocol): void {
    this.#versions.delete(peer)
    this.#versions.set(peer, protocol)

    if (this.#versions.size > MAX_VERSIONS) {
      this.#versions.delete(this.#versions.keys().next().value ?? '')
    }
  }

  #check (signal: AbortSignal): void {
    if (this.#stopped.signal.aborted) {
      throw stopped()
    }

    if (signal.aborted) {
      throw new FetchError('cancelled', 'Nobody waits for this message any more', { cause: signal.reason })
    }
  }
}

function stopped (): FetchError {
  return new FetchError('cancelled', 'Bitswap was stopped')
}

function unreachable (peer: string, cause: Error): FetchError {
  return cause.name === 'FetchError' ? cause as FetchError : new FetchError('unreachable', `${peer} cannot be written to: ${cause.message.slice(0, 200)}`, { provider: `p2p:${peer}`, cause })
}

function joined (pieces: readonly Uint8Array[]): Uint8Array[] {
  const result: Uint8Array[] = []

  for (const piece of pieces) {
    const last = result.at(-1)

    if (last != null && last.byteLength + piece.byteLength <= SMALL_PIECE) {
      const both = new Uint8Array(last.byteLength + piece.byteLength)
      both.set(last)
      both.set(piece, last.byteLength)
      result[result.length - 1] = both
    } else {
      result.push(piece)
    }
  }

  return result
}
