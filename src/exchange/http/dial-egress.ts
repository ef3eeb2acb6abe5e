import { lookup as systemLookup } from 'node:dns/promises'
import { buildConnector } from 'undici'
import { TransportError } from '../../interface/http-transport.ts'
import { permittedAddresses } from '../../provider/permitted-addresses.ts'
import { answered } from '../lease/disclosed-names.ts'
import { portOf } from './port.ts'
import type { Clock } from '../../interface/clock.ts'
import type { Disclosure } from '../../interface/disclosure.ts'
import type { AddressPolicy } from '../../provider/address.ts'
import type { LookupFunction, Socket } from 'node:net'

export interface ResolvedAddress {
  readonly address: string
  readonly family: number
}

/** Resolves a host name to its addresses, best first. Whoever answers for names learns of it. */
export type Resolve = (hostname: string, disclosure: Disclosure) => Promise<readonly ResolvedAddress[]>

/** The machine's own resolver (`getaddrinfo`, so `/etc/hosts` counts) */
export const systemResolve: Resolve = async (hostname, disclosure) => answered(disclosure, systemLookup(hostname, { all: true, order: 'verbatim' }))

export interface DialInit {
  readonly policy: AddressPolicy
  /** Resolves the name of the origin, on behalf of whom the dial was disclosed for */
  readonly lookUp: (hostname: string, dialled: Disclosure) => Promise<readonly ResolvedAddress[]>
  /** Milliseconds for resolving, connecting and the TLS handshake together */
  readonly connectTimeout: number
  readonly clock: Clock
  /** Certificate authorities trusted instead of the machine's, as PEM */
  readonly ca?: string | readonly string[]
}

/**
 * Opens a connection; the returned socket may be destroyed while it still connects.
 *
 * @param dialled - that somebody connects, and nothing else
 */
export type Dial = (options: buildConnector.Options, callback: buildConnector.Callback, dialled: Disclosure) => Socket

/**
 * Dials one origin. A connection's name is resolved once, and what the policy
 * checked is what is dialled: a name that resolves differently a moment later
 * (DNS rebinding) gains nothing. TLS is verified against the name.
 */
export function dialer (url: URL, init: DialInit): Dial {
  const { clock, connectTimeout } = init
  let dialling: Disclosure | undefined
  const connect = buildConnector({
    allowH2: false,
    autoSelectFamily: true,
    // looked up before `connect` returns; a test holds it
    lookup: pinned(portOf(url), init, () => dialling),
    // counted on our own clock below
    timeout: 0,
    // Node's types ask for a mutable array although it only reads it
    ...(init.ca === undefined ? {} : { ca: init.ca as string | string[] })
  })

  return (options, callback, dialled) => {
    dialling = dialled
    // undici's type hides that its connectors return the socket, on which abandoning a dial depends; a test holds it
    const socket = connect(options, (...args: [null, Socket] | [Error, null]) => {
      cancel()
      callback(...args)
    }) as unknown as Socket
    dialling = undefined
    // before TLS: that somebody is there is known as soon as there is a connection
    socket.once('connect', () => { dialled.sent() })
    socket.once('close', () => {
      cancel()
      dialled.unknown()
    })
    const cancel = clock.schedule(connectTimeout, () => {
      socket.destroy(new TransportError('connect', `could not connect within ${connectTimeout} ms`))
    })

    return socket
  }
}

/** A lookup whose result the policy has seen: addresses that it refuses are never dialled */
function pinned (port: number, { policy, lookUp }: DialInit, whose: () => Disclosure | undefined): LookupFunction {
  // dials at the same moment share an answer: getaddrinfo takes one of Node's four file-system threads each
  let resolving: Promise<readonly ResolvedAddress[]> | undefined

  return (hostname, options, callback) => {
    const dialled = whose()

    if (dialled === undefined) {
      callback(new TransportError('dns', 'its name was to be looked up for nobody'), [])
      return
    }
    resolving ??= lookUp(hostname, dialled).finally(() => { resolving = undefined })
    resolving.then(addresses => permittedAddresses(addresses, address => { policy.checkResolved(address, port, hostname) }, () => new TransportError('dns', 'its name resolves to no address'))).then(
      addresses => {
        const [first] = addresses

        if (options.all === true) {
          callback(null, addresses.map(({ address, family }) => ({ address, family })))
        } else {
          callback(null, first.address, first.family)
        }
      },
      (error: NodeJS.ErrnoException) => {
        // nobody is connected to
        dialled.notSent()
        callback(error, [])
      }
    )
  }
}
