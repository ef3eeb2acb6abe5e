import { median } from '../end-to-end/world.ts'
import { heliaFromHelia } from './helia-from-helia.ts'
import { kuboFrom, kuboServing } from './kubo-from.ts'
import { ownFrom, ownServing } from './own-from.ts'
import { compare, figuresLine } from './transfer.ts'
import type { KuboInit } from './kubo-from.ts'
import type { FileInit, Serving } from './own-commands.ts'
import type { OwnContestant } from './own-from.ts'
import type { Contestant, TransferFigures } from './transfer.ts'

/** Who reads from whom */
export type Pairing = 'kuboFromKubo' | 'ownFromKubo' | 'kuboFromOwn' | 'ownFromOwn' | 'ownFromOne' | 'ownFromThree' | 'heliaFromHelia'

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
  /** Bytes over the sockets with three providers / bytes of the file, the median */
  readonly threeProvidersBytes?: number
}

const SOURCES = 3

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
  const received: number[] = []

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
        return noting(keep(await ownFrom(await servers(many, SOURCES), `us from three (${many})`)), bytes => { received.push(bytes) })
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
    // the first is that of the round which is not counted
    return { figures, ...received.length > 1 ? { threeProvidersBytes: median(received.slice(1)) / file.size } : {} }
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

function noting (contestant: OwnContestant, note: (received: number) => void): Contestant {
  return {
    ...contestant,
    async read () {
      const reading = await contestant.read()
      note(reading.received)
      return reading
    }
  }
}
