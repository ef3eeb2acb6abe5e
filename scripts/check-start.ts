/**
 * `npm start` as a newcomer has it, on free ports and with a store of its own:
 * the welcome site answers, and Ctrl-C ends it cleanly.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { AddressInfo } from 'node:net'

/** A first start makes keys and a store: seconds, on a busy machine tens of them */
const START_TIMEOUT = 60_000
const STOP_TIMEOUT = 30_000

async function freePort (): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

async function answer (url: string): Promise<Response> {
  for (const end = Date.now() + START_TIMEOUT; ; await sleep(100)) {
    try {
      return await fetch(url)
    } catch (err) {
      if (Date.now() > end || child.exitCode != null) {
        throw new Error(`${url} does not answer`, { cause: err })
      }
    }
  }
}

/** npm may end before the node does: nobody is left in the process group */
async function gone (): Promise<void> {
  for (const end = Date.now() + STOP_TIMEOUT; ; await sleep(50)) {
    try {
      signal(0)
    } catch {
      return
    }
    if (Date.now() > end) {
      throw new Error('the node goes on after Ctrl-C')
    }
  }
}

const store = await mkdtemp(join(tmpdir(), 'portolan-start-'))
const port = await freePort()
const child = spawn('npm', ['start'], {
  cwd: join(import.meta.dirname, '..'),
  // a group of its own: Ctrl-C in a terminal reaches npm and the node alike
  detached: true,
  stdio: ['ignore', 'inherit', 'inherit'],
  env: { ...process.env, PORTOLAN_STORE: store, PORTOLAN_GATEWAY_PORT: String(port), PORTOLAN_CONTROL_PORT: String(await freePort()) }
})
const exited = once(child, 'exit')
const signal = (name: NodeJS.Signals | 0): void => { process.kill(-(child.pid ?? 0), name) }

try {
  const live = await answer(`http://127.0.0.1:${port}/live`)
  const site = await answer(`http://127.0.0.1:${port}/`)
  const html = await site.text()

  if (!live.ok || !site.ok || !html.includes('<html')) {
    throw new Error(`/live answered ${live.status}, / answered ${site.status} with ${html.length} characters`)
  }

  signal('SIGINT')
  const timeout = AbortSignal.timeout(STOP_TIMEOUT)
  const [code, by] = await Promise.race([exited, once(timeout, 'abort').then(() => { throw new Error('Ctrl-C did not end it') })]) as [number | null, string | null]

  // npm passes the interrupt on to its own end, whatever the node exits with
  if (code !== 0 && code !== 130 && by !== 'SIGINT') {
    throw new Error(`Ctrl-C ended it with ${by ?? `exit code ${code}`}`)
  }
  await gone()
  console.log(`the welcome site has ${html.length} characters; Ctrl-C ended the node`)
} finally {
  try {
    signal('SIGKILL')
  } catch (err) {
    // ESRCH: it has ended, as it should
    if ((err as NodeJS.ErrnoException).code !== 'ESRCH') {
      console.error(err)
    }
  }
  await rm(store, { recursive: true, force: true })
}
