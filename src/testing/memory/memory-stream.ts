import { AbstractStream } from '@libp2p/utils'
import type { AbortOptions } from '@libp2p/interface'
import type { AbstractStreamInit, SendResult } from '@libp2p/utils'

/** What one end of a stream tells the other; every frame takes the way's delay */
export type StreamFrame =
  { readonly type: 'data', readonly bytes: Uint8Array } |
  { readonly type: 'read', readonly count: number } |
  { readonly type: 'close-write' } |
  { readonly type: 'reset' }

/** Bytes that may be under way or unread at the other end: as yamux starts with */
export const STREAM_WINDOW = 262_144

export interface MemoryStreamInit extends AbstractStreamInit {
  send (stream: MemoryStream, frame: StreamFrame): void
}

/** One end of a stream: half close, reset and a window of unread bytes, as yamux has them */
export class MemoryStream extends AbstractStream {
  readonly #send: MemoryStreamInit['send']
  /** Sent, and not yet known to be read */
  #unread = 0
  /** Received, and not yet told to have been read */
  #untold = 0

  constructor (init: MemoryStreamInit) {
    super(init)
    this.#send = init.send
  }

  override sendData (data: Parameters<AbstractStream['sendData']>[0]): SendResult {
    const sentBytes = Math.min(data.byteLength, STREAM_WINDOW - this.#unread)

    if (sentBytes > 0) {
      this.#unread += sentBytes
      // a copy: who wrote it may write the next thing into the same memory
      this.#send(this, { type: 'data', bytes: data.slice(0, sentBytes) })
    }

    return { sentBytes, canSendMore: this.#unread < STREAM_WINDOW }
  }

  override sendReset (): void {
    this.#send(this, { type: 'reset' })
  }

  override async sendCloseWrite (options?: AbortOptions): Promise<void> {
    options?.signal?.throwIfAborted()
    this.#send(this, { type: 'close-write' })
  }

  /** As in yamux: the other end learns nothing, what it sends is thrown away */
  override async sendCloseRead (options?: AbortOptions): Promise<void> {
    options?.signal?.throwIfAborted()
  }

  /** A paused stream stops telling what was read, and the window fills */
  override sendPause (): void {}

  override sendResume (): void {}

  receive (frame: StreamFrame): void {
    if (this.status === 'aborted' || this.status === 'reset' || this.status === 'closed') {
      return
    }

    switch (frame.type) {
      case 'data':
        this.#untold += frame.bytes.byteLength
        this.onData(frame.bytes)
        this.#tellRead()
        break
      case 'read':
        this.#unread -= frame.count

        if (this.writableNeedsDrain) {
          this.safeDispatchEvent('drain')
        }
        break
      case 'close-write':
        this.onRemoteCloseWrite()
        break
      case 'reset':
        this.onRemoteReset()
        break
    }
  }

  protected override dispatchReadBuffer (): void {
    super.dispatchReadBuffer()
    this.#tellRead()
  }

  /** What was pushed back by a reader may be dispatched again, but was told once */
  #tellRead (): void {
    const count = Math.max(0, this.#untold - this.readBufferLength)

    if (count > 0) {
      this.#untold -= count
      this.#send(this, { type: 'read', count })
    }
  }
}
