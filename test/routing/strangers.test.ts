import { describe, expect, it } from 'vitest'
import { MAX_CANDIDATES } from '../../src/routing/candidates.ts'
import { numbered, settled, world } from './support/world.ts'
import type { Behaviour } from '../../src/testing/simulated-provider.ts'
import type { World, WorldInit } from './support/world.ts'

const HEALTHY = 50
const LEAF = 131_072

/** What strangers do, and the size of the blocks read */
const KINDS: ReadonlyArray<readonly [kind: string, behaviour: Behaviour, size: number]> = [
  ['silent', { silent: true }, 1_024],
  // a piece now and then, fast enough to be no stall: eleven seconds for a block
  ['dripping', { latency: 5, throughput: 12 }, LEAF],
  ['lying', { latency: 5, garbage: true }, 1_024],
  ['lacking everything', { latency: 5, has: 0 }, 1_024]
]

interface Crowd {
  readonly times: readonly number[]
  readonly failures: number
  /** Reads in which a stranger was asked first */
  readonly strangersFirst: number
  /** Attempts after the first of their read, but for measurements, that went to strangers */
  readonly strangersNext: number
}

/** Reads amid strangers with new names at every read, all of them named before the one that delivers */
async function readAmid (w: World, count: number, behaviour: Behaviour, size: number, reads = 200): Promise<Crowd> {
  const { network, clock, manager } = w
  const proven = network.providers.get('proven')
  const times: number[] = []
  let failures = 0
  let strangersFirst = 0
  let strangersNext = 0

  for (let i = 0; i < reads; i++) {
    network.providers.clear()
    Array.from({ length: count }, (_, n) => network.add(`s${i}x${n}`, behaviour))

    if (proven != null) {
      network.providers.set(proven.name, proven)
    }

    const cid = network.block(numbered(1_000 + i, size))
    const started = clock.now()
    failures += (await clock.run(settled(manager.retrieve(cid)))).error == null ? 0 : 1
    times.push(clock.now() - started)
    network.drop(cid)
    const attempts = (manager.explain(cid)?.attempts ?? []).filter(({ reason }) => reason !== 'shadow')
    strangersFirst += attempts[0]?.provider === proven?.id ? 0 : 1
    strangersNext += attempts.slice(1).filter(({ provider }) => provider !== proven?.id).length
  }

  return { times: times.sort((a, b) => a - b), failures, strangersFirst, strangersNext }
}

async function withProven (size: number, init: WorldInit = {}): Promise<World> {
  const w = await world(init)
  w.network.add('proven', { latency: HEALTHY, sigma: 0.2, throughput: 50_000 })

  for (let i = 0; i < 20; i++) {
    await w.clock.run(w.manager.retrieve(w.network.block(numbered(i, size))))
  }

  return w
}

describe('fifty strangers with new names at every read', () => {
  it.each(KINDS)('that are %s do not beat the one that delivers', async (_kind, behaviour, size) => {
    const w = await withProven(size)
    const { times, failures, strangersFirst, strangersNext } = await readAmid(w, 50, behaviour, size)
    expect(failures).toBe(0)
    expect(times[100]).toBeLessThan(1.3 * HEALTHY)
    expect(times[198]).toBeLessThan(5 * HEALTHY)
    // what the share of explorations and what was saved up allow
    expect(strangersFirst).toBeLessThanOrEqual(200 * 0.04 + 4)
    // hedges while the one that delivers is at work already
    expect(strangersNext).toBeLessThanOrEqual(200 * 0.1 + 10)
    await w.manager.stop()
  })

  it('cost no more explorations than one stranger does', async () => {
    const shares: number[] = []

    for (const count of [1, 50]) {
      const w = await withProven(1_024)
      shares.push((await readAmid(w, count, { silent: true }, 1_024)).strangersFirst)
      await w.manager.stop()
    }

    expect(shares[1]).toBeLessThanOrEqual((shares[0] ?? 0) + 2)
  })

  it('are not even asked in strict mode, where no hedge would rescue the read', async () => {
    const w = await withProven(LEAF, { routing: { mode: 'strict' } })
    const { times, failures, strangersFirst } = await readAmid(w, 50, { latency: 5, throughput: 12 }, LEAF, 60)
    expect({ failures, strangersFirst }).toEqual({ failures: 0, strangersFirst: 0 })
    expect(times.at(-1)).toBeLessThan(5 * HEALTHY)
    await w.manager.stop()
  })
})

describe('a stranger', () => {
  it('that is better is found and preferred, and costs nothing while it delivers', async () => {
    const w = await withProven(1_024)
    const better = w.network.add('better', { latency: 10 })
    let before = 0

    for (let i = 0; i < 150; i++) {
      before = i === 75 ? better.requestCount : before
      await w.clock.run(w.manager.retrieve(w.network.block(numbered(500 + i))))
    }

    expect(better.requestCount - before).toBeGreaterThan(65)
    await w.manager.stop()
  })

  it('does not keep one out that has delivered by filling every place', async () => {
    const w = await withProven(1_024)
    const names = Array.from({ length: MAX_CANDIDATES + 10 }, (_, n) => `s${n}`)
    names.forEach(name => { w.network.add(name, { silent: true }, { unlisted: true }) })
    const started = w.clock.now()
    const providers = [...names, 'proven'].map(name => `http://${name}.example`)
    await w.clock.run(w.manager.retrieve(w.network.block(numbered(900)), { providers }))
    expect(w.clock.now() - started).toBeLessThan(5 * HEALTHY)
    await w.manager.stop()
  })
})

describe('fifty strangers of which one delivers, and nobody who ever did', () => {
  const amid = async (seed: number, init: WorldInit = {}): Promise<World & { error?: Error }> => {
    const w = await world({ seed, ...init })
    Array.from({ length: 50 }, (_, n) => w.network.add(`s${n}`, n === 24 ? { latency: HEALTHY } : { silent: true }))
    const { error } = await w.clock.run(settled(w.manager.retrieve(w.network.block(numbered(1)))))
    await w.manager.stop()
    return { ...w, error }
  }

  it.each([1, 2, 3, 4, 5, 6, 7, 8])('are all heard within the deadline, those at work never more than six (seed %i)', async seed => {
    const { error, clock, network } = await amid(seed)
    expect(error).toBeUndefined()
    expect(clock.now()).toBeLessThan(30_000)
    // each is given up after 2.5 s
    expect(network.requests).toBeLessThanOrEqual(7 + 6 * Math.floor(clock.now() / 2_500))
  })

  it.each([1, 2, 3, 4, 5, 6, 7, 8])('also when the hedges were spent by others (seed %i)', async seed => {
    const { error, clock } = await amid(seed, { routing: { hedge: { share: 0, initial: 0 } } })
    expect(error).toBeUndefined()
    expect(clock.now()).toBeLessThan(30_000)
  })

  it('are asked one after the other in strict mode, as far as the time goes', async () => {
    const { clock, network } = await amid(1, { routing: { mode: 'strict' } })
    expect(network.requests).toBeLessThanOrEqual(1 + clock.now() / 2_500)
  })
})
