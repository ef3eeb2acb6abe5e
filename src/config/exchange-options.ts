import type { Schema } from './schema.ts'

/** With whom blocks are exchanged: a part of the schema */
export const exchangeOptions = {
  'exchange.serve': {
    type: 'choice',
    default: 'none',
    choices: ['none', 'allow-list', 'peers', 'everyone'],
    reason: 'whoever is served learns what was read here',
    description: 'Peers that get blocks over bitswap: nobody, those of `exchange.allowPeers`, those that were named or that this node dialled, everybody. They reach it at `libp2p.listen`.',
    env: 'PORTOLAN_SERVE',
    flag: 'serve',
    placeholder: 'WHO'
  },
  'exchange.announce': {
    type: 'choice',
    default: 'none',
    choices: ['none', 'roots', 'pinned', 'all'],
    reason: 'twenty strangers learn of each block that is announced, and come for it',
    description: 'What is announced in the DHT without being asked for, and again every 22 h: nothing, the roots of pins, every block that is pinned, or those and everything that was put here. Needs `exchange.serve`, `libp2p.listen` and a DHT (`libp2p.bootstrap` or `libp2p.dhtServer`).',
    env: 'PORTOLAN_ANNOUNCE',
    flag: 'announce',
    placeholder: 'WHAT'
  },
  'exchange.allowPeers': {
    type: 'list',
    default: [],
    reason: 'for `exchange.serve` = `allow-list`, and only then',
    description: 'Peer ids that are served.',
    env: 'PORTOLAN_ALLOW_PEERS',
    flag: 'allow-peer',
    placeholder: 'PEER-ID',
    maxItems: 1_000,
    maxLength: 128
  },
  'exchange.askConnected': {
    type: 'integer',
    default: 0,
    reason: 'each peer that is asked learns what is read; 8 is enough where a fleet or a swarm shares what it reads',
    description: 'Peers that are connected anyway and are asked, for each block that is sought, whether they have it. Only in mode `open`, and only peers that were named or dialled, or came at least 5 s ago.',
    env: 'PORTOLAN_ASK_CONNECTED',
    flag: 'ask-connected',
    placeholder: 'COUNT',
    min: 0,
    max: 64
  },
  'exchange.siblings': {
    type: 'list',
    default: [],
    reason: 'a node alone has none',
    description: 'Other nodes of one fleet, asked first and only for what they have: the URL of a gateway, a multiaddr or a peer id.',
    env: 'PORTOLAN_SIBLINGS',
    flag: 'sibling',
    placeholder: 'URL',
    maxItems: 16,
    maxLength: 1024
  },
  'exchange.bitswap': {
    type: 'boolean',
    default: true,
    reason: 'a provider that is named as a peer speaks nothing else; nobody else is asked',
    description: 'Exchange blocks with peers.',
    env: 'PORTOLAN_BITSWAP'
  },
  'exchange.maxPeers': {
    type: 'integer',
    default: 256,
    reason: 'below `libp2p.maxConnections`: who is protected from pruning must not be everybody',
    description: 'Peers whose connections are held for reading from them at once.',
    env: 'PORTOLAN_EXCHANGE_MAX_PEERS',
    min: 1,
    max: 65_536
  },
  'exchange.idleTimeout': {
    type: 'duration',
    default: 30_000,
    reason: 'a reader that thinks between two files finds the connection still there',
    description: 'How long a connection that nobody reads over any more is kept.',
    env: 'PORTOLAN_EXCHANGE_IDLE_TIMEOUT',
    min: 0,
    max: 86_400_000
  }
} as const satisfies Schema
