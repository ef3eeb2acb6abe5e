import { buildKubo } from './kubo/build.ts'
import { startKubo } from './kubo/daemon.ts'
import type { KuboDaemon, StartKuboInit } from './kubo/daemon.ts'

/** The daemons of one test file, all of which `stop` ends */
export interface Kubos {
  /** The `ipfs` command */
  readonly binary: string
  start (init?: Omit<StartKuboInit, 'binary'>): Promise<KuboDaemon>
  stop (): Promise<void>
}

/**
 * For `describe.skipIf(kubos == null)`. Where Kubo cannot be had, the suite says
 * why and skips; in CI that is a failure.
 */
export async function requireKubo (): Promise<Kubos | undefined> {
  const { path, reason } = await buildKubo({ log: line => { console.log(line) } })
  if (path == null) {
    if (process.env.CI != null && process.env.CI !== '') {
      throw new Error(reason)
    }
    console.log(`Skipped: ${reason}`)
    return
  }

  const running: KuboDaemon[] = []
  return {
    binary: path,

    async start (init) {
      const kubo = await startKubo({ ...init, binary: path })
      running.push(kubo)
      return kubo
    },
    async stop () {
      await Promise.all(running.splice(0).map(async kubo => { await kubo.stop() }))
    }
  }
}
