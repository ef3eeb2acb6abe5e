import { fork } from 'node:child_process'
import { once } from 'node:events'

const TIMEOUT = 300_000

export interface Opening {
  /** From the call of `openBlockCache` to its end */
  readonly seconds: number
  /** Of the whole process, after it */
  readonly rssMiB: number
  /** The same before: what the modules take */
  readonly rssBeforeMiB: number
  readonly blocks: number
  readonly segments: number
}

/** A process of its own makes the store, and ends; another one opens it */
export async function opening (path: string, blocks: number): Promise<Opening> {
  await inProcess({ do: 'fill', path, blocks })
  const report = await inProcess({ do: 'open', path, blocks }) as Opening
  if (report.blocks !== blocks) {
    throw new Error(`${report.blocks} blocks came back of ${blocks}`)
  }
  return report
}

async function inProcess (task: object): Promise<unknown> {
  const child = fork(new URL('./opening-process.ts', import.meta.url), [JSON.stringify(task)])
  const late = setTimeout(() => { child.kill('SIGKILL') }, TIMEOUT)
  let report: unknown
  child.once('message', message => { report = message })
  const [code] = await once(child, 'exit') as [number | null]
  clearTimeout(late)

  if (code !== 0) {
    throw new Error(`the process ended with exit code ${code}`)
  }
  return report
}
