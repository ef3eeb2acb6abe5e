import { bootstrap } from '@libp2p/bootstrap'
import { identify } from '@libp2p/identify'
import { noise } from '@libp2p/noise'
import { ping } from '@libp2p/ping'
import { tls } from '@libp2p/tls'
import { multiaddr } from '@multiformats/multiaddr'
import { systemClock } from '../clock/system-clock.ts'
import { systemResolve } from '../exchange/http/dial-egress.ts'
import { AddressGuard } from '../exchange/lease/address-guard.ts'
import { foreignTransport } from '../exchange/lease/dial-address.ts'
import { systemResolveText } from '../exchange/lease/dns-egress.ts'
import { dnsaddrResolver } from '../exchange/lease/dnsaddr-resolver.ts'
import { addressGater, guardedTransports } from '../exchange/lease/guarded-transports-egress.ts'
import { InvalidOptionError } from '../interface/errors.ts'
import { COMMON_AGENT, presetOf } from '../interface/privacy-preset.ts'
import { quote, reason } from '../interface/quote.ts'
import { nullLedger } from '../privacy/null-ledger.ts'
import { addressPolicy, isPrivateHost } from '../provider/address.ts'
import { addressEndpoint } from '../provider/endpoint.ts'
import { parseHost } from '../provider/host.ts'
import { formatIP, inRange, parseRange } from '../provider/ip.ts'
import { joinDisclosures, joinRequests } from '../unrouted-requests.ts'
import { dhtPeerStore, dhtServices, takesPart } from './dht-options.ts'
import { lastingYamux } from './lasting-yamux.ts'
import { lookupNode } from './lookup-node.ts'
import { tellingLess, toldAddresses } from './told-addresses.ts'
import type { DiscoveryAnnounceInit } from '../discovery/announce/announcements.ts'
import type { LookupBatches } from '../discovery/lookup-batches.ts'
import type { AddressGuardComponents } from '../exchange/lease/address-guard.ts'
import type { Ledger, PrivacyMode } from '../interface/disclosure.ts'
import type { SwitchesOf } from '../interface/privacy-preset.ts'
import type { DhtInit } from './dht-options.ts'
import type { Libp2pOptions, ServiceFactoryMap } from 'libp2p'

export interface Libp2pInit extends DhtInit {
  /** Multiaddrs to listen on. @default none */
  listen?: readonly string[]
  /** @default 300 */
  maxConnections?: number
}

/** libp2p's own default for Node; a DHT client needs a few dozen */
export const DEFAULT_MAX_CONNECTIONS = 300

/**
 * New connections of one IP address per second. libp2p's 5 turn away an office
 * or a cluster behind one address when its nodes start together; a handshake
 * takes 10 ms of processor, so 50 leave half of one to everybody else.
 */
const INBOUND_PER_HOST = 50

/**
 * Handshakes at a time. Of 200 clients that come back at once after a restart of
 * this node, libp2p's 10 let 10 in; this lets in all of them, as fast as they
 * can be served. One that says nothing holds its place for 10 s.
 */
const INBOUND_PENDING = 128

/**
 * Bytes that a peer may send ahead on one stream. libp2p's 16 MiB are more than
 * the 4 MiB that a stream holds for a reader who pauses, and then the stream
 * breaks. 4 MiB are 40 MB/s at 100 ms.
 *
 * The window that a stream begins with stays as the specification has it: yamux
 * takes it for the other side's as well, and sends more than that one allows.
 */
export const MAX_STREAM_WINDOW = 4_194_304

/** Streams that a peer may have open: far above what it needs for blocks, the DHT and libp2p's own */
const MAX_STREAMS = 512

/** Networks of which a node is a part when all that it was told of them is private. No metadata address is in one. */
const PRIVATE_NETWORKS = ['127.0.0.0/8', '::1/128', '10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16']

function checked (option: string, list: readonly string[] | undefined, demand: RegExp, what: string): string[] {
  if (list != null && !Array.isArray(list)) {
    throw new InvalidOptionError(`${option} must be a list of multiaddrs, got ${quote(list)}`)
  }
  return (list ?? []).map((text: unknown) => {
    try {
      if (typeof text === 'string' && demand.test(text)) {
        const address = multiaddr(text)
        const why = foreignTransport(address.getComponents())

        // libp2p would leave it out without a word
        if (why != null) {
          throw new Error(why)
        }
        if (option === 'listen' && !address.getComponents().some(({ name }) => name === 'tcp')) {
          throw new Error('it has no TCP port')
        }
        return address.toString()
      }
    } catch (err) {
      throw new InvalidOptionError(`${option} must be a multiaddr ${what}, got ${quote(text)}: ${reason(err)}`, { cause: err })
    }
    throw new InvalidOptionError(`${option} must be a multiaddr ${what}, got ${quote(text)}`)
  })
}

/** What stands between the node and the addresses that it is told */
export interface Libp2pGuardInit extends Partial<AddressGuardComponents> {
  /** Certificate authorities trusted for secure WebSockets instead of the machine's, as PEM */
  ca?: string | readonly string[]
  /** What is announced in a DHT, and how it is disclosed */
  announce?: DiscoveryAnnounceInit
  /** What a mode of privacy means for this node. @default that of `mode`, without overrides */
  switches?: SwitchesOf
  /** The mode of the node itself. @default 'open' */
  mode?: PrivacyMode
  /** Lookups that leave together with others wait for them. @default those of the DHT alone do, in mode `strict` */
  batches?: LookupBatches
  /** Where it is recorded which names were looked up to join a DHT. @default nowhere */
  ledger?: Ledger
}

/**
 * What the operator named, as entries of the allow list: each bootstrap peer,
 * and where all of those are private, their networks and those listened in, for
 * that is where everybody else is.
 */
function namedAddresses (listen: readonly string[], peers: readonly string[], isPrivate: boolean): string[] {
  const endpoints = peers.map(addressEndpoint).filter(endpoint => endpoint != null)
  const named = endpoints.map(({ host, port }) => port == null ? host : `${host.includes(':') ? `[${host}]` : host}:${port}`)
  const ips = [...endpoints, ...listen.map(addressEndpoint)].map(endpoint => parseHost(endpoint?.host ?? '')?.ip).filter(ip => ip != null)
  const networks = PRIVATE_NETWORKS.filter(text => {
    const range = parseRange(text)
    return range != null && ips.some(ip => inRange(ip, range))
  })
  // of unique local addresses the site, which is a /48
  const sites = ips.filter(ip => ip.byteLength === 16 && ((ip[0] ?? 0) & 0xfe) === 0xfc).map(ip => `${formatIP(ip.map((byte, i) => i < 6 ? byte : 0))}/48`)

  return isPrivate ? [...named, ...networks, ...sites] : named
}

/**
 * The peer-to-peer side of a node that contacts nobody who was not named: no
 * listening, no DHT and no discovery unless addresses are given. Addresses that
 * libp2p learns by itself are dialled only where `policy` lets them.
 */
export function libp2pOptions (init: Libp2pInit = {}, { policy = addressPolicy(), announce, clock = systemClock, resolve = systemResolve, resolveText = systemResolveText, ca, ledger = nullLedger, mode = 'open', switches = presetOf, batches }: Libp2pGuardInit = {}): Libp2pOptions & { addresses: { listen: string[] } } {
  const listen = checked('listen', init.listen, /^\//, 'like /ip4/0.0.0.0/tcp/4480')
  const peers = checked('bootstrap', init.bootstrap, /^\/.*\/p2p\/[^/]+$/, 'that ends in /p2p/PEER-ID')
  const maxConnections = init.maxConnections ?? DEFAULT_MAX_CONNECTIONS

  if (!Number.isSafeInteger(maxConnections) || maxConnections < 1) {
    throw new InvalidOptionError(`maxConnections must be a whole number from 1, got ${quote(maxConnections)}`)
  }
  // in a network whose bootstrap peers are all private, so is everybody else
  const isPrivate = peers.every(peer => isPrivateHost(/^\/(?:ip4|ip6|dns[46]?|dnsaddr)\/([^/]+)/.exec(peer)?.[1] ?? ''))

  const components = { policy: policy.with(namedAddresses(listen, peers, isPrivate)), clock, resolve, resolveText }
  const guard = new AddressGuard(components)
  const joining = joinRequests({ clock, ledger }, mode)
  const { agent, privateAddresses } = switches(mode)
  const told = toldAddresses({ private: privateAddresses || (isPrivate && takesPart(init)) })
  const services = { identify: (parts: Parameters<ReturnType<typeof identify>>[0]) => identify()(tellingLess(parts, told)), ping: ping() }
  const connecting = {
    transports: guardedTransports(guard, { ...components, disclose: init => joining().disclose(init) }, { ca }),
    connectionGater: addressGater(guard),
    // TLS before Noise: the same guarantees, in native code
    connectionEncrypters: [tls(), noise()],
    // both let the handshake say which muxer comes next, which saves a round trip
    streamMuxers: [lastingYamux({ maxInboundStreams: MAX_STREAMS, streamOptions: { maxStreamWindowSize: MAX_STREAM_WINDOW } })],
    connectionManager: { resolvers: { dnsaddr: dnsaddrResolver({ ...components, disclose: joinDisclosures({ clock, ledger }, mode) }) }, maxConnections, inboundConnectionThreshold: INBOUND_PER_HOST, maxIncomingPendingConnections: INBOUND_PENDING }
  }
  const dht = dhtServices({ ...init, listen, bootstrap: peers }, { policy: components.policy, clock, ledger, announce, told, switches, batches, lookupNode: lookupNode(connecting) }, isPrivate)
  const peerStore = dhtPeerStore(init)

  return {
    addresses: { listen },
    ...agent === 'common' ? { nodeInfo: { userAgent: COMMON_AGENT } } : {},
    ...connecting,
    peerDiscovery: peers.length === 0 ? [] : [bootstrap({ list: peers })],
    ...peerStore == null ? {} : { peerStore },
    services: { ...services, ...dht } as unknown as ServiceFactoryMap
  }
}
