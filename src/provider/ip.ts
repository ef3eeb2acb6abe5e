/** An IP address: 4 bytes or 16 */
export type IPBytes = Uint8Array

/** A network: the addresses whose first `prefix` bits are those of `base` */
export interface IPRange {
  readonly base: IPBytes
  readonly prefix: number
}

const DOTTED = /^\d{1,3}(\.\d{1,3}){3}$/
const IPV6_LITERAL = /^[0-9a-f:.]+$/i

/** Bytes 0 to 11 of `::ffff:a.b.c.d`, which every socket treats as `a.b.c.d` */
const MAPPED = new Uint8Array([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff])

/**
 * Reads an IP address in whatever way a URL parser would: IPv4 in decimal,
 * hex, octal and short forms, IPv6 with or without brackets, zone id and
 * embedded IPv4. IPv4-mapped IPv6 is the IPv4 address that it stands for.
 */
export function parseIP (text: string): IPBytes | undefined {
  if (text.startsWith('[') !== text.endsWith(']')) {
    return undefined
  }

  const bare = text.startsWith('[') ? text.slice(1, -1) : text

  return bare.includes(':') ? parseIPv6(bare) : text.startsWith('[') ? undefined : parseIPv4(bare)
}

function parseIPv4 (text: string): IPBytes | undefined {
  // names cannot be told from odd IPv4 spellings without the parser that decides what is dialled
  const hostname = DOTTED.test(text) || /^[0-9a-fx.]+$/i.test(text) ? hostnameOf(text) : undefined

  return hostname != null && DOTTED.test(hostname) ? Uint8Array.from(hostname.split('.'), Number) : undefined
}

function parseIPv6 (text: string): IPBytes | undefined {
  const address = text.split('%', 1)[0] ?? ''
  const hostname = IPV6_LITERAL.test(address) ? hostnameOf(`[${address}]`) : undefined

  if (hostname == null) {
    return undefined
  }

  const [head = '', tail] = hostname.slice(1, -1).split('::')
  const before = groups(head)
  const after = groups(tail ?? '')
  const middle = new Array<number>(8 - before.length - after.length).fill(0)
  const bytes = Uint8Array.from([...before, ...middle, ...after].flatMap((group) => [group >> 8, group & 0xff]))

  return startsWith(bytes, MAPPED, 96) ? bytes.slice(12) : bytes
}

function groups (text: string): number[] {
  return text === '' ? [] : text.split(':').map((group) => parseInt(group, 16))
}

/** The host as the URL standard normalises it, undefined where it is none */
export function hostnameOf (host: string): string | undefined {
  return URL.parse(`http://${host}`)?.hostname
}

/** The canonical text: without brackets, IPv6 in full groups of hex */
export function formatIP (ip: IPBytes): string {
  if (ip.byteLength === 4) {
    return ip.join('.')
  }

  const text = Array.from({ length: 8 }, (_, i) => (((ip[2 * i] ?? 0) << 8) | (ip[2 * i + 1] ?? 0)).toString(16)).join(':')

  return hostnameOf(`[${text}]`)?.slice(1, -1) ?? text
}

/** Reads `address/prefix`. Undefined when it is none; host bits that are set are the caller's to judge (`isNetwork`). */
export function parseRange (text: string): IPRange | undefined {
  const slash = text.lastIndexOf('/')
  const digits = text.slice(slash + 1)
  const address = text.slice(0, slash)

  if (slash < 1 || !/^\d{1,3}$/.test(digits) || !(address.includes(':') ? IPV6_LITERAL : DOTTED).test(address)) {
    return undefined
  }

  const base = parseIP(address)
  // ::ffff:10.0.0.0/104 is 10.0.0.0/8
  const prefix = Number(digits) - (base?.byteLength === 4 && address.includes(':') ? 96 : 0)

  return base == null || prefix < 0 || prefix > base.byteLength * 8 ? undefined : { base, prefix }
}

/** The range without the bits behind its prefix */
export function network (range: IPRange): IPRange {
  const base = range.base.map((byte, i) => byte & (0xff << Math.max(0, Math.min(8, 8 * (i + 1) - range.prefix))))

  return { base, prefix: range.prefix }
}

export function inRange (ip: IPBytes, range: IPRange): boolean {
  return ip.byteLength === range.base.byteLength && startsWith(ip, range.base, range.prefix)
}

function startsWith (ip: IPBytes, base: IPBytes, bits: number): boolean {
  const whole = bits >> 3

  for (let i = 0; i < whole; i++) {
    if (ip[i] !== base[i]) {
      return false
    }
  }

  const rest = 8 - (bits & 7)

  return rest === 8 || ((ip[whole] ?? 0) >> rest) === ((base[whole] ?? 0) >> rest)
}
