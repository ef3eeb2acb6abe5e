import { afterAll, describe, expect, it } from 'vitest'
import { table, together } from './compare.ts'
import { drive } from './driver.ts'
import type { Comparison } from './compare.ts'

/** Reads, announcements and questions of others by one node; each stops amid four more */
const STEPS = 60
const MODES = ['open', 'balanced', 'strict'] as const

/** `PORTOLAN_SEED=5` runs that one, as it was printed where something was found */
const chosen = process.env.PORTOLAN_SEED
// an odd one and an even one: what one reaches by name and with a resolver of ours, the other does as `createPortolan` has it
const seeds = chosen == null ? [1, 2 + 2 * Math.floor(Math.random() * 500_000)] : [Number(chosen)]
const all: Comparison[] = []

afterAll(() => {
  const sum = together(all)
  console.log(`seeds ${seeds.join(' and ')} (PORTOLAN_SEED), ${all.length * (STEPS + 4)} retrievals and the like\n${table(sum)}`)
})

describe.each(seeds)('the ledger of a node among spies, with seed %d', seed => {
  it.each(MODES)('agrees with what they saw, message by message, in mode %s', async mode => {
    const comparison = await drive({ seed: 10 * seed + MODES.indexOf(mode), mode, steps: STEPS })
    all.push(comparison)

    expect(comparison.faults).toEqual([])
    expect(comparison.sum).toMatchObject({ missing: 0, extra: 0 })
    expect(comparison.sum.matched).toBeGreaterThan(STEPS)
    // ten seconds on a quiet machine; on a busy one whoever is silent is waited for more often
  }, 300_000)
})
