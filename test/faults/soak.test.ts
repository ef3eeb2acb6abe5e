import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'
import { slope } from './support/slope.ts'
import type { Soaked } from './support/soak-process.ts'

/** `npm run test:faults -- soak --minutes 60` for an hour */
const MINUTES = Number(process.env.PORTOLAN_SOAK_MINUTES ?? 1)
/**
 * By what the line through what is in use may rise, from the middle of the time to its end, however long that is: with
 * deadlines that libp2p holds for half a minute it goes up and down by 3 to 5 MB, and stays where it is. In a minute
 * 30 KB left by each read and visit would be seen, in an hour 500 bytes.
 */
const MOST_GROWTH = 8_000_000

describe('a soak', () => {
  it(`leaves the heap flat while a node reads and is visited for ${MINUTES} min, with collector and ledger on`, { timeout: MINUTES * 60_000 + 120_000 }, async () => {
    const { stdout } = await promisify(execFile)(process.execPath, ['--expose-gc', new URL('support/soak-process.ts', import.meta.url).pathname, String(MINUTES)], { timeout: MINUTES * 60_000 + 100_000 })
    const { samples, reads, missed, visits, collector, ledger, risks } = JSON.parse(stdout.trim().split('\n').at(-1) ?? '') as Soaked
    const [begun, ended] = [samples[0]?.[0] ?? 0, samples.at(-1)?.[0] ?? 0]
    const growth = slope(samples) * (ended - begun)
    console.log(`${reads} reads (${missed} of nothing), ${visits} visits; ${(growth / 1e6).toFixed(2)} MB more in use after ${((ended - begun) / 60_000).toFixed(1)} min, ${(slope(samples) * 60_000 / 1e6).toFixed(2)} MB a minute (${samples.length} samples)`)

    expect(samples.length).toBeGreaterThanOrEqual(10)
    expect(reads).toBeGreaterThan(MINUTES * 50)
    expect(missed).toBeGreaterThan(0)
    expect(visits).toBeGreaterThan(MINUTES * 40)
    expect(risks).toBeGreaterThan(0)
    expect(growth).toBeLessThan(MOST_GROWTH)
    // and that was with full tables
    expect(collector).toMatchObject({ peers: 20 })
    expect(collector.evictedPeers).toBeGreaterThan(0)
    expect(collector.evictedConnections).toBeGreaterThan(0)
    expect(ledger.entries).toBeGreaterThanOrEqual(Math.min(ledger.max, reads - missed))
  })

  it('is judged by the line through all samples, not by two of them', () => {
    expect(slope([[0, 5], [1, 7], [2, 9]])).toBeCloseTo(2)
    expect(slope([[0, 5], [1, 5], [2, 5], [3, 5]])).toBe(0)
    expect(slope([[0, 10], [1, 0], [2, 10], [3, 0], [4, 10]])).toBeCloseTo(0)
    expect(slope([[3, 1], [3, 9]])).toBe(0)
  })
})
