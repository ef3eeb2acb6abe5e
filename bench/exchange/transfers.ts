import { median } from '../end-to-end/world.ts'
import { heliaFromHelia } from './helia-from-helia.ts'
import { kuboFrom, kuboServing } from './kubo-from.ts'
import { limitedLines } from './limited-lines.ts'
import { ownFrom, ownServing } from './own-from.ts'
import { compare, figuresLine } from './transfer.ts'
import type { KuboInit } from './kubo-from.ts'
import type { FileInit, OwnReading, Serving } from './own-commands.ts'
import type { OwnContestant } from './own-from.ts'
import type { Contestant, TransferFigures } from './transfer.ts'

/** Who reads from whom; `Limited` are those at the other end of a line of `LINE_PACE` each */
export type Pairing = 'kuboFromKubo' | 'ownFromKubo' | 'kuboFromOwn' | 'ownFromOwn' | 'ownFromOne' | 'ownFromThree' | 'ownFromOneLimited' | 'ownFromThreeLimited' | 'heliaFromHelia'

export interface TransfersInit {
  readonly file: FileInit
  readonly security: 'tls' | 'noise'
  readonly pairings: readonly Pairing[]
  readonly rounds: number
  /** The `ipfs` command; pairings that need it are left out where there is none */
  readonly kubo?: string
  log (line: string): void
}

export interface Transfers {
  readonly figures: ReadonlyMap<Pairing, TransferFigures>
  /** Bytes over the sockets with several providers / bytes of the file, medians */
  readonly bytes: ReadonlyMap<Pairing, number>
  /** What each of several limited lines brought, in shares of the file, medians; the least first */
  readonly shares?: readonly number[]
}

const SOURCES = 3
/** Bytes per second: so far below what processors can that the line decides, for three of them together too */
export const LINE_PACE = 20_000_000

/** Every pairing in turns, each node of ours and each Kubo in a process of its own, all stopped at the end */
export async function transfers ({ file, security, pairings, rounds, kubo, log }: TransfersInit): Promise<Transfers> {
  const running: Array<{ stop (): Promise<void> }> = []
  const keep = <T extends { stop (): Promise<void> }>(one: T): T => {
    running.push(one)
    return one
  }
  const serving: { kubo: Serving[], own: Serving[] } = { kubo: [], own: [] }
  const servers = async (who: 'kubo' | 'own', count: number): Promise<Serving[]> => {
    while (serving[who].length < count) {
      serving[who].push(keep(who === 'own' ? await ownServing(file) : await kuboServing(kuboInit(kubo, security), file)))
    }
    return serving[who].slice(0, count)
  }
  // three providers are Kubos, as users find them, or where there are none our own
  const many = kubo == null ? 'own' : 'kubo'
  const received = new Map<Pairing, number[]>()
  const noted = (pairing: Pairing, contestant: OwnContestant): OwnContestant => {
    const bytes: number[] = []
    received.set(pairing, bytes)
    return after(contestant, ({ received }) => { bytes.push(received) })
  }
  const shares: number[][] = []
  const limited = async (pairing: Pairing, count: number): Promise<Contestant> => {
    const lines = keep(await limitedLines(await servers(many, count), LINE_PACE))
    const contestant = keep(await ownFrom(lines.servers, `us from ${count === 1 ? 'one' : 'three'} over ${LINE_PACE / 1e6} MB/s each (${many})`))
    let before = await lines.passed()
    return after(count === 1 ? contestant : noted(pairing, contestant), async () => {
      const now = await lines.passed()
      const each = now.map((bytes, line) => (bytes - (before[line] ?? 0)) / file.size).sort((a, b) => a - b)
      before = now
      if (each.reduce((sum, share) => sum + share, 0) < 1) {
        throw new Error('the file did not come over the lines alone')
      }
      if (count > 1) {
        shares.push(each)
      }
    })
  }

  const enter = async (pairing: Pairing): Promise<Contestant | undefined> => {
    switch (pairing) {
      case 'kuboFromKubo':
        return kubo == null ? undefined : keep(await kuboFrom(kuboInit(kubo, security), (await servers('kubo', 1))[0] as Serving, 'Kubo from Kubo'))
      case 'kuboFromOwn':
        return kubo == null ? undefined : keep(await kuboFrom(kuboInit(kubo, security), (await servers('own', 1))[0] as Serving, 'Kubo from us'))
      case 'ownFromKubo':
        return kubo == null ? undefined : keep(await ownFrom(await servers('kubo', 1), 'us from Kubo'))
      case 'ownFromOwn':
        return keep(await ownFrom(await servers('own', 1), 'us from us'))
      case 'ownFromOne':
        return keep(await ownFrom(await servers(many, 1), `us from one (${many})`))
      case 'ownFromThree':
        return noted(pairing, keep(await ownFrom(await servers(many, SOURCES), `us from three (${many})`)))
      case 'ownFromOneLimited':
        return await limited(pairing, 1)
      case 'ownFromThreeLimited':
        return await limited(pairing, SOURCES)
      default:
        return keep(await heliaFromHelia({ ...file, security }))
    }
  }

  try {
    const entered: Array<readonly [Pairing, Contestant]> = []
    for (const pairing of pairings) {
      const contestant = await enter(pairing)
      if (contestant != null) {
        entered.push([pairing, contestant])
      }
    }
    const results = await compare(entered.map(([, contestant]) => contestant), rounds)
    const figures = new Map<Pairing, TransferFigures>()
    for (const [i, [pairing, { name }]] of entered.entries()) {
      const result = results[i] as TransferFigures
      figures.set(pairing, result)
      log(`${name}, leaves of ${file.chunkSize / 1024} KiB, ${security}: ${figuresLine(result)}`)
    }
    // the first are those of the round which is not counted
    const bytes = new Map([...received].map(([pairing, each]) => [pairing, median(each.slice(1)) / file.size]))
    const counted = shares.slice(1)
    return { figures, bytes, ...counted.length === 0 ? {} : { shares: Array.from({ length: SOURCES }, (_, place) => median(counted.map(each => each[place] ?? 0))) } }
  } finally {
    await Promise.all(running.map(async one => { await one.stop() }))
  }
}

function kuboInit (binary: string | undefined, security: 'tls' | 'noise'): KuboInit {
  if (binary == null) {
    throw new Error('there is no Kubo')
  }
  return { binary, security }
}

function after (contestant: OwnContestant, look: (reading: OwnReading) => void | Promise<void>): OwnContestant {
  return {
    ...contestant,
    async read () {
      const reading = await contestant.read()
      await look(reading)
      return reading
    }
  }
}
