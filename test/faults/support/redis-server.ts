import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { Redis } from 'ioredis'
import type { ChildProcess } from 'node:child_process'
import type { AddressInfo } from 'node:net'

const run = promisify(execFile)

/** A `redis-server` of this test alone, on loopback, that keeps nothing on disk */
export interface RedisServer {
  readonly port: number
  /** Of the server itself, for signals */
  readonly pid: number
  /** For what a test wants to do or see behind the tier's back */
  readonly admin: Redis
  /** What `redis-server` of the same port and configuration began anew */
  again (): Promise<RedisServer>
  /** SIGKILL, also when it is stopped; idempotent */
  kill (): Promise<void>
}

export interface RedisServerInit {
  readonly port?: number
  /** Lines of its configuration */
  readonly config?: readonly string[]
  /** With this certificate and key, and nothing but TLS */
  readonly tls?: { readonly cert: string, readonly key: string }
}

/** Why there can be none here */
export async function noRedis (): Promise<string | undefined> {
  try {
    await run('redis-server', ['--version'])
    return undefined
  } catch (err) {
    return `redis-server cannot be run: ${(err as Error).message}`
  }
}

/** As a cache should be configured */
export const CACHE = ['maxmemory 64mb', 'maxmemory-policy allkeys-lru']

export async function startRedis (init: RedisServerInit = {}): Promise<RedisServer> {
  const { config = CACHE, tls } = init
  const port = init.port ?? await freePort()
  const directory = await mkdtemp(join(tmpdir(), 'portolan-redis-'))
  const file = (name: string): string => join(directory, name)

  await writeFile(file('redis.conf'), [
    'bind 127.0.0.1',
    'save ""',
    'appendonly no',
    `dir ${directory}`,
    `unixsocket ${file('redis.sock')}`,
    // whatever a test makes of the default user
    'user admin on >admin ~* &* +@all',
    ...tls == null
      ? [`port ${port}`]
      : ['port 0', `tls-port ${port}`, `tls-cert-file ${file('cert.pem')}`, `tls-key-file ${file('key.pem')}`, `tls-ca-cert-file ${file('cert.pem')}`, 'tls-auth-clients no'],
    ...config
  ].join('\n'))
  await writeFile(file('cert.pem'), tls?.cert ?? '')
  await writeFile(file('key.pem'), tls?.key ?? '')

  // the shell waits for the end of this process, however it comes, and ends the server then
  const guard = spawn('sh', ['-c', 'redis-server "$0" > /dev/null 2>&1 & echo $!; read -r _; kill -9 $! 2> /dev/null; wait', file('redis.conf')], { stdio: ['pipe', 'pipe', 'inherit'] })
  const pid = Number(String((await once(guard.stdout, 'data'))[0]))
  // through a socket in a directory of its own: no certificate, no other server on that port
  const admin = new Redis({ path: file('redis.sock'), username: 'admin', password: 'admin', retryStrategy: times => times > 200 ? null : 25, maxRetriesPerRequest: 200 })
  admin.on('error', () => {})

  let ended: Promise<void> | undefined
  const server: RedisServer = {
    port,
    pid,
    admin,
    async again () {
      await server.kill()
      return startRedis({ ...init, port })
    },
    async kill () {
      ended ??= end(guard, admin, directory)
      await ended
    }
  }
  try {
    await admin.ping()
  } catch (err) {
    await server.kill()
    throw err
  }
  return server
}

async function end (guard: ChildProcess, admin: Redis, directory: string): Promise<void> {
  admin.disconnect()
  const ended = once(guard, 'exit')
  guard.stdin?.end()
  await ended
  await rm(directory, { recursive: true })
}

async function freePort (): Promise<number> {
  const listener = createServer()
  listener.listen(0, '127.0.0.1')
  await once(listener, 'listening')
  const { port } = listener.address() as AddressInfo
  listener.close()
  await once(listener, 'close')
  return port
}
