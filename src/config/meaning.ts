import { routerURL } from '../discovery/routers/delegated-url.ts'
import { mayServe } from '../exchange/bitswap/server/policy.ts'
import { multiaddr } from '@multiformats/multiaddr'
import { MIN_MAX_BYTES } from '../cache/params.ts'
import { needsBitswap } from '../exchange/absent-bitswap.ts'
import { foreignTransport } from '../exchange/lease/dial-address.ts'
import { InvalidOptionError } from '../interface/errors.ts'
import { quote } from '../interface/quote.ts'
import { PRIVACY_PRESETS } from '../interface/privacy-preset.ts'
import { addressPolicy } from '../provider/address.ts'
import { toProvider } from '../provider/provider.ts'
import { checkAnnouncing } from './announce-option.ts'
import { dhtProtocol } from './dht-options.ts'
import { libp2pOptions } from './libp2p-options.ts'
import { lookupDelay } from './privacy-options.ts'
import { checkMonitor, checkTokens } from './report-options.ts'
import { schema } from './schema.ts'
import { checkSharedCache } from './shared-cache.ts'
import type { ServePolicy } from '../exchange/bitswap/server/policy.ts'
import type { LoadedConfig } from './load.ts'
import type { ConfigKey } from './schema.ts'
import type { AnnounceStrategy } from '../interface/announce.ts'
import type { PrivacyMode } from '../interface/disclosure.ts'
import type { Provider } from '../interface/provider.ts'

type Config = Pick<LoadedConfig<typeof schema>, 'values' | 'sources'>

const CHECKS: { readonly [K in ConfigKey]?: (values: Config['values'], source: string) => unknown } = {
  'cache.size': values => { cacheSize(values['cache.size']) },
  'routing.providers': values => values['routing.providers'].map(reachable),
  'privacy.lookupDelay': values => lookupDelay(values['privacy.lookupDelay']),
  'routing.routers': values => { routersToAsk(values) },
  'routing.ownRouters': values => values['routing.ownRouters'].map(routerURL),
  'routing.allowAddresses': values => addressPolicy({ allow: values['routing.allowAddresses'] }),
  'exchange.serve': values => whomToServe(values),
  'exchange.allowPeers': values => servePolicy(values),
  'exchange.announce': values => { whatToAnnounce(values) },
  'exchange.askConnected': values => { whomToAsk(values) },
  'exchange.siblings': values => values['exchange.siblings'].map(reachable),
  'sharedCache.url': checkSharedCache,
  'privacy.webhook': values => { checkMonitor(values) },
  'privacy.tokens': values => { checkTokens(values) },
  'libp2p.listen': values => libp2pOptions({ listen: values['libp2p.listen'] }),
  'libp2p.bootstrap': values => libp2pOptions({ bootstrap: values['libp2p.bootstrap'] }),
  'libp2p.dhtProtocol': values => dhtProtocol(values['libp2p.dhtProtocol']),
  'libp2p.dhtServer': values => { reachableServer(values) }
}

/** The schema allows 0, which means that nobody said */
function cacheSize (bytes: number): void {
  if (bytes !== 0 && bytes < MIN_MAX_BYTES) {
    throw new InvalidOptionError(`a cache takes at least ${MIN_MAX_BYTES} bytes (4MiB), or 0 for the default, not ${bytes}`)
  }
}

/** In mode strict nobody else's router learns what is read */
function routersToAsk (values: Config['values']): void {
  const [first] = values['routing.routers'].map(routerURL)

  if (first != null && PRIVACY_PRESETS[values['routing.mode'] as PrivacyMode].httpRouters === 'own') {
    throw new InvalidOptionError(`mode "strict" asks only routers of your own: name ${quote(first.href)} as one (routing.ownRouters, --own-router), or leave it out`)
  }
}

/** Serving needs bitswap, and an allow-list somebody on it */
function whomToServe (values: Config['values']): void {
  const serve = values['exchange.serve']

  if (serve !== 'none' && !values['exchange.bitswap']) {
    throw new InvalidOptionError(`${quote(serve)} is for bitswap, and exchange.bitswap is off: leave one of the two out`)
  }
  if (serve === 'allow-list' && values['exchange.allowPeers'].length === 0) {
    throw new InvalidOptionError('"allow-list" needs the peer ids that are served (exchange.allowPeers, --allow-peer PEER-ID), and there are none')
  }
}

/** Whoever is told of a block must be able to come and get it */
function whatToAnnounce (values: Config['values']): void {
  checkAnnouncing({
    strategy: values['exchange.announce'] as AnnounceStrategy,
    serves: values['exchange.serve'] !== 'none',
    listens: values['libp2p.listen'].length > 0,
    joins: values['libp2p.bootstrap'].length > 0 || values['libp2p.dhtServer'],
    tellsApart: true
  }, { announce: '--announce', serve: '--serve', listen: '--listen', bootstrap: '--bootstrap', store: '--store' })
}

/** Asking peers that were not chosen needs bitswap, and a mode in which they may know */
function whomToAsk (values: Config['values']): void {
  const count = values['exchange.askConnected']

  if (count > 0 && !values['exchange.bitswap']) {
    throw new InvalidOptionError(`${count} peers would be asked over bitswap, and exchange.bitswap is off: leave one of the two out`)
  }
  if (count > 0 && !PRIVACY_PRESETS[values['routing.mode'] as PrivacyMode].connectedPeers) {
    throw new InvalidOptionError(`${count} peers that were not chosen would learn what is read, which only mode "open" allows, and routing.mode is ${quote(values['routing.mode'])}: leave one of the two out`)
  }
}

/** A server that nobody can dial answers nobody */
function reachableServer (values: Config['values']): void {
  if (values['libp2p.dhtServer'] && values['libp2p.listen'].length === 0) {
    throw new InvalidOptionError('a server of the DHT has to be reachable: name an address to listen on (libp2p.listen, --listen /ip4/0.0.0.0/tcp/4480)')
  }
}

/** Who may be served, as the node takes it */
export function servePolicy (values: Config['values']): ServePolicy {
  const serve = values['exchange.serve'] as ServePolicy | 'allow-list'
  const allow = values['exchange.allowPeers']

  if (serve !== 'allow-list' && allow.length > 0) {
    throw new InvalidOptionError(`peers are allowed that would not be served, because exchange.serve is ${quote(serve)}: make it allow-list`)
  }
  const policy = serve === 'allow-list' ? { allow } : serve
  mayServe(policy, () => false)
  return policy
}

/**
 * Checks what only the rooms that use an option can read: addresses and names.
 * The error names the key and where the value came from, as those of the
 * schema do. Apart from it because these rooms take a while to load.
 */
export function checkMeaning (config: Config): void {
  for (const [key, check] of Object.entries(CHECKS) as Array<[ConfigKey, (values: Config['values'], source: string) => unknown]>) {
    try {
      check(config.values, config.sources[key])
    } catch (err) {
      throw new InvalidOptionError(`${key} (from ${config.sources[key]}): ${(err as Error).message}`, { cause: err })
    }
  }
}

/** A provider over whose transports it can be asked: a mistake is told at the start, not with every read */
function reachable (hint: string): Provider {
  const provider = toProvider(hint, { source: 'operator' })
  const reasons = provider.addresses.map(address => address.startsWith('/') ? foreignTransport(multiaddr(address).getComponents()) : undefined)
  const [why] = reasons

  if (why != null && reasons.every(reason => reason != null)) {
    throw new InvalidOptionError(`${quote(hint)} can never be asked: ${why}`)
  }
  return provider
}

/** What was named and is of no use as things are, to warn of at the start */
export function unaskable ({ values }: Config): string[] {
  const lists = [['routing.providers', values['routing.providers']], ['exchange.siblings', values['exchange.siblings']]] as const
  const peers = lists.flatMap(([key, hints]) => hints.map(hint => ({ key, hint, provider: reachable(hint) }))).filter(({ provider }) => needsBitswap(provider))

  const unspoken = values['libp2p.dhtProtocol'] === schema['libp2p.dhtProtocol'].default || values['libp2p.dhtServer'] || values['libp2p.bootstrap'].length > 0
    ? []
    : [`libp2p.dhtProtocol: this node is part of no DHT, so that nothing is looked up in ${values['libp2p.dhtProtocol']}: name peers to join it through (libp2p.bootstrap), or make the node a server of it (libp2p.dhtServer)`]

  return unspoken.concat(peers.flatMap(({ key, hint, provider }) => !values['exchange.bitswap']
    ? [`${key}: ${hint} is a peer, and exchange.bitswap is off: it is never asked`]
    : provider.addresses.length === 0 && values['libp2p.bootstrap'].length === 0
      ? [`${key}: ${hint} has no address, and without libp2p.bootstrap there is nobody to ask for one: it is asked only while it is connected`]
      : []))
}

/** Two servers cannot have one port: said before either takes it, and not by the system when the second one tries */
export function checkPorts ({ values, sources }: Config): void {
  const port = values['gateway.port']

  if (port !== 0 && port === values['control.port'] && overlap(values['gateway.host'], values['control.host'])) {
    throw new InvalidOptionError(`gateway.port (from ${sources['gateway.port']}) and control.port (from ${sources['control.port']}) are both ${port}: the gateway and the control endpoint need a port each; 0 takes a free one`)
  }
}

const EVERY_ADDRESS = new Set(['0.0.0.0', '::'])

function overlap (a: string, b: string): boolean {
  const [one, other] = [a, b].map(host => host === 'localhost' ? '127.0.0.1' : host)
  return one === other || EVERY_ADDRESS.has(a) || EVERY_ADDRESS.has(b)
}
