import { peerIdFromString } from '@libp2p/peer-id'
import { parseAddress } from '../../provider/endpoint.ts'
import { peerOfText } from '../../provider/identity.ts'
import { MAX_ADDRESSES, providerFromRecord } from '../../provider/provider.ts'
import type { DelegatedCounts } from './delegated-counts.ts'
import type { Provider } from '../../interface/provider.ts'
import type { AddressPolicy } from '../../provider/address.ts'

/** What can be used of what a router knows (IPIP-484); a list that is not there leaves everything in */
export interface RecordFilter {
  /** Transfer protocols, such as `transport-bitswap`; `unknown` stands for records that name none */
  readonly protocols?: readonly string[]
  /** Protocols of which a multiaddr must have one, such as `tcp` or `https`; `unknown` stands for records without addresses */
  readonly addresses?: readonly string[]
}

export interface RecordReaderInit {
  /** The name of the router */
  readonly source: string
  readonly filter: RecordFilter
  readonly policy: AddressPolicy
  readonly counts: DelegatedCounts
  /** Only records of this peer are an answer */
  readonly peer?: string
}

/** Addresses of a record that are looked at: `MAX_ADDRESSES` of them are kept, peers have gathered 150 stale ones */
const MAX_LOOKED_AT = 64

/** The protocol of legacy records that name none */
const BITSWAP = 'transport-bitswap'
const UNKNOWN = 'unknown'

/** One record of a router as a provider; undefined, and counted, when it is of no use */
export function readRecord (value: unknown, init: RecordReaderInit): Provider | undefined {
  const { counts, source, policy } = init
  const skip = (why: keyof DelegatedCounts['skipped']): undefined => {
    counts.skipped[why]++
    return undefined
  }

  if (!isObject(value)) {
    return skip('malformed')
  }

  const { Schema: schema, ID: id } = value

  if (schema !== 'peer' && schema !== 'bitswap') {
    return skip(typeof schema === 'string' ? 'unknownSchema' : 'malformed')
  }

  const peer = typeof id === 'string' ? peerOfText(id) : undefined

  if (peer == null) {
    return skip('badPeer')
  }
  if (init.peer != null && init.peer !== peer) {
    return skip('mismatched')
  }

  const protocols = schema === 'bitswap'
    ? [typeof value.Protocol === 'string' ? value.Protocol : BITSWAP]
    : texts(value.Protocols)

  if (!matches(protocols, init.filter.protocols)) {
    return skip('filtered')
  }

  const addresses = readAddresses(texts(value.Addrs), peer, init)

  return Array.isArray(addresses)
    ? providerFromRecord({ id: peerIdFromString(peer), multiaddrs: addresses, protocols }, { source, policy, fallback: false })
    : skip(addresses)
}

/** The addresses that can be used, or why the record is of no use */
function readAddresses (all: readonly string[], peer: string, { counts, filter }: RecordReaderInit): string[] | 'mismatched' | 'filtered' {
  const usable: string[] = []
  let foreign = 0
  let filtered = 0

  for (const text of all.slice(0, MAX_LOOKED_AT)) {
    const address = parseAddress(text)

    if (address.type === 'none') {
      counts.addresses.unusable++
    } else if ((address.type === 'peer' || address.type === 'peer-origin') && address.peer !== peer) {
      foreign++
    } else if (filter.addresses != null && !filter.addresses.some(name => speaks(text, name))) {
      filtered++
    } else {
      usable.push(text)
    }
  }

  counts.addresses.foreign += foreign
  counts.addresses.filtered += filtered
  counts.addresses.surplus += Math.max(0, all.length - MAX_LOOKED_AT) + Math.max(0, usable.length - MAX_ADDRESSES)

  if (usable.length > 0) {
    return usable
  }
  if (foreign > 0) {
    return 'mismatched'
  }
  // no addresses at all may be known elsewhere; some that cannot be used are an answer
  return filtered > 0 || filter.addresses?.includes(UNKNOWN) === false ? 'filtered' : usable
}

function speaks (address: string, protocol: string): boolean {
  return address.startsWith('/') ? address.split('/').includes(protocol) : address.toLowerCase().startsWith(`${protocol}:`)
}

function matches (protocols: readonly string[], wanted: readonly string[] | undefined): boolean {
  return wanted == null || (protocols.length === 0 ? wanted.includes(UNKNOWN) : protocols.some(protocol => wanted.includes(protocol)))
}

function texts (value: unknown): string[] {
  return Array.isArray(value) ? value.filter(item => typeof item === 'string') : []
}

function isObject (value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
