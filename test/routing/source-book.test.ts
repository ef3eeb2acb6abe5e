import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { SourceBook } from '../../src/routing/source-book.ts'
import { numbered, settled, world } from './support/world.ts'
import type { Outcome } from '../../src/interface/outcome.ts'
import type { ProviderSource } from '../../src/interface/provider.ts'
import type { SourceStats } from '../../src/interface/stats.ts'
import type { Explanation } from '../../src/routing/story.ts'
import type { World } from './support/world.ts'

const OUTCOMES: readonly Outcome[] = ['delivered', 'not-here', 'unreachable', 'overloaded', 'refused', 'stalled', 'invalid', 'cancelled']

const of = (stats: readonly SourceStats[], name: string): SourceStats | undefined => stats.find(each => each.name === name)

describe('SourceBook', () => {
  it('tells who was named by one alone from who was named by others too', () => {
    const book = new SourceBook()
    const tally = book.tally()
    tally.named('p2p:a', 'dht')
    tally.named('p2p:a', 'dht')
    tally.named('p2p:b', 'dht')
    tally.named('p2p:b', 'router.example')
    tally.end()
    expect(of(book.stats(), 'dht')).toMatchObject({ named: 2, alone: 1, agreed: 1 })
    expect(of(book.stats(), 'router.example')).toMatchObject({ named: 1, alone: 0, agreed: 1 })
  })

  it('trusts nobody\'s word beyond what it was worth lately, and never less than it takes to be heard', () => {
    fc.assert(fc.property(fc.array(fc.tuple(fc.constantFrom(...OUTCOMES), fc.boolean()), { maxLength: 400 }), answers => {
      const book = new SourceBook()
      for (const [outcome, isStranger] of answers) {
        const before = book.trust(['a'])
        book.settled(['a'], outcome, isStranger)
        const after = book.trust(['a'])
        expect(after).toBeGreaterThanOrEqual(0.05)
        expect(after).toBeLessThanOrEqual(1)
        if (!isStranger || ['cancelled', 'overloaded', 'refused'].includes(outcome)) {
          expect(after).toBe(before)
        } else if (outcome === 'delivered') {
          expect(after).toBeGreaterThanOrEqual(before - 1e-9)
        } else {
          expect(after).toBeLessThanOrEqual(before + 1e-9)
        }
      }
    }))
  })

  it('believes a provider by the best of those who named it, and what people named as it is', () => {
    const book = new SourceBook()
    for (let i = 0; i < 30; i++) {
      book.settled(['liar', 'hint'], 'unreachable', true)
    }
    book.settled(['honest'], 'delivered', true)
    expect(book.trust(['liar'])).toBeLessThan(0.1)
    expect(book.trust(['liar', 'honest'])).toBe(1)
    expect(book.trust(['never heard of'])).toBe(1)
    expect(book.trust(['hint'])).toBe(1)
    expect(book.warning('liar')).toBe('of the strangers that it named lately 0 % delivered')
    expect(book.warning('honest')).toBeUndefined()
    for (let i = 0; i < 60; i++) {
      book.settled(['liar'], 'delivered', true)
    }
    expect(book.trust(['liar'])).toBeGreaterThan(0.6)
    expect(book.warning('liar')).toBeUndefined()
  })

  it('is bounded: what calls itself by ever new names is counted together', () => {
    const book = new SourceBook()
    for (let i = 0; i < 10_000; i++) {
      book.began(`source ${i}`)
    }
    expect(book.stats()).toHaveLength(65)
    expect(of(book.stats(), 'others')?.lookups).toBe(10_000 - 64)
  })

  it('has percentiles of the last lookups of each source, and plain JSON', () => {
    const book = new SourceBook()
    for (let i = 1; i <= 1_000; i++) {
      book.first('dht', i)
      book.ended('dht', 2 * i)
    }
    const [stats] = book.stats()
    expect(stats?.firstProvider.p50).toBeGreaterThan(850)
    expect(stats?.firstProvider.p99).toBeGreaterThanOrEqual(990)
    expect(stats?.end.p50).toBeCloseTo(2 * (stats?.firstProvider.p50 ?? 0))
    expect(JSON.parse(JSON.stringify(book.stats()))).toEqual(book.stats())
  })
})

/** Beside the network's own lookup a router that names 64 others for each block, all of them gone, and one that is for later */
async function poisoned (dead: number): Promise<World> {
  let next = 0
  const made = await world()
  const { network } = made
  const liar: ProviderSource = {
    name: 'liar',
    async * find () {
      for (let i = 0; i < dead; i++) {
        const name = `gone${next++}`
        const { provider } = network.add(name, { down: true }, { unlisted: true })
        yield { ...provider, source: 'liar' }
      }
    }
  }
  await made.manager.stop()
  return world({ network, parts: { sources: [liar, network.source] } })
}

describe('a router that names 64 providers that are gone for each block', () => {
  it('costs honest ones neither their places nor, once it is known, the first turn', async () => {
    const w = await poisoned(64)
    // each block has a provider of its own, so that nobody is known when it is asked
    const turns: number[] = []

    for (let i = 0; i < 40; i++) {
      w.network.providers.clear()
      w.network.add(`honest${i}`, { latency: 20 })
      const cid = w.network.block(numbered(i))
      const read = await w.clock.run(settled(w.manager.retrieve(cid)))
      expect(read.error).toBeUndefined()
      turns.push((w.manager.explain(cid) as Explanation).attempts.findIndex(({ provider }) => provider === `http:honest${i}.example`) ?? -1)
    }

    const { sources } = w.manager.stats().discovery
    expect(of(sources, 'liar')).toMatchObject({ lookups: 40, successfulRetrievals: 0, kept: 0 })
    expect(of(sources, 'simulated')).toMatchObject({ lookups: 40, named: 40, alone: 40, successfulRetrievals: 40, kept: 1 })
    expect(w.manager.explain(w.network.block(numbered(39)))?.toString()).toContain('liar named 64 providers in 0 ms; of the strangers that it named lately 0 % delivered')
    expect(turns.every(turn => turn >= 0)).toBe(true)
    expect(turns.slice(10).filter(turn => turn === 0).length).toBeGreaterThanOrEqual(29)
    await w.manager.stop()
  })
})

describe('a source that wants to know', () => {
  it('hears what came of those that it named, and no other; what it throws costs nothing', async () => {
    const first = await world()
    await first.manager.stop()
    const { network } = first
    const heard: string[] = []
    const telling = (name: string, provider: string): ProviderSource => ({
      name,
      settled: (id, outcome) => {
        heard.push(`${name}: ${id} ${outcome}`)
        throw new Error('out of paper')
      },
      async * find () {
        const known = network.providers.get(provider)
        if (known != null) {
          yield { ...known.provider, source: name }
        }
      }
    })
    network.add('gone', { down: true }, { unlisted: true })
    network.add('good', { latency: 10 }, { unlisted: true })
    const w = await world({ network, parts: { sources: [telling('a', 'gone'), telling('b', 'good')] } })
    for (let i = 0; i < 5; i++) {
      expect((await w.clock.run(settled(w.manager.retrieve(network.block(numbered(i)))))).error).toBeUndefined()
    }
    expect(heard.filter(line => line === 'b: http:good.example delivered')).toHaveLength(5)
    expect(heard.every(line => line.startsWith('b: http:good.') || line.startsWith('a: http:gone.'))).toBe(true)
    await w.manager.stop()
  })
})
