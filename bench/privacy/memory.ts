import { fork } from 'node:child_process'
import { once } from 'node:events'
import { median } from '../end-to-end/median.ts'

const TIMEOUT = 120_000
/** A process ends up a few MiB larger or smaller each time, and now and then much larger, where the engine's collector came late */
const ROUNDS = 5

/**
 * The size that V8 begins with here, in MiB. It doubles it, twice 16 MiB at once, when what outlives young collections adds up to
 * as much, of all that the process does together: with or without that step is chance, and what is added to it is measured.
 */
const YOUNG = 16

/** `messages`: on streams of connections of peers who come back; `visits`: their connections alone; `strangers`: connections of peers who come once */
export type TrafficKind = 'messages' | 'visits' | 'strangers'

/** What a process says of itself */
export interface Growth {
  /** Of its RSS over the events, in MiB */
  readonly growth: number
  readonly events: number
  readonly peers: number
  readonly disclosures: number
}

export interface MemoryReport extends Omit<Growth, 'growth'> {
  /** By how much more it grows with a collector and a ledger than without. Nothing is collected that the engine does not collect by itself. */
  readonly causedMiB: number
  readonly watchedMiB: number
  readonly controlMiB: number
  /** The same where the young generation may grow, as it may by default */
  readonly defaultMiB: number
  readonly defaultControlMiB: number
  /** What is still there when all garbage was collected */
  readonly heldMiB: number
}

/** What a collector and a ledger take after so many events, in processes of their own: one each without and with them, as the engine runs and when it has collected */
export async function memory (events: number = 1_000_000, rounds: number = ROUNDS): Promise<MemoryReport> {
  const of = async (watched: 'watched' | 'control', option: string): Promise<Growth[]> => {
    const reports: Growth[] = []
    for (let i = 0; i < rounds; i++) {
      reports.push(await run(events, watched, [option]))
    }
    return reports
  }
  const middle = (reports: readonly Growth[]): number => median(reports.map(({ growth }) => growth))
  const watched = await of('watched', `--max-semi-space-size=${YOUNG}`)
  const control = await of('control', `--max-semi-space-size=${YOUNG}`)
  const { events: seen, peers, disclosures } = watched[0] as Growth

  return {
    causedMiB: middle(watched) - middle(control),
    watchedMiB: middle(watched),
    controlMiB: middle(control),
    defaultMiB: middle(await of('watched', '--no-expose-gc')),
    defaultControlMiB: middle(await of('control', '--no-expose-gc')),
    heldMiB: middle(await of('watched', '--expose-gc')),
    events: seen,
    peers,
    disclosures
  }
}

async function run (events: number, watched: string, execArgv: string[]): Promise<Growth> {
  const child = fork(new URL('./memory-process.ts', import.meta.url), [String(events), watched], { execArgv })
  const late = setTimeout(() => { child.kill('SIGKILL') }, TIMEOUT)
  let report: Growth | undefined
  child.once('message', message => { report = message as Growth })
  const [code] = await once(child, 'exit') as [number | null]
  clearTimeout(late)

  if (code !== 0 || report == null) {
    throw new Error(`the process ended with exit code ${code}`)
  }
  return report
}
