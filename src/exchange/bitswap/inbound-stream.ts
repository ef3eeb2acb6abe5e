import { FrameReader } from './frame-reader.ts'
import type { BitswapMessage, BlockPayload, BlockPrefix } from './message.ts'
import type { Acceptance, Unfinished } from './network.ts'
import type { Clock } from '../../interface/clock.ts'
import type { Stream, StreamMessageEvent } from '@libp2p/interface'

/** Blocks of one stream that may wait for their hash: two messages' worth, so that one is read while the other is judged */
const MAX_UNJUDGED = 8_388_608
/** A message may stop for as long: a lost packet, a sender that is busy */
const GRACE = 10_000
/** Milliseconds over which the pace is taken: a message moves in bursts */
const PACE_WINDOW = 5_000
/** Bytes per ms below which a message does not come on, as for HTTP: 1 kB/s is slower than any modem */
const MIN_PACE = 1
/** No message takes longer: 4 MiB at the 100 kbit/s below which Kubo gives up its readers */
const MAX_AGE = 360_000
/** Nor one without a block that was asked for: the largest want-list at 140 kbit/s */
const MAX_AGE_BESIDES = 60_000
/** A stream between two messages costs little, and its sender would have to open another one */
const IDLE = 300_000
/** One that never said anything is worth less */
const IDLE_BARREN = 30_000
/** One that its sender has besides several others is of no use to it */
const IDLE_SPARE = 10_000
/** Bytes of a message around each block that was asked for: lengths, keys and a prefix */
const AROUND_BLOCK = 64

export interface InboundHooks {
  accept (prefix: BlockPrefix, length: number, unfinished: Unfinished): Acceptance
  /** What was accepted is complete, or will never be */
  finished (unfinished: Unfinished): void
  progress (bytes: number): void
  block (payload: BlockPayload): Promise<void> | void
  message (message: BitswapMessage): void
  /** Is another line of a want-list, another presence read? */
  want (): boolean
  presence (): boolean
  /** Bytes that came besides blocks that were asked for; false when that was too much */
  spend (bytes: number): boolean
  /** So many more (or fewer) of those are in memory until their message is complete */
  hold (bytes: number): void
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
  /** An accepted block is being read; there is one at a time */
  #reserved = false
  readonly #unfinished: Unfinished = {
    drop: () => {
      this.#reserved = false
      this.#excused += this.#reader.drop()
    }
  }

  #held = 0
  #beganAt: number
  /** When it last came on as it should, and what has come in the window since */
  #movedAt: number
  #pacedAt: number
  #pacedBytes = 0
  /** Something was asked for of the message that is arriving */
  #awaited = false
  #heardAt: number

  constructor (stream: Stream, clock: Clock, hooks: InboundHooks) {
    this.#stream = stream
    this.#clock = clock
    this.#hooks = hooks
    this.#beganAt = this.#movedAt = this.#pacedAt = this.#heardAt = clock.now()
    this.#onMessage = message => {
      this.#messages++
      // what follows in the same chunk, if anything, has begun now
      this.#begin(this.#clock.now())

      // of a stream that was ended meanwhile, the rest was skipped
      if (this.#ended) {
        return
      }

      if (message.wants.length > 0 || message.presences.length > 0 || message.full) {
        this.#hooks.message(message)
      }
    }
    this.#reader = new FrameReader({
      accept: (prefix, length) => {
        if (this.#ended) {
          return false
        }

        const acceptance = this.#hooks.accept(prefix, length, this.#unfinished)
        this.#reserved = acceptance === 'yes'
        this.#awaited ||= acceptance !== 'no'
        this.#excused += acceptance === 'late' ? length : acceptance === 'yes' ? AROUND_BLOCK : 0
        return acceptance === 'yes'
      },
      progress: bytes => {
        this.#accepted += bytes
        this.#hooks.progress(bytes)
      },
      block: payload => { this.#block(payload) },
      want: () => !this.#ended && this.#hooks.want(),
      presence: () => !this.#ended && this.#hooks.presence()
    })
  }

  start (): void {
    const stream = this.#stream
    stream.addEventListener('message', this.#onData)
    stream.addEventListener('end', () => {
      this.#onEnd()

      if (stream.status !== 'open') {
        this.#end()
      }
    })
    stream.addEventListener('close', () => {
      // what came before its sender ended it is read when it is held back no more, and then comes its end
      if (stream.status !== 'closed' || stream.readStatus !== 'paused' || stream.readBufferLength === 0) {
        this.#end()
      }
    })

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

  /** Bytes in memory of a message that is not complete, besides blocks that were asked for */
  get held (): number {
    return this.#held
  }

  /** When anything came last */
  get heardAt (): number {
    return this.#heardAt
  }

  /** Its sender has more on the way than it may */
  exceeds (message: string): void {
    this.#fail('excess', new BitswapStreamError(message))
  }

  /** Called now and then: gives up what does not come to its end. Only a `lasting` stream may be silent for long. */
  sweep (lasting: boolean): void {
    const now = this.#clock.now()
    const silent = now - this.#heardAt

    if (this.#reader.partial && this.#unjudged === 0) {
      this.#hurry(now)
    } else if (silent > (!lasting ? IDLE_SPARE : this.#messages > 0 ? IDLE : IDLE_BARREN)) {
      this.abort(new BitswapStreamError(`Nothing was said for ${Math.round(silent)} ms`))
    }
  }

  /** By its last progress, and not by how much has come: whoever was fast once holds its place no longer for it */
  #hurry (now: number): void {
    const elapsed = now - this.#pacedAt
    const age = now - this.#beganAt

    if (elapsed >= PACE_WINDOW) {
      this.#movedAt = this.#pacedBytes < elapsed * MIN_PACE ? this.#movedAt : now
      this.#pacedAt = now
      this.#pacedBytes = 0
    }

    if (now - this.#movedAt >= GRACE) {
      this.#fail('slow', new BitswapStreamError(`A message has hardly come on for ${Math.round(now - this.#movedAt)} ms`))
    } else if (age > (this.#awaited ? MAX_AGE : MAX_AGE_BESIDES)) {
      this.#fail('slow', new BitswapStreamError(`A message is not complete after ${Math.round(age)} ms`))
    }
  }

  #begin (now: number): void {
    this.#beganAt = this.#movedAt = this.#pacedAt = now
    this.#pacedBytes = 0
    this.#awaited = false
  }

  readonly #onData = (event: StreamMessageEvent): void => {
    if (this.#ended) {
      return
    }

    const { data } = event
    this.#heardAt = this.#clock.now()

    if (!this.#reader.partial) {
      this.#begin(this.#heardAt)
    }

    this.#pacedBytes += data.byteLength
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
      this.exceeds('It sends more than anybody asked for')
    } else if (!this.#ended) {
      this.#hold(this.#reader.held)
    }
  }

  #hold (bytes: number): void {
    const more = bytes - this.#held

    if (more !== 0) {
      this.#held = bytes
      this.#hooks.hold(more)
    }
  }

  #finish (): void {
    if (this.#reserved) {
      this.#reserved = false
      this.#hooks.finished(this.#unfinished)
    }
  }

  #block (payload: BlockPayload): void {
    this.#finish()
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

      if (!this.#ended && this.#unjudged <= MAX_UNJUDGED / 2 && this.#stream.readStatus === 'paused') {
        this.#movedAt = this.#pacedAt = this.#clock.now()
        this.#pacedBytes = 0
        this.#resume()
      }
    }

    judged.then(done, done)
  }

  #resume (): void {
    try {
      this.#stream.resume()
    } catch (error) {
      // its sender is told that there is room again, and may be gone
      this.abort(error as Error)
    }
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
    this.#finish()
    this.#hold(0)
    this.#hooks.ended(this.#messages)
  }
}
