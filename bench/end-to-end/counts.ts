import { CID } from 'multiformats/cid'
import { sha256 } from 'multiformats/hashes/sha2'
import { blockKey } from '../../src/block/key.ts'
import { loopbackProvider } from '../../src/testing/loopback-provider.ts'
import { sampleFile } from '../../src/testing/sample-file.ts'
import { getBlock, readFile, trial, world } from './world.ts'
import type { LoopbackBehaviour } from '../../src/testing/loopback-behaviour.ts'
import type { LoopbackProvider } from '../../src/testing/loopback-provider.ts'
import type { Side } from './world.ts'

/** What a public gateway on the same continent takes to its first byte */
export const TYPICAL: LoopbackBehaviour = { kind: 'good', firstByte: [30, 60] }

/** What one side did in one case; `note` explains a number that is not the whole story */
export interface Figure {
  readonly value: number
  readonly note?: string
  readonly ms?: number
  /** The reads did not go as they should: the value proves nothing */
  readonly failed?: boolean
}

const KIB = 1024

/** E1: 25 readers of one CID at once; requests seen by three gateways that have it */
export async function coalesced (side: Side, seed: number): Promise<Figure> {
  const file = await sampleFile({ size: 64 * KIB, seed })
  const w = await world({ side, seed, blocks: file.blocks, gateways: [TYPICAL, TYPICAL, TYPICAL] })
  try {
    const result = await trial(10_000, async signal => {
      await Promise.all(Array.from({ length: 25 }, async () => await getBlock(w.helia.blockstore, file.root, signal)))
    })
    return { value: w.requests(), failed: result.outcome !== 'ok', note: result.error ?? endNote(result.outcome) }
  } finally {
    await w.close()
  }
}

/** E2: 25 gets, one after the other, of a CID nobody has; how often the one gateway was asked */
export async function negative (side: Side, seed: number): Promise<Figure> {
  const w = await world({ side, seed, blocks: new Map(), gateways: [TYPICAL] })
  const cid = await absent(seed)
  const start = performance.now()
  try {
    let found = 0
    for (let i = 0; i < 25; i++) {
      const result = await trial(5000, async signal => await getBlock(w.helia.blockstore, cid, signal))
      found += result.outcome === 'fails' ? 0 : 1
    }
    const elapsed = performance.now() - start
    // the window is 15 s: a slower run would rightly ask again
    const note = found > 0 ? `${found} did not fail` : elapsed > 15_000 ? `took ${Math.round(elapsed)} ms` : undefined
    return { value: w.requests(), failed: note != null, note }
  } finally {
    await w.close()
  }
}

/** E4: 20 blocks; garbage after 200 ms, HTTP 500 after 300 ms, good after 1 ms, always found in this order */
export async function learns (side: Side, seed: number): Promise<Figure> {
  const file = await sampleFile({ size: 20 * 16 * KIB, chunkSize: 16 * KIB, seed })
  const gateways: LoopbackBehaviour[] = [{ kind: 'garbage', firstByte: 200 }, { kind: 'error', firstByte: 300 }, { kind: 'good', firstByte: 1 }]
  const w = await world({ side, seed, blocks: file.blocks, gateways })
  try {
    const result = await trial(30_000, async signal => {
      for (const cid of file.others) {
        await getBlock(w.helia.blockstore, cid, signal)
      }
    })
    const asked = w.gateways.map(gateway => gateway.requests.length)
    const note = `asked ${asked.join('/')}${result.outcome === 'ok' ? '' : `, ${result.outcome}`}`
    return { value: Math.max(asked[0] ?? 0, asked[1] ?? 0), note, ms: result.ms, failed: result.outcome !== 'ok' }
  } finally {
    await w.close()
  }
}

/** E5: a file of 100 KiB in chunks of 1 KiB with 65 unique blocks, five gateways, no session */
export async function fileRead (side: Side, seed: number): Promise<{ lookups: number, requests: number, ms: number, note?: string }> {
  const file = await sampleFile({ size: 100 * KIB, chunkSize: KIB, distinct: 64, seed })
  const w = await world({ side, seed, blocks: file.blocks, gateways: [TYPICAL, TYPICAL, TYPICAL, TYPICAL, TYPICAL] })
  try {
    const result = await trial(20_000, async signal => { await readFile(w.helia, file, { session: false, signal }) })
    return {
      lookups: w.router.lookups.length,
      requests: w.requests(),
      ms: result.ms,
      note: result.outcome === 'ok' ? undefined : result.error ?? result.outcome
    }
  } finally {
    await w.close()
  }
}

/** E6: the fastest gateway has the root and half of the leaves, four others have all. 1 when the bytes came. */
export async function partial (side: Side, seed: number, session: boolean): Promise<Figure> {
  const file = await sampleFile({ size: 100 * KIB, chunkSize: KIB, distinct: 64, seed })
  const fastest: LoopbackBehaviour = { kind: 'partial', firstByte: 20, except: new Set([blockKey(file.root)]) }
  const w = await world({ side, seed, blocks: file.blocks, gateways: [fastest, TYPICAL, TYPICAL, TYPICAL, TYPICAL] })
  try {
    const result = await trial(10_000, async signal => { await readFile(w.helia, file, { session, signal }) })
    return { value: result.outcome === 'ok' ? 1 : 0, ms: result.ms, note: result.outcome === 'ok' ? undefined : result.outcome }
  } finally {
    await w.close()
  }
}

/** E8: eight equal gateways, 20 blocks one after the other through a session; requests per block delivered */
export async function equal (side: Side, seed: number): Promise<Figure> {
  const file = await sampleFile({ size: 19 * 16 * KIB, chunkSize: 16 * KIB, seed })
  const w = await world({ side, seed, blocks: file.blocks, gateways: Array.from({ length: 8 }, () => TYPICAL) })
  const wanted = [file.root, ...file.others]
  let delivered = 0
  try {
    const result = await trial(8000, async signal => {
      const session = w.helia.blockstore.createSession(file.root)
      try {
        for (const cid of wanted) {
          await getBlock(session, cid, signal)
          delivered++
        }
      } finally {
        session.close()
      }
    })
    return { value: w.requests() / delivered, failed: result.outcome !== 'ok', note: result.outcome === 'ok' ? undefined : `${result.outcome} after ${delivered} of ${wanted.length} blocks` }
  } finally {
    await w.close()
  }
}

/**
 * E10: a block nobody has, while routing yields one fresh gateway every 5 ms,
 * `perSearch` of them in each search, over as many searches as the reader makes,
 * until `rounds` gateways were yielded. Requests that all of them saw together.
 */
export async function nobody (side: Side, seed: number, rounds: number, perSearch: number): Promise<Figure> {
  const pool: LoopbackProvider[] = await Promise.all(Array.from({ length: rounds }, async () => await loopbackProvider({ blocks: new Map() })))
  let yielded = 0
  const exhausted = new AbortController()
  const w = await world({
    side,
    seed,
    blocks: new Map(),
    gateways: [],
    async * router (_cid, signal) {
      for (let i = 0; i < perSearch && signal?.aborted !== true; i++) {
        await new Promise(resolve => setTimeout(resolve, 5))
        const next = pool[yielded]
        if (next == null) {
          exhausted.abort()
          return
        }
        yielded++
        yield next.url
      }
    }
  })
  const cid = await absent(seed)
  try {
    const result = await trial(20_000, async signal => {
      const session = w.helia.blockstore.createSession(cid)
      try {
        // routing has no more to give: let the last round finish, then leave
        const done = AbortSignal.any([signal, afterwards(exhausted.signal, 250)])
        await getBlock(session, cid, done)
      } finally {
        session.close()
      }
    })
    const requests = pool.reduce((sum, gateway) => sum + gateway.requests.length, 0)
    return { value: requests, failed: result.outcome !== 'fails', note: `${yielded} of ${rounds} peers taken, ${w.router.lookups.length} searches${result.outcome === 'timeout' ? ', timeout' : ''}` }
  } finally {
    await w.close()
    await Promise.all(pool.map(async gateway => { await gateway.close() }))
  }
}

function afterwards (signal: AbortSignal, ms: number): AbortSignal {
  const controller = new AbortController()
  signal.addEventListener('abort', () => { setTimeout(() => { controller.abort() }, ms) }, { once: true })
  return controller.signal
}

function endNote (outcome: string): string | undefined {
  return outcome === 'ok' ? undefined : outcome
}

/** A CID of bytes that no gateway was given */
async function absent (seed: number): Promise<CID> {
  return CID.createV1(0x55, await sha256.digest(new TextEncoder().encode(`nobody has this: ${seed}`)))
}
