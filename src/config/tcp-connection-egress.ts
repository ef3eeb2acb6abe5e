import { once } from 'node:events'
import { Socket } from 'node:net'
import { toMessageStream } from '@libp2p/tls/utils'
import type { AbortOptions, MessageStream } from '@libp2p/interface'
import type { TLSSocket } from 'node:tls'

/** What libp2p's TCP connection has at run time. Its types say only `MultiaddrConnection`. */
interface TcpParts extends MessageStream {
  readonly socket: Socket
  readonly readStatus: string
  /** Bytes that came before anybody listened */
  readonly readBuffer: { readonly byteLength: number, subarray (): Uint8Array, consume (bytes: number): void }
  sendClose (options?: AbortOptions): Promise<void>
}

/** What `toMessageStream` of `@libp2p/tls` returns, as far as it is replaced here */
interface SecureParts extends MessageStream {
  readonly writeBufferLength: number
  sendData (data: Iterable<Uint8Array>): { sentBytes: number, canSendMore: boolean }
  sendReset (error: Error): void
}

/** A connection of libp2p's TCP transport, whose socket can be had */
export interface TcpConnection {
  /**
   * Hands the socket to TLS with all that was read from it already, and lets the
   * connection close and break by way of TLS from then on
   */
  take (secure: (socket: Socket) => TLSSocket): TLSSocket
  /** What is read and written in the clear, after the handshake */
  stream (secure: TLSSocket): MessageStream
}

/** Undefined where the connection is none, or somebody else reads from it or looks at what passes */
export function tcpConnection (connection: MessageStream): TcpConnection | undefined {
  return isTcp(connection) ? new SocketConnection(connection) : undefined
}

function isTcp (connection: MessageStream): connection is TcpParts {
  const { socket, readBuffer, sendClose } = connection as Partial<TcpParts>

  return socket instanceof Socket && socket.listenerCount('data') === 1 && connection.listenerCount('message') === 0 &&
    readBuffer != null && typeof readBuffer.subarray === 'function' && typeof readBuffer.consume === 'function' &&
    typeof sendClose === 'function'
}

class SocketConnection implements TcpConnection {
  readonly #connection: TcpParts
  #stream: SecureParts | undefined

  constructor (connection: TcpParts) {
    this.#connection = connection
  }

  take (secure: (socket: Socket) => TLSSocket): TLSSocket {
    const connection = this.#connection
    const { socket, readBuffer } = connection

    if (connection.readStatus === 'paused') {
      connection.resume()
    }
    socket.pause()
    socket.removeAllListeners('data')
    if (readBuffer.byteLength > 0) {
      const early = readBuffer.subarray()
      readBuffer.consume(early.byteLength)
      socket.unshift(early)
    }

    const secured = secure(socket)
    destroyTogether(socket, secured)
    const onError = (error: Error): void => { connection.abort(error) }
    secured.on('error', onError)
    // of errors after the handshake a server's socket says nothing else, see TLSSocket._tlsError
    secured.on('_tlsError' as 'error', onError)

    connection.sendClose = async options => { await this.#close(secured, options) }
    return secured
  }

  stream (secure: TLSSocket): MessageStream {
    const connection = this.#connection
    const stream = toMessageStream(connection, secure) as SecureParts

    // header and data of a frame are one record and one write to the system
    stream.sendData = data => {
      let sentBytes = 0
      let canSendMore = true
      secure.cork()

      for (const bytes of data) {
        sentBytes += bytes.byteLength
        canSendMore = secure.write(bytes)
        if (!canSendMore) {
          break
        }
      }
      secure.uncork()
      return { sentBytes, canSendMore }
    }
    // the other way round the socket would be closed, and not reset
    stream.sendReset = error => {
      connection.abort(error)
      secure.destroy()
    }
    this.#stream = stream
    return stream
  }

  /** All that was written leaves first, and the end of TLS is said before that of TCP */
  async #close (secure: TLSSocket, options: AbortOptions = {}): Promise<void> {
    const { socket } = this.#connection
    const over = new AbortController()
    const signal = options.signal == null ? over.signal : AbortSignal.any([options.signal, over.signal])

    if (socket.destroyed) {
      return
    }
    const closed = once(socket, 'close', { signal })
    closed.catch(() => {
      // told to whoever waits below
    })

    try {
      if (this.#stream != null && this.#stream.writeBufferLength > 0) {
        await Promise.race([once(this.#stream, 'idle', { signal }), closed])
      }
      secure.destroySoon()
      await closed
    } finally {
      over.abort()
    }
  }
}

/**
 * Destroys TLS first, whoever destroys the socket: libp2p's listener does when it
 * stops. Node frees the socket at once, and TLS that is still there uses it:
 * `socket.destroy(); secure.destroy()` ends the process with a segmentation fault
 * (Node 24.21). A test holds it.
 */
function destroyTogether (socket: Socket, secure: TLSSocket): void {
  const destroy = socket.destroy.bind(socket)
  const reset = socket.resetAndDestroy.bind(socket)

  // the system cannot reset what TLS has begun to shut down, and would keep it
  socket.resetAndDestroy = () => secure.writableEnded || socket.writableEnded ? socket.destroy() : reset()
  socket.destroy = error => {
    if (secure.destroyed) {
      // a failed handshake closes TLS in a microtask of its own, before this one
      queueMicrotask(() => { destroy(error) })
    } else {
      // which comes here again
      secure.destroy(error)
    }
    return socket
  }
}
