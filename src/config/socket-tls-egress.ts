import { connect, TLSSocket } from 'node:tls'
import { InvalidCryptoExchangeError } from '@libp2p/interface'
import { PROTOCOL, tls } from '@libp2p/tls'
import { generateCertificate, verifyPeerCertificate } from '@libp2p/tls/utils'
import { tcpConnection } from './tcp-connection-egress.ts'
import type { TcpConnection } from './tcp-connection-egress.ts'
import type { ConnectionEncrypter, MessageStream, SecureConnectionOptions, SecuredConnection, StreamMuxerFactory } from '@libp2p/interface'
import type { TLSComponents } from '@libp2p/tls'

/** In the place of a muxer, where both sides are to agree on one later */
const NO_MUXER = 'libp2p'

type Certificate = Awaited<ReturnType<typeof generateCertificate>>

/**
 * libp2p's TLS for Node. Where a connection is a TCP socket, the socket itself is
 * encrypted: what is written and read goes between TLS and the network in native
 * code, whereas `@libp2p/tls` carries it through JavaScript and copies it there.
 * Every other connection is left to `@libp2p/tls`.
 */
export function socketTls (): (components: TLSComponents) => ConnectionEncrypter {
  return components => new SocketTls(components)
}

class SocketTls implements ConnectionEncrypter {
  readonly protocol = PROTOCOL
  readonly #components: TLSComponents
  readonly #stock: ConnectionEncrypter
  #certificate: Promise<Certificate> | undefined

  constructor (components: TLSComponents) {
    this.#components = components
    this.#stock = tls()(components)
  }

  get [Symbol.toStringTag] (): string {
    return 'portolan/socket-tls'
  }

  async secureInbound (connection: MessageStream, options?: SecureConnectionOptions): Promise<SecuredConnection> {
    return tcpConnection(connection) == null ? this.#stock.secureInbound(connection, options) : this.#secure(connection, true, options)
  }

  async secureOutbound (connection: MessageStream, options?: SecureConnectionOptions): Promise<SecuredConnection> {
    return tcpConnection(connection) == null ? this.#stock.secureOutbound(connection, options) : this.#secure(connection, false, options)
  }

  async #secure (connection: MessageStream, isServer: boolean, options: SecureConnectionOptions = {}): Promise<SecuredConnection> {
    const certificate = await this.#ownCertificate()
    options.signal?.throwIfAborted()
    const tcp = tcpConnection(connection)

    if (tcp == null || connection.status !== 'open') {
      throw new InvalidCryptoExchangeError('The connection was closed before TLS began')
    }

    const muxers = options.skipStreamMuxerNegotiation === true ? new Map<string, StreamMuxerFactory>() : this.#components.upgrader.getStreamMuxers()
    const secure = secured(tcp, isServer, certificate, muxers)

    try {
      await handshake(secure, options.signal)
      const { raw } = secure.getPeerCertificate() as { raw?: Uint8Array }
      if (raw == null) {
        throw new InvalidCryptoExchangeError('The peer sent no certificate')
      }
      const remotePeer = await verifyPeerCertificate(raw, options.remotePeer, connection.log)
      options.signal?.throwIfAborted()
      if (connection.status !== 'open') {
        throw new InvalidCryptoExchangeError('The connection was closed while the certificate of the peer was verified')
      }

      const streamMuxer = muxers.get(String(secure.alpnProtocol))
      return { remotePeer, connection: tcp.stream(secure), ...(streamMuxer == null ? {} : { streamMuxer }) }
    } catch (error) {
      connection.abort(error as Error)
      throw error
    }
  }

  /**
   * One for the node, which the specification allows and go-libp2p does: making
   * one for each connection is 1.5 ms of processor. No caller's signal, for others wait for it.
   */
  async #ownCertificate (): Promise<Certificate> {
    this.#certificate ??= generateCertificate(this.#components.privateKey)

    try {
      return await this.#certificate
    } catch (error) {
      this.#certificate = undefined
      throw error
    }
  }
}

/** The handshake begins with it */
function secured (tcp: TcpConnection, isServer: boolean, certificate: Certificate, muxers: ReadonlyMap<string, StreamMuxerFactory>): TLSSocket {
  const settings = {
    // a context for each connection: one for all would hand out tickets by which a peer could come back without its certificate
    ...certificate,
    minVersion: 'TLSv1.3',
    maxVersion: 'TLSv1.3',
    // every certificate is self-signed; who made it is checked after the handshake
    rejectUnauthorized: false
  } as const

  return tcp.take(socket => isServer
    ? new TLSSocket(socket, {
      ...settings,
      isServer: true,
      requestCert: true,
      ALPNCallback: ({ protocols }) => protocols.find(protocol => protocol === NO_MUXER || muxers.has(protocol))
    })
    : connect({ ...settings, socket, ALPNProtocols: [...muxers.keys(), NO_MUXER] }))
}

async function handshake (secure: TLSSocket, signal: AbortSignal | undefined): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const onClose = (): void => { reject(new InvalidCryptoExchangeError('The connection was closed in the TLS handshake')) }
  const onAbort = (): void => { reject(signal?.reason as Error) }

  secure.once('secure', resolve)
  secure.once('error', reject)
  secure.once('close', onClose)
  signal?.addEventListener('abort', onAbort)

  try {
    await promise
  } finally {
    secure.off('secure', resolve)
    secure.off('error', reject)
    secure.off('close', onClose)
    signal?.removeEventListener('abort', onAbort)
  }
}
