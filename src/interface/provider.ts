import type { Outcome } from './outcome.ts'
import type { Request } from './request.ts'
import type { CID } from 'multiformats/cid'

/** The multihash of a block, base64url without padding: the key of flights, caches and records */
export type BlockKey = string

/**
 * Who a provider is, stable across reconnects and new addresses:
 * `p2p:<peer id>`, `http://host[:port]`-like origins written `http:host[:port]` / `https:host[:port]`,
 * and `broker:<name>` for a block broker the user composed.
 */
export type ProviderId = `p2p:${string}` | `http:${string}` | `https:${string}` | `broker:${string}`

export type Transport = 'bitswap' | 'http' | 'sibling' | 'broker'

/** What may be passed as a hint: a URL, a multiaddr (string or object), or a peer id as a CID */
export type ProviderHint = string | URL | { toString (): string }

export interface Provider {
  readonly id: ProviderId
  /** Multiaddrs or URLs, best first, at most eight */
  readonly addresses: readonly string[]
  /** Transport names as routers report them, e.g. `transport-ipfs-gateway-http`, `transport-bitswap` */
  readonly protocols: readonly string[]
  /** Who told us: a router's name, `hint`, `operator`, `connected`, `affinity` */
  readonly source: string
  /** A provider of last resort: asked only when nobody else is left or the others are slow */
  readonly fallback: boolean
  /** Failure domains: /24 or /48, host, operator. Empty for loopback and allow-listed LANs. */
  readonly domains: readonly string[]
}

/** One way to reach a provider. Latency is learnt per route, conduct per whoever answers for it: see `answererOf`. */
export interface Route {
  readonly provider: ProviderId
  readonly transport: Transport
  /** Absent where the transport needs none (an adopted broker) */
  readonly address?: string
}

/** Finds providers. Streams them as they are found, ends when there are no more. */
export interface ProviderSource {
  readonly name: string
  /**
   * Last-resort sources are consulted, in mode `open`, only when everybody whom
   * the others named was asked in vain (already connected peers).
   */
  readonly lastResort?: boolean
  /**
   * Consulted when the others have had the time that they usually take, or have
   * ended and named nobody: a source that tells many of a read, or is slow.
   */
  readonly later?: boolean
  /** What came of asking a provider that it named; nobody gains or loses by it here, it is for the figures */
  settled? (provider: ProviderId, outcome: Outcome): void
  /** Throws (an error the story can tell) when the lookup failed; ends early when `request.signal` aborts */
  find (want: { cid: CID, key: BlockKey }, request: Request): AsyncIterable<Provider>
}
