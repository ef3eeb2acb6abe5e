import type { Sighting } from './sightings.ts'
import type { DisclosureEntry } from '../../../src/interface/disclosure.ts'

/** What whoever made a read knows of it, and neither a spy nor an entry says */
export interface Known {
  /** A block and somebody whom its reader named, as `KEY OBSERVER` */
  readonly hinted: ReadonlySet<string>
  /** Blocks that several readers wanted at once, for whom one was to ask */
  readonly coalesced: ReadonlySet<string>
  /** Who fails, and how: `OBSERVER`, or `KEY OBSERVER` of whoever fails only for that one */
  readonly failures: ReadonlyMap<string, string>
}

/** Ways on which something leaves this node, and what leaves by itself. Whatever has a line of its own stands there as well. */
export const PATHS = [
  'bitswap want', 'bitswap have', 'bitswap cancel', 'HTTP', 'CAR', 'DHT lookup hops', 'delegated routing', 'announce',
  'hints', 'siblings', 'shared L2', 'DNS', 'probes', 'shadow', 'prefetch', 'coalesced', 'cache hit'
] as const

/** What is no way of a read: connections, and answers to whoever asked */
export const BESIDES = ['connections', 'answers to others'] as const

const CAUSES: Readonly<Record<string, string>> = { announce: 'announce', probe: 'probes', shadow: 'shadow', prefetch: 'prefetch' }

/** By which paths a message of the ledger went: the way that it took, and what caused it */
export function pathsOf (entry: DisclosureEntry, sighting: Sighting | undefined, { hinted, coalesced, failures }: Known): string[] {
  const { observer, key = '', form, purpose, transport } = entry
  const isAbout = form === 'cid' && key !== ''
  const cause = CAUSES[purpose]
  const failure = failures.get(`${key} ${observer}`) ?? failures.get(observer)

  return [
    wayOf(entry, sighting),
    ...cause == null || cause === wayOf(entry, sighting) ? [] : [cause],
    ...transport === 'sibling' ? ['siblings'] : [],
    ...isAbout && hinted.has(`${key} ${observer}`) ? ['hints'] : [],
    ...isAbout && coalesced.has(key) ? ['coalesced'] : [],
    ...failure == null ? [] : [`failure: ${failure}`]
  ]
}

function wayOf ({ transport, purpose, observer }: DisclosureEntry, sighting: Sighting | undefined): string {
  switch (transport) {
    case 'dial':
      return purpose === 'probe' ? 'probes' : 'connections'
    case 'dht':
      return purpose === 'announce' ? 'announce' : 'DHT lookup hops'
    case 'bitswap':
      return purpose === 'serve' ? 'answers to others' : bitswapWay(sighting)
    case 'sibling':
      return observer.startsWith('p2p:') ? bitswapWay(sighting) : httpWay(sighting)
    case 'http':
    case 'https':
      return httpWay(sighting)
    case 'redis':
    case 'rediss':
      return 'shared L2'
    case 'dns':
      return 'DNS'
    case 'delegated':
      return 'delegated routing'
    default:
      return transport
  }
}

/** What no entry says anything of */
export function pathOfSighting (sighting: Sighting): string {
  const { transport, what } = sighting
  return transport === 'bitswap' && what === 'answered'
    ? 'answers to others'
    : ({ bitswap: bitswapWay(sighting), http: httpWay(sighting), dht: 'DHT lookup hops', delegated: 'delegated routing', dns: 'DNS', redis: 'shared L2', dial: 'connections' })[transport]
}

function bitswapWay (sighting: Sighting | undefined): string {
  return sighting?.what === 'cancelled' ? 'bitswap cancel' : sighting?.detail === 'have' ? 'bitswap have' : 'bitswap want'
}

function httpWay (sighting: Sighting | undefined): string {
  return sighting?.detail === 'car' ? 'CAR' : 'HTTP'
}
