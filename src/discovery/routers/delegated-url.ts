import { InvalidOptionError } from '../../interface/errors.ts'
import { quote } from '../../interface/quote.ts'
import { withoutCredentials } from '../../provider/endpoint.ts'
import { parseHost } from '../../provider/host.ts'
import type { RecordFilter } from './delegated-records.ts'

const MAX_URL_LENGTH = 2_048

/** Names of multiaddr protocols and of transfer protocols: anything else could end the query */
const FILTER_NAME = /^[a-z0-9-]{1,64}$/

/** Kinds of transports are a dozen */
const MAX_FILTER_NAMES = 32

/** Reads the endpoint of a router, with or without the path that the API has; throws an InvalidOptionError that names it */
export function routerURL (text: unknown): URL {
  const invalid = (why: string): InvalidOptionError => new InvalidOptionError(`a router must be an http:// or https:// URL such as https://router.example, got ${quote(typeof text === 'string' ? withoutCredentials(text) : text)}: ${why}`)

  if (typeof text !== 'string' && !(text instanceof URL)) {
    throw invalid('it is no URL')
  }

  const url = String(text).length > MAX_URL_LENGTH ? null : URL.parse(String(text))

  if (url == null || (url.protocol !== 'http:' && url.protocol !== 'https:') || parseHost(url.hostname) == null) {
    throw invalid('it is no such URL')
  }
  if (url.username !== '' || url.password !== '') {
    throw invalid('credentials would be logged')
  }
  if (url.search !== '' || url.hash !== '') {
    throw invalid('it must end with its path')
  }
  if (url.port === '0') {
    throw invalid('nobody listens on port 0')
  }

  url.pathname = url.pathname.replace(/\/+$/, '').replace(/\/routing\/v1$/, '').replace(/\/+$/, '')
  return url
}

/** How the router is called in stories and figures: its host, and the path where it has one */
export function routerName (url: URL): string {
  return url.pathname === '/' ? url.host : `${url.host}${url.pathname}`
}

/** The address of what is known about one key */
export function lookupURL (base: URL, kind: 'providers' | 'peers', id: string, filter: RecordFilter): URL {
  const query = [['filter-addrs', filter.addresses], ['filter-protocols', filter.protocols]] as const
  const search = query.filter(([, names]) => names != null && names.length > 0).map(([name, names]) => `${name}=${(names ?? []).join(',')}`).join('&')
  const path = `${base.pathname === '/' ? '' : base.pathname}/routing/v1/${kind}/${id}`

  return new URL(`${path}${search === '' ? '' : `?${search}`}`, base.origin)
}

/** Throws an InvalidOptionError when a name could not stand in a query */
export function checkedFilter (filter: RecordFilter = {}): RecordFilter {
  for (const [option, names] of Object.entries(filter)) {
    if (names != null && (!Array.isArray(names) || names.length > MAX_FILTER_NAMES || !names.every(name => typeof name === 'string' && FILTER_NAME.test(name)))) {
      throw new InvalidOptionError(`filter.${option} of a router must be a list of at most ${MAX_FILTER_NAMES} protocol names, got ${quote(names)}`)
    }
  }
  return filter
}
