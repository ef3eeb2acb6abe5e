/** The part of Kubo's configuration file that `ipfs init` wrote and that is kept */
export interface KuboConfigFile {
  readonly Identity: Readonly<Record<string, unknown>>
  readonly Datastore: Readonly<Record<string, unknown>>
}

export type KuboSecurity = 'tls' | 'noise'
export type KuboTransport = 'tcp' | 'ws' | 'quic'

export interface KuboConfigInit {
  /** The only security protocol that is offered, so that it is known which one a figure is about. @default both, TLS preferred */
  security?: KuboSecurity
  /** @default tcp only */
  listen?: readonly KuboTransport[]
  /** A server of the DHT for private addresses, loopback included, that answers for it over HTTP too. @default no DHT */
  dht?: boolean
  /** Multiaddrs to join it through. @default none */
  bootstrap?: readonly string[]
}

const LISTEN: Readonly<Record<KuboTransport, string>> = {
  tcp: '/ip4/127.0.0.1/tcp/0',
  ws: '/ip4/127.0.0.1/tcp/0/ws',
  quic: '/ip4/127.0.0.1/udp/0/quic-v1'
}

/** Lower comes first. Kubo's own default prefers TLS too. */
const FIRST = 100
const SECOND = 200

/**
 * A Kubo that listens on loopback and speaks to whom it is told to: written
 * whole, so that a default of some version cannot add a party. What is left out
 * (bitswap, datastore, chunking) is as Kubo ships it, since that is what it is compared with.
 */
export function kuboConfig (made: KuboConfigFile, init: KuboConfigInit = {}): Record<string, unknown> {
  const listen = new Set<KuboTransport>(init.listen ?? ['tcp'])

  return {
    Identity: made.Identity,
    Datastore: made.Datastore,
    Addresses: {
      Swarm: [...listen].map(transport => LISTEN[transport]),
      API: '/ip4/127.0.0.1/tcp/0',
      Gateway: '/ip4/127.0.0.1/tcp/0',
      Announce: [],
      AppendAnnounce: [],
      NoAnnounce: []
    },
    // nobody to find
    Bootstrap: [...init.bootstrap ?? []],
    Discovery: { MDNS: { Enabled: false } },
    Peering: { Peers: [] },
    Routing: init.dht === true ? { Type: 'dhtserver', LoopbackAddressesOnLanDHT: true, DelegatedRouters: [] } : { Type: 'none', DelegatedRouters: [] },
    Ipns: { DelegatedPublishers: [] },
    DNS: { Resolvers: {} },
    Pubsub: { Enabled: false },
    // nobody to tell, or what is asked for
    Provide: init.dht === true ? { Enabled: true, Strategy: 'roots', DHT: { Interval: '0' } } : { Enabled: false },
    AutoConf: { Enabled: false },
    AutoTLS: { Enabled: false },
    AutoNAT: { ServiceMode: 'disabled' },
    Version: { SwarmCheckEnabled: false },
    Plugins: { Plugins: { telemetry: { Disabled: true, Config: { Mode: 'off' } } } },
    // blocks come over bitswap or not at all
    HTTPRetrieval: { Enabled: false },
    Gateway: { NoFetch: false, NoDNSLink: true, ExposeRoutingAPI: init.dht === true },
    Swarm: {
      AddrFilters: [],
      DisableNatPortMap: true,
      EnableHolePunching: false,
      RelayClient: { Enabled: false },
      RelayService: { Enabled: false },
      // hundreds of connections from one address are an attack elsewhere, here they are a test
      ResourceMgr: { Enabled: false },
      ConnMgr: { Type: 'none' },
      Transports: {
        Network: { TCP: listen.has('tcp') || listen.has('ws'), Websocket: listen.has('ws'), QUIC: listen.has('quic'), Relay: false, WebTransport: false, WebRTCDirect: false },
        Security: { TLS: init.security === 'noise' ? false : FIRST, Noise: init.security === 'tls' ? false : SECOND }
      }
    },
    Internal: {
      ShutdownTimeout: '5s',
      CGNATCheck: false,
      DeadListenerCheck: false
    }
  }
}

/**
 * Nothing of the caller's environment: a proxy, a log level or another
 * repository would reach the daemon through it.
 */
export function kuboEnv (repo: string): Record<string, string> {
  return { PATH: process.env.PATH ?? '', HOME: repo, IPFS_PATH: repo, IPFS_TELEMETRY: 'off', DO_NOT_TRACK: '1' }
}
