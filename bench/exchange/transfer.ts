import { digestOf } from '../../test/interop/sample-data.ts'
import { median } from '../end-to-end/world.ts'

/** One file over one connection, as all sides of a comparison get it */
export interface TransferInit {
  readonly seed: number
  /** Of the file */
  readonly size: number
  /** Of a leaf */
  readonly chunkSize: number
  readonly security: 'tls' | 'noise'
}

/** Two nodes, one of which reads from the other */
export interface Contestant {
  readonly name: string
  readonly size: number
  /** Empties the reader's store, reads the file, and throws unless every byte was right and came from the other node */
  read (): Promise<Reading>
  stop (): Promise<void>
}

export interface Reading {
  readonly ms: number
  readonly firstByteMs: number
}

/** Medians */
export interface TransferFigures {
  /** 10^6 bytes per second */
  readonly mbps: number
  readonly firstByteMs: number
  readonly readings: readonly Reading[]
}

/**
 * All of them in turns, so that whatever the machine does hits all, and in the
 * opposite order every other round, so that what one leaves behind (a warm
 * cache, a busy disk) is not always found by the same one. The first round,
 * which opens streams and compiles code, is not counted.
 */
export async function compare (contestants: readonly Contestant[], rounds: number): Promise<TransferFigures[]> {
  const readings = contestants.map((): Reading[] => [])

  for (let round = -1; round < rounds; round++) {
    const turn = [...contestants.entries()]
    for (const [i, contestant] of round % 2 === 0 ? turn.reverse() : turn) {
      const reading = await contestant.read()
      if (round >= 0) {
        readings[i]?.push(reading)
      }
    }
  }

  return contestants.map(({ size }, i) => {
    const of = readings[i] ?? []
    return { mbps: size / median(of.map(({ ms }) => ms)) / 1000, firstByteMs: median(of.map(({ firstByteMs }) => firstByteMs)), readings: of }
  })
}

/** The stopwatch of every side: from the call to the first byte and to the end. Hashing comes after it. */
export async function timed (start: () => AsyncIterable<Uint8Array>, digest: string): Promise<Reading> {
  const pieces: Uint8Array[] = []
  const begun = performance.now()
  let first: number | undefined

  for await (const piece of start()) {
    first ??= performance.now()
    pieces.push(piece)
  }

  const ended = performance.now()
  if (first == null || digestOf(pieces) !== digest) {
    throw new Error('what was read is not the file')
  }
  return { ms: ended - begun, firstByteMs: first - begun }
}

export function figuresLine ({ mbps, firstByteMs, readings }: TransferFigures): string {
  const each = readings.map(({ ms }) => Math.round(ms)).join(' ')
  return `${mbps.toFixed(1)} MB/s, first byte ${firstByteMs.toFixed(0)} ms (reads: ${each} ms)`
}
