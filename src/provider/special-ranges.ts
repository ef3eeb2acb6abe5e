import { inRange, parseRange } from './ip.ts'
import type { IPBytes, IPRange } from './ip.ts'

/**
 * IANA's special-purpose registries for IPv4 and IPv6, without the entries
 * that are globally reachable, and the addresses at which clouds answer with
 * credentials. First match names the reason.
 */
const SPECIAL: ReadonlyArray<readonly [reason: string, ranges: readonly string[]]> = [
  ['a cloud metadata address', ['169.254.169.254/32', '169.254.170.2/32', '100.100.100.200/32', '168.63.129.16/32', '192.0.0.192/32', 'fd00:ec2::/64']],
  ['a loopback address', ['127.0.0.0/8', '::1/128']],
  ['an unspecified address', ['0.0.0.0/8', '::/128']],
  ['a private address', ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', 'fc00::/7', 'fec0::/10']],
  ['a link-local address', ['169.254.0.0/16', 'fe80::/10']],
  ['an address behind carrier-grade NAT', ['100.64.0.0/10']],
  ['a multicast address', ['224.0.0.0/4', 'ff00::/8']],
  ['a broadcast address', ['255.255.255.255/32']],
  ['a documentation address', ['192.0.2.0/24', '198.51.100.0/24', '203.0.113.0/24', '2001:db8::/32', '3fff::/20']],
  ['a benchmarking address', ['198.18.0.0/15', '2001:2::/48']],
  ['a reserved address', ['192.0.0.0/24', '192.88.99.0/24', '240.0.0.0/4', '2001::/23']]
]

/** Reached only by naming the address itself, never because a name resolves to it: here credentials are handed out */
const UNNAMEABLE = ranges(['169.254.0.0/16', '100.100.100.200/32', '168.63.129.16/32', '192.0.0.192/32', 'fe80::/10', 'fd00:ec2::/64'])

/** All that is allocated of IPv6 for the public; whatever is outside is local or not yet anything */
const GLOBAL_UNICAST = range('2000::/3')
const LOOPBACK = ranges(['127.0.0.0/8', '::1/128'])
const NAT64 = range('64:ff9b::/96')
const SIX_TO_FOUR = range('2002::/16')

const special = SPECIAL.map(([reason, texts]) => ({ reason, ranges: ranges(texts) }))

/** Why an address is not one of the public network; undefined when it is */
export function specialAddress (ip: IPBytes): string | undefined {
  const embedded = embeddedIPv4(ip)

  if (embedded != null) {
    const reason = specialAddress(embedded)
    return reason == null ? undefined : `${reason} inside an IPv6 one`
  }

  const entry = special.find(({ ranges }) => ranges.some((range) => inRange(ip, range)))

  return entry?.reason ?? (ip.byteLength === 16 && !inRange(ip, GLOBAL_UNICAST) ? 'a reserved address' : undefined)
}

/** The IPv4 address that a translator (NAT64) or tunnel (6to4) will send to */
export function embeddedIPv4 (ip: IPBytes): IPBytes | undefined {
  return inRange(ip, NAT64) ? ip.slice(12) : inRange(ip, SIX_TO_FOUR) ? ip.slice(2, 6) : undefined
}

export function isLoopback (ip: IPBytes): boolean {
  return LOOPBACK.some((range) => inRange(ip, range))
}

export function isUnnameable (ip: IPBytes): boolean {
  const inner = embeddedIPv4(ip) ?? ip

  return UNNAMEABLE.some((range) => inRange(inner, range))
}

function ranges (texts: readonly string[]): IPRange[] {
  return texts.map(range)
}

function range (text: string): IPRange {
  const range = parseRange(text)

  if (range == null) {
    throw new TypeError(`${text} is not a range`)
  }

  return range
}
