import { CID } from 'multiformats/cid'
import { InvalidProviderError } from '../interface/errors.ts'
import { quote } from '../interface/quote.ts'
import { FIRST_UNRESERVED_PORT, addressPolicy } from './address.ts'
import { failureDomains } from './domains.ts'
import { addressEndpoint, isRelayed, originOf, parseAddress, withoutCredentials } from './endpoint.ts'
import { gatewayURL, peerOfCID, peerOfText } from './identity.ts'
import type { Provider, ProviderHint, ProviderId } from '../interface/provider.ts'
import type { AddressPolicy } from './address.ts'

/** Addresses kept per provider, as the contract says: more are stale ones, or an attempt to make us dial around */
export const MAX_ADDRESSES = 8

/** Addresses of a record that are looked at before the best eight are kept */
const MAX_RECORD_ADDRESSES = 64

/** Transport names kept per provider, and their length: the multicodec table has three of at most 30 characters */
export const MAX_PROTOCOLS = 8
const PROTOCOL = /^[\x21-\x7e]{1,64}$/

/** Characters of a hint: a multiaddr with WebTransport certificate hashes and a relay has about 400 */
const MAX_HINT_LENGTH = 2_048

/** How routers call a trustless gateway */
export const GATEWAY_PROTOCOL = 'transport-ipfs-gateway-http'

export interface ToProviderInit {
  /** Who told us */
  source: string
  /** Asked last. @default false */
  fallback?: boolean
  /** Tells which addresses share no failure domain; whether they may be dialled is decided when they are. @default nothing is allow-listed */
  policy?: AddressPolicy
}

export interface ProviderRecordInit {
  /** @default the record's router */
  source?: string
  /** @default the record's */
  fallback?: boolean
  policy?: AddressPolicy
}

/** A provider as Helia's routing, or a libp2p content router, reports it */
export interface ProviderRecord {
  /** A peer id as a CID, a gateway's URL as a CID, or a peer id object */
  readonly id: CID | { toCID (): unknown }
  readonly multiaddrs: ReadonlyArray<{ toString (): string }>
  readonly protocols?: readonly string[]
  readonly fallback?: boolean
  readonly router?: string
}

const nothingAllowed = addressPolicy()

/**
 * Reads a hint: a URL, a multiaddr or a peer id, as a string or as the object.
 * Throws an `InvalidProviderError` that names the hint, and no other error.
 *
 * @example
 *
 * ```ts
 * toProvider('http://127.0.0.1:8080', { source: 'hint' }).id // http:127.0.0.1:8080
 * ```
 */
export function toProvider (hint: ProviderHint, init: ToProviderInit): Provider {
  const text = hintText(hint)
  const peer = text.startsWith('/') ? undefined : peerOfText(text)

  if (peer != null) {
    return build(`p2p:${peer}`, [], [], init)
  }

  const address = parseAddress(text)

  switch (address.type) {
    case 'origin':
      return build(originId(address.origin), [address.origin], [GATEWAY_PROTOCOL], init)
    case 'peer-origin':
      return build(`p2p:${address.peer}`, [address.origin], [GATEWAY_PROTOCOL], init)
    case 'peer':
      return build(`p2p:${address.peer}`, address.address === '' ? [] : [`${address.address}/p2p/${address.peer}`], [], init)
    case 'bare':
      throw new InvalidProviderError(`${quote(text)} is not a provider: the multiaddr neither ends in /http or /https nor names a peer with /p2p/`)
    default:
      throw new InvalidProviderError(`${quote(withoutCredentials(text))} is not a provider: ${address.why}`)
  }
}

/**
 * Reads what a router found. The id is the peer id where there is one, else
 * the origin that will be contacted: new addresses of a peer do not make it
 * somebody else. Throws an `InvalidProviderError` when there is
 * nothing to go by; single unusable addresses are left out.
 */
export function providerFromRecord (record: ProviderRecord, init: ProviderRecordInit = {}): Provider {
  const cid = recordCID(record)
  const peer = cid == null ? undefined : peerOfCID(cid)
  const policy = init.policy ?? nothingAllowed
  const common = { source: init.source ?? record.router ?? 'unknown', fallback: init.fallback ?? record.fallback ?? false, policy }
  const addresses = recordAddresses(record, peer, policy)

  if (peer != null) {
    return build(`p2p:${peer}`, addresses, record.protocols ?? [], common)
  }

  // a gateway is who answers at its origin: an id that claims one and addresses that say another must not share a record
  const claimed = cid == null ? undefined : gatewayURL(cid)
  const origin = claimed == null ? addresses.find(isOrigin) : originOf(claimed)

  if (origin == null) {
    throw new InvalidProviderError(`The provider ${quote(claimed ?? cid ?? '')} of ${quote(common.source)} has neither a peer id nor an http(s) address that can be used`)
  }

  return build(originId(origin), [origin], record.protocols ?? [GATEWAY_PROTOCOL], common)
}

/** The http(s) origins among a provider's addresses */
export function httpOrigin (provider: Pick<Provider, 'addresses'>): string[] {
  return provider.addresses.filter(isOrigin)
}

function build (id: ProviderId, addresses: readonly string[], protocols: readonly string[], init: ToProviderInit): Provider {
  return {
    id,
    addresses,
    protocols: [...new Set(protocols)].filter((protocol) => PROTOCOL.test(protocol)).slice(0, MAX_PROTOCOLS),
    source: init.source,
    fallback: init.fallback ?? false,
    domains: failureDomains(addresses, init.policy ?? nothingAllowed)
  }
}

function hintText (hint: unknown): string {
  if (typeof hint !== 'string' && (typeof hint !== 'object' || hint === null || Array.isArray(hint))) {
    throw new InvalidProviderError(`${quote(hint)} is not a provider: expected a URL, a multiaddr or a peer id, got ${hint === null ? 'null' : Array.isArray(hint) ? 'an array' : `a value of type ${typeof hint}`}`)
  }

  let text: string

  try {
    text = String(hint)
  } catch (err) {
    throw new InvalidProviderError('The hint is not a provider: it cannot be read as text', { cause: err })
  }

  if (text.length > MAX_HINT_LENGTH) {
    throw new InvalidProviderError(`${quote(text)} is not a provider: it has ${text.length} characters, at most ${MAX_HINT_LENGTH} are read`)
  }

  if (text === '' || /[\s\p{C}]/u.test(text)) {
    throw new InvalidProviderError(`${quote(text)} is not a provider: it is ${text === '' ? 'empty' : 'not free of white space and control characters'}`)
  }

  return text
}

function recordCID (record: ProviderRecord): CID | undefined {
  try {
    const id: unknown = record.id
    const plain = CID.asCID(id as CID)

    return plain ?? CID.asCID((id as { toCID (): CID }).toCID()) ?? undefined
  } catch (err) {
    throw new InvalidProviderError(`A provider record of ${quote(record?.router ?? 'unknown')} has no usable id`, { cause: err })
  }
}

function recordAddresses (record: ProviderRecord, peer: string | undefined, policy: AddressPolicy): string[] {
  const usable = new Set<string>()

  for (const multiaddr of (record.multiaddrs ?? []).slice(0, MAX_RECORD_ADDRESSES)) {
    const address = parseAddress(recordText(multiaddr))

    if (address.type === 'origin' || address.type === 'peer-origin') {
      usable.add(address.origin)
    } else if (peer != null && (address.type === 'bare' || (address.type === 'peer' && address.peer === peer)) && address.address !== '') {
      usable.add(`${address.address}/p2p/${peer}`)
    }
  }

  return best([...usable], policy)
}

/** Unreadable text is no address: `parseAddress` says so of the empty one */
function recordText (multiaddr: { toString (): string }): string {
  try {
    const text = String(multiaddr)
    return text.length > MAX_HINT_LENGTH ? '' : text
  } catch {
    return ''
  }
}

/** Direct before relayed before those that would be refused, otherwise in the record's order */
function best (addresses: readonly string[], policy: AddressPolicy): string[] {
  return addresses
    .map((address) => ({ address, rank: rank(address, policy) }))
    .sort((a, b) => a.rank - b.rank)
    .slice(0, MAX_ADDRESSES)
    .map(({ address }) => address)
}

function rank (address: string, policy: AddressPolicy): number {
  const endpoint = addressEndpoint(address)

  // without a host it is a relay known by its peer id alone; without a port, a name that will be resolved to one
  if (endpoint != null && !policy.allows(endpoint.host, endpoint.port ?? FIRST_UNRESERVED_PORT)) {
    return 2
  }

  return isRelayed(address) ? 1 : 0
}

function isOrigin (address: string): boolean {
  return address.startsWith('http://') || address.startsWith('https://')
}

function originId (origin: string): ProviderId {
  return origin.replace('://', ':') as ProviderId
}
