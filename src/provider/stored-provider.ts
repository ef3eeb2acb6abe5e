import { MAX_ADDRESSES, MAX_PROTOCOLS } from './provider.ts'
import type { Provider } from '../interface/provider.ts'

/** Characters of one provider as JSON: eight multiaddrs with certificate hashes and a relay have 3 000 */
export const MAX_STORED_PROVIDER = 8_192

/** A host and its operator for each address */
const MAX_DOMAINS = 2 * MAX_ADDRESSES

const ID = /^(p2p|https?|broker):/

/** As it may be kept, as JSON: undefined when it is too much to keep */
export function storeProvider ({ id, addresses, protocols, domains, fallback }: Provider): object | undefined {
  const stored = {
    id,
    addresses: addresses.slice(0, MAX_ADDRESSES),
    protocols: protocols.slice(0, MAX_PROTOCOLS),
    domains: domains.slice(0, MAX_DOMAINS),
    fallback
  } satisfies Omit<Provider, 'source'>
  return JSON.stringify(stored).length <= MAX_STORED_PROVIDER ? stored : undefined
}

/** Reads what `storeProvider` made, and throws at anything that it would not have made */
export function restoreProvider (value: unknown, source: string): Provider {
  const { id, addresses, protocols, fallback, domains } = (value ?? {}) as Provider

  if (typeof id !== 'string' || !ID.test(id) || !isList(addresses, MAX_ADDRESSES) || !isList(protocols, MAX_PROTOCOLS) || !isList(domains, MAX_DOMAINS)) {
    throw new TypeError('Not a stored provider')
  }

  const stored = { id, addresses, protocols, domains, fallback: fallback === true }

  if (JSON.stringify(stored).length > MAX_STORED_PROVIDER) {
    throw new TypeError(`A stored provider has at most ${MAX_STORED_PROVIDER} characters`)
  }

  return { ...stored, source }
}

function isList (value: unknown, max: number): value is string[] {
  return Array.isArray(value) && value.length <= max && value.every(item => typeof item === 'string')
}
