import { buildKubo } from './kubo/build.ts'
import { startKubo } from './kubo/daemon.ts'
import type { BuildKuboOptions } from './kubo/build.ts'
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
export async function requireKubo (options: BuildKuboOptions & { ci?: boolean } = {}): Promise<Kubos | undefined> {
  const log = options.log ?? (line => { console.log(line) })
  const { path, reason } = await buildKubo({ ...options, log })
  if (path == null) {
    if (options.ci ?? (process.env.CI ?? '') !== '') {
      throw new Error(reason)
    }
    log(`Skipped: ${reason}`)
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
