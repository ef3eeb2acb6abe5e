import { describe, expect, it, vi } from 'vitest'
import { drive, perform } from './driver.ts'
import { credulous, doubtful, forgetful, inventive, secretive } from './lying-ledgers.ts'
import { spiedPortolan } from './nodes.ts'
import { instant } from './sightings.ts'
import { table } from './tally.ts'
import { world } from './world.ts'
import type { DisclosureEntry } from '../../../src/interface/disclosure.ts'
import type { CID } from 'multiformats/cid'

/** A short form: `npm run test:e2e` has the long one */
const STEPS = 16
/** Milliseconds for a message that is surely coming, on a busy machine */
const PATIENCE = 20_000
/** So many wants are cancelled, one by one */
const CANCELS = 3
/** Milliseconds of the event loop after a CANCEL in which its stream may not break: what is in doubt is no proof */
const AFTERWARDS = 100
/** Every so many of what was sent are called unknown */
const NTH = 4
/** Of these at least so many are found, where a third of all that is asked fails: the others were said to somebody who broke what they came by in that moment */
const FOUND = 0.65
/** And where nobody fails */
const FOUND_CALM = 0.95

describe('the ledger of a node among spies', () => {
  // of seeds divisible by four the resolver of names is a spy too
  it.each([['open', 7], ['balanced', 8], ['strict', 7]] as const)('agrees with what they saw, in mode %s', async (mode, seed) => {
    const comparison = await drive({ seed, mode, steps: STEPS })
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
    const spies = await world(7)
    const [peer] = spies.peers
    // who never answers, and never breaks anything
    spies.rules.set('peer-0', 'silent')
    const seen = (what: 'asked' | 'cancelled'): number => spies.sightings.seen.filter(sighting => sighting.transport === 'bitswap' && sighting.what === what).length

    const { faults, paths } = await perform(spies, { mode: 'balanced', make: spiedPortolan, options: {}, between: secretive }, async ({ node }) => {
      for (let i = 0; i < CANCELS; i++) {
        const leaving = new AbortController()
        const read = node.contentRouting.retrieve(spies.blocks[i] as CID, { providers: [peer?.address ?? ''], signal: leaving.signal })
        await vi.waitUntil(() => seen('asked') > i, { timeout: PATIENCE })
        leaving.abort()
        await expect(read).rejects.toThrow()
        await vi.waitUntil(() => seen('cancelled') > i, { timeout: PATIENCE })
      }
      const until = instant() + AFTERWARDS
      await vi.waitUntil(() => instant() > until, { timeout: PATIENCE })
    })
    expect(paths.get('bitswap cancelled cid')).toMatchObject({ matched: 0, missing: CANCELS })
    expect(faults).toEqual(Array(CANCELS).fill(expect.stringMatching(/^missing: 1 of 1 × bitswap cancelled/)))
  }, 60_000)

  it.each(['open', 'balanced', 'strict'] as const)('when it calls unknown what was sent, in mode %s', async mode => {
    const liar = doubtful(NTH)
    const { baseless, sum } = await drive({ seed: 7, mode, steps: STEPS, between: liar.between })
    console.log(`mode ${mode}: ${baseless.length} of ${liar.doubted.size} were found\n${table({ paths: new Map(), sum })}`)
    expect(liar.doubted.size).toBeGreaterThan(0)
    expect(baseless.length).toBeGreaterThanOrEqual(FOUND * liar.doubted.size)
  }, 60_000)

  it('when it calls unknown what was sent, where nobody fails', async () => {
    const liar = doubtful(NTH)
    const { baseless } = await drive({ seed: 50, mode: 'balanced', steps: STEPS, calm: true, between: liar.between })
    // a connection that was made and never used may have been given up
    const used = (entries: Iterable<DisclosureEntry>): number => [...entries].filter(({ transport }) => transport !== 'dial').length
    expect(used(liar.doubted)).toBeGreaterThan(0)
    expect(used(baseless)).toBeGreaterThanOrEqual(FOUND_CALM * used(liar.doubted))
  }, 60_000)

  it('when it takes for sent what was not', async () => {
    expect((await drive({ seed: 7, mode: 'open', steps: STEPS, between: credulous })).sum.extra).toBeGreaterThan(0)
  }, 60_000)
})
