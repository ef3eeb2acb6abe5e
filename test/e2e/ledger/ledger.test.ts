import { describe, expect, it } from 'vitest'
import { drive } from './driver.ts'
import { credulous, forgetful, inventive, secretive } from './lying-ledgers.ts'
import { table } from './tally.ts'

/** A short form: `npm run test:e2e` has the long one */
const STEPS = 16
/** A node has read all there is after about that many, and cancels nothing more */
const MANY = 60
/** Of a CANCEL whose stream broke behind it nothing can be said: so several, and several nodes where that is not enough */
const CANCELS = 4
const NODES = [7, 11, 15, 19, 23, 27]

describe('the ledger of a node among spies', () => {
  it.each(['open', 'balanced', 'strict'] as const)('agrees with what they saw, in mode %s', async mode => {
    const comparison = await drive({ seed: 7, mode, steps: STEPS })
    console.log(`mode ${mode}\n${table(comparison)}`)

    expect(comparison.faults).toEqual([])
    expect(comparison.sum).toMatchObject({ missing: 0, extra: 0 })
    expect(comparison.sum.matched).toBeGreaterThan(0)
  }, 60_000)

  it('knows of everything whether it was sent where nothing breaks, but for connections that never came', async () => {
    const { faults, sum, paths } = await drive({ seed: 50, mode: 'balanced', steps: STEPS, calm: true })
    expect(faults).toEqual([])
    expect(sum.matched).toBeGreaterThan(0)
    expect([...paths].filter(([path, { unknown }]) => unknown > 0 && !path.startsWith('dial'))).toEqual([])
  }, 60_000)
})

describe('a ledger that lies is found out', () => {
  it('when it loses entries', async () => {
    expect((await drive({ seed: 7, mode: 'balanced', steps: STEPS, between: forgetful })).sum.missing).toBeGreaterThan(0)
  }, 60_000)

  it('when it has some that nobody saw', async () => {
    expect((await drive({ seed: 7, mode: 'balanced', steps: STEPS, between: inventive })).sum.extra).toBeGreaterThan(0)
  }, 60_000)

  it('when it does not say that a want was cancelled', async () => {
    const found: string[] = []

    for (const seed of NODES) {
      const liar = secretive()
      const { faults } = await drive({ seed, mode: 'balanced', steps: MANY, between: liar.between, enough: () => liar.hidden >= CANCELS })
      found.push(...faults.filter(fault => fault.startsWith('a CANCEL was seen, and the ledger has none')))

      if (found.length > 0) {
        break
      }
    }
    expect(found).not.toEqual([])
  }, 120_000)

  it('when it takes for sent what was not', async () => {
    expect((await drive({ seed: 7, mode: 'open', steps: STEPS, between: credulous })).sum.extra).toBeGreaterThan(0)
  }, 60_000)
})
