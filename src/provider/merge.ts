import { InvalidProviderError } from '../interface/errors.ts'
import { isRelayed } from './endpoint.ts'
import { MAX_ADDRESSES, MAX_PROTOCOLS } from './provider.ts'
import type { Provider } from '../interface/provider.ts'

/** Two per address, a host and its operator */
const MAX_DOMAINS = 2 * MAX_ADDRESSES

/**
 * What two sources say about one provider. Who told us stays the first. When
 * both know many addresses each keeps its best ones, so that neither a stale
 * record nor a made-up one can push the others out.
 */
export function mergeProviders (a: Provider, b: Provider): Provider {
  if (a.id !== b.id) {
    throw new InvalidProviderError(`${a.id} and ${b.id} are two providers, not one`)
  }

  const addresses = alternate(a.addresses, b.addresses)

  return {
    id: a.id,
    addresses: [...addresses.filter((address) => !isRelayed(address)), ...addresses.filter(isRelayed)].slice(0, MAX_ADDRESSES),
    protocols: alternate(a.protocols, b.protocols).slice(0, MAX_PROTOCOLS),
    source: a.source,
    fallback: a.fallback && b.fallback,
    domains: alternate(a.domains, b.domains).slice(0, MAX_DOMAINS)
  }
}

/** First of a, first of b, second of a, …, each once */
function alternate (a: readonly string[], b: readonly string[]): string[] {
  const length = Math.max(a.length, b.length)

  return [...new Set(Array.from({ length }, (_, i) => [a[i], b[i]]).flat())].filter((item) => item != null)
}
