import { bootstrap } from '@libp2p/bootstrap'
import { identify } from '@libp2p/identify'
import { kadDHT, passthroughMapper, removePrivateAddressesMapper } from '@libp2p/kad-dht'
import { noise } from '@libp2p/noise'
import { ping } from '@libp2p/ping'
import { tcp } from '@libp2p/tcp'
import { tls } from '@libp2p/tls'
import { webSockets } from '@libp2p/websockets'
import { yamux } from '@libp2p/yamux'
import { multiaddr } from '@multiformats/multiaddr'
import { InvalidOptionError } from '../interface/errors.ts'
import { quote } from '../interface/quote.ts'
import { isPrivateHost } from '../provider/address.ts'
import type { Libp2pOptions, ServiceFactoryMap } from 'libp2p'

export interface Libp2pInit {
  /** Multiaddrs to listen on. @default none */
  listen?: readonly string[]
  /** Multiaddrs of peers to join a DHT through. @default none */
  bootstrap?: readonly string[]
  /** @default 300 */
  maxConnections?: number
}

/** libp2p's own default for Node; a DHT client needs a few dozen */
export const DEFAULT_MAX_CONNECTIONS = 300

/** The DHT of the public network; a private one uses it too, reached by its own bootstrap peers */
const DHT_PROTOCOL = '/ipfs/kad/1.0.0'

function checked (option: string, list: readonly string[] | undefined, demand: RegExp, what: string): string[] {
  if (list != null && !Array.isArray(list)) {
    throw new InvalidOptionError(`${option} must be a list of multiaddrs, got ${quote(list)}`)
  }
  return (list ?? []).map((text: unknown) => {
    try {
      if (typeof text === 'string' && demand.test(text)) {
        return multiaddr(text).toString()
      }
    } catch (err) {
      throw new InvalidOptionError(`${option} must be a multiaddr ${what}, got ${quote(text)}: ${(err as Error).message}`, { cause: err })
    }
    throw new InvalidOptionError(`${option} must be a multiaddr ${what}, got ${quote(text)}`)
  })
}

/**
 * The peer-to-peer side of a node that contacts nobody who was not named: no
 * listening, no DHT and no discovery unless addresses are given.
 */
export function libp2pOptions (init: Libp2pInit = {}): Libp2pOptions & { addresses: { listen: string[] } } {
  const listen = checked('listen', init.listen, /^\//, 'like /ip4/0.0.0.0/tcp/4480')
  const peers = checked('bootstrap', init.bootstrap, /^\/.*\/p2p\/[^/]+$/, 'that ends in /p2p/PEER-ID')
  const maxConnections = init.maxConnections ?? DEFAULT_MAX_CONNECTIONS

  if (!Number.isSafeInteger(maxConnections) || maxConnections < 1) {
    throw new InvalidOptionError(`maxConnections must be a whole number from 1, got ${quote(maxConnections)}`)
  }
  // in a network whose bootstrap peers are all private, so is everybody else
  const isPrivate = peers.every(peer => isPrivateHost(/^\/(?:ip4|ip6|dns[46]?|dnsaddr)\/([^/]+)/.exec(peer)?.[1] ?? ''))

  const services = { identify: identify(), ping: ping() }
  const dht = kadDHT({ protocol: DHT_PROTOCOL, clientMode: true, peerInfoMapper: isPrivate ? passthroughMapper : removePrivateAddressesMapper })

  return {
    addresses: { listen },
    transports: [tcp(), webSockets()],
    // TLS before Noise: the same guarantees, in native code
    connectionEncrypters: [tls(), noise()],
    streamMuxers: [yamux()],
    connectionManager: { maxConnections },
    peerDiscovery: peers.length === 0 ? [] : [bootstrap({ list: peers })],
    services: (peers.length === 0 ? services : { ...services, dht }) as unknown as ServiceFactoryMap
  }
}
