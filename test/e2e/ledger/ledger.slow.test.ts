import { afterAll, describe, expect, it } from 'vitest'
import { table, together } from './compare.ts'
import { drive } from './driver.ts'
import { seedsOf } from './seeds.ts'
import type { Driven } from './driver.ts'

/** Reads, announcements and questions of others by one node; each stops amid four more */
const STEPS = 60
const MODES = ['open', 'balanced', 'strict'] as const
/** Of the 64 steps of one node: three in four are retrievals, and two seeds make more than 200 */
const RETRIEVALS = 34

/** `PORTOLAN_SEED=5,6` runs those */
const seeds = seedsOf(process.env.PORTOLAN_SEED)
const all: Driven[] = []

afterAll(() => {
  const retrievals = all.reduce((sum, { retrievals }) => sum + retrievals, 0)
  console.log(`seeds ${seeds.join(',')} (PORTOLAN_SEED), ${retrievals} retrievals among ${all.length * (STEPS + 4)} steps\n${table(together(all))}`)
})

describe.each(seeds)('the ledger of a node among spies, with seed %d', seed => {
  it.each(MODES)('agrees with what they saw, message by message, in mode %s', async mode => {
    const driven = await drive({ seed: 10 * seed + MODES.indexOf(mode), mode, steps: STEPS })
    all.push(driven)

    expect(driven.faults).toEqual([])
    expect(driven.sum).toMatchObject({ missing: 0, extra: 0 })
    expect(driven.sum.matched).toBeGreaterThan(STEPS)
    expect(driven.retrievals).toBeGreaterThanOrEqual(RETRIEVALS)
    // ten seconds on a quiet machine; on a busy one whoever is silent is waited for more often
  }, 300_000)
})
