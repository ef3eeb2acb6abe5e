import { describe, expect, it } from 'vitest'
import { madeUpPeer } from './support/peers.ts'
import { SimulatedClient, madeUpCid, nearestOf, simulatedServers, tableOf } from './support/simulated-dht.ts'
import { oracleWalk } from '../../../bench/lookup/oracle.ts'
import { seededRandom } from '../../../src/clock/random.ts'
import { kadKey } from '../../../src/discovery/kad/kad-key.ts'
import { PeerTiming } from '../../../src/discovery/kad/peer-timing.ts'
import { DEFAULT_CONCURRENCY, DEFAULT_K, Walker } from '../../../src/discovery/kad/walker.ts'
import { VirtualClock } from '../../../src/testing/virtual-clock.ts'

const LOOKUPS = 20

interface Measured {
  readonly ours: number
  readonly oracle: number
  readonly asked: number
  readonly askedByOracle: number
  /** Of the true nearest that live, how many were not found */
  readonly missed: number
}

/** A node's first lookups, beside one that has the same table and is told who is dead */
async function measure (dead: number, seed: number): Promise<Measured[]> {
  const random = seededRandom(seed)
  const servers = simulatedServers({ count: 200, dead, seed })
  const living = [...servers.values()].filter(({ mode }) => mode === 'live')
  const known = tableOf(madeUpPeer(random), [...servers.values()], random)
  const table = { nearest: (key: Uint8Array, count: number) => nearestOf(key, known, count) }
  const clock = new VirtualClock()
  const client = new SimulatedClient(clock, servers, seed)
  const other = new SimulatedClient(clock, servers, seed)
  const walker = new Walker({ clock, client, table, timing: new PeerTiming() })
  const signal = new AbortController().signal
  const result: Measured[] = []

  for (let i = 0; i < LOOKUPS; i++) {
    const preimage = madeUpCid(random).multihash.bytes
    const target = kadKey(preimage)
    const { took, asked, closest } = await clock.run(walker.findClosest(preimage, { signal }))
    const startedAt = clock.now()
    let askedByOracle = 0

    await clock.run(oracleWalk({
      target,
      k: DEFAULT_K,
      concurrency: DEFAULT_CONCURRENCY,
      known,
      alive: id => servers.get(id)?.mode === 'live',
      async ask (peer) {
        askedByOracle++
        return (await other.findNode(peer, preimage, undefined, { signal })).closer
      }
    }))

    const found = new Set(closest.map(({ id }) => id))
    result.push({ ours: took, oracle: clock.now() - startedAt, asked, askedByOracle, missed: nearestOf(target, living).filter(({ id }) => !found.has(id)).length })
  }

  return result
}

function quantile (values: readonly number[], share: number): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length * share)] as number
}

async function ratios (dead: number): Promise<{ p50: number, p90: number, first: number, requests: number, missed: number }> {
  const runs = await Promise.all([11, 12, 13].map(async seed => measure(dead, seed)))
  const all = runs.flat()
  const sum = (of: (one: Measured) => number): number => all.reduce((total, one) => total + of(one), 0)
  const at = (share: number): number => quantile(all.map(({ ours }) => ours), share) / quantile(all.map(({ oracle }) => oracle), share)

  return {
    p50: at(0.5),
    p90: at(0.9),
    first: Math.max(...runs.map(([first]) => first == null ? Infinity : first.ours / first.oracle)),
    requests: sum(({ asked }) => asked) / sum(({ askedByOracle }) => askedByOracle),
    missed: sum(({ missed }) => missed) / (all.length * DEFAULT_K)
  }
}

describe('the time of a lookup, in a network of 200 that delays', () => {
  it('is that of one that is told who is dead, where nobody is', async () => {
    const { p50, p90, requests, missed } = await ratios(0)

    expect(p50).toBeLessThanOrEqual(1.05)
    expect(p90).toBeLessThanOrEqual(1.1)
    expect(requests).toBeLessThanOrEqual(1.25)
    expect(missed).toBe(0)
  })

  it('is little more where 30 % are dead, and nobody is missed for it', async () => {
    const { p50, p90, first, requests, missed } = await ratios(0.3)

    expect(p50).toBeLessThanOrEqual(1.25)
    expect(p90).toBeLessThanOrEqual(1.7)
    expect(first).toBeLessThanOrEqual(1.7)
    expect(requests).toBeLessThanOrEqual(2.2)
    expect(missed).toBeLessThanOrEqual(0.005)
  })
})
