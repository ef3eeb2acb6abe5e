import { AbstractStreamMuxer } from '@libp2p/utils'
import { MemoryStream } from './memory-stream.ts'
import type { StreamFrame } from './memory-stream.ts'
import type { CreateStreamOptions, MessageStream, MessageStreamDirection } from '@libp2p/interface'

export const MUXER_PROTOCOL = '/portolan/testing/memory/1.0.0'

export interface MemoryMuxerInit {
  /** Takes a frame to the muxer at the other end */
  send (id: string, frame: StreamFrame | { readonly type: 'open' }, protocol: string): void
}

/** Streams as frames between two muxers: no bytes pass through the connection itself */
export class MemoryMuxer extends AbstractStreamMuxer<MemoryStream> {
  readonly #send: MemoryMuxerInit['send']
  readonly #prefix: string
  readonly #byId = new Map<string, MemoryStream>()
  #opened = 0

  constructor (connection: MessageStream, init: MemoryMuxerInit) {
    super(connection, { protocol: MUXER_PROTOCOL, name: 'memory-muxer' })
    this.#send = init.send
    this.#prefix = connection.direction === 'outbound' ? 'o' : 'i'
  }

  /** The protocol is agreed over the stream, which takes a round trip, as it does over TCP */
  override onCreateStream (options: CreateStreamOptions): MemoryStream {
    const id = `${this.#prefix}${this.#opened++}`
    const stream = this.#stream(id, 'outbound', options)
    this.#send(id, { type: 'open' }, '')
    return stream
  }

  override onData (): void {
    throw new Error('Streams in memory send no bytes through their connection')
  }

  receive (id: string, frame: StreamFrame | { readonly type: 'open' }): void {
    if (this.status !== 'open') {
      return
    }

    if (frame.type === 'open') {
      this.onRemoteStream(this.#stream(id, 'inbound', this.streamOptions ?? {}))
    } else {
      // what arrives after an end was aborted finds nobody
      this.#byId.get(id)?.receive(frame)
    }
  }

  #stream (id: string, direction: MessageStreamDirection, options: CreateStreamOptions): MemoryStream {
    const stream = new MemoryStream({
      ...options,
      id,
      direction,
      protocol: '',
      log: this.log.newScope(`stream:${direction}:${id}`),
      send: (stream, frame) => { this.#send(id, frame, stream.protocol) }
    })
    this.#byId.set(id, stream)
    stream.addEventListener('close', () => { this.#byId.delete(id) })
    return stream
  }
}
