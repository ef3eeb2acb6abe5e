import { multiaddr } from '@multiformats/multiaddr'
import { multiaddrToUri } from '@multiformats/multiaddr-to-uri'
import { parseHost } from './host.ts'
import { formatIP } from './ip.ts'
import { peerOfText } from './identity.ts'
import type { Component } from '@multiformats/multiaddr'

/** What an address turned out to be */
export type Address =
  /** An http(s) server */
  | { readonly type: 'origin', readonly origin: string }
  /** An http(s) server that says which peer it is */
  | { readonly type: 'peer-origin', readonly origin: string, readonly peer: string }
  /** A libp2p peer; `address` is the way to it without its `/p2p/` part, empty when unknown */
  | { readonly type: 'peer', readonly peer: string, readonly address: string }
  /** A multiaddr that does not say who is there */
  | { readonly type: 'bare', readonly address: string }
  | { readonly type: 'none', readonly why: string }

/** Characters of one multiaddr that is kept: with a relay and two certificate hashes it has about 400 */
const MAX_ADDRESS_LENGTH = 512

/** Reads a URL or a multiaddr. Never throws: what cannot be read is `none`, and says why. */
export function parseAddress (text: string): Address {
  if (text.startsWith('/')) {
    return fromMultiaddr(text)
  }

  if (!/^https?:\/\//i.test(text)) {
    return none(/^[a-z][a-z0-9+.-]*:\/\//i.test(text)
      ? 'only http:// and https:// URLs are understood'
      : 'it is neither an http(s) URL, a multiaddr nor a peer id')
  }

  return fromURL(text)
}

/** The normalised origin of a URL that is one and nothing more, undefined for any other text */
export function originOf (text: string): string | undefined {
  const address = parseAddress(text)

  return address.type === 'origin' && !text.startsWith('/') ? address.origin : undefined
}

/** Where an address of a provider connects to: of a relayed one, the relay. Undefined when that is known to nobody but a resolver. */
export function addressEndpoint (address: string): Endpoint | undefined {
  if (!address.startsWith('/')) {
    const url = URL.parse(address)

    return url == null ? undefined : { host: url.hostname, port: url.port === '' ? DEFAULT_PORTS[url.protocol] : Number(url.port) }
  }

  const parts = address.split('/')
  const first = parts[1] === 'ip6zone' ? 3 : 1
  const [protocol = '', host, transport = '', port] = parts.slice(first, first + 4)

  if (host == null || !HOST_PROTOCOLS.has(protocol)) {
    return undefined
  }

  return { host, port: PORT_PROTOCOLS.has(transport) ? Number(port) : undefined }
}

export interface Endpoint {
  readonly host: string
  readonly port?: number
}

const HOST_PROTOCOLS: ReadonlySet<string> = new Set(['ip4', 'ip6', 'dns', 'dns4', 'dns6', 'dnsaddr'])
const PORT_PROTOCOLS: ReadonlySet<string> = new Set(['tcp', 'udp'])
export const DEFAULT_PORTS: Readonly<Record<string, number>> = { 'http:': 80, 'https:': 443 }

/** The text with what stands between `//` and `@` left out: error messages are logged */
export function withoutCredentials (text: string): string {
  return text.replace(/\/\/[^/?#]*@/, '//…@')
}

/** A multiaddr without the `/p2p/` of the peer that it leads to, as it is kept and dialled */
export function withoutPeer (address: string, peer: string): string {
  const end = `/p2p/${peer}`
  return address.endsWith(end) ? address.slice(0, -end.length) : address
}

export function isRelayed (address: string): boolean {
  return address.includes('/p2p-circuit')
}

function fromURL (text: string): Address {
  const url = URL.parse(text)
  const host = url == null ? undefined : parseHost(url.hostname)

  if (url == null || host == null) {
    return none('the URL has no usable host')
  }

  if (url.username !== '' || url.password !== '') {
    return none('a URL with credentials would send them to be logged; leave them out')
  }

  if (url.pathname !== '/' || url.search !== '' || url.hash !== '') {
    return none(`a gateway is asked at its root, so the URL must end after host and port: ${url.origin}`)
  }

  if (url.port === '0') {
    return none('nobody listens on port 0')
  }

  const name = host.ip == null ? host.text : host.ip.byteLength === 16 ? `[${formatIP(host.ip)}]` : formatIP(host.ip)

  return { type: 'origin', origin: `${url.protocol}//${name}${url.port === '' ? '' : `:${url.port}`}` }
}

function fromMultiaddr (text: string): Address {
  let components: Component[]

  try {
    components = multiaddr(text).getComponents()
  } catch (err) {
    return none(err instanceof Error ? err.message.slice(0, 100) : 'the multiaddr cannot be read')
  }

  const end = components.at(-1)
  const peer = end?.name === 'p2p' ? peerOfText(end.value ?? '') : undefined

  if (end?.name === 'p2p' && peer == null) {
    return none('what follows /p2p/ is not a peer id')
  }

  const way = peer == null ? components : components.slice(0, -1)
  const origin = httpOriginOf(way)

  if (origin != null) {
    return origin.type === 'origin' && peer != null ? { type: 'peer-origin', origin: origin.origin, peer } : origin
  }

  const address = way.length === 0 ? '' : multiaddr(way).toString()

  if (address.length > MAX_ADDRESS_LENGTH) {
    return none(`the multiaddr has ${address.length} characters, at most ${MAX_ADDRESS_LENGTH} are kept`)
  }

  return peer == null ? { type: 'bare', address } : { type: 'peer', peer, address }
}

/** Undefined when the multiaddr does not speak HTTP */
function httpOriginOf (components: readonly Component[]): Address | undefined {
  const path = components.at(-1)?.name === 'http-path' ? components.at(-1)?.value ?? '' : ''
  const server = components.at(-1)?.name === 'http-path' ? components.slice(0, -1) : components
  const last = server.at(-1)?.name

  if (last !== 'http' && last !== 'https') {
    return undefined
  }

  if (/[^/]/.test(path)) {
    return none('a gateway is asked at its root, so the multiaddr must end in /http or /https')
  }

  if (server.some(({ name }) => name === 'p2p-circuit')) {
    return none('HTTP through a relay is not possible')
  }

  try {
    // the first component decides: a zone before it has no place in a URL
    return fromURL(multiaddrToUri(multiaddr(server.filter(({ name }) => name !== 'ip6zone'))))
  } catch (err) {
    return none(err instanceof Error ? err.message.slice(0, 100) : 'the multiaddr is not that of an http(s) server')
  }
}

function none (why: string): Address {
  return { type: 'none', why }
}
