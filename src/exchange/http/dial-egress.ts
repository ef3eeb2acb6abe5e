import { lookup as systemLookup } from 'node:dns/promises'
import { buildConnector } from 'undici'
import { TransportError } from '../../interface/http-transport.ts'
import { portOf } from './port.ts'
import type { Clock } from '../../interface/clock.ts'
import type { AddressPolicy } from '../../provider/address.ts'
import type { LookupFunction, Socket } from 'node:net'

export interface ResolvedAddress {
  readonly address: string
  readonly family: number
}

/** Resolves a host name to its addresses, best first */
export type Resolve = (hostname: string) => Promise<readonly ResolvedAddress[]>

/** The machine's own resolver (`getaddrinfo`, so `/etc/hosts` counts) */
export const systemResolve: Resolve = async hostname => systemLookup(hostname, { all: true, order: 'verbatim' })

export interface DialInit {
  readonly policy: AddressPolicy
  readonly resolve: Resolve
  /** Milliseconds for resolving, connecting and the TLS handshake together */
  readonly connectTimeout: number
  readonly clock: Clock
  /** Certificate authorities trusted instead of the machine's, as PEM */
  readonly ca?: string | readonly string[]
}

/** Opens a connection; the returned socket may be destroyed while it still connects */
export type Dial = (options: buildConnector.Options, callback: buildConnector.Callback) => Socket

/**
 * Dials one origin. A connection's name is resolved once, and what the policy
 * checked is what is dialled: a name that resolves differently a moment later
 * (DNS rebinding) gains nothing. TLS is verified against the name.
 */
export function dialer (url: URL, init: DialInit): Dial {
  const { clock, connectTimeout } = init
  const connect = buildConnector({
    allowH2: false,
    autoSelectFamily: true,
    lookup: pinned(portOf(url), init),
    // counted on our own clock below
    timeout: 0,
    // Node's types ask for a mutable array although it only reads it
    ...(init.ca === undefined ? {} : { ca: init.ca as string | string[] })
  })

  return (options, callback) => {
    // undici's type hides that its connectors return the socket, on which abandoning a dial depends; a test holds it
    const socket = connect(options, (...args: [null, Socket] | [Error, null]) => {
      cancel()
      callback(...args)
    }) as unknown as Socket
    socket.once('close', () => { cancel() })
    const cancel = clock.schedule(connectTimeout, () => {
      socket.destroy(new TransportError('connect', `could not connect within ${connectTimeout} ms`))
    })

    return socket
  }
}

/** A lookup whose result the policy has seen: addresses that it refuses are never dialled */
function pinned (port: number, { policy, resolve }: DialInit): LookupFunction {
  // dials at the same moment share an answer: getaddrinfo takes one of Node's four file-system threads each
  let resolving: Promise<readonly ResolvedAddress[]> | undefined

  return (hostname, options, callback) => {
    resolving ??= resolve(hostname).finally(() => { resolving = undefined })
    resolving.then(addresses => allowed(addresses, hostname, port, policy)).then(
      addresses => {
        const [first] = addresses

        if (options.all === true) {
          callback(null, addresses.map(({ address, family }) => ({ address, family })))
        } else {
          callback(null, first.address, first.family)
        }
      },
      (error: NodeJS.ErrnoException) => { callback(error, []) }
    )
  }
}

type AtLeastOne<T> = readonly [T, ...T[]]

/** Throws the first refusal when the policy leaves none: a name may lead to a public and a private network at once */
function allowed (addresses: readonly ResolvedAddress[], name: string, port: number, policy: AddressPolicy): AtLeastOne<ResolvedAddress> {
  const kept: ResolvedAddress[] = []
  let refusal: Error | undefined

  for (const resolved of addresses) {
    try {
      policy.checkResolved(resolved.address, port, name)
      kept.push(resolved)
    } catch (error) {
      refusal ??= error as Error
    }
  }

  const [first, ...rest] = kept

  if (first === undefined) {
    throw refusal ?? new TransportError('dns', 'its name resolves to no address')
  }

  return [first, ...rest]
}
