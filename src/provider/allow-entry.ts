import { InvalidOptionError } from '../interface/errors.ts'
import { quote } from '../interface/quote.ts'
import { DEFAULT_PORTS, withoutCredentials } from './endpoint.ts'
import { parseHost } from './host.ts'
import { formatIP, network, parseRange } from './ip.ts'
import type { IPRange } from './ip.ts'

/** An address or a range that the operator named, on one port or on all */
export interface AllowEntry {
  readonly host?: string
  readonly range?: IPRange
  readonly port?: number
}

/** Reads one entry of an `allow` list; throws an `InvalidOptionError` that names it */
export function parseAllowEntry (entry: unknown): AllowEntry {
  if (typeof entry !== 'string' || entry === '') {
    throw invalid(entry, 'it must be a host, host:port, IP address, [IPv6]:port, CIDR range or URL origin')
  }

  if (entry.includes('://')) {
    return fromURL(entry)
  }

  if (entry.includes('/')) {
    return fromRange(entry)
  }

  const bracketed = /^(\[[^\]]*\])(?::(.*))?$/.exec(entry)

  if (bracketed != null) {
    return toEntry(entry, bracketed[1] ?? '', bracketed[2])
  }

  const colon = entry.indexOf(':')

  // two colons are an IPv6 address, one comes before a port
  return colon === -1 || colon !== entry.lastIndexOf(':')
    ? toEntry(entry, entry, undefined)
    : toEntry(entry, entry.slice(0, colon), entry.slice(colon + 1))
}

function toEntry (entry: string, host: string, port: string | undefined): AllowEntry {
  const parsed = parseHost(host)

  if (parsed == null) {
    throw invalid(entry, host.includes('*') ? 'wildcards are not understood, name each host or a CIDR range' : `${quote(host)} is neither a host name nor an IP address`)
  }

  if (port == null) {
    return { host: parsed.text }
  }

  if (!/^[1-9]\d{0,4}$/.test(port) || Number(port) > 65_535) {
    throw invalid(entry, 'the port must be a number from 1 to 65535')
  }

  return { host: parsed.text, port: Number(port) }
}

function fromURL (entry: string): AllowEntry {
  const url = URL.parse(entry)
  const port = url == null ? undefined : url.port === '' ? DEFAULT_PORTS[url.protocol] : Number(url.port)

  if (url == null || port == null) {
    throw invalid(entry, 'only http:// and https:// URLs are understood')
  }

  if (url.username !== '' || url.password !== '' || url.pathname !== '/' || url.search !== '' || url.hash !== '') {
    throw invalid(entry, 'a URL must be an origin: scheme, host and port, nothing more')
  }

  return toEntry(entry, url.hostname, String(port))
}

function fromRange (entry: string): AllowEntry {
  const range = parseRange(entry)

  if (range == null) {
    throw invalid(entry, 'it is not a CIDR range such as 10.0.0.0/8 or fd00::/8')
  }

  const proper = network(range)

  if (proper.base.some((byte, i) => byte !== range.base[i])) {
    throw invalid(entry, `it has bits behind its prefix: write ${formatIP(proper.base)}/${range.prefix} for the range, or ${formatIP(range.base)} for the address`)
  }

  return { range }
}

function invalid (entry: unknown, why: string): InvalidOptionError {
  return new InvalidOptionError(`allow has the entry ${quote(typeof entry === 'string' ? withoutCredentials(entry) : entry)}: ${why}`)
}
