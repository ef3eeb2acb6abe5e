import type { Schema } from './schema.ts'

/** The peer-to-peer node: where it listens, and which network it is part of */
export const libp2pSchema = {
  'libp2p.listen': {
    type: 'list',
    default: [],
    reason: 'a cache reads without being dialled; the customary address is `/ip4/0.0.0.0/tcp/4480`',
    description: 'Multiaddrs that the peer-to-peer node listens on; none by default.',
    env: 'PORTOLAN_LISTEN',
    flag: 'listen',
    placeholder: 'MULTIADDR',
    maxItems: 32,
    maxLength: 1024
  },
  'libp2p.bootstrap': {
    type: 'list',
    default: [],
    reason: 'nobody is contacted who was not named; a node takes part in a DHT only when somebody is, or as a server of one',
    description: 'Peers to join a DHT through: multiaddrs that end in `/p2p/PEER-ID`.',
    env: 'PORTOLAN_BOOTSTRAP',
    flag: 'bootstrap',
    placeholder: 'MULTIADDR',
    maxItems: 64,
    maxLength: 1024
  },
  'libp2p.dhtProtocol': {
    type: 'string',
    default: '/ipfs/kad/1.0.0',
    reason: 'the public network, and what nodes that were told nothing else speak',
    description: 'Which DHT it is: a private network has its own, as `/my-network/kad/1.0.0`; that of Kubo nodes with private addresses is `/ipfs/lan/kad/1.0.0`.',
    env: 'PORTOLAN_DHT_PROTOCOL',
    flag: 'dht-protocol',
    placeholder: 'PROTOCOL',
    maxLength: 128
  },
  'libp2p.dhtServer': {
    type: 'boolean',
    default: false,
    reason: 'a cache asks and announces; servers keep records for strangers and answer them. A private network needs some, the first of which has nobody to join through',
    description: 'Answers the questions of the DHT and keeps the records of others. Needs `libp2p.listen`.',
    env: 'PORTOLAN_DHT_SERVER',
    flag: 'dht-server'
  },
  'libp2p.maxConnections': {
    type: 'integer',
    default: 300,
    reason: 'libp2p\'s own default for Node; a DHT client needs a few dozen',
    description: 'Most peer-to-peer connections at once.',
    env: 'PORTOLAN_MAX_CONNECTIONS',
    min: 1,
    max: 100_000
  }
} as const satisfies Schema
