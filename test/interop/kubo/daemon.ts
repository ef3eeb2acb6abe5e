import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { CID } from 'multiformats/cid'
import { kuboConfig, kuboEnv } from './config.ts'
import { KuboRpc } from './rpc.ts'
import type { KuboConfigFile, KuboConfigInit } from './config.ts'
import type { RpcFile, RpcOptions } from './rpc.ts'
import type { ChildProcess } from 'node:child_process'

const run = promisify(execFile)

/** A second on an idle machine: keys, a repository, sockets */
export const DEFAULT_START_TIMEOUT = 60_000

/** Kubo gives up closing after 5 s (`Internal.ShutdownTimeout`); after this it is killed */
export const DEFAULT_STOP_TIMEOUT = 10_000

/** What a daemon says before it fails fits, a debug log does not */
const OUTPUT_LIMIT = 64 * 1024

export interface StartKuboInit extends KuboConfigInit {
  /** The `ipfs` command, see `buildKubo` */
  binary: string
  /** Beyond what a daemon needs, which is little: nothing of this process's environment reaches it */
  env?: Readonly<Record<string, string>>
  signal?: AbortSignal
  /** In ms. @default DEFAULT_START_TIMEOUT */
  timeout?: number
}

export interface AddOptions extends RpcOptions {
  /** Bytes per leaf. @default 262_144, as Kubo ships */
  chunkSize?: number
  /** @default true */
  rawLeaves?: boolean
  /** @default 1 */
  cidVersion?: 0 | 1
}

/** A running daemon. Everything that it is told to keep is unpinned, and nothing collects garbage but `clear`. */
export interface KuboDaemon {
  readonly apiUrl: string
  readonly gatewayUrl: string
  readonly peerId: string
  /** With `/p2p/`: what others dial */
  readonly multiaddrs: readonly string[]
  readonly pid: number
  /** Where its store and its configuration are */
  readonly repo: string
  readonly rpc: KuboRpc

  /** A UnixFS file */
  add (content: RpcFile['content'], options?: AddOptions): Promise<CID>
  /** A UnixFS directory, a HAMT where Kubo finds it too large */
  addDirectory (files: Iterable<RpcFile>, options?: AddOptions): Promise<CID>
  dagPut (bytes: Uint8Array, options?: RpcOptions & { codec?: string }): Promise<CID>
  /** A CAR. Returns how many blocks it held. */
  dagImport (car: RpcFile['content'], options?: RpcOptions): Promise<number>
  /** As a CAR */
  dagExport (root: CID, options?: RpcOptions): AsyncGenerator<Buffer>
  /** With `offline`, from its own store alone */
  cat (path: CID | string, options?: RpcOptions & { offset?: number, length?: number, offline?: boolean }): AsyncGenerator<Buffer>
  /** Names in a directory */
  ls (path: CID | string, options?: RpcOptions): Promise<string[]>
  /** Bytes of a block. Never asks a peer: `undefined` when it is not in the store. */
  blockSize (cid: CID, options?: RpcOptions): Promise<number | undefined>
  /** Every block in the store */
  blocks (options?: RpcOptions): Promise<CID[]>
  /** Empties the store. Returns how many blocks are left: those of a new repository. */
  clear (options?: RpcOptions): Promise<number>
  connect (multiaddr: string, options?: RpcOptions): Promise<void>
  /** Ids and addresses of connected peers */
  peers (options?: RpcOptions): Promise<Array<{ peer: string, address: string }>>
  /** The `ipfs` command against this daemon, such as `ipfs('get', '-o', path, cid)`. Returns its stdout. */
  ipfs (...args: string[]): Promise<string>
  /** What it wrote to stdout and stderr, the end of it */
  output (): string
  /** Ends the process as a crash does, for tests that need one */
  kill (): Promise<void>
  /** Ends the process and removes the repository. May be called twice. */
  stop (): Promise<void>
}

export async function startKubo (init: StartKuboInit): Promise<KuboDaemon> {
  const deadline = AbortSignal.timeout(init.timeout ?? DEFAULT_START_TIMEOUT)
  const signal = init.signal == null ? deadline : AbortSignal.any([deadline, init.signal])
  const repo = await mkdtemp(join(tmpdir(), 'portolan-kubo-'))
  const env = { ...kuboEnv(repo), ...init.env }
  let process: KuboProcess | undefined

  try {
    await run(init.binary, ['init', '--empty-repo', '--profile=test'], { env, signal })
    const made = JSON.parse(await readFile(join(repo, 'config'), 'utf8')) as KuboConfigFile
    await writeFile(join(repo, 'config'), JSON.stringify(kuboConfig(made, init)))

    process = new KuboProcess(init.binary, repo, env)
    await process.ready(signal)
    const apiUrl = httpUrl(await readFile(join(repo, 'api'), 'utf8'))
    const rpc = new KuboRpc(apiUrl)
    const id = JSON.parse(await rpc.text('id', {}, undefined, { signal })) as { ID: string, Addresses: string[] }

    return daemon(init.binary, process, repo, rpc, {
      peerId: id.ID,
      multiaddrs: id.Addresses,
      gatewayUrl: (await readFile(join(repo, 'gateway'), 'utf8')).trim().replace(/\/$/, ''),
      firstBlocks: (await blocks(rpc, { signal })).length
    })
  } catch (err) {
    await process?.stop()
    await rm(repo, { recursive: true, force: true, maxRetries: 3 })
    init.signal?.throwIfAborted()
    throw new Error(`Kubo did not start${process == null ? '' : `:\n${process.output()}`}`, { cause: err })
  }
}

/** The process, and what makes sure that it does not outlive this one */
class KuboProcess {
  readonly child: ChildProcess
  readonly #exited: Promise<unknown>
  readonly #guard: ChildProcess
  #output = ''

  constructor (binary: string, repo: string, env: Record<string, string>) {
    this.child = spawn(binary, ['daemon', '--migrate=false'], { env, stdio: ['ignore', 'pipe', 'pipe'] })
    // rejects where it cannot be spawned
    this.#exited = once(this.child, 'exit')
    this.#exited.catch((err: Error) => { this.#keep(err.message) })
    for (const stream of [this.child.stdout, this.child.stderr]) {
      stream?.setEncoding('utf8').on('data', (part: string) => { this.#keep(part) })
    }
    // Reads until this process ends, however that happens: a test runner kills the ones that hang
    this.#guard = spawn('sh', ['-c', 'read -r _; kill -KILL "$0"; sleep 1; rm -rf "$1"', String(this.child.pid), repo], { stdio: ['pipe', 'ignore', 'ignore'], detached: true })
    this.#guard.on('error', err => { this.#keep(err.message) })
    this.#guard.unref()
    // at once, so that the number it holds cannot be that of another process by then
    this.child.once('exit', () => { this.#guard.kill('SIGKILL') })
  }

  output (): string {
    return this.#output
  }

  async ready (signal: AbortSignal): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      const look = (): void => {
        if (this.#output.includes('Daemon is ready')) {
          resolve()
        }
      }
      this.child.stdout?.on('data', look)
      this.child.once('exit', code => { reject(new Error(`it ended with exit code ${code}`)) })
      this.child.once('error', reject)
      signal.addEventListener('abort', () => { reject(signal.reason as Error) }, { once: true })
      look()
    })
  }

  async stop (): Promise<void> {
    await this.#end('SIGTERM')
  }

  async kill (): Promise<void> {
    await this.#end('SIGKILL')
  }

  async #end (first: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    if (this.child.pid == null || this.child.exitCode != null || this.child.signalCode != null) {
      return
    }
    this.child.kill(first)
    const hard = setTimeout(() => { this.child.kill('SIGKILL') }, DEFAULT_STOP_TIMEOUT)
    try {
      await this.#exited
    } finally {
      clearTimeout(hard)
    }
  }

  #keep (part: string): void {
    this.#output = (this.#output + part).slice(-OUTPUT_LIMIT)
  }
}

interface Facts {
  readonly peerId: string
  readonly multiaddrs: readonly string[]
  readonly gatewayUrl: string
  readonly firstBlocks: number
}

function daemon (binary: string, process: KuboProcess, repo: string, rpc: KuboRpc, { firstBlocks, ...facts }: Facts): KuboDaemon {
  let stopping: Promise<void> | undefined

  return {
    ...facts,
    apiUrl: rpc.url,
    pid: process.child.pid ?? 0,
    repo,
    rpc,

    async add (content, options = {}) {
      const [added] = await rpc.lines<Added>('add', addQuery(options), [{ content }], options)
      return CID.parse(required(added, 'add').Hash)
    },

    async addDirectory (files, options = {}) {
      const added = await rpc.lines<Added>('add', { ...addQuery(options), 'wrap-with-directory': true }, files, options)
      // folders come after what they hold, the one around all of them last
      return CID.parse(required(added.at(-1), 'add').Hash)
    },

    async dagPut (bytes, options = {}) {
      const codec = options.codec ?? 'dag-cbor'
      const [put] = await rpc.lines<{ Cid: { '/': string } }>('dag/put', { 'store-codec': codec, 'input-codec': codec, pin: false }, [{ content: bytes }], options)
      return CID.parse(required(put, 'dag/put').Cid['/'])
    },

    async dagImport (car, options) {
      const lines = await rpc.lines<{ Stats?: { BlockCount: number } }>('dag/import', { 'pin-roots': false, stats: true }, [{ content: car }], options)
      return required(lines.find(line => line.Stats != null)?.Stats, 'dag/import').BlockCount
    },

    dagExport: (root, options) => rpc.stream('dag/export', { arg: root.toString(), progress: false }, undefined, options),

    cat: (path, options) => rpc.stream('cat', { arg: path.toString(), offset: options?.offset, length: options?.length, offline: options?.offline }, undefined, options),

    async ls (path, options) {
      const lines = await rpc.lines<{ Objects: Array<{ Links: Array<{ Name: string }> }> }>('ls', { arg: path.toString(), stream: true, 'resolve-type': false, size: false }, undefined, options)
      return lines.flatMap(line => line.Objects.flatMap(object => object.Links.map(link => link.Name)))
    },

    async blockSize (cid, options) {
      try {
        return (JSON.parse(await rpc.text('block/stat', { arg: cid.toString(), offline: true }, undefined, options)) as { Size: number }).Size
      } catch (err) {
        if (err instanceof Error && err.name === 'KuboRpcError' && err.message.includes('not found')) {
          return undefined
        }
        throw err
      }
    },

    blocks: async options => await blocks(rpc, options),

    async clear (options) {
      await rpc.text('repo/gc', { quiet: true }, undefined, options)
      const left = (await blocks(rpc, options)).length
      if (left > firstBlocks) {
        throw new Error(`${left} blocks are left in a store that began with ${firstBlocks}`)
      }
      return left
    },

    async connect (multiaddr, options) {
      await rpc.text('swarm/connect', { arg: multiaddr }, undefined, options)
    },

    async peers (options) {
      const { Peers } = JSON.parse(await rpc.text('swarm/peers', {}, undefined, options)) as { Peers: Array<{ Peer: string, Addr: string }> | null }
      return (Peers ?? []).map(({ Peer, Addr }) => ({ peer: Peer, address: Addr }))
    },

    async ipfs (...args) {
      const { stdout } = await run(binary, args, { env: kuboEnv(repo), timeout: 120_000, killSignal: 'SIGKILL', maxBuffer: 64 * 1024 * 1024 })
      return stdout
    },

    output: () => process.output(),

    kill: async () => { await process.kill() },

    stop () {
      stopping ??= (async () => {
        rpc.close()
        await process.stop()
        await rm(repo, { recursive: true, force: true, maxRetries: 3 })
      })()
      return stopping
    }
  }
}

interface Added {
  readonly Hash: string
}

function addQuery (options: AddOptions): Record<string, string | number | boolean> {
  return {
    chunker: `size-${options.chunkSize ?? 262_144}`,
    'raw-leaves': options.rawLeaves ?? true,
    'cid-version': options.cidVersion ?? 1,
    pin: false,
    'fast-provide-root': false
  }
}

async function blocks (rpc: KuboRpc, options?: RpcOptions): Promise<CID[]> {
  return (await rpc.lines<{ Ref: string, Err: string }>('refs/local', {}, undefined, options)).map(({ Ref, Err }) => {
    if (Err !== '') {
      throw new Error(`refs/local: ${Err}`)
    }
    return CID.parse(Ref)
  })
}

function required<T> (value: T | undefined, command: string): T {
  if (value == null) {
    throw new Error(`Kubo's ${command} answered nothing`)
  }
  return value
}

/** `/ip4/127.0.0.1/tcp/5001` as a URL */
function httpUrl (multiaddr: string): string {
  const [, host, port] = /^\/ip4\/([\d.]+)\/tcp\/(\d+)/.exec(multiaddr) ?? []
  if (host == null || port == null) {
    throw new Error(`Kubo wrote an address without a port: ${multiaddr}`)
  }
  return `http://${host}:${port}`
}
