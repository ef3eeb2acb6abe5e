import { afterAll, describe, expect, it } from 'vitest'
import { drive } from './driver.ts'
import { PATHS } from './path-of.ts'
import { allPaths, pathLines } from './path-table.ts'
import { seedsOf } from './seeds.ts'
import { table, together } from './tally.ts'
import { tour } from './tour.ts'
import type { Driven } from './driver.ts'

const MODES = ['open', 'balanced', 'strict'] as const
/** What each seed makes at least, over the three modes: read by chance, and by each path on purpose */
const RETRIEVALS = 200
/** Of these by chance in each mode */
const BY_CHANCE = 70

/** `PORTOLAN_SEED=5,6` runs those */
const seeds = seedsOf(process.env.PORTOLAN_SEED)
const all: Driven[] = []

afterAll(() => {
  const retrievals = all.reduce((sum, { retrievals }) => sum + retrievals, 0)
  const { sum: { matched, missing, extra, unknown } } = together(all)
  // a worker of the tests has no terminal
  const columns = Number(process.env.COLUMNS)
  console.log([
    `seeds ${seeds.join(',')} (PORTOLAN_SEED), ${retrievals} retrievals by ${all.length} nodes`,
    table(together(all)),
    pathLines(allPaths(all.map(({ byPath }) => byPath)), process.stdout.columns ?? (columns > 0 ? columns : undefined)),
    `matched ${matched}, missing ${missing}, extra ${extra}, unknown ${unknown}`
  ].join('\n\n'))
})

describe.each(seeds)('the ledger of a node among spies, with seed %d', seed => {
  const driven: Driven[] = []
  const check = (drive: Driven): void => {
    driven.push(drive)
    all.push(drive)
    expect(drive.faults).toEqual([])
    expect(drive.sum).toMatchObject({ missing: 0, extra: 0 })
  }

  it.each(MODES)('agrees with what they saw, message by message, in mode %s', async mode => {
    const byChance = await drive({ seed: 10 * seed + MODES.indexOf(mode), mode, retrievals: BY_CHANCE })
    check(byChance)
    expect(byChance.retrievals).toBeGreaterThanOrEqual(BY_CHANCE)
    expect(byChance.sum.matched).toBeGreaterThan(BY_CHANCE)
    // ten seconds on a quiet machine; on a busy one whoever is silent is waited for more often
  }, 300_000)

  it.each(MODES)('agrees with them on each path, taken on purpose, in mode %s', async mode => {
    check(await tour({ seed: 10 * seed + MODES.indexOf(mode), mode }))
  }, 300_000)

  it(`was asked for ${RETRIEVALS} blocks and files, and took every path`, () => {
    const paths = allPaths(driven.map(({ byPath }) => byPath))
    const retrievals = driven.reduce((sum, { retrievals }) => sum + retrievals, 0)
    console.log(`seed ${seed}: ${retrievals} retrievals`)

    expect(retrievals).toBeGreaterThanOrEqual(RETRIEVALS)
    // of what is here nothing is told: only the reads can be counted
    const counts = PATHS.map(path => [path, paths.get(path)?.[path === 'cache hit' ? 'reads' : 'matched'] ?? 0] as const)
    expect(counts.filter(([, count]) => count === 0)).toEqual([])
  })
})
