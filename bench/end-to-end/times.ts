import { blockKey } from '../../src/block/key.ts'
import { sampleFile } from '../../src/testing/sample-file.ts'
import { TYPICAL } from './counts.ts'
import { startFarm } from './farm.ts'
import { median, readFile, trial, world } from './world.ts'
import type { LoopbackBehaviour } from '../../src/testing/loopback-behaviour.ts'
import type { SampleFile } from '../../src/testing/sample-file.ts'
import type { Side, Trial } from './world.ts'

/** A read with the fault and the same read without it; `ratio` is Infinity when the faulty one did not succeed */
export interface Comparison {
  readonly healthy: Trial
  readonly faulty: Trial
  readonly ratio: number
  /** Medians, over all gateways; the file has 129 blocks */
  readonly requests: { readonly healthy: number, readonly faulty: number }
}

/** How long a plain node may hang before the bench says `timeout` */
const DEADLINE = 10_000

/** 129 blocks: 32 MiB in chunks of 256 KiB, as Kubo adds a short video */
export async function video (seed: number): Promise<SampleFile> {
  return await sampleFile({ size: 32 * 1024 * 1024, chunkSize: 256 * 1024, seed })
}

/** E7: the fastest of five gateways (25 ms, the others 30 to 60) is silent on half of the leaves */
export async function silent (side: Side, seed: number, runs: number, session: boolean): Promise<Comparison> {
  const file = await video(seed)
  const others = [TYPICAL, TYPICAL, TYPICAL, TYPICAL]
  const except = new Set([blockKey(file.root)])
  return await compare(side, seed, runs, session, file, {
    healthy: [{ kind: 'good', firstByte: 25 }, ...others],
    faulty: [{ kind: 'silent', firstByte: 25, share: 0.5, except }, ...others]
  })
}

/** E9: five gateways are silent on everything and are found first, the sixth serves */
export async function sixth (side: Side, seed: number, runs: number, session: boolean): Promise<Comparison> {
  const mute: LoopbackBehaviour = { ...TYPICAL, kind: 'silent' }
  return await compare(side, seed, runs, session, await video(seed), {
    healthy: Array.from({ length: 6 }, () => TYPICAL),
    faulty: [mute, mute, mute, mute, mute, TYPICAL]
  })
}

async function compare (side: Side, seed: number, runs: number, session: boolean, file: SampleFile, gateways: Record<'healthy' | 'faulty', LoopbackBehaviour[]>): Promise<Comparison> {
  const trials = { healthy: [] as Trial[], faulty: [] as Trial[] }
  const requests = { healthy: [] as number[], faulty: [] as number[] }
  // in turns, so that a busy machine slows both
  for (let i = 0; i < runs; i++) {
    for (const kind of ['healthy', 'faulty'] as const) {
      if (trials[kind].some(t => t.outcome !== 'ok')) {
        continue // what hangs once is not made to hang five times
      }
      // in a thread of their own: the node's work must not look like latency of the gateways, nor the other way round
      const farm = await startFarm({ blocks: file.blocks, gateways: gateways[kind], seed: seed + i })
      const w = await world({ side, seed: seed + i, blocks: file.blocks, gateways: [], router: farm.urls })
      try {
        trials[kind].push(await trial(DEADLINE, async signal => { await readFile(w.helia, file, { session, signal }) }))
        requests[kind].push((await farm.requests()).reduce((sum, n) => sum + n, 0))
      } finally {
        await w.close()
        await farm.close()
      }
    }
  }
  const healthy = middle(trials.healthy)
  const faulty = middle(trials.faulty)
  return { healthy, faulty, ratio: healthy.outcome === 'ok' && faulty.outcome === 'ok' ? faulty.ms / healthy.ms : Infinity, requests: { healthy: median(requests.healthy), faulty: median(requests.faulty) } }
}

/** The worst outcome, with the median time */
function middle (trials: readonly Trial[]): Trial {
  const bad = trials.find(t => t.outcome !== 'ok')
  return bad ?? { outcome: 'ok', ms: median(trials.map(t => t.ms)) }
}
