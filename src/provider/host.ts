import { formatIP, hostnameOf, parseIP } from './ip.ts'
import { isLoopback, specialAddress } from './special-ranges.ts'
import type { IPBytes } from './ip.ts'

/** A host as it will be dialled: lower case, punycode, without trailing dot, brackets or zone */
export interface Host {
  readonly text: string
  /** Absent for a name */
  readonly ip?: IPBytes
}

/** Octets of a DNS name */
const MAX_NAME_LENGTH = 253
/** Characters read at all: a name in Unicode is longer in punycode, an IPv6 address with its zone is shorter */
const MAX_HOST_LENGTH = 260
const NAME = /^([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?\.)*[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?$/

/** What would be read as another part of a URL, or decoded on the way */
// eslint-disable-next-line no-control-regex -- control characters are what is looked for
const NOT_A_NAME = /[\u0000-\u0020\u007f/\\@?#:%[\]<>^|]/

/**
 * Names that are resolved inside a machine or a network: RFC 6761, 6762, 8375,
 * ICANN's `.internal`, the names it keeps from being delegated (`corp`, `home`)
 * and what routers hand out by default (`lan`, `localdomain`, `intranet`, `private`).
 */
const PRIVATE_SUFFIXES = ['local', 'internal', 'home.arpa', 'localdomain', 'lan', 'intranet', 'corp', 'home', 'private']

/** Reads a host name or IP address; undefined when it is neither */
export function parseHost (text: string): Host | undefined {
  if (typeof text !== 'string' || text.length > MAX_HOST_LENGTH) {
    return undefined
  }

  const ip = parseIP(text.length > 1 && text.endsWith('.') ? text.slice(0, -1) : text)

  if (ip != null) {
    return { text: formatIP(ip), ip }
  }

  if (NOT_A_NAME.test(text)) {
    return undefined
  }

  const name = hostnameOf(text)?.replace(/\.$/, '') ?? ''

  // full-width digits and the like become an address only now
  const late = parseIP(name)

  if (late != null) {
    return { text: formatIP(late), ip: late }
  }

  return name.length <= MAX_NAME_LENGTH && NAME.test(name) ? { text: name } : undefined
}

/** Why a host is not one of the public network; undefined when it is (a name may still resolve to one that is not) */
export function privateReason (host: Host): string | undefined {
  if (host.ip != null) {
    return specialAddress(host.ip)
  }

  if (isLocalhost(host)) {
    return 'a loopback name'
  }

  if (!host.text.includes('.')) {
    return 'a name without a domain, which means this network'
  }

  const suffix = PRIVATE_SUFFIXES.find((suffix) => host.text.endsWith(`.${suffix}`))

  return suffix == null ? undefined : `a name of a private network (.${suffix})`
}

export function isLoopbackHost (host: Host): boolean {
  return host.ip == null ? isLocalhost(host) : isLoopback(host.ip)
}

function isLocalhost (host: Host): boolean {
  return host.text === 'localhost' || host.text.endsWith('.localhost')
}
