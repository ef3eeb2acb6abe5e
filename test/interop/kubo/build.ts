/**
 * Builds the `ipfs` command of the Kubo that `go.mod` pins. As a program, it
 * builds (CI does so before the suites that need it) and prints the path.
 */
import { execFile } from 'node:child_process'
import { createHash, randomUUID } from 'node:crypto'
import { mkdir, readFile, rename, rm, stat } from 'node:fs/promises'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)

/** Two minutes on two idle cores, with an empty module cache and neighbours several times that */
export const DEFAULT_KUBO_BUILD_TIMEOUT = 600_000

/** Static, and the same from whatever folder it is built */
const BUILD_ARGUMENTS = ['build', '-mod=readonly', '-trimpath', '-buildvcs=false']
const BUILD_ENV = { CGO_ENABLED: '0', GOTOOLCHAIN: 'local', GOWORK: 'off' }
const COMMAND_PACKAGE = 'github.com/ipfs/kubo/cmd/ipfs'

export interface BuildKuboOptions {
  /** In ms. @default DEFAULT_KUBO_BUILD_TIMEOUT */
  timeout?: number
  signal?: AbortSignal
  /** Where the binary is kept. @default `portolan/` below the user's cache folder */
  cache?: string
  /** The Go command. @default 'go', or where go.dev's archive puts it */
  go?: string
  /** Told when a build begins, since it takes minutes */
  log? (line: string): void
}

/** `path` of the `ipfs` command, or the reason why there is none */
export type KuboBuild =
  | { readonly path: string, readonly version: string, readonly reason?: undefined }
  | { readonly path?: undefined, readonly version?: undefined, readonly reason: string }

/**
 * Builds once per machine and pinned version, outside the tree. Two processes
 * that build at the same time do not harm each other: each builds its own file
 * and renames it over the other's.
 */
export async function buildKubo (options: BuildKuboOptions = {}): Promise<KuboBuild> {
  const module = import.meta.dirname
  const manifest = await readFile(join(module, 'go.mod'), 'utf8')
  const version = /^require github\.com\/ipfs\/kubo (v\S+)$/m.exec(manifest)?.[1]
  if (version == null) {
    throw new Error(`${join(module, 'go.mod')} pins no github.com/ipfs/kubo`)
  }

  const recipe = createHash('sha256')
    .update(JSON.stringify([manifest, await readFile(join(module, 'go.sum'), 'utf8'), BUILD_ARGUMENTS, BUILD_ENV, process.platform, process.arch]))
    .digest('hex').slice(0, 12)
  const path = join(options.cache ?? defaultCache(), `kubo-${version}-${recipe}`, 'ipfs')
  if (await isFile(path)) {
    return { path, version }
  }

  const go = options.go ?? await findGo()
  if (go == null) {
    return { reason: 'Go is missing: building Kubo needs Go 1.26 or newer' }
  }

  const own = `${path}.${randomUUID()}`
  try {
    options.log?.(`Building Kubo ${version} with ${go}, which takes about two minutes, into ${path}`)
    await mkdir(dirname(path), { recursive: true })
    await run(go, [...BUILD_ARGUMENTS, '-o', own, COMMAND_PACKAGE], {
      cwd: module,
      env: { ...process.env, ...BUILD_ENV, GOFLAGS: '' },
      timeout: options.timeout ?? DEFAULT_KUBO_BUILD_TIMEOUT,
      killSignal: 'SIGKILL',
      signal: options.signal,
      maxBuffer: 64 * 1024 * 1024
    })
    await rename(own, path)
    return { path, version }
  } catch (err) {
    options.signal?.throwIfAborted()
    await rm(own, { force: true })
    return { reason: `Kubo ${version} could not be built: ${failureText(err)}` }
  }
}

/** Not below the temporary folder, which others may write to: what lies here is executed */
function defaultCache (): string {
  const xdg = process.env.XDG_CACHE_HOME
  return join(xdg == null || xdg === '' ? join(homedir(), '.cache') : xdg, 'portolan')
}

async function isFile (path: string): Promise<boolean> {
  try {
    return (await stat(path)).isFile()
  } catch (err) {
    if ((err as NodeJS.ErrnoException).code === 'ENOENT') {
      return false
    }
    throw err
  }
}

async function findGo (): Promise<string | undefined> {
  for (const go of ['go', '/usr/local/go/bin/go']) {
    try {
      await run(go, ['version'], { timeout: 20_000 })
      return go
    } catch (err) {
      if ((err as NodeJS.ErrnoException).code !== 'ENOENT') {
        throw err
      }
    }
  }
}

/** What Go said last is the error; before it come the downloads */
function failureText (err: unknown): string {
  const { stderr, killed, message } = err as { stderr?: string, killed?: boolean, message: string }
  if (killed === true) {
    return 'it took too long'
  }
  const said = stderr?.trim().split('\n').slice(-8).join('\n')
  return said == null || said === '' ? message : said
}

if (import.meta.main) {
  const { path, reason } = await buildKubo({ log: line => { console.error(line) } })
  if (reason != null) {
    console.error(reason)
    process.exit(1)
  }
  console.log(path)
}
