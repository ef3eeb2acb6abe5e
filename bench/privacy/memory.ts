import { fork } from 'node:child_process'
import { once } from 'node:events'

const TIMEOUT = 120_000

export interface MemoryReport {
  /** Of the process, by which it grew while the events were watched, beyond what the same events left without */
  readonly grownMiB: number
  /** The same before garbage is collected and empty pages are given back: a million events in two seconds leave much */
  readonly burstMiB: number
  readonly events: number
  readonly peers: number
  readonly disclosures: number
}

/** What a collector and a ledger take after so many events, in a process of its own */
export async function memory (events: number = 1_000_000): Promise<MemoryReport> {
  const child = fork(new URL('./memory-process.ts', import.meta.url), [String(events)], { execArgv: ['--expose-gc'] })
  const late = setTimeout(() => { child.kill('SIGKILL') }, TIMEOUT)
  let report: MemoryReport | undefined
  child.once('message', message => { report = message as MemoryReport })
  const [code] = await once(child, 'exit') as [number | null]
  clearTimeout(late)

  if (code !== 0 || report == null) {
    throw new Error(`the process ended with exit code ${code}`)
  }
  return report
}
