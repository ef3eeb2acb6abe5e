import { multiaddr } from '@multiformats/multiaddr'
import { systemClock } from '../clock/system-clock.ts'
import { ReportNames } from '../privacy/report/report-names.ts'
import { plainText } from '../privacy/report/plain-text.ts'
import { nameDisclosure } from '../exchange/lease/disclosed-names.ts'
import { readDialAddress } from '../exchange/lease/dial-address.ts'
import { RoutingRequest } from '../routing/request.ts'
import type { Clock } from '../interface/clock.ts'
import type { Disclosure, Ledger } from '../interface/disclosure.ts'
import type { Libp2p } from '@libp2p/interface'

/** A handshake over the slowest of links takes three seconds */
export const CONNECT_TIMEOUT = 10_000

export interface Connected {
  readonly connected: number
  /** Of each address to which no connection was made: without its peer id */
  readonly failures: ReadonlyArray<{ readonly address: string, readonly why: string }>
}

export interface ConnectInit {
  readonly clock: Clock
  readonly signal: AbortSignal
  /** Each dial tells somebody that this node is there */
  readonly ledger: Ledger
}

/** Connects to all of them at once; whoever has not answered in time is given up */
export async function connectAll (libp2p: Pick<Libp2p, 'dial'>, addresses: readonly string[], { clock, signal, ledger }: ConnectInit): Promise<Connected> {
  const outcomes = await Promise.all(addresses.map(async text => {
    using timeout = clock.timeout(CONNECT_TIMEOUT)
    try {
      await connect(libp2p, text, AbortSignal.any([signal, timeout.signal]), dialDisclosure(text, ledger, signal))
      return undefined
    } catch (err) {
      signal.throwIfAborted()
      return { address: withoutPeer(text), why: timeout.signal.aborted ? `no answer within ${CONNECT_TIMEOUT / 1000} s` : reasonOf(err) }
    }
  }))
  const failures = outcomes.filter(outcome => outcome != null)
  return { connected: addresses.length - failures.length, failures }
}

async function connect (libp2p: Pick<Libp2p, 'dial'>, text: string, signal: AbortSignal, disclosure: Disclosure): Promise<void> {
  const read = readDialAddress(text)
  const name = 'address' in read && read.address.lookup !== 'none' ? nameDisclosure(disclosure) : undefined

  try {
    await libp2p.dial(multiaddr(text), { signal })
    disclosure.sent()
    name?.sent()
  } catch (err) {
    // whoever was to answer for the name may have been asked, whatever became of the dial
    name?.unknown()
    if (reachedNobody(err)) {
      disclosure.notSent()
    } else {
      disclosure.unknown()
    }
    throw err
  }
}

/** There was nobody who could have been told anything */
const UNREACHED: ReadonlySet<string> = new Set(['ECONNREFUSED', 'EHOSTUNREACH', 'ENETUNREACH', 'ENOTFOUND', 'EAI_AGAIN'])

/** Not where one of several addresses had somebody, whichever was tried first */
function reachedNobody (err: unknown, depth = 0): boolean {
  const { code, errors = [], cause } = err as NodeJS.ErrnoException & { errors?: unknown[] }

  if (depth < 4 && errors.length > 0) {
    return errors.every(error => reachedNobody(error, depth + 1))
  }
  return code == null && depth < 4 && cause != null ? reachedNobody(cause, depth + 1) : UNREACHED.has(code ?? '')
}

/** The user named them, and nothing is asked of them */
function dialDisclosure (text: string, ledger: Ledger, signal: AbortSignal): Disclosure {
  const read = readDialAddress(text)
  const { peer, host, port } = 'address' in read ? read.address : {}

  return new RoutingRequest({ clock: systemClock, ledger }, {
    id: 'command',
    purpose: 'probe',
    mode: 'strict',
    signal,
    deadline: () => Infinity,
    priority: () => 0
  }).disclose({ observer: peer == null ? `party:${host?.text ?? 'named-peer'}:${port ?? 0}` : `p2p:${peer}`, form: 'none', transport: 'dial', audience: 'one' })
}

/** What goes to a terminal, and from there to logs, names no peer */
export function withoutPeer (address: string): string {
  return plainText(address.replace(/\/(?:p2p|ipfs)\/.*$/, ''), 120)
}

const REASONS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nobody listens there',
  ECONNRESET: 'the connection was closed at once',
  EHOSTUNREACH: 'there is no way to that host',
  ENETUNREACH: 'there is no way to that network',
  ETIMEDOUT: 'no answer',
  ENOTFOUND: 'there is no host of that name',
  EAI_AGAIN: 'the name could not be looked up',
  NoValidAddressesError: 'it cannot be dialled by TCP or WebSocket',
  UnexpectedPeerError: 'somebody else answers there: another peer id',
  DialError: 'it could not be reached',
  EncryptionFailedError: 'there is no libp2p node, or one that speaks neither TLS nor Noise',
  UnexpectedEOFError: 'there is no libp2p node: it closed the connection during the handshake'
}

/** How Noise and TLS say it; the handshake of Noise has no error of its own for it */
const ANOTHER_PEER = /does not match expected|unexpected peer/i

/** In words; what others had a hand in is redacted */
function reasonOf (err: unknown, depth = 0): string {
  const { code, name, message, errors, cause } = err as NodeJS.ErrnoException & { errors?: unknown[] }
  if (ANOTHER_PEER.test(String(message))) {
    return REASONS.UnexpectedPeerError ?? ''
  }
  const within = depth < 4 ? errors?.[0] ?? cause : undefined

  return REASONS[code ?? ''] ?? (within == null ? undefined : reasonOf(within, depth + 1)) ?? REASONS[name] ?? plainText(new ReportNames().text(String(message).split('\n', 1)[0] ?? ''), 200)
}
