import { Frame } from './frame.ts'
import { KadRequestError, told } from './kad-client.ts'
import type { Disclosure } from '../../interface/disclosure.ts'
import type { Stream, StreamCloseEvent, StreamMessageEvent } from '@libp2p/interface'

interface Waiting {
  readonly frame: Frame
  readonly resolve: (message: Uint8Array) => void
  readonly reject: (error: Error) => void
}

/** A stream of the DHT's protocol to one peer, over which one question after the other is asked */
export class KadStream {
  readonly #stream: Stream
  readonly #peer: string
  readonly #onGone: (stream: KadStream) => void
  #waiting: Waiting | undefined
  #gone: Error | undefined
  /** On the clock of whoever keeps it */
  restsSince = 0
  /** The address at which the peer is */
  readonly from: string

  /** @param init - `onGone`: it is of no use any more */
  constructor (stream: Stream, { peer, from, onGone }: { readonly peer: string, readonly from: string, onGone (stream: KadStream): void }) {
    this.#stream = stream
    this.#peer = peer
    this.from = from
    this.#onGone = onGone
    stream.addEventListener('message', this.#onMessage)
    stream.addEventListener('close', this.#onClose)
    stream.addEventListener('remoteCloseWrite', this.#onEnd)

    if (stream.status !== 'open') {
      this.#detach(new KadRequestError('broken', `The stream to ${peer} is ${stream.status}`))
    }
  }

  get peer (): string {
    return this.#peer
  }

  /** Nobody waits for an answer, and another one could be asked for */
  get usable (): boolean {
    return this.#gone == null && this.#waiting == null && this.#stream.writeStatus === 'writable'
  }

  /**
   * Writes, and resolves with the next message that comes, without its length.
   * When it rejects the stream is of no use any more.
   *
   * @param onWritten - called when the stream has taken it: one that takes nothing has told nobody
   */
  async ask (bytes: Uint8Array, disclosures: readonly Disclosure[], signal: AbortSignal, onWritten: () => void): Promise<Uint8Array> {
    signal.throwIfAborted()
    const { promise, resolve, reject } = Promise.withResolvers<Uint8Array>()
    let taken = true
    const onAbort = (): void => {
      // whatever the muxer has taken is as good as seen
      taken = this.#stream.writeBufferLength === 0
      this.abort(signal.reason as Error)
    }

    if (this.#gone != null) {
      throw this.#gone
    }

    this.#waiting = { frame: new Frame(), resolve, reject }
    signal.addEventListener('abort', onAbort, { once: true })

    try {
      this.#stream.send(bytes)
      onWritten()
      return await promise
    } catch (error) {
      this.abort(error as Error)

      for (const disclosure of signal.aborted ? disclosures : []) {
        if (taken) {
          disclosure.sent()
        } else {
          disclosure.unknown()
        }
      }
      throw error
    } finally {
      signal.removeEventListener('abort', onAbort)
    }
  }

  /** Ends it in order, when nobody waits; without an answer to that it is cut off */
  async close (signal: AbortSignal): Promise<void> {
    this.#detach(new KadRequestError('broken', `The stream to ${this.#peer} was closed`))
    await this.#stream.close({ signal }).catch((error: Error) => { this.#stream.abort(error) })
  }

  abort (reason: Error): void {
    this.#detach(reason)

    if (this.#stream.status === 'open' || this.#stream.status === 'closing') {
      this.#stream.abort(reason)
    }
  }

  readonly #onMessage = ({ data }: StreamMessageEvent): void => {
    const waiting = this.#waiting

    if (waiting == null) {
      this.abort(new KadRequestError('broken', `${this.#peer} says something that it was not asked`))
      return
    }

    try {
      const message = waiting.frame.push(data)

      if (message == null) {
        return
      }

      this.#waiting = undefined
      waiting.resolve(message)

      if (waiting.frame.beyond) {
        this.abort(new KadRequestError('broken', `${this.#peer} says more than is read`))
      }
    } catch (error) {
      this.abort(error as Error)
    }
  }

  readonly #onClose = ({ error }: StreamCloseEvent): void => {
    this.#detach(new KadRequestError('broken', `The stream to ${this.#peer} broke: ${error == null ? 'it was closed' : told(error)}`, { cause: error }))
  }

  readonly #onEnd = (): void => {
    // what was written is not heard any more either: servers that answer one question per stream do this
    this.abort(new KadRequestError('broken', `${this.#peer} ended the stream`))
  }

  #detach (error: Error): void {
    if (this.#gone != null) {
      return
    }

    this.#gone = error
    const waiting = this.#waiting
    this.#waiting = undefined
    this.#stream.removeEventListener('message', this.#onMessage)
    this.#stream.removeEventListener('close', this.#onClose)
    this.#stream.removeEventListener('remoteCloseWrite', this.#onEnd)
    waiting?.reject(error)
    this.#onGone(this)
  }
}
