import { analyze1000, analyze5Ms } from './privacy/analyze.ts'
import { captureMs } from './privacy/capture.ts'
import { idleCpu } from './privacy/idle.ts'
import { memory } from './privacy/memory.ts'
import { overhead } from './privacy/overhead.ts'
import { proofTimes } from './privacy/proofs.ts'
import type { BenchOptions, BenchResult } from './types.ts'

export const description = 'What it costs to be watched: throughput, memory and processor with ledger and collector; seconds for an analysis and for a proof'

const EVENTS = 1_000_000
const EVENTS_SHORT = 50_000

export async function run ({ seed, short, log }: BenchOptions): Promise<BenchResult> {
  const analysis = { seconds: analyze1000(seed), ms: analyze5Ms(seed) }
  log(`analysis: ${analysis.seconds.toFixed(3)} s for 1 000 peers and 100 000 events, ${analysis.ms.toFixed(1)} ms for 5 peers`)
  const capture = await captureMs(short ? 5 : undefined)
  log(`capture: ${capture.toFixed(2)} ms until the statistics show what a peer did`)
  const idle = short ? await idleCpu(500, 1) : await idleCpu()
  log(`idle: ${(idle.added * 100).toFixed(2)} % of a core more than ${(idle.without * 100).toFixed(2)} %`)
  const proofs = await proofTimes(short ? 1 : undefined)
  log(`proof: ${proofs.prove.toFixed(2)} s to make one, ${proofs.verify.toFixed(3)} s to verify it`)
  const held = await memory(short ? EVENTS_SHORT : EVENTS, short ? 1 : undefined)
  log(`memory: ${held.causedMiB.toFixed(1)} MiB after ${held.events} events (${held.watchedMiB.toFixed(1)} with, ${held.controlMiB.toFixed(1)} without), ${held.heldMiB.toFixed(1)} when all garbage was collected; ` +
    `where the young generation may grow ${held.defaultMiB.toFixed(1)} with, ${held.defaultControlMiB.toFixed(1)} without`)
  const transports = await overhead({ seed, short })
  transports.forEach(({ transport, streams, ratio, onMBs, offMBs }) => { log(`overhead, ${transport}, streams by ${streams}: ${ratio.toFixed(3)} (${onMBs.toFixed(1)} of ${offMBs.toFixed(1)} MB/s)`) })

  return {
    ratios: {
      // of the transport that it costs more, by the dearer way to see streams
      overhead: Math.min(...transports.filter(({ streams }) => streams === 'wrap').map(({ ratio }) => ratio)),
      analyze1000: analysis.seconds,
      analyze5Ms: analysis.ms,
      memory: held.causedMiB,
      captureMs: capture,
      idleCpu: idle.added,
      prove: proofs.prove,
      verify: proofs.verify
    },
    absolute: {
      idleCpuWithout: idle.without,
      memoryEvents: held.events,
      memoryWatchedMiB: held.watchedMiB,
      memoryControlMiB: held.controlMiB,
      memoryHeldMiB: held.heldMiB,
      memoryDefaultMiB: held.defaultMiB,
      memoryDefaultControlMiB: held.defaultControlMiB,
      memoryPeers: held.peers,
      memoryDisclosures: held.disclosures,
      proveColdSeconds: proofs.proveCold,
      verifyColdSeconds: proofs.verifyCold,
      transports: transports.map(({ transport, streams, ratio, onMBs, offMBs, cpu, disclosures }) => ({ transport, streams, ratio, onMBs, offMBs, cpu, disclosures }))
    },
    bars: {
      overhead: { min: 0.97 },
      analyze1000: { max: 1 },
      analyze5Ms: { max: 500 },
      memory: { below: 32 },
      captureMs: { max: 100 },
      idleCpu: { max: 0.01 },
      prove: { max: 3 },
      verify: { max: 0.3 }
    }
  }
}
