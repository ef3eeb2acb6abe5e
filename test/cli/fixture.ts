import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ChildProcessWithoutNullStreams } from 'node:child_process'

const MAIN = new URL('../../src/cli/main.ts', import.meta.url).pathname

export interface Finished {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

export interface Started {
  readonly child: ChildProcessWithoutNullStreams
  readonly finished: Promise<Finished>
  /** Everything on standard error so far */
  stderr (): string
  /** Resolves when standard error matches; rejects when the process ends before */
  until (pattern: RegExp): Promise<void>
}

/** An environment without options and without a terminal's colours, whatever this machine has set */
function environment (extra: Record<string, string>): NodeJS.ProcessEnv {
  const clean = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(?:PORTOLAN_|NODE_|DEBUG|VITEST|NO_COLOR|FORCE_COLOR)/.test(name)))
  return { ...clean, ...extra }
}

export interface StartInit {
  cwd?: string
  /** The command: one that was built. @default that of the sources */
  main?: string
  /** An open file for what it prints */
  output?: number
  /** What goes before the command */
  before?: readonly string[]
}

export function start (args: readonly string[], env: Record<string, string> = {}, { cwd, main = MAIN, output, before = [] }: StartInit = {}): Started {
  const [command = '', ...rest] = [...before, process.execPath, main, ...args]
  const child = spawn(command, rest, { env: environment(env), cwd, stdio: ['pipe', output ?? 'pipe', 'pipe'] }) as ChildProcessWithoutNullStreams
  let stdout = ''
  let stderr = ''
  ;(child.stdout as typeof child.stdout | null)?.setEncoding('utf8').on('data', chunk => { stdout += chunk as string })
  child.stderr.setEncoding('utf8').on('data', chunk => { stderr += chunk as string })
  const finished = once(child, 'close').then(([code]) => ({ code: code as number | null, stdout, stderr }))

  return {
    child,
    finished,
    stderr: () => stderr,
    async until (pattern) {
      while (!pattern.test(stderr)) {
        await Promise.race([once(child.stderr, 'data'), finished.then(({ code }) => { throw new Error(`ended with ${code} before ${pattern}: ${stderr}`) })])
      }
    }
  }
}

export async function run (args: readonly string[], env?: Record<string, string>, init?: StartInit): Promise<Finished> {
  return await start(args, env, init).finished
}

export interface Serving extends Started {
  readonly gateway: string
  readonly control: string
  readonly token: string
  readonly store: string
}

/** `portolan serve` on free ports */
export async function serve (store: string, args: readonly string[] = []): Promise<Serving> {
  const started = start(['serve', '--store', store, '--port', '0', '--control-port', '0', ...args])
  await started.until(/Ctrl-C stops it/)
  const { url, gateway } = JSON.parse(readFileSync(join(store, 'control.json'), 'utf8')) as { url: string, gateway: string }
  const token = readFileSync(join(store, 'control.token'), 'utf8').trim()

  return { ...started, gateway, control: url, token, store }
}

/** Directories and processes of one test file */
export class Scope {
  readonly #undo: Array<() => unknown> = []

  add (undo: () => unknown): void {
    this.#undo.push(undo)
  }

  directory (): string {
    const path = mkdtempSync(join(tmpdir(), 'portolan-cli-'))
    this.add(() => { rmSync(path, { recursive: true, force: true }) })
    return path
  }

  async serve (store: string, args?: readonly string[]): Promise<Serving> {
    const serving = await serve(store, args)
    this.add(async () => {
      serving.child.kill('SIGKILL')
      await serving.finished
    })
    return serving
  }

  async close (): Promise<void> {
    for (const undo of this.#undo.splice(0).reverse()) {
      await undo()
    }
  }
}
