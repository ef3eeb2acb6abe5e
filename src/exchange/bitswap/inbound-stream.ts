import { FrameReader } from './frame-reader.ts'
import type { BitswapMessage, BlockPayload, BlockPrefix } from './message.ts'
import type { Acceptance } from './network.ts'
import type { Clock } from '../../interface/clock.ts'
import type { Stream, StreamMessageEvent } from '@libp2p/interface'

/** Blocks of one stream that may wait for their hash: two messages' worth, so that one is read while the other is judged */
const MAX_UNJUDGED = 8_388_608
/** A message may begin slowly: a lost packet, a sender that is busy */
const GRACE = 10_000
/** Bytes per ms below which a message is given up, as for HTTP: 1 kB/s is slower than any modem */
const MIN_PACE = 1
/** A stream between two messages costs little, and its sender would have to open another one */
const IDLE = 300_000
/** One that never said anything is worth less */
const IDLE_BARREN = 30_000

export interface InboundHooks {
  accept (prefix: BlockPrefix, length: number): Acceptance
  progress (bytes: number): void
  block (payload: BlockPayload): Promise<void> | void
  message (message: BitswapMessage): void
  /** Bytes that came besides blocks that were asked for; false when that was too much */
  spend (bytes: number): boolean
  /** So many more (or fewer) of those are in memory until their message is complete; false when that is too much */
  hold (bytes: number): boolean
  failed (fault: 'malformed' | 'slow' | 'excess', error: Error): void
  /** It is over; `messages` complete ones came */
  ended (messages: number): void
}

/** Why we ended a stream: the remote sees a reset, we see this */
export class BitswapStreamError extends Error {
  static override name = 'BitswapStreamError'
  override name = 'BitswapStreamError'
}

/** Reads what a peer says on a stream that it opened */
export class InboundStream {
  readonly #stream: Stream
  readonly #clock: Clock
  readonly #hooks: InboundHooks
  readonly #reader: FrameReader
  readonly #onMessage: (message: BitswapMessage) => void
  #messages = 0
  #ended = false
  #unjudged = 0
  #accepted = 0
  #excused = 0
  #held = 0
  #beganAt: number
  #beganBytes = 0
  #heardAt: number

  constructor (stream: Stream, clock: Clock, hooks: InboundHooks) {
    this.#stream = stream
    this.#clock = clock
    this.#hooks = hooks
    this.#beganAt = this.#heardAt = clock.now()
    this.#onMessage = message => {
      this.#messages++
      // what follows in the same chunk, if anything, has begun now
      this.#beganAt = this.#clock.now()
      this.#beganBytes = 0

      if (message.wants.length > 0 || message.presences.length > 0 || message.full) {
        this.#hooks.message(message)
      }
    }
    this.#reader = new FrameReader({
      accept: (prefix, length) => {
        const acceptance = this.#hooks.accept(prefix, length)
        this.#excused += acceptance === 'late' ? length : 0
        return acceptance === 'yes'
      },
      progress: bytes => {
        this.#accepted += bytes
        this.#hooks.progress(bytes)
      },
      block: payload => { this.#block(payload) }
    })
  }

  start (): void {
    const stream = this.#stream
    stream.addEventListener('message', this.#onData)
    stream.addEventListener('end', () => { this.#onEnd() })
    stream.addEventListener('close', () => { this.#end() })

    // we never say anything on it
    stream.close().catch((error: unknown) => { stream.abort(error as Error) })

    if (stream.status !== 'open') {
      this.#end()
    }
  }

  abort (error: Error): void {
    this.#stream.abort(error)
    this.#end()
  }

  /** Called now and then: gives up what does not come to its end */
  sweep (): void {
    const now = this.#clock.now()

    if (this.#reader.partial && this.#unjudged === 0) {
      const elapsed = now - this.#beganAt

      if (elapsed > GRACE && this.#beganBytes < elapsed * MIN_PACE) {
        this.#fail('slow', new BitswapStreamError(`A message has come to ${this.#beganBytes} bytes in ${Math.round(elapsed)} ms`))
      }
    } else if (now - this.#heardAt > (this.#messages > 0 ? IDLE : IDLE_BARREN)) {
      this.abort(new BitswapStreamError(`Nothing was said for ${Math.round(now - this.#heardAt)} ms`))
    }
  }

  readonly #onData = (event: StreamMessageEvent): void => {
    if (this.#ended) {
      return
    }

    const { data } = event
    const began = this.#reader.partial
    this.#heardAt = this.#clock.now()

    if (!began) {
      this.#beganAt = this.#heardAt
      this.#beganBytes = 0
    }

    this.#beganBytes += data.byteLength
    this.#accepted = 0

    try {
      this.#reader.push(data, this.#onMessage)
    } catch (error) {
      this.#fail('malformed', error as Error)
      return
    }

    const skipped = Math.min(this.#excused, data.byteLength - this.#accepted)
    const besides = data.byteLength - this.#accepted - skipped
    this.#excused -= skipped

    if (!this.#hooks.spend(besides)) {
      this.#fail('excess', new BitswapStreamError('It sends more than anybody asked for'))
    } else if (!this.#hold(this.#reader.partial ? this.#held + besides : 0)) {
      this.abort(new BitswapStreamError('Too many messages are on their way'))
    }
  }

  #hold (bytes: number): boolean {
    const more = bytes - this.#held
    this.#held = bytes
    return more === 0 || this.#hooks.hold(more)
  }

  #block (payload: BlockPayload): void {
    const judged = this.#hooks.block(payload)

    if (judged == null) {
      return
    }

    const { byteLength } = payload.bytes
    this.#unjudged += byteLength

    if (this.#unjudged > MAX_UNJUDGED && this.#stream.readStatus === 'readable') {
      this.#stream.pause()
    }

    const done = (): void => {
      this.#unjudged -= byteLength

      if (this.#unjudged <= MAX_UNJUDGED / 2 && this.#stream.readStatus === 'paused') {
        this.#beganAt = this.#clock.now()
        this.#beganBytes = 0
        this.#stream.resume()
      }
    }

    judged.then(done, done)
  }

  #onEnd (): void {
    if (this.#ended || this.#stream.status === 'aborted' || this.#stream.status === 'reset') {
      return
    }

    try {
      this.#reader.end()
    } catch (error) {
      this.#fail('malformed', error as Error)
    }
  }

  #fail (fault: 'malformed' | 'slow' | 'excess', error: Error): void {
    if (this.#ended) {
      return
    }

    this.#hooks.failed(fault, error)
    this.abort(error)
  }

  #end (): void {
    if (this.#ended) {
      return
    }

    this.#ended = true
    this.#stream.removeEventListener('message', this.#onData)
    this.#hold(0)
    this.#hooks.ended(this.#messages)
  }
}
