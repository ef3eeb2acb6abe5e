import { CID } from 'multiformats/cid'
import { multiaddr } from '@multiformats/multiaddr'
import { encodeMessage } from '../../src/exchange/bitswap/encode-message.ts'
import { bitswapSpy } from './bitswap-spy.ts'
import { median } from '../end-to-end/world.ts'
import { ownProcess } from './own-child.ts'
import { ownFrom, servingOf } from './own-from.ts'
import type { FileInit } from './own-commands.ts'
import type { OwnProcess } from './own-child.ts'
import type { BitswapSpy } from './bitswap-spy.ts'

/** Between two looks at the server's memory, in ms */
const SAMPLE = 25
/** Reads before anything is measured */
const WARM_READS = 4
const DIAL_TIMEOUT = 20_000

export interface SlowReaderFigures {
  /** Milliseconds for the file, medians: alone, and beside a peer that asks for everything and reads nothing */
  readonly alone: number
  readonly beside: number
  /** Bytes by which the server's memory was larger at its largest */
  readonly rss: number
}

/** A new greedy peer each time, since one that was found out is not served */
export async function slowReader (file: FileInit, rounds: number): Promise<SlowReaderFigures> {
  const server = await ownProcess()
  try {
    const serving = await servingOf(server, file)
    const reader = await ownFrom([serving], 'us')
    const times = { alone: [] as number[], beside: [] as number[] }
    let base = 0
    let most = 0

    try {
      // the heap grows to its size in the first reads; no greedy peer has been there yet
      for (let warm = 0; warm < WARM_READS; warm++) {
        const watch = watchMemory(server)
        try {
          await reader.read()
        } finally {
          base = Math.max(base, await watch())
        }
      }

      for (let round = 0; round < rounds; round++) {
        for (const how of ['alone', 'beside'] as const) {
          const greedy = how === 'beside' ? await greedyPeer(server) : undefined
          const watch = watchMemory(server)
          try {
            const { ms } = await reader.read()
            times[how].push(ms)
            most = how === 'beside' ? Math.max(most, await watch()) : most
          } finally {
            await watch()
            await greedy?.stop()
          }
        }
      }
    } finally {
      await reader.stop()
    }
    return { alone: median(times.alone), beside: median(times.beside), rss: most - base }
  } finally {
    await server.stop()
  }
}

/** Wants every block of the file and takes none; resolves once the server has something on its way to it */
async function greedyPeer (server: OwnProcess): Promise<BitswapSpy> {
  const spy = await bitswapSpy({ deaf: true })
  try {
    await spy.libp2p.dial(multiaddr(server.multiaddrs[0] ?? ''), { signal: AbortSignal.timeout(DIAL_TIMEOUT) })
    const stream = await spy.open('/ipfs/bitswap/1.2.0')
    const wants = (await server.tell('keys', null)).map((cid, i) => ({ cid: CID.parse(cid), type: 'block' as const, priority: 1_000_000 - i }))
    for (const piece of encodeMessage({ wants }, '/ipfs/bitswap/1.2.0')) {
      stream.send(piece)
    }
    await spy.until(({ streams }) => streams.length > 0)
    return spy
  } catch (err) {
    await spy.stop()
    throw err
  }
}

function watchMemory (server: OwnProcess): () => Promise<number> {
  let most = 0
  let watching = true
  const watched = (async () => {
    while (watching) {
      most = Math.max(most, (await server.tell('usage', null)).rss)
      await new Promise(resolve => setTimeout(resolve, SAMPLE))
    }
  })()

  return async () => {
    watching = false
    await watched
    return most
  }
}
