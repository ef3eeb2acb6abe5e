import { InvalidOptionError } from '../../interface/errors.ts'
import { quote } from '../../interface/quote.ts'

/**
 * In bytes. Small blocks are what every read of a DAG needs first (directories, roots of
 * files, shards), and where asking another node costs most for what it brings. 64 KiB is half a
 * millisecond of a gigabit line; a leaf of 256 KiB or 1 MiB would hold up the replies behind it on
 * the one connection, and belongs on a disk.
 */
export const DEFAULT_MAX_BLOCK_BYTES = 65_536

/** A block never changes: time only takes away what nobody has asked for since, where the server itself does not */
export const DEFAULT_TTL = 86_400_000

/** In ms. A provider nearby answers within this: who waits longer would have had the block from there */
export const DEFAULT_TIMEOUT = 50

/** In ms, for name lookup, TCP, TLS and login together; nobody waits for it but the start */
export const DEFAULT_CONNECT_TIMEOUT = 1000

/** Says whose keys they are, and how they are made */
export const DEFAULT_KEY_PREFIX = 'portolan:1:'

export interface RedisTierInit {
  /** `redis://` or, for TLS, `rediss://`, as in `rediss://user:password@cache.example:6380/0` */
  readonly url: string
  /** Of an ACL. @default the one in the URL, else the server's `default` */
  readonly username?: string
  /** Asked for again at each connection where it is a function, so that it can change. @default the one in the URL */
  readonly password?: string | (() => string | Promise<string>)
  /** Certificate authorities trusted instead of the machine's, as PEM */
  readonly ca?: string | readonly string[]
  /** What every key begins with. @default `portolan:1:` */
  readonly keyPrefix?: string
  /** Larger blocks are neither written nor taken, in bytes. @default 65_536 */
  readonly maxBlockBytes?: number
  /** How long a block stays after it was written, in ms. @default 86_400_000 */
  readonly ttl?: number
  /** How long a read waits for an answer, in ms. @default 50 */
  readonly timeout?: number
  /** How long a connection may take to be made, in ms. @default 1_000 */
  readonly connectTimeout?: number
}

export interface RedisServer {
  readonly host: string
  readonly port: number
  readonly tls: boolean
  readonly ca?: string | readonly string[]
  readonly database: number
  readonly username?: string
  readonly password: () => Promise<string | undefined>
}

export interface RedisOptions {
  readonly server: RedisServer
  /** Where it is, without who logs in: for logs and the ledger */
  readonly name: string
  readonly keyPrefix: string
  readonly maxBlockBytes: number
  readonly ttl: number
  readonly timeout: number
  readonly connectTimeout: number
}

/** Throws an `InvalidOptionError`, which never shows the URL: there may be a password in it */
export function redisOptions (init: RedisTierInit): RedisOptions {
  const server = serverOf(init)
  return {
    server,
    name: `${server.tls ? 'rediss' : 'redis'}://${server.host.includes(':') ? `[${server.host}]` : server.host}:${server.port}`,
    keyPrefix: prefix(init.keyPrefix ?? DEFAULT_KEY_PREFIX),
    maxBlockBytes: whole('maxBlockBytes', init.maxBlockBytes ?? DEFAULT_MAX_BLOCK_BYTES, 1, 1_048_576),
    ttl: whole('ttl', init.ttl ?? DEFAULT_TTL, 1000, 31_536_000_000),
    timeout: whole('timeout', init.timeout ?? DEFAULT_TIMEOUT, 1, 10_000),
    connectTimeout: whole('connectTimeout', init.connectTimeout ?? DEFAULT_CONNECT_TIMEOUT, 1, 60_000)
  }
}

function serverOf (init: RedisTierInit): RedisServer {
  const url = parse(init.url)
  const username = init.username ?? decoded(url.username)
  const password = init.password ?? decoded(url.password)
  const { ca } = init

  if (username != null && (typeof username !== 'string' || username === '' || /[\s\0]/.test(username))) {
    throw new InvalidOptionError(`the user name of the shared cache must be a text without spaces, got ${quote(username)}`)
  }
  if (password != null && typeof password !== 'function' && (typeof password !== 'string' || password === '')) {
    throw new InvalidOptionError('the password of the shared cache must be a text, or a function that gives one (it is not shown)')
  }
  if (username != null && password == null) {
    throw new InvalidOptionError(`the shared cache has the user name ${quote(username)} and no password`)
  }
  if (ca != null && url.protocol !== 'rediss:') {
    throw new InvalidOptionError('the shared cache has a certificate authority, but its URL begins with redis:// and so is without TLS: write rediss://')
  }
  if (ca != null && ![ca].flat().every(pem => typeof pem === 'string' && pem.includes('-----BEGIN CERTIFICATE-----'))) {
    throw new InvalidOptionError('the certificate authority of the shared cache must be PEM: text with a line "-----BEGIN CERTIFICATE-----"')
  }

  return {
    host: url.hostname.replace(/^\[|\]$/g, ''),
    port: url.port === '' ? 6379 : Number(url.port),
    tls: url.protocol === 'rediss:',
    ca,
    database: database(url.pathname),
    username,
    password: async () => typeof password === 'function' ? given(await password()) : password
  }
}

function parse (text: string): URL {
  const url = typeof text === 'string' ? URL.parse(text) : null

  if (url == null || !['redis:', 'rediss:'].includes(url.protocol) || url.hostname === '' || url.port === '0' || url.search !== '' || url.hash !== '') {
    throw new InvalidOptionError('the URL of the shared cache must be like redis://HOST:PORT or rediss://HOST:PORT/DATABASE, with nothing after it (it is not shown, there may be a password in it)')
  }
  return url
}

function decoded (part: string): string | undefined {
  if (part === '') {
    return undefined
  }
  try {
    return decodeURIComponent(part)
  } catch {
    throw new InvalidOptionError('the user name or password in the URL of the shared cache is not percent-encoded correctly (it is not shown)')
  }
}

function given (password: unknown): string {
  if (typeof password !== 'string' || password === '') {
    throw new InvalidOptionError('the password of the shared cache is empty')
  }
  return password
}

function database (path: string): number {
  const text = path.replace(/^\//, '')
  if (text !== '' && !/^\d{1,5}$/.test(text)) {
    throw new InvalidOptionError(`the path in the URL of the shared cache is the number of a database, got ${quote(text)}`)
  }
  return Number(text)
}

function prefix (value: string): string {
  if (typeof value !== 'string' || !/^[\x21-\x7e]{1,64}$/.test(value)) {
    throw new InvalidOptionError(`keyPrefix must be 1 to 64 printable ASCII characters without spaces, got ${quote(value)}`)
  }
  return value
}

function whole (name: string, value: number, min: number, max: number): number {
  if (!Number.isSafeInteger(value) || value < min || value > max) {
    throw new InvalidOptionError(`${name} of the shared cache must be a whole number from ${min} to ${max}, got ${quote(value)}`)
  }
  return value
}
