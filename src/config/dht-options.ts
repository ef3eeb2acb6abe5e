import { kadDHT, passthroughMapper, removePrivateAddressesMapper } from '@libp2p/kad-dht'
import { enhancedDHTDiscovery } from '../discovery/enhanced-dht-discovery.ts'
import { DEFAULT_KAD_PROTOCOL } from '../discovery/kad/kad-client-egress.ts'
import { RECORD_LASTING } from '../discovery/lasting.ts'
import { InvalidOptionError } from '../interface/errors.ts'
import { quote } from '../interface/quote.ts'
import { readingLess, withAddressLimit } from './dht-addresses.ts'
import { withRecordLimit } from './dht-records.ts'
import type { EnhancedDHTDiscoveryInit } from '../discovery/enhanced-dht-discovery.ts'

export interface DhtInit {
  /** Multiaddrs of peers to join a DHT through. @default none */
  bootstrap?: readonly string[]
  /**
   * Which DHT it is: nodes that speak another are not part of it. A private
   * network has its own, as `/my-network/kad/1.0.0`; that of Kubo nodes with
   * private addresses is `/ipfs/lan/kad/1.0.0`.
   *
   * @default '/ipfs/kad/1.0.0'
   */
  dhtProtocol?: string
  /**
   * Answers the questions of others and keeps their records, as a private network
   * needs of some. The first node of one has nobody to join through. Needs `listen`.
   *
   * @default false
   */
  dhtServer?: boolean
}

/** Characters: a few times what any network uses; each stream that is opened carries it */
const MAX_PROTOCOL_LENGTH = 128

/** Words between slashes, and at the end what Kubo adds to a prefix: no other version of the messages is spoken here */
const PROTOCOL = /^(?:\/[\w.~-]+)+\/kad\/1\.0\.0$/

/**
 * kad-dht announces again, without a word, whatever it was ever told to provide,
 * stored or not: here discovery does. A record that never expires is never due,
 * and the look at all of them, which is for servers, comes as late as a timer can.
 */
const NO_REPROVIDING = { validity: Infinity, interval: 2 ** 31 - 1 }

/** A server looks every hour for what others announced two days ago and not since. Nothing is due to be announced again before it expired. */
const EXPIRING = { validity: RECORD_LASTING, interval: 3_600_000, threshold: 0 }

/** Milliseconds that a server knows the addresses of a provider: as long as his record. libp2p's own hour would leave records that lead nowhere. */
const PROVIDER_ADDRESSES = RECORD_LASTING

/** The protocol of the DHT. Throws an `InvalidOptionError` for what nobody could speak. */
export function dhtProtocol (protocol: string = DEFAULT_KAD_PROTOCOL): string {
  if (typeof protocol !== 'string' || !PROTOCOL.test(protocol) || protocol.length > MAX_PROTOCOL_LENGTH) {
    throw new InvalidOptionError(`dhtProtocol must be the name of a network and /kad/1.0.0, as /my-network/kad/1.0.0, of at most ${MAX_PROTOCOL_LENGTH} characters, got ${quote(protocol)}`)
  }
  return protocol
}

/** Whether a node takes part in a DHT: where it was told of somebody to join through, or is a server that others join through */
export function takesPart ({ bootstrap = [], dhtServer = false }: DhtInit): boolean {
  return bootstrap.length > 0 || dhtServer
}

/** What it takes to be reached and to know how others are */
export function dhtPeerStore ({ dhtServer = false }: DhtInit): { maxAddressAge: number, maxPeerAge: number } | undefined {
  return dhtServer ? { maxAddressAge: PROVIDER_ADDRESSES, maxPeerAge: PROVIDER_ADDRESSES } : undefined
}

/** kad-dht and our discovery over it, or neither */
export function dhtServices (init: DhtInit & { listen?: readonly string[] }, discovery: EnhancedDHTDiscoveryInit, isPrivate: boolean): Record<string, unknown> {
  const protocol = dhtProtocol(init.dhtProtocol)
  const { dhtServer = false, listen = [] } = init

  if (typeof dhtServer !== 'boolean') {
    throw new InvalidOptionError(`dhtServer must be true or false, got ${quote(dhtServer)}`)
  }
  if (dhtServer && listen.length === 0) {
    throw new InvalidOptionError('a server of the DHT (dhtServer) has to be reachable: name an address to listen on (listen), as /ip4/0.0.0.0/tcp/4480')
  }
  if (!takesPart(init)) {
    return {}
  }
  const peerInfoMapper = isPrivate ? passthroughMapper : removePrivateAddressesMapper
  const dht = kadDHT({ protocol, clientMode: !dhtServer, peerInfoMapper, reprovide: dhtServer ? EXPIRING : NO_REPROVIDING })

  return {
    dht: (components: Parameters<typeof dht>[0]) => dhtServer ? readingLess(dht(withLimits(components))) : dht(components),
    discovery: enhancedDHTDiscovery({ ...discovery, protocol, bootstrap: init.bootstrap ?? [] })
  }
}

/** What others may leave with a server */
function withLimits<C extends Parameters<ReturnType<typeof kadDHT>>[0]> (components: C): C {
  return Object.create(withRecordLimit(components), { peerStore: { value: withAddressLimit(components.peerStore) } }) as C
}
