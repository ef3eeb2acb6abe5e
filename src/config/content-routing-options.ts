import { DEFAULT_ASKED_PEERS, MAX_ASKED_PEERS } from '../discovery/asked-peers.ts'
import { routerURL } from '../discovery/routers/delegated-url.ts'
import { relayOf } from '../exchange/lease/relays.ts'
import { mayServe } from '../exchange/bitswap/server/policy.ts'
import { InvalidOptionError } from '../interface/errors.ts'
import { checkOptionNames } from '../interface/option-names.ts'
import { PRIVACY_PRESETS } from '../interface/privacy-preset.ts'
import { quote } from '../interface/quote.ts'
import { addressPolicy } from '../provider/address.ts'
import { peerOfProvider, peerOfText } from '../provider/identity.ts'
import { addressEndpoint } from '../provider/endpoint.ts'
import { httpOrigin, toProvider } from '../provider/provider.ts'
import { routingParams } from '../routing/params.ts'
import type { ServePolicy } from '../exchange/bitswap/server/policy.ts'
import type { ConnectionLeasesInit } from '../exchange/lease/leases.ts'
import type { Provider, ProviderHint } from '../interface/provider.ts'
import type { AddressPolicy } from '../provider/address.ts'
import type { LedgerOption } from './ledger-option.ts'
import type { ContentRoutingInit } from '../routing/params.ts'

/** A router that is asked over the Delegated Routing V1 HTTP API */
export interface RouterOption {
  /** The endpoint, with or without `/routing/v1` */
  url: string
  /** Yours, or of somebody who may know what you read: asked in mode `strict` too. @default false */
  own?: boolean
}

/** The options of `withContentRouting` */
export interface ContentRoutingOptions extends ContentRoutingInit {
  /** `false`: wrap the node, but leave its reads alone until `contentRouting.enable()`. @default true */
  enabled?: boolean
  /** Asked for every CID, before any router. Their addresses may be private: the operator named them. */
  providers?: readonly ProviderHint[]
  /**
   * Routers that are asked over HTTP who has a block, beside those of the node: the
   * URL of a delegated routing endpoint (`/routing/v1`). Each learns the CID, so in
   * mode `strict` only `own` ones may be named. Their addresses may be private.
   *
   * @default none
   */
  routers?: ReadonlyArray<string | RouterOption>
  /** Private addresses that may be connected to, whoever names them: a host, `host:port`, a CIDR range, a URL origin. @default none */
  allowAddresses?: readonly string[]
  /**
   * Relays through which peers may be reached in mode `strict`: peer ids, or multiaddrs
   * that end in one. Those in the addresses of `providers` and `siblings` are named by that.
   *
   * @default none
   */
  relays?: readonly string[]
  /** Names of the node's own brokers that are also asked in the modes `balanced` and `strict`. @default none */
  trustedBrokers?: readonly string[]
  /**
   * Names of the node's own routers that are also asked in mode `strict`, and in
   * `balanced` where they are of last resort (gateways that may have everything).
   *
   * @default none
   */
  trustedRouters?: readonly string[]
  /**
   * Who speaks bitswap on a node that has libp2p. `own`: content routing, in the
   * place of one that the node may have, which it gets back with `disable()`.
   * `adopted`: the node's own, asked like any other broker. `off`: content
   * routing asks nobody over bitswap.
   *
   * @default 'own', or 'adopted' where `trustedBrokers` names `bitswap`
   */
  bitswap?: 'own' | 'adopted' | 'off'
  /**
   * Who may be served over our bitswap: nobody, peers that the operator named or
   * this node dialled, everybody, or these peer ids.
   *
   * @default 'none', or 'everyone' where ours stands for one that the node had
   */
  serve?: ServePolicy
  /**
   * Peers that are connected and asked, for a block that is sought, whether they
   * have it, over our bitswap and beside the routers: so many, `true` for 8. Each
   * learns the CID, so only in mode `open`. None came less than 5 s ago by itself.
   *
   * @default false
   */
  askConnected?: boolean | number
  /** Other nodes of one fleet: asked first, and only for what they have. A URL, a multiaddr or a peer id. @default none */
  siblings?: readonly ProviderHint[]
  /** How connections to peers are held */
  leases?: ConnectionLeasesInit
  /**
   * Who learnt what is written down: `false` for nothing at all, or the options of
   * the ledger, or one of your own. Numbers and pseudonyms are kept in the node's datastore.
   *
   * @default true
   */
  ledger?: LedgerOption
  /** Largest block accepted, in bytes. @default 2_097_152 */
  maxBlockSize?: number
  /** Accept sha1, for which collisions can be made. @default false */
  allowSha1?: boolean
}

const OWN = ['enabled', 'providers', 'routers', 'allowAddresses', 'trustedBrokers', 'trustedRouters', 'relays', 'bitswap', 'serve', 'askConnected', 'siblings', 'leases', 'ledger', 'maxBlockSize', 'allowSha1'] as const
const ROUTING = Object.keys(routingParams())

/** The names of all of them */
export const CONTENT_ROUTING_OPTIONS: readonly string[] = [...OWN, ...ROUTING]

// each is a candidate for every block: more is a list of gateways somebody found, not of those one knows
const MAX_OPERATOR_PROVIDERS = 64

// each is asked for every block that nobody is known to have
const MAX_ROUTERS = 8

// each is one more that knows whom a node talks to
const MAX_RELAYS = 64

// a fleet behind one name; each is a candidate for every block
const MAX_SIBLINGS = 16

/** A day: beyond it a timer is a mistake in units */
const MAX_MS = 86_400_000

const LEASE_RANGES: Readonly<Record<string, readonly [min: number, max: number]>> = {
  idleTimeout: [0, MAX_MS],
  maxLeasesPerPeer: [1, 65_536],
  maxPeers: [1, 65_536],
  maxDials: [1, 65_536],
  stagger: [0, MAX_MS],
  addressTimeout: [1, MAX_MS],
  dialTimeout: [1, MAX_MS]
}

export interface CheckedOptions {
  readonly routing: ContentRoutingInit
  readonly policy: AddressPolicy
  readonly operators: readonly Provider[]
  readonly siblings: readonly Provider[]
  readonly routers: ReadonlyArray<Required<RouterOption>>
  readonly bitswap: 'own' | 'adopted' | 'off'
  /** Peer ids of those through which others may be reached in every mode */
  readonly relays: ReadonlySet<string>
  /** Connected peers that are asked whether they have a block */
  readonly askConnected: number
}

/** Checks the options and parts them by who needs them, naming option, range and value */
export function contentRoutingOptions (init: ContentRoutingOptions): CheckedOptions {
  checkOptionNames('content routing', init, CONTENT_ROUTING_OPTIONS)

  const { mode } = routingParams({ mode: init.mode, privacy: init.privacy })
  const providers = listOf('providers', init.providers, MAX_OPERATOR_PROVIDERS)
  const trusted = listOf('trustedBrokers', init.trustedBrokers, Infinity)
  listOf('trustedRouters', init.trustedRouters, Infinity)
  const fleet = listOf('siblings', init.siblings, MAX_SIBLINGS)
  const allowed = listOf('allowAddresses', init.allowAddresses, Infinity)
  for (const name of ['enabled', 'allowSha1'] as const) {
    if (init[name] != null && typeof init[name] !== 'boolean') {
      throw new InvalidOptionError(`${name} must be true or false, got ${quote(init[name])}`)
    }
  }

  const { bitswap = trusted.includes('bitswap') ? 'adopted' : 'own', serve = 'none' } = init
  if (!['own', 'adopted', 'off'].includes(bitswap)) {
    throw new InvalidOptionError(`bitswap must be own, adopted or off, got ${quote(bitswap)}`)
  }
  // what it throws names the option
  mayServe(serve, () => false)
  if (typeof serve === 'object' && serve.allow.length === 0) {
    throw new InvalidOptionError('serve.allow must name at least one peer id; to serve nobody, leave serve out')
  }
  if (bitswap !== 'own' && serve !== 'none') {
    throw new InvalidOptionError(`serve is for our own bitswap, and bitswap is ${quote(bitswap)}: leave one of the two out`)
  }
  const asked = askedPeers(init.askConnected)
  if (asked > 0 && !PRIVACY_PRESETS[mode].connectedPeers) {
    throw new InvalidOptionError(`askConnected tells peers that were not chosen what is read, which only mode "open" does, and mode is ${quote(init.mode)}: leave one of the two out`)
  }
  if (asked > 0 && bitswap !== 'own') {
    throw new InvalidOptionError(`askConnected is for our own bitswap, and bitswap is ${quote(bitswap)}: leave one of the two out`)
  }
  checkLeases(init.leases)
  const routers = listOf('routers', init.routers, MAX_ROUTERS).map(checkedRouter)
  const foreign = routers.find(({ own }) => !own)
  if (foreign != null && PRIVACY_PRESETS[mode].httpRouters === 'own') {
    throw new InvalidOptionError(`mode "strict" asks only routers of your own: say so of ${quote(foreign.url)} with { url, own: true }, or leave it out of routers`)
  }

  const named = [...providers, ...fleet].map(hint => toProvider(hint, { source: 'operator' }))
  const policy = addressPolicy({ allow: [...allowed, ...named.flatMap(allowEntries), ...routers.map(({ url }) => new URL(url).origin)] })
  return {
    bitswap,
    routers,
    askConnected: asked,
    relays: new Set([...listOf('relays', init.relays, MAX_RELAYS).map(relayNamed), ...named.flatMap(({ id, addresses }) => [peerOfProvider(id), ...addresses.map(relayOf)]).filter(relay => relay != null)]),
    siblings: fleet.map(hint => toProvider(hint, { source: 'sibling', policy })),
    routing: Object.fromEntries(Object.entries(init).filter(([name]) => ROUTING.includes(name))),
    policy,
    // read again under the policy that exempts them: allow-listed addresses share no failure domain
    operators: providers.map(hint => toProvider(hint, { source: 'operator', policy }))
  }
}

function relayNamed (relay: unknown): string {
  const peer = typeof relay === 'string' ? peerOfText(relay.slice(relay.lastIndexOf('/') + 1)) : undefined

  if (peer == null) {
    throw new InvalidOptionError(`a relay must be a peer id, or a multiaddr that ends in /p2p/PEER-ID, got ${quote(relay)}`)
  }
  return peer
}

function checkedRouter (router: unknown): Required<RouterOption> {
  const { url, own = false } = typeof router === 'object' && router !== null ? router as Partial<RouterOption> : { url: router }

  if (typeof own !== 'boolean') {
    throw new InvalidOptionError(`own of a router must be true or false, got ${quote(own)}`)
  }
  return { url: routerURL(url).href, own }
}

/** Whoever is named is named with the addresses that stand beside the name */
function allowEntries (provider: Provider): string[] {
  const peerAddresses = provider.addresses.filter(address => address.startsWith('/')).map(addressEndpoint).filter(endpoint => endpoint != null)

  return [
    ...httpOrigin(provider),
    ...peerAddresses.map(({ host, port }) => port == null ? host : `${host.includes(':') ? `[${host}]` : host}:${port}`)
  ]
}

function askedPeers (value: unknown = false): number {
  const count = typeof value === 'boolean' ? (value ? DEFAULT_ASKED_PEERS : 0) : value

  if (typeof count !== 'number' || !Number.isSafeInteger(count) || count < 0 || count > MAX_ASKED_PEERS) {
    throw new InvalidOptionError(`askConnected must be true, false or a number of peers from 0 to ${MAX_ASKED_PEERS}, got ${quote(value)}`)
  }
  return count
}

function checkLeases (leases: unknown): void {
  if (leases === undefined) {
    return
  }
  if (leases === null || typeof leases !== 'object') {
    throw new InvalidOptionError(`leases must be an object of options, got ${quote(leases)}`)
  }

  for (const [name, value] of Object.entries(leases)) {
    const range = Object.hasOwn(LEASE_RANGES, name) ? LEASE_RANGES[name] : undefined

    if (range == null) {
      if (name === 'pinsNames' || name === 'backoff') {
        continue
      }
      throw new InvalidOptionError(`leases has no option ${quote(name)}, it has ${Object.keys(LEASE_RANGES).join(', ')}`)
    }
    if (value !== undefined && (!Number.isSafeInteger(value) || value < range[0] || value > range[1])) {
      throw new InvalidOptionError(`leases.${name} must be a whole number from ${range[0]} to ${range[1]}, got ${quote(value)}`)
    }
  }
}

function listOf<T> (name: string, value: readonly T[] | undefined, max: number): readonly T[] {
  if (value != null && (!Array.isArray(value) || value.length > max)) {
    throw new InvalidOptionError(`${name} must be an array${max === Infinity ? '' : ` of at most ${max}`}, got ${Array.isArray(value) ? value.length : quote(value)}`)
  }
  return value ?? []
}
