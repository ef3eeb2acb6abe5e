import { tcp } from '@libp2p/tcp'
import { webSockets } from '@libp2p/websockets'
import { Agent, WebSocket } from 'undici'
import { AddressRefusedError, UnsupportedHeliaError } from '../../interface/errors.ts'
import { dialer } from '../http/dial-egress.ts'
import { readDialAddress } from './dial-address.ts'
import type { AddressGuard, AddressGuardComponents } from './address-guard.ts'
import type { DialAddress } from './dial-address.ts'
import type { ConnectionGater, Transport } from '@libp2p/interface'
import type { Multiaddr } from '@multiformats/multiaddr'
import type { Libp2pOptions } from 'libp2p'
import type { LookupFunction } from 'node:net'

type TransportFactory = NonNullable<Libp2pOptions['transports']>[number]

/** Milliseconds for a WebSocket to open; libp2p's own limit for one address is 6 s and ends before */
const CONNECT_TIMEOUT = 10_000

export interface GuardedTransportsInit {
  /** Certificate authorities trusted for secure WebSockets instead of the machine's, as PEM */
  ca?: string | readonly string[]
}

/**
 * libp2p's transports for TCP and WebSockets, which connect only where the
 * guard lets them, whoever asked for the dial: also to addresses that libp2p
 * learnt itself, from identify, the DHT or its peer store. A name is resolved
 * once, and what was checked is what is connected to.
 */
export function guardedTransports (guard: AddressGuard, components: Omit<AddressGuardComponents, 'resolveText'>, init: GuardedTransportsInit = {}): TransportFactory[] {
  return [guardedTcp(guard), guardedWebSockets(guard, components, init)]
}

/** Denies before anything is tried what the transports would refuse. It cannot see where a name leads: they can. */
export function addressGater (guard: AddressGuard): ConnectionGater {
  return {
    denyDialMultiaddr: address => {
      try {
        checked(guard, address)
        return false
      } catch (error) {
        if ((error as Error).name === AddressRefusedError.name) {
          return true
        }
        throw error
      }
    }
  }
}

function checked (guard: AddressGuard, multiaddr: Multiaddr): DialAddress {
  const read = readDialAddress(multiaddr.toString())

  if ('why' in read) {
    throw new AddressRefusedError(`${multiaddr.toString()} is refused: ${read.why}`)
  }

  guard.check(read.address)
  return read.address
}

function guardedTcp (guard: AddressGuard): TransportFactory {
  return components => {
    const transport = tcp()(components)
    const dial = transport.dial.bind(transport)

    transport.dial = async (multiaddr, options) => {
      const { host, port = 0, lookup } = checked(guard, multiaddr)
      const resolve: LookupFunction = (_hostname, { all }, callback) => {
        const addresses = host.ip == null
          ? guard.resolve(host.text, port, lookup, options.signal)
          : Promise.resolve([{ address: host.text, family: host.ip.byteLength === 4 ? 4 : 6 }])

        addresses.then(found => {
          const [first] = found
          if (all === true || first == null) {
            callback(null, found)
          } else {
            callback(null, first.address, first.family)
          }
        }, (error: NodeJS.ErrnoException) => { callback(error, []) })
      }

      // libp2p hands its options on to net.connect, whose types name more than its own do; a test holds it
      return dial(multiaddr, { ...options, lookup: resolve } as typeof options)
    }
    return transport
  }
}

/** The part of libp2p's WebSocket transport that connects. It goes by the name in the certificate and resolves it anew. */
interface ConnectingTransport extends Transport {
  _connect? (multiaddr: Multiaddr, options: { signal: AbortSignal }): Promise<WebSocket>
}

function guardedWebSockets (guard: AddressGuard, components: Omit<AddressGuardComponents, 'resolveText'>, { ca }: GuardedTransportsInit): TransportFactory {
  return libp2pComponents => {
    const transport = webSockets()(libp2pComponents) as ConnectingTransport

    if (typeof transport._connect !== 'function') {
      throw new UnsupportedHeliaError('The WebSocket transport of libp2p has no _connect any more, by which names are pinned to addresses')
    }

    transport._connect = async (multiaddr, { signal }) => {
      const address = checked(guard, multiaddr)
      const { host, port, kind, sni, lookup } = address
      const name = sni ?? (host.ip?.byteLength === 16 ? `[${host.text}]` : host.text)
      const scheme = kind === 'wss' ? 's' : ''
      const connect = dialer(new URL(`http${scheme}://${name}:${port}`), {
        ...components,
        // of the name that is in the URL, or that of the host where it differs
        resolve: async () => host.ip == null ? guard.resolve(host.text, port ?? 0, lookup, signal) : [{ address: host.text, family: host.ip.byteLength === 4 ? 4 : 6 }],
        connectTimeout: CONNECT_TIMEOUT,
        ...(ca == null ? {} : { ca })
      })
      let failure: Error | undefined
      const agent = new Agent({
        connect: (options, callback) => connect(options, (...args) => {
          failure = args[0] ?? failure
          callback(...args)
        })
      })
      // the WebSocket itself does not say why it could not connect
      return opened(new WebSocket(`ws${scheme}://${name}:${port}`, { dispatcher: agent }), agent, signal, () => failure)
    }
    return transport
  }
}

/** Resolves when it is open; otherwise leaves nothing behind */
async function opened (websocket: WebSocket, agent: Agent, signal: AbortSignal, failure: () => Error | undefined): Promise<WebSocket> {
  websocket.binaryType = 'arraybuffer'

  try {
    await new Promise<void>((resolve, reject) => {
      websocket.addEventListener('open', () => { resolve() }, { once: true })
      websocket.addEventListener('error', () => { reject(failure() ?? new Error('The host does not speak WebSocket')) }, { once: true })
      websocket.addEventListener('close', () => { reject(failure() ?? new Error('The WebSocket was closed before it was open')) }, { once: true })
      signal.addEventListener('abort', () => { reject(signal.reason as Error) }, { once: true })
      signal.throwIfAborted()
    })
    websocket.addEventListener('close', () => { destroy(agent) }, { once: true })
    return websocket
  } catch (error) {
    websocket.close()
    destroy(agent)
    throw error
  }
}

function destroy (agent: Agent): void {
  agent.destroy().catch(() => {
    // it has no connection left that could fail to close
  })
}
