import { tcp } from '@libp2p/tcp'
import { webSockets } from '@libp2p/websockets'
import { CustomProgressEvent } from 'progress-events'
import { Agent, WebSocket } from 'undici'
import { DIALLING } from '../../interface/dial-disclosure.ts'
import { AddressRefusedError, UnsupportedHeliaError } from '../../interface/errors.ts'
import { dialer } from '../http/dial-egress.ts'
import { readDialAddress } from './dial-address.ts'
import { nameDisclosure } from './disclosed-names.ts'
import type { AddressGuard, AddressGuardComponents } from './address-guard.ts'
import type { DialAddress } from './dial-address.ts'
import type { Dialling } from '../../interface/dial-disclosure.ts'
import type { Disclosure, DisclosureInit } from '../../interface/disclosure.ts'
import type { ConnectionGater, Transport } from '@libp2p/interface'
import type { Multiaddr } from '@multiformats/multiaddr'
import type { Libp2pOptions } from 'libp2p'
import type { LookupFunction } from 'node:net'

type TransportFactory = NonNullable<Libp2pOptions['transports']>[number]

/** Milliseconds for a WebSocket to open; libp2p's own limit for one address is 6 s and ends before */
const CONNECT_TIMEOUT = 10_000

export interface GuardedTransportsComponents extends Omit<AddressGuardComponents, 'resolveText'> {
  /** For a dial of libp2p's own, on nobody's behalf */
  disclose (init: DisclosureInit): Disclosure
}

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
export function guardedTransports (guard: AddressGuard, components: GuardedTransportsComponents, init: GuardedTransportsInit = {}): TransportFactory[] {
  return [guardedTcp(guard, components), guardedWebSockets(guard, components, init)]
}

interface DialOptions {
  readonly onProgress?: (event: never) => void
}

/**
 * Asks whoever waits for the dial for what it is disclosed with; where nobody does, libp2p dials by itself, and it is
 * disclosed here. That a connection is there is said here too: who asked first may have left, and others wait on.
 */
async function disclosed<T> (address: DialAddress, { onProgress }: DialOptions, { disclose }: GuardedTransportsComponents, dial: (disclosure: Disclosure) => Promise<T>): Promise<T> {
  const asked: Dialling = {}
  onProgress?.(new CustomProgressEvent(DIALLING, asked) as never)

  const { peer, host, port } = address
  const disclosure = asked.disclosure ?? disclose({ observer: peer == null ? `party:${host.text}:${port ?? 0}` : `p2p:${peer}`, form: 'none', transport: 'dial', audience: 'one' })

  try {
    const connection = await dial(disclosure)
    disclosure.sent()
    return connection
  } catch (error) {
    // whoever asked may have other addresses to try
    if (asked.disclosure == null) {
      if ((error as Error).name === AddressRefusedError.name) {
        disclosure.notSent()
      } else {
        disclosure.unknown()
      }
    }
    throw error
  } finally {
    asked.over?.()
  }
}

/** Who is there is told by the connection itself, before it is encrypted or anybody has said who he is */
function connecting (disclosure: Disclosure, { onProgress }: DialOptions): (event: { readonly type: string }) => void {
  return event => {
    if (event.type.startsWith('upgrader:')) {
      disclosure.sent()
    }
    onProgress?.(event as never)
  }
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

function guardedTcp (guard: AddressGuard, disclosing: GuardedTransportsComponents): TransportFactory {
  return components => {
    const transport = tcp()(components)
    const dial = transport.dial.bind(transport)

    transport.dial = async (multiaddr, options) => {
      const address = checked(guard, multiaddr)
      const { host, port = 0, lookup } = address

      return disclosed(address, options, disclosing, async disclosure => {
        const resolve: LookupFunction = (_hostname, { all }, callback) => {
          const addresses = host.ip == null
            ? guard.resolve(host.text, port, lookup, { signal: options.signal, discloseName: () => nameDisclosure(disclosure) })
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
        return dial(multiaddr, { ...options, lookup: resolve, onProgress: connecting(disclosure, options) } as typeof options)
      })
    }
    return transport
  }
}

/** The part of libp2p's WebSocket transport that connects. It goes by the name in the certificate and resolves it anew. */
interface ConnectingTransport extends Transport {
  _connect? (multiaddr: Multiaddr, options: DialOptions & { signal: AbortSignal }): Promise<WebSocket>
}

interface Connecting extends Pick<AddressGuardComponents, 'clock' | 'policy'>, GuardedTransportsInit {
  readonly guard: AddressGuard
}

function guardedWebSockets (guard: AddressGuard, components: GuardedTransportsComponents, { ca }: GuardedTransportsInit): TransportFactory {
  return libp2pComponents => {
    const transport = webSockets()(libp2pComponents) as ConnectingTransport

    if (typeof transport._connect !== 'function') {
      throw new UnsupportedHeliaError('The WebSocket transport of libp2p has no _connect any more, by which names are pinned to addresses')
    }

    transport._connect = async (multiaddr, options) => {
      const address = checked(guard, multiaddr)
      return disclosed(address, options, components, async disclosure => connectWebSocket(address, disclosure, options.signal, { ...components, guard, ca }))
    }
    return transport
  }
}

async function connectWebSocket ({ host, port, kind, sni, lookup }: DialAddress, disclosure: Disclosure, signal: AbortSignal, { guard, clock, policy, ca }: Connecting): Promise<WebSocket> {
  const name = sni ?? (host.ip?.byteLength === 16 ? `[${host.text}]` : host.text)
  const scheme = kind === 'wss' ? 's' : ''
  const dial = dialer(new URL(`http${scheme}://${name}:${port}`), {
    clock,
    policy,
    // of the name that is in the URL, or that of the host where it differs
    lookUp: async () => host.ip == null ? guard.resolve(host.text, port ?? 0, lookup, { signal, discloseName: () => nameDisclosure(disclosure) }) : [{ address: host.text, family: host.ip.byteLength === 4 ? 4 : 6 }],
    connectTimeout: CONNECT_TIMEOUT,
    ...(ca == null ? {} : { ca })
  })
  let failure: Error | undefined
  const agent = new Agent({
    connect: (options, callback) => dial(options, (...args) => {
      failure = args[0] ?? failure
      callback(...args)
    }, disclosure)
  })
  // the WebSocket itself does not say why it could not connect
  return opened(new WebSocket(`ws${scheme}://${name}:${port}`, { dispatcher: agent }), agent, signal, () => failure)
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
