import { raceSignal } from '../../clock/race-signal.ts'
import { AddressRefusedError } from '../../interface/errors.ts'
import { quote } from '../../interface/quote.ts'
import { FIRST_UNRESERVED_PORT } from '../../provider/address.ts'
import { parseHost } from '../../provider/host.ts'
import { dialText, readDialAddress } from './dial-address.ts'
import { answered } from './disclosed-names.ts'
import type { Clock } from '../../interface/clock.ts'
import type { Disclosure } from '../../interface/disclosure.ts'
import type { AddressPolicy } from '../../provider/address.ts'
import type { DialAddress } from './dial-address.ts'
import type { ResolveText } from './dns-egress.ts'
import type { Resolve, ResolvedAddress } from '../http/dial-egress.ts'

/** Milliseconds for all names of one peer: a resolver that is alive answers in one, and the dial is still to come */
export const DEFAULT_RESOLVE_TIMEOUT = 3_000
/** Milliseconds for names beside addresses that need none: what can be dialled does not wait for a resolver */
const NAMES_BESIDE = 250
/** Addresses of one peer that are dialled: more is no peer but a list of victims */
export const MAX_DIALLED = 8
/** Records of one answer that are read */
const MAX_RECORDS = 32
/** Of one name: two of each family, as happy eyeballs would try */
const MAX_PER_NAME = 4
/** A dnsaddr leads to others: bootstrap.libp2p.io is two deep */
const MAX_DEPTH = 3
/** Names that are looked up for one peer */
const MAX_LOOKUPS = 8

export interface AddressGuardComponents {
  policy: AddressPolicy
  clock: Clock
  resolve: Resolve
  resolveText: ResolveText
}

export interface GuardOptions {
  readonly signal: AbortSignal
  /** Whoever answers for names learns of each that is looked up: one of these each */
  discloseName (): Disclosure
}

/** An address that was checked and can be dialled as it stands */
export interface CheckedAddress {
  /** The multiaddr, up to the relay if there is one, without the peer it leads to */
  readonly text: string
  /** The IP address that is connected to */
  readonly host: string
  readonly kind: DialAddress['kind']
  readonly relayed: boolean
}

export interface SkippedAddress {
  readonly text: string
  readonly why: string
  /** Present when the address policy refused it; otherwise nobody here can dial it */
  readonly refusal?: Error
}

export interface CheckedAddresses {
  /** Direct before relayed, plain before wrapped, those without a name first, otherwise in the given order */
  readonly dialable: readonly CheckedAddress[]
  readonly skipped: readonly SkippedAddress[]
}

/**
 * Stands between addresses that somebody told us and the network. Names are
 * resolved here, once, and what comes out has an IP address in it: what was
 * checked is what is dialled.
 */
export class AddressGuard {
  readonly #components: AddressGuardComponents
  readonly #timeout: number

  constructor (components: AddressGuardComponents, init: { resolveTimeout?: number } = {}) {
    this.#components = components
    this.#timeout = init.resolveTimeout ?? DEFAULT_RESOLVE_TIMEOUT
  }

  /** Throws an AddressRefusedError when this host may not be connected to, whatever it resolves to */
  check ({ host, port, sni }: DialAddress): void {
    this.#components.policy.check(host.text, port ?? FIRST_UNRESERVED_PORT)

    if (sni != null && sni !== host.text) {
      // a transport that goes by the name in the certificate would connect there
      this.#components.policy.check(sni, port ?? FIRST_UNRESERVED_PORT)
    }
  }

  /** The IP addresses of a name that may be connected to; throws the first refusal when there is none */
  async resolve (name: string, port: number, lookup: DialAddress['lookup'], { signal, discloseName }: GuardOptions): Promise<ResolvedAddress[]> {
    signal.throwIfAborted()
    const disclosure = discloseName()
    const answer = await raceSignal(answered(disclosure, this.#components.resolve(name, disclosure)), signal)
    const kept: ResolvedAddress[] = []
    let refusal: Error | undefined

    for (const { address } of answer.slice(0, MAX_RECORDS)) {
      const ip = parseHost(address)?.ip
      const family = ip?.byteLength === 4 ? 4 : 6

      if ((lookup === 'dns4' && family === 6) || (lookup === 'dns6' && family === 4)) {
        continue
      }
      try {
        this.#components.policy.checkResolved(address, port, name)
        kept.push({ address, family })
      } catch (error) {
        refusal ??= error as Error
      }
    }

    if (kept.length === 0) {
      throw refusal ?? new Error(`${quote(name)} resolves to no address`)
    }
    return alternate(kept).slice(0, MAX_PER_NAME)
  }

  /** What of these addresses of `peer` may and can be dialled. Rejects only with the signal's reason. */
  async checked (texts: readonly string[], peer: string, options: GuardOptions): Promise<CheckedAddresses> {
    const found = new Found(peer)
    const names = texts.map(text => this.#read(text, found)).filter(name => name != null)

    if (names.length > 0) {
      using timeout = this.#components.clock.timeout(found.empty ? this.#timeout : NAMES_BESIDE)
      const signal = AbortSignal.any([options.signal, timeout.signal])
      await Promise.all(names.map(async name => this.#follow(name, found, 0, { discloseName: options.discloseName, signal })))
    }

    options.signal.throwIfAborted()
    return found.result()
  }

  /** Takes an address that needs no resolver, and returns one that does */
  #read (text: string, found: Found): Name | undefined {
    const read = readDialAddress(text)

    if (found.full) {
      found.skip(text, `a peer has at most ${MAX_DIALLED} addresses`)
    } else if ('why' in read) {
      found.skip(text, read.why)
    } else if (read.address.peer != null && read.address.peer !== found.peer) {
      found.skip(text, 'it leads to another peer')
    } else {
      try {
        this.check(read.address)
      } catch (error) {
        found.fail(text, error as Error)
        return undefined
      }
      if (read.address.lookup !== 'none') {
        return { text, address: read.address }
      }
      found.add(read.address)
    }

    return undefined
  }

  async #follow ({ text, address }: Name, found: Found, depth: number, options: GuardOptions): Promise<void> {
    try {
      await this.#resolved(text, address, found, depth, options)
    } catch (error) {
      if (options.signal.aborted) {
        found.skip(text, 'its name was not resolved in time')
      } else {
        found.fail(text, error as Error)
      }
    }
  }

  async #resolved (text: string, address: DialAddress, found: Found, depth: number, options: GuardOptions): Promise<void> {
    const { host, lookup } = address

    if (found.lookups++ >= MAX_LOOKUPS) {
      found.skip(text, `at most ${MAX_LOOKUPS} names are resolved for one peer`)
      return
    }

    if (lookup !== 'dnsaddr') {
      for (const { address: ip } of await this.resolve(host.text, address.port ?? 0, lookup, options)) {
        found.add({ ...address, host: parseHost(ip) ?? host })
      }
      return
    }

    if (depth >= MAX_DEPTH) {
      found.skip(text, `a dnsaddr leads through at most ${MAX_DEPTH} others`)
      return
    }

    const { signal } = options
    signal.throwIfAborted()
    const disclosure = options.discloseName()
    const records = await raceSignal(answered(disclosure, this.#components.resolveText(`_dnsaddr.${host.text}`, { signal, disclosure })), signal)

    for (const record of records.slice(0, MAX_RECORDS)) {
      // a dnsaddr holds the addresses of many peers: those that name no peer could be anybody's
      if (record.startsWith('dnsaddr=') && record.endsWith(`/p2p/${found.peer}`)) {
        const name = this.#read(record.slice('dnsaddr='.length), found)

        if (name != null) {
          await this.#follow(name, found, depth + 1, options)
        }
      }
    }
  }
}

/** An address that leads to others */
interface Name {
  readonly text: string
  readonly address: DialAddress
}

/** What was found for one peer so far */
class Found {
  readonly peer: string
  readonly #dialable = new Map<string, CheckedAddress>()
  readonly #skipped: SkippedAddress[] = []
  lookups = 0

  constructor (peer: string) {
    this.peer = peer
  }

  get full (): boolean {
    return this.#dialable.size >= MAX_DIALLED
  }

  get empty (): boolean {
    return this.#dialable.size === 0
  }

  add (address: DialAddress): void {
    const text = dialText(address)

    if (!this.full) {
      this.#dialable.set(text, { text, host: address.host.text, kind: address.kind, relayed: address.relay != null })
    }
  }

  skip (text: string, why: string, refusal?: Error): void {
    if (this.#skipped.length < MAX_RECORDS) {
      this.#skipped.push({ text, why, ...(refusal == null ? {} : { refusal }) })
    }
  }

  fail (text: string, error: Error): void {
    this.skip(text, error.message, error.name === AddressRefusedError.name ? error : undefined)
  }

  result (): CheckedAddresses {
    const rank = ({ relayed, kind }: CheckedAddress): number => (relayed ? 3 : 0) + ['tcp', 'ws', 'wss'].indexOf(kind)

    return { dialable: [...this.#dialable.values()].sort((a, b) => rank(a) - rank(b)), skipped: this.#skipped }
  }
}

/** One family after the other, beginning with that of the first: where one of them is broken the second try has the other */
function alternate (addresses: readonly ResolvedAddress[]): ResolvedAddress[] {
  const first = addresses.filter(({ family }) => family === addresses[0]?.family)
  const second = addresses.filter(({ family }) => family !== addresses[0]?.family)

  return first.flatMap((address, i) => [address, ...second.slice(i, i + 1)]).concat(second.slice(first.length))
}
