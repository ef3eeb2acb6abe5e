import { describe, expect, it } from 'vitest'
import { blockKey } from '../../src/block/key.ts'
import { sampleFile } from '../../src/testing/sample-file.ts'
import { SimulatedNetwork } from '../../src/testing/simulated-network.ts'
import { contentReader } from '../../src/unixfs/content-reader.ts'
import { world } from './support/world.ts'
import type { World } from './support/world.ts'
import type { Behaviour } from '../../src/testing/simulated-provider.ts'

const MIB = 1_048_576
const SIZE = 16 * MIB
const SEEDS = [1, 2, 3]

// the second one is read by who knows the providers
const files = await Promise.all([1, 2].map(async seed => sampleFile({ size: SIZE, seed })))

interface Read {
  /** Bytes per ms */
  readonly pace: number
  /** Bytes that left the providers / bytes of the file */
  readonly bytes: number
  /** What each brought, in shares of the file */
  readonly shares: readonly number[]
}

/** Files read block by block, one after the other, from providers that have them all, behind a line each */
async function reads (behaviours: readonly Behaviour[], seed: number): Promise<Read[]> {
  const network = new SimulatedNetwork({ seed })
  const { name, transport, routes, fetch } = network.fetcher
  const w: World = await world({ network, seed, parts: { fetchers: [{ name, transport, routes, fetch }], sources: [], reader: contentReader({ clock: network.clock }) } })
  const providers = behaviours.map((behaviour, i) => network.add(`p${i}`, { latency: 1, sigma: 0.2, ...behaviour }))
  const done: Read[] = []

  for (const { root, others, blocks } of files) {
    for (const cid of [root, ...others]) {
      network.put(cid, blocks.get(blockKey(cid)) as Uint8Array)
    }

    const started = w.clock.now()
    const before = providers.map(({ bytesSent }) => bytesSent)
    let size = 0
    await w.clock.run((async () => {
      for await (const bytes of w.manager.retrieveContent(root, { providers: providers.map(({ name }) => `http://${name}.example`) })) {
        size += bytes.byteLength
      }
    })())
    expect(size).toBe(SIZE)
    const shares = providers.map(({ bytesSent }, i) => (bytesSent - (before[i] ?? 0)) / SIZE)
    done.push({ pace: SIZE / (w.clock.now() - started), bytes: shares.reduce((sum, share) => sum + share, 0), shares })
  }

  await w.manager.stop()
  return done
}

describe.each(SEEDS)('a file from several providers, each behind a line of its own (seed %i)', seed => {
  it.each([1, 30])('comes over all lines at once, each block over one of them (%i ms away)', async latency => {
    const [[alone], [, known]] = [await reads([{ line: 5_000, latency }], seed), await reads(Array.from({ length: 3 }, () => ({ line: 5_000, latency })), seed)]
    expect(known?.pace).toBeGreaterThan(2.4 * (alone?.pace ?? Infinity))
    expect(known?.bytes).toBeLessThan(1.05)
    expect(Math.min(...known?.shares ?? [])).toBeGreaterThan(0.2)
  })

  it('comes over all lines from the first read on', async () => {
    const [[alone], [first]] = [await reads([{ line: 5_000 }], seed), await reads([{ line: 5_000 }, { line: 5_000 }, { line: 5_000 }], seed)]
    expect(first?.pace).toBeGreaterThan(2.2 * (alone?.pace ?? Infinity))
    expect(first?.bytes).toBeLessThan(1.05)
  })

  it.each([1, 30])('is not kept waiting by a line of a tenth of the pace (%i ms away)', async latency => {
    const [[, alone], [, beside]] = [await reads([{ line: 50_000, latency }], seed), await reads([{ line: 5_000, latency }, { line: 50_000, latency }], seed)]
    expect(beside?.pace).toBeGreaterThan(0.95 * (alone?.pace ?? Infinity))
    expect(beside?.bytes).toBeLessThan(1.05)
  })

  it('is not kept waiting by one who never answers', async () => {
    const [[, two], [, three]] = [await reads([{ line: 5_000 }, { line: 5_000 }], seed), await reads([{ line: 5_000 }, { line: 5_000 }, { silent: true }], seed)]
    expect(three?.pace).toBeGreaterThan(0.9 * (two?.pace ?? Infinity))
  })
})
