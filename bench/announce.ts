import { announceByOne, announceBySweep } from './announce/contestants.ts'
import { makeBlocks, placement } from './announce/records.ts'
import { dhtNetwork } from '../src/testing/dht/dht-network.ts'
import type { BenchOptions, BenchResult } from './types.ts'

export const description = 'Announcing 10 000 blocks in one sweep of a DHT: 200 real nodes in memory, against one by one through kad-dht'

const NODES = 200
const BLOCKS = 10_000
/** Announced one by one: stands for all */
const SAMPLE = 100
/** Milliseconds one way. What is counted is lookups and records; longer delays would only make it last longer. */
const DELAY = { minDelay: 1, maxDelay: 5 }

export const bars = {
  lookups: { max: 0.02 },
  placement: { min: 0.95 }
}

export async function run ({ seed, short, log }: BenchOptions): Promise<BenchResult> {
  // libp2p makes thousands of errors that nobody reads
  Error.stackTraceLimit = 0
  const { nodes, count, sample } = short ? { nodes: 40, count: 400, sample: 4 } : { nodes: NODES, count: BLOCKS, sample: SAMPLE }
  const network = await dhtNetwork({ nodes, seed, memory: DELAY })

  try {
    const [blocks, others] = [makeBlocks(count, `${seed}/sweep`), makeBlocks(sample, `${seed}/one`)]
    const one = await announceByOne(network, others)
    const placedOne = await placement(network, one.publisher, others)
    log(`one by one: ${sample} blocks in ${seconds(one.took)}`)
    const swept = await announceBySweep(network, blocks, (done, lookups) => { log(`${done} blocks announced, ${lookups} lookups`) })
    const placed = await placement(network, swept.publisher, blocks)
    const scale = count / sample

    return {
      ratios: {
        lookups: swept.lookups / (one.lookups * scale),
        questions: swept.questions / (one.questions * scale),
        placement: placed,
        placementOneByOne: placedOne
      },
      absolute: {
        nodes,
        blocks: count,
        sample,
        lookups: swept.lookups,
        lookupsOneByOne: one.lookups * scale,
        writes: swept.writes,
        writesOneByOne: one.writes * scale,
        seconds: Math.round(swept.took / 1_000),
        secondsOneByOne: Math.round(one.took * scale / 1_000),
        recordMilliseconds: Math.round(swept.took / (count * 20) * 100) / 100,
        memory: Math.round(process.memoryUsage().rss / 1e6)
      },
      bars
    }
  } finally {
    await network.stop()
  }
}

function seconds (ms: number): string {
  return `${(ms / 1_000).toFixed(1)} s`
}
