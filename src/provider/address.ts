import { AddressRefusedError, InvalidOptionError } from '../interface/errors.ts'
import { quote } from '../interface/quote.ts'
import { parseAllowEntry } from './allow-entry.ts'
import { isLoopbackHost, parseHost, privateReason } from './host.ts'
import { formatIP, inRange, parseIP } from './ip.ts'
import { isUnnameable, specialAddress } from './special-ranges.ts'
import type { AllowEntry } from './allow-entry.ts'
import type { Host } from './host.ts'

/** Every check looks through the ranges: an operator names a handful, a thousand is a mistake */
const MAX_ALLOWED = 1_000

/** Below are the ports of mail, shells and databases of old, none of which speaks HTTP and all of which can be confused by it */
export const FIRST_UNRESERVED_PORT = 1_024
const WEB_PORTS: readonly number[] = [80, 443]

export interface AddressPolicyInit {
  /**
   * Addresses that the operator named and that may be private: a host,
   * `host:port`, an IP address, `[ipv6]:port`, a CIDR range or a URL origin.
   * Without a port, any port from 1024, 80 and 443.
   */
  allow?: readonly string[]
  /** What that is called where it was given, for who is told to name an address. @default 'allowAddresses, --allow' */
  option?: string
}

/** Decides which addresses may be connected to. Holds no state: equal questions get equal answers. */
export interface AddressPolicy {
  /** Throws an `AddressRefusedError` that says why, and how to allow it */
  check (host: string, port: number): void
  /** Would `check` let it through? */
  allows (host: string, port: number): boolean
  /** Throws when a name, which `check` let through, resolved to an address that it must not */
  checkResolved (ip: string, port: number, name: string): void
  /** Loopback, or private and allowed: shares no failure domain with its neighbours */
  exempt (host: string): boolean
  /** The same policy that allows more */
  with (extra: readonly string[]): AddressPolicy
}

/**
 * Is this host, without anybody having named it, out of bounds? True for
 * loopback, private, reserved and other special addresses in every spelling,
 * for names of private networks, and for what is not a host at all.
 */
export function isPrivateHost (host: string): boolean {
  const parsed = parseHost(host)

  return parsed == null || privateReason(parsed) != null
}

/**
 * @example
 *
 * ```ts
 * const policy = addressPolicy({ allow: ['127.0.0.1:9000', '10.1.0.0/16'] })
 * policy.check('127.0.0.1', 9000)
 * ```
 */
export function addressPolicy (init: AddressPolicyInit = {}): AddressPolicy {
  const allow = init.allow ?? []

  if (!Array.isArray(allow)) {
    throw new InvalidOptionError(`allow must be a list of addresses, got ${quote(allow)}`)
  }

  return new Policy(entries(allow, 0), init.option ?? 'allowAddresses, --allow')
}

class Policy implements AddressPolicy {
  readonly #entries: readonly AllowEntry[]
  readonly #option: string

  constructor (entries: readonly AllowEntry[], option: string) {
    this.#entries = entries
    this.#option = option
  }

  check (host: string, port: number): void {
    const parsed = parseHost(host)

    if (parsed == null) {
      throw new AddressRefusedError(`${quote(host)} is refused: it is neither a host name nor an IP address`)
    }

    const refusal = this.#refusal(parsed, port, this.#allowed(parsed, port), privateReason(parsed))

    if (refusal != null) {
      throw new AddressRefusedError(`${endpoint(parsed, port)} is refused: ${refusal}`)
    }
  }

  allows (host: string, port: number): boolean {
    const parsed = parseHost(host)

    return parsed != null && this.#refusal(parsed, port, this.#allowed(parsed, port), privateReason(parsed)) == null
  }

  checkResolved (ip: string, port: number, name: string): void {
    const bytes = typeof ip === 'string' ? parseIP(ip) : undefined

    if (bytes == null) {
      throw new AddressRefusedError(`${quote(name)} is refused: it resolved to ${quote(ip)}, which is not an IP address`)
    }

    const address: Host = { text: formatIP(bytes), ip: bytes }
    const host = parseHost(name)
    const named = host == null ? 'no' : this.#allowed(host, port)
    const allowed = this.#allowed(address, port)
    const reason = specialAddress(bytes)

    // a name is in the hands of whoever answers for it: it opens private networks, but not the address that gives out credentials
    const effective = allowed !== 'no' || isUnnameable(bytes) ? allowed : named
    const refusal = this.#refusal(address, port, effective, reason)

    if (refusal != null) {
      throw new AddressRefusedError(`${quote(name)} (resolved to ${endpoint(address, port)}) is refused: ${refusal}`)
    }
  }

  exempt (host: string): boolean {
    const parsed = parseHost(host)

    if (parsed == null) {
      return false
    }

    return isLoopbackHost(parsed) || (privateReason(parsed) != null && this.#entries.some((entry) => matches(entry, parsed)))
  }

  with (extra: readonly string[]): AddressPolicy {
    return new Policy([...this.#entries, ...entries(extra, this.#entries.length)], this.#option)
  }

  /** What stands against it, and what to do about that */
  #refusal (host: Host, port: number, allowed: Allowed, reason: string | undefined): string | undefined {
    if (!Number.isInteger(port) || port < 1 || port > 65_535) {
      return `${quote(port)} is not a port`
    }

    if (allowed === 'port') {
      return undefined
    }

    const objection = port < FIRST_UNRESERVED_PORT && !WEB_PORTS.includes(port)
      ? `port ${port} belongs to another service`
      : allowed === 'no' && reason != null ? `it is ${reason}, and nobody named it` : undefined

    return objection == null ? undefined : `${objection}; to reach it all the same, name ${quote(endpoint(host, port))} among the allowed addresses (${this.#option})`
  }

  #allowed (host: Host, port: number): Allowed {
    let result: Allowed = 'no'

    for (const entry of this.#entries) {
      if (!matches(entry, host)) {
        continue
      }

      if (entry.port === port) {
        return 'port'
      }

      if (entry.port == null) {
        result = 'host'
      }
    }

    return result
  }
}

/** Named with this port, named without a port, or not named */
type Allowed = 'port' | 'host' | 'no'

function matches (entry: AllowEntry, host: Host): boolean {
  return entry.range == null ? entry.host === host.text : host.ip != null && inRange(host.ip, entry.range)
}

function endpoint (host: Host, port: number): string {
  return `${host.ip?.byteLength === 16 ? `[${host.text}]` : host.text}:${port}`
}

function entries (allow: readonly string[], already: number): AllowEntry[] {
  if (allow.length + already > MAX_ALLOWED) {
    throw new InvalidOptionError(`allow must have at most ${MAX_ALLOWED} entries, got ${allow.length + already}`)
  }

  return allow.map(parseAllowEntry)
}
