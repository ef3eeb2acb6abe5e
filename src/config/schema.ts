import { InvalidOptionError } from '../interface/errors.ts'
import { exchangeOptions } from './exchange-options.ts'
import { ledgerSchema } from './ledger-schema.ts'
import { libp2pSchema } from './libp2p-schema.ts'
import { privacyOptions } from './privacy-options.ts'
import { reportSchema } from './report-schema.ts'
import { routerOptions } from './router-options.ts'
import { sharedCacheOptions } from './shared-cache-options.ts'

/**
 * How a value is written:
 *
 * - `integer`: a whole number within `min` and `max`; `number`: one that need not be whole
 * - `duration`: milliseconds, or text with a unit (`500ms`, `30s`, `5m`, `1h`)
 * - `bytes`: a number of bytes, or text with a unit (`512KiB`, `2MiB`, `1GB`)
 * - `boolean`, `string`, `path`: as they say; paths may start with `~/`
 * - `choice`: one of `choices`
 * - `list`: texts; comma-separated in the environment, a repeated flag, an array in the file
 */
export type OptionType = 'integer' | 'number' | 'duration' | 'bytes' | 'boolean' | 'string' | 'path' | 'choice' | 'list'

export type OptionValue = number | string | boolean | readonly string[]

/** One option, as plain data: the parser, the help, the documentation and the checks are all made from it */
export interface OptionDefinition {
  readonly type: OptionType
  readonly default: OptionValue
  /** Why the default is what it is */
  readonly reason: string
  /** What the help shows for a default that stands for something else */
  readonly shownDefault?: string
  readonly description: string
  readonly env: string
  /** Without the dashes; absent where a flag would only be clutter */
  readonly flag?: string
  /** Of a switch that is on by default: what `--no-FLAG` does, which is all that a flag is needed for */
  readonly switchedOff?: string
  /** What the help shows for the value: `PORT`, `URL` */
  readonly placeholder?: string
  readonly min?: number
  readonly max?: number
  readonly choices?: readonly string[]
  /** Longest text, or longest list entry, in characters */
  readonly maxLength?: number
  /** Most entries of a list */
  readonly maxItems?: number
  /** Never printed: not in errors, not by `stats` */
  readonly secret?: boolean
}

export type Schema = Readonly<Record<string, OptionDefinition>>

type ValueOf<T extends OptionType> =
  T extends 'integer' | 'number' | 'duration' | 'bytes' ? number
    : T extends 'boolean' ? boolean
      : T extends 'list' ? readonly string[]
        : string

/** A value for every key of a schema */
export type ConfigOf<S extends Schema> = { readonly [K in keyof S]: ValueOf<S[K]['type']> }

/** How the flag is written that changes something: without the `no-` a switch that is on by default would do nothing */
export function shownFlag (option: OptionDefinition): string | undefined {
  return option.flag == null ? undefined : `--${option.switchedOff == null ? '' : 'no-'}${option.flag}`
}

/** Keeps the literal types and checks what a compiler cannot: names unique, defaults in range, and each switch that is on says what it is to switch it off */
export function defineSchema<const S extends Schema> (schema: S): S {
  const seen = new Set<string>()

  for (const [key, option] of Object.entries<OptionDefinition>(schema)) {
    if (option.flag != null && (option.type === 'boolean' && option.default === true) !== (option.switchedOff != null)) {
      throw new InvalidOptionError(`the schema says of a switch what it does when it is switched off (switchedOff) where it is on by default, and nowhere else (at ${key})`)
    }
    for (const name of [option.env, option.flag]) {
      if (name != null && seen.has(name)) {
        throw new InvalidOptionError(`the schema uses the name ${name} twice (at ${key})`)
      }
      if (name != null) {
        seen.add(name)
      }
    }
  }
  return schema
}

/** Every option of the daemon and the commands. A later room adds its keys here, and nowhere else. */
export const schema = defineSchema({
  'store.path': {
    type: 'path',
    default: '',
    reason: 'empty means a directory of the user: `$XDG_DATA_HOME/portolan`, else `~/.portolan`; `serve` prints which',
    description: 'Directory of the node: blocks, records, identity, control token. One process at a time.',
    env: 'PORTOLAN_STORE',
    flag: 'store',
    placeholder: 'DIR',
    maxLength: 4096
  },
  'cache.size': {
    type: 'bytes',
    default: 0,
    reason: '0 means 10 GiB, a day of reading or the hot set of a small gateway, or half of what is free on the disk if that is less',
    shownDefault: '10 GiB, or half of what is free there if that is less',
    description: 'What the blocks may take on disk, everything included: at least 4 MiB. What was put here or is pinned stays, what was fetched makes room.',
    env: 'PORTOLAN_CACHE_SIZE',
    flag: 'cache-size',
    placeholder: 'BYTES',
    min: 0,
    max: 1_125_899_906_842_624
  },
  'cache.memory': {
    type: 'bytes',
    default: 67_108_864,
    reason: 'sixty large blocks, or all inner nodes of some terabytes of files; the page cache of the system is the next level',
    description: 'Blocks that are kept in memory besides, overhead included; 0: none.',
    env: 'PORTOLAN_CACHE_MEMORY',
    flag: 'cache-memory',
    placeholder: 'BYTES',
    min: 0,
    max: 1_099_511_627_776
  },
  'cache.clientShare': {
    type: 'integer',
    default: 100,
    reason: 'no limit: on a machine of one\'s own, and behind a proxy, all readers are one client',
    description: 'Percent of the room for fetched blocks that one client of the gateway may take up (an IPv4 address, or an IPv6 /64): beyond it the blocks that it brought in first make room for its own new ones. Known as long as the node runs.',
    env: 'PORTOLAN_CACHE_CLIENT_SHARE',
    flag: 'cache-client-share',
    placeholder: 'PERCENT',
    min: 1,
    max: 100
  },
  'gateway.host': {
    type: 'string',
    default: '127.0.0.1',
    reason: 'other machines reach the gateway only when somebody decided so',
    description: 'Address that the gateway listens on.',
    env: 'PORTOLAN_GATEWAY_HOST',
    flag: 'host',
    placeholder: 'ADDRESS',
    maxLength: 255
  },
  'gateway.port': {
    type: 'integer',
    default: 8480,
    reason: 'near the 8080 of other gateways, without colliding with one on the same machine',
    description: 'Port of the gateway; 0 takes a free one.',
    env: 'PORTOLAN_GATEWAY_PORT',
    flag: 'port',
    placeholder: 'PORT',
    min: 0,
    max: 65535
  },
  'gateway.maxRequests': {
    type: 'integer',
    default: 2048,
    reason: 'twice the 1 000 clients it is tested with; each costs tens of kB, a file never more than one window of blocks',
    description: 'Requests served at once; more are answered 503 with Retry-After.',
    env: 'PORTOLAN_GATEWAY_MAX_REQUESTS',
    min: 1,
    max: 1_000_000
  },
  'gateway.maxClientRequests': {
    type: 'integer',
    default: 1024,
    reason: 'half of `gateway.maxRequests`, so that one client leaves room for others; behind a proxy all readers are one client: raise it there',
    description: 'Of these, requests of one client address (of IPv6, one /64); more are answered 429 with Retry-After.',
    env: 'PORTOLAN_GATEWAY_MAX_CLIENT_REQUESTS',
    min: 1,
    max: 1_000_000
  },
  'gateway.allowedHosts': {
    type: 'list',
    default: [],
    reason: 'loopback names always work; any other name in a Host header is how DNS rebinding looks. A gateway opened to other machines (`gateway.host`) answers to every name until this says which',
    description: 'Host names, beside loopback ones, that requests may carry: the public names of a proxy in front.',
    env: 'PORTOLAN_GATEWAY_ALLOWED_HOSTS',
    maxItems: 32,
    maxLength: 255
  },
  'gateway.maxUrlLength': {
    type: 'integer',
    default: 8192,
    reason: 'what proxies in front commonly accept; a longer one is answered 414',
    description: 'Longest request target, in bytes.',
    env: 'PORTOLAN_GATEWAY_MAX_URL_LENGTH',
    min: 256,
    max: 15_000
  },
  'gateway.requestTimeout': {
    type: 'duration',
    default: 15_000,
    reason: 'a request is a few hundred bytes: whoever needs longer is holding the connection, not using it',
    description: 'How long a client may take to send a request.',
    env: 'PORTOLAN_GATEWAY_REQUEST_TIMEOUT',
    min: 100,
    max: 600_000
  },
  'gateway.stallTimeout': {
    type: 'duration',
    default: 120_000,
    reason: 'a paused video player may stop reading for a while; two minutes without a byte is a dead client',
    description: 'How long a client may take no bytes of an answer before it is cut off.',
    env: 'PORTOLAN_GATEWAY_STALL_TIMEOUT',
    min: 100,
    max: 3_600_000
  },
  'gateway.readAhead': {
    type: 'bytes',
    default: 268_435_456,
    reason: 'a full window of 4 MiB for 64 readers; 2 048 slow clients, who get less and less, then hold about 1.2 GB together and not 8',
    description: 'Bytes loaded ahead of readers: an answer that begins gets its share among those under way, 4 MiB at most, one block at least.',
    env: 'PORTOLAN_GATEWAY_READ_AHEAD',
    min: 1_048_576,
    max: 68_719_476_736
  },
  'gateway.maxDirectoryEntries': {
    type: 'integer',
    default: 10_000,
    reason: 'about 2 MB of HTML, which browsers still show at once',
    description: 'Entries shown of a directory; a longer listing ends with a note that it was cut.',
    env: 'PORTOLAN_GATEWAY_MAX_DIRECTORY_ENTRIES',
    min: 1,
    max: 1_000_000
  },
  'control.host': {
    type: 'string',
    default: '127.0.0.1',
    reason: 'metrics and stories tell what was read here: nobody else\'s business',
    description: 'Address that the control endpoint listens on.',
    env: 'PORTOLAN_CONTROL_HOST',
    flag: 'control-host',
    placeholder: 'ADDRESS',
    maxLength: 255
  },
  'control.port': {
    type: 'integer',
    default: 8481,
    reason: 'the port after the gateway\'s',
    description: 'Port of the control endpoint; 0 takes a free one.',
    env: 'PORTOLAN_CONTROL_PORT',
    flag: 'control-port',
    placeholder: 'PORT',
    min: 0,
    max: 65535
  },
  'control.allowedHosts': {
    type: 'list',
    default: [],
    reason: 'loopback names and `control.host` always work; any other name in a Host header is how DNS rebinding looks',
    description: 'Further host names that requests to the control endpoint may carry.',
    env: 'PORTOLAN_CONTROL_ALLOWED_HOSTS',
    maxItems: 32,
    maxLength: 255
  },
  'routing.mode': {
    type: 'choice',
    default: 'balanced',
    choices: ['open', 'balanced', 'strict'],
    reason: 'a want goes to the provider chosen for it and to nobody else',
    description: 'Whom a read may tell what is read. `open`: every provider that may have it, and requests that only measure one. `balanced`: the provider chosen for it, and a second one where that is slow. `strict`: one provider at a time, own routers and HTTP hosts only, and lookups under an identity of their own. docs/privacy-model.md has the table.',
    env: 'PORTOLAN_MODE',
    flag: 'mode',
    placeholder: 'MODE'
  },
  'routing.providers': {
    type: 'list',
    default: [],
    reason: 'nobody is contacted who was not named',
    description: 'Providers to ask for every read: a URL, a multiaddr or a peer id.',
    env: 'PORTOLAN_PROVIDERS',
    flag: 'provider',
    placeholder: 'URL',
    maxItems: 64,
    maxLength: 1024
  },
  ...privacyOptions,
  ...routerOptions,
  'routing.allowAddresses': {
    type: 'list',
    default: [],
    reason: 'addresses in private networks are refused unless the operator named them; those of `routing.providers` and of the routers are named',
    description: 'Private addresses that may be contacted when a record names them: `HOST`, `HOST:PORT` or `NETWORK/BITS`.',
    env: 'PORTOLAN_ALLOW',
    flag: 'allow',
    placeholder: 'ADDRESS',
    maxItems: 256,
    maxLength: 255
  },
  'routing.timeout': {
    type: 'duration',
    default: 30_000,
    reason: 'browsers and proxies give up at 30 to 60 s: answering before them leaves room to say why',
    description: 'Longest time for one block, all providers and retries included.',
    env: 'PORTOLAN_TIMEOUT',
    flag: 'timeout',
    placeholder: 'DURATION',
    min: 1,
    max: 3_600_000
  },
  'block.maxSize': {
    type: 'bytes',
    default: 2_097_152,
    reason: 'bitswap\'s limit: a larger block travels nowhere else',
    description: 'Largest block accepted from a provider.',
    env: 'PORTOLAN_MAX_BLOCK_SIZE',
    flag: 'max-block-size',
    placeholder: 'BYTES',
    min: 1024,
    max: 134_217_728
  },
  'block.allowSha1': {
    type: 'boolean',
    default: false,
    reason: 'collisions can be made; only git archives still need it',
    description: 'Accept blocks addressed by sha1.',
    env: 'PORTOLAN_ALLOW_SHA1',
    flag: 'allow-sha1'
  },
  ...reportSchema,
  ...exchangeOptions,
  ...sharedCacheOptions,
  ...libp2pSchema,
  ...ledgerSchema,
  'log.level': {
    type: 'choice',
    default: 'info',
    choices: ['error', 'warn', 'info', 'debug', 'trace'],
    reason: 'what an operator should know and no more',
    description: 'What is written to standard error. `debug` adds every component, `trace` everything.',
    env: 'PORTOLAN_LOG_LEVEL',
    flag: 'log-level',
    placeholder: 'LEVEL'
  }
})

export type ConfigKey = keyof typeof schema
