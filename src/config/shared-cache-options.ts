import type { Schema } from './schema.ts'

/** The cache that several nodes share: a part of the schema */
export const sharedCacheOptions = {
  'sharedCache.url': {
    type: 'string',
    default: '',
    reason: 'a node alone needs none, and whoever runs it learns which blocks are asked for; needs the package `ioredis`',
    description: 'Redis or Valkey that several nodes keep small hot blocks in: `redis://HOST:PORT` or, with TLS, `rediss://HOST:PORT/DATABASE`. A password in it is accepted from the environment and the file only.',
    env: 'PORTOLAN_SHARED_CACHE',
    flag: 'shared-cache',
    placeholder: 'URL',
    maxLength: 2048,
    secret: true
  },
  'sharedCache.username': {
    type: 'string',
    default: '',
    reason: 'empty means the one in the URL, or the server\'s default user',
    description: 'User of an ACL that logs in there.',
    env: 'PORTOLAN_SHARED_CACHE_USERNAME',
    maxLength: 255
  },
  'sharedCache.password': {
    type: 'string',
    default: '',
    reason: 'empty means the one in the URL, or none',
    description: 'Password for it. There is no flag: everybody on a machine can read the flags of its processes.',
    env: 'PORTOLAN_SHARED_CACHE_PASSWORD',
    maxLength: 4096,
    secret: true
  },
  'sharedCache.passwordFile': {
    type: 'path',
    default: '',
    reason: 'instead of `sharedCache.password`; read at each connection, so that it can be changed without a restart',
    description: 'File that holds the password; line ends after it do not count.',
    env: 'PORTOLAN_SHARED_CACHE_PASSWORD_FILE',
    maxLength: 4096
  },
  'sharedCache.caFile': {
    type: 'path',
    default: '',
    reason: 'empty means the authorities that the machine trusts',
    description: 'PEM file of the certificate authorities that are trusted for `rediss://`.',
    env: 'PORTOLAN_SHARED_CACHE_CA_FILE',
    maxLength: 4096
  },
  'sharedCache.keyPrefix': {
    type: 'string',
    default: 'portolan:1:',
    reason: 'says whose keys they are; nodes that share blocks share it',
    description: 'What every key there begins with.',
    env: 'PORTOLAN_SHARED_CACHE_KEY_PREFIX',
    maxLength: 64
  },
  'sharedCache.maxBlockSize': {
    type: 'bytes',
    default: 65_536,
    reason: 'directories, roots and shards, which every read needs first, are smaller; larger blocks would hold up the replies behind them',
    description: 'Largest block that is kept there.',
    env: 'PORTOLAN_SHARED_CACHE_MAX_BLOCK_SIZE',
    min: 1,
    max: 1_048_576
  },
  'sharedCache.ttl': {
    type: 'duration',
    default: 86_400_000,
    reason: 'a block never changes: time only takes away what nobody has asked for since',
    description: 'How long a block stays there after it was written.',
    env: 'PORTOLAN_SHARED_CACHE_TTL',
    min: 1000,
    max: 31_536_000_000
  },
  'sharedCache.timeout': {
    type: 'duration',
    default: 50,
    reason: 'who waits longer would have had the block from a provider nearby; after a few that are late it is left alone for a while',
    description: 'How long a read waits for it.',
    env: 'PORTOLAN_SHARED_CACHE_TIMEOUT',
    min: 1,
    max: 10_000
  }
} as const satisfies Schema
