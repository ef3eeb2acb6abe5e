import { multiaddr } from '@multiformats/multiaddr'
import { quote, reason } from '../../interface/quote.ts'
import { parseHost } from '../../provider/host.ts'
import { peerOfText } from '../../provider/identity.ts'
import type { Host } from '../../provider/host.ts'
import type { Component } from '@multiformats/multiaddr'

/** What a connection is made over. `wss` is a WebSocket inside TLS, for which the host must have a certificate. */
export type DialKind = 'tcp' | 'ws' | 'wss'

/** A libp2p address in the one form in which it is checked, resolved and dialled */
export interface DialAddress {
  readonly kind: DialKind
  /** How the host is found: by itself, by A or AAAA records, by TXT records that hold whole addresses */
  readonly lookup: 'none' | 'dns' | 'dns4' | 'dns6' | 'dnsaddr'
  readonly host: Host
  /** Only that of a `dnsaddr` is not known yet */
  readonly port?: number
  /** The name that is asked for inside TLS, and that the certificate must have */
  readonly sni?: string
  /** The peer at that host: a relay, through which the other one is reached */
  readonly relay?: string
  /** The peer that the address says it leads to */
  readonly peer?: string
}

/** Text that was read: an address, or why nobody can dial it here, which is nobody's fault */
export type ReadAddress = { readonly address: DialAddress } | { readonly why: string }

/** Characters of an address that are looked at */
const MAX_LENGTH = 1_024

/** Without their own transport these cannot be dialled: what to call them in a message */
const NO_TRANSPORT: ReadonlyArray<readonly [protocol: string, what: string]> = [
  ['webtransport', 'WebTransport'], ['webrtc-direct', 'WebRTC'], ['webrtc', 'WebRTC'], ['quic-v1', 'QUIC'], ['quic', 'QUIC'], ['udp', 'UDP'],
  ['http', 'HTTP'], ['https', 'HTTP'], ['unix', 'a socket in the file system'], ['memory', 'the memory of its process'], ['onion', 'Tor'], ['onion3', 'Tor'], ['garlic64', 'I2P'], ['garlic32', 'I2P']
]

const HOSTS: ReadonlySet<string> = new Set(['ip4', 'ip6', 'dns', 'dns4', 'dns6', 'dnsaddr'])

/**
 * Reads a multiaddr that is to be dialled. What is returned holds everything of
 * it that a dial would use, so that nothing unchecked is left over: the text is
 * built again from it (`dialText`). Never throws.
 */
export function readDialAddress (text: string): ReadAddress {
  if (typeof text !== 'string' || text.length > MAX_LENGTH) {
    return { why: `an address has at most ${MAX_LENGTH} characters` }
  }

  let components: Component[]

  try {
    components = multiaddr(text).getComponents()
  } catch (error) {
    return { why: `it is no multiaddr: ${reason(error)}` }
  }

  const why = foreignTransport(components)

  return why != null ? { why } : new Reader(components).read()
}

/** Why nobody here can dial an address or listen on it, if it is for its transport. docs/decisions.md says why QUIC is one of these. */
export function foreignTransport (components: readonly Component[]): string | undefined {
  const foreign = NO_TRANSPORT.find(([name]) => components.some(component => component.name === name))

  return foreign == null ? undefined : `it leads over ${foreign[1]}, for which this node has no transport`
}

/** Takes one component after the other; what is left in the end belongs to no address that can be dialled */
class Reader {
  readonly #components: readonly Component[]
  #at = 0

  constructor (components: readonly Component[]) {
    this.#components = components
  }

  read (): ReadAddress {
    const first = this.#components[0]

    if (first == null || !HOSTS.has(first.name)) {
      return { why: first?.name === 'ip6zone' ? 'it has a zone, which means a link of this very machine' : 'it names no host to connect to' }
    }

    const host = parseHost(first.value ?? '')

    if (host == null || (first.name.startsWith('ip') && host.ip == null)) {
      return { why: `${quote(first.value ?? '')} is neither a host name nor an IP address` }
    }

    this.#at = 1
    // a name that is an IP address needs no resolver
    const lookup = host.ip != null ? 'none' : first.name as DialAddress['lookup']
    return lookup === 'dnsaddr' ? this.#end({ kind: 'tcp', lookup, host }) : this.#transport(lookup, host)
  }

  #transport (lookup: DialAddress['lookup'], host: Host): ReadAddress {
    const port = Number(this.#value('tcp'))

    if (!Number.isInteger(port) || port < 1) {
      return { why: 'it has no TCP port' }
    }

    const tls = this.#has('tls')
    const sni = tls ? this.#value('sni') : undefined
    const name = sni == null ? undefined : parseHost(sni)

    if (sni != null && (name == null || name.ip != null)) {
      return { why: `${quote(sni)} is no name for a certificate` }
    }

    const kind = this.#has('wss') || (tls && this.#has('ws')) ? 'wss' : this.#has('ws') ? 'ws' : 'tcp'

    if (kind === 'tcp' && tls) {
      return { why: 'it asks for TLS without a WebSocket in it' }
    }
    // the path of a WebSocket is not used by libp2p's transport either
    if (kind !== 'tcp') {
      this.#value('http-path')
    }

    // a certificate is for a name: that of the host, unless another one is given
    const named = kind === 'wss' ? name?.text ?? (host.ip == null ? host.text : undefined) : undefined
    return this.#end({ kind, lookup, host, port, ...(named == null ? {} : { sni: named }) })
  }

  #end (way: DialAddress): ReadAddress {
    const first = this.#value('p2p')
    const relayed = this.#has('p2p-circuit')
    const second = relayed ? this.#value('p2p') : undefined
    const rest = this.#components[this.#at]

    if (rest != null) {
      return { why: `nothing here can dial what begins with /${rest.name}` }
    }

    if (relayed && (first == null || way.lookup === 'dnsaddr')) {
      return { why: 'it does not say which relay it leads through' }
    }

    const [relay, peer] = relayed ? [first, second] : [undefined, first]

    for (const id of [relay, peer]) {
      if (id != null && peerOfText(id) == null) {
        return { why: `${quote(id)} is no peer id` }
      }
    }

    return { address: { ...way, ...(relay == null ? {} : { relay: peerOfText(relay) }), ...(peer == null ? {} : { peer: peerOfText(peer) }) } }
  }

  #has (name: string): boolean {
    const found = this.#components[this.#at]?.name === name
    this.#at += found ? 1 : 0
    return found
  }

  #value (name: string): string | undefined {
    const component = this.#components[this.#at]
    return this.#has(name) ? component?.value ?? '' : undefined
  }
}

/** The multiaddr of an address whose host is an IP address, up to the relay if there is one, without the peer it leads to */
export function dialText ({ host, port, kind, sni, relay }: DialAddress): string {
  const secure = kind === 'wss' ? `/tls${sni == null ? '' : `/sni/${sni}`}/ws` : kind === 'ws' ? '/ws' : ''

  return `/${host.ip?.byteLength === 4 ? 'ip4' : 'ip6'}/${host.text}/tcp/${port}${secure}${relay == null ? '' : `/p2p/${relay}/p2p-circuit`}`
}
