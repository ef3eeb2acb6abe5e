import { fromString } from 'uint8arrays/from-string'
import { toString } from 'uint8arrays/to-string'
import { MAX_ADDRESSES, MAX_PROTOCOLS } from '../provider/provider.ts'
import type { Provider } from '../interface/provider.ts'

/** Bytes of one provider in an entry: eight multiaddrs with certificate hashes and a relay have 3 kB */
const MAX_PROVIDER = 8_192

/** Bytes of an entry: 256 usual providers, which is what the options allow at most, or 16 of the largest */
const MAX_ENTRY = 16 * MAX_PROVIDER

/** A host and its operator for each address */
const MAX_DOMAINS = 2 * MAX_ADDRESSES

const ID = /^(p2p|https?|broker):/

/** The entry of a root: who delivered blocks of it, as many as may be remembered; those that are too much to keep are left out */
export function encodeProviders (providers: readonly Provider[], limit: number): Uint8Array {
  const kept = providers.map(({ id, addresses, protocols, domains, fallback }) => JSON.stringify({
    id,
    addresses: addresses.slice(0, MAX_ADDRESSES),
    protocols: protocols.slice(0, MAX_PROTOCOLS),
    domains: domains.slice(0, MAX_DOMAINS),
    fallback,
    source: 'affinity'
  } satisfies Provider)).filter(text => text.length <= MAX_PROVIDER).slice(0, limit)
  let entry = fromString(`[${kept.join(',')}]`)

  while (entry.byteLength > MAX_ENTRY) {
    kept.pop()
    entry = fromString(`[${kept.join(',')}]`)
  }

  return entry
}

/** Reads what `encodeProviders` wrote, under this limit or another, and throws at anything that it would not have written */
export function decodeProviders (entry: Uint8Array, limit: number): Provider[] {
  if (entry.byteLength > MAX_ENTRY) {
    throw new TypeError(`An entry has at most ${MAX_ENTRY} bytes, got ${entry.byteLength}`)
  }

  const stored = JSON.parse(toString(entry)) as unknown

  if (!Array.isArray(stored)) {
    throw new TypeError('Not a list of providers')
  }

  return stored.slice(0, limit).map(decodeProvider)
}

function decodeProvider (value: unknown): Provider {
  const { id, addresses, protocols, fallback, domains } = (value ?? {}) as Provider

  if (typeof id !== 'string' || !ID.test(id) || !isList(addresses, MAX_ADDRESSES) || !isList(protocols, MAX_PROTOCOLS) || !isList(domains, MAX_DOMAINS)) {
    throw new TypeError('Not a stored provider')
  }

  const provider: Provider = { id, addresses, protocols, domains, fallback: fallback === true, source: 'affinity' }

  if (JSON.stringify(provider).length > MAX_PROVIDER) {
    throw new TypeError(`A stored provider has at most ${MAX_PROVIDER} characters`)
  }

  return provider
}

function isList (value: unknown, max: number): value is string[] {
  return Array.isArray(value) && value.length <= max && value.every(item => typeof item === 'string')
}
