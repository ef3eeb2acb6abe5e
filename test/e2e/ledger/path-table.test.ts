import { describe, expect, it } from 'vitest'
import { Dice } from './dice.ts'
import { leapingClock } from './leaping-clock.ts'
import { pathsOf } from './path-of.ts'
import { allPaths, byPath, pathLines } from './path-table.ts'
import { Sightings } from './sightings.ts'
import { emptyTally } from './tally.ts'
import type { Compared } from './compare.ts'
import type { DisclosureEntry } from '../../../src/interface/disclosure.ts'
import type { Sighting } from './sightings.ts'

const PLAYED = { hinted: new Set(['block p2p:a']), coalesced: new Set(['joined']), failures: new Map([['p2p:b', 'peer silent']]), hits: 0, joined: 0 }

function entry (init: Partial<DisclosureEntry>): DisclosureEntry {
  return { observer: 'p2p:c', form: 'cid', transport: 'bitswap', audience: 'one', purpose: 'read', request: 'r', mode: 'open', key: 'other', at: 0, state: 'sent', cancelled: false, ...init }
}

function seen (transport: Sighting['transport'], what: Sighting['what'] = 'asked', detail?: Sighting['detail']): Sighting {
  const sightings = new Sightings()
  sightings.see(sightings.channel('p2p:c', transport), 'p2p:c', transport, 'cid', 'other', what, detail)
  return sightings.seen[0] as Sighting
}

describe('the path of a message', () => {
  it.each([
    [{}, undefined, ['bitswap want']],
    [{}, seen('bitswap', 'asked', 'have'), ['bitswap have']],
    [{}, seen('bitswap', 'cancelled'), ['bitswap cancel']],
    [{ transport: 'http' }, seen('http', 'asked', 'car'), ['CAR']],
    [{ transport: 'https' }, undefined, ['HTTP']],
    [{ transport: 'dht' }, undefined, ['DHT lookup hops']],
    [{ transport: 'dht', purpose: 'announce' }, undefined, ['announce']],
    [{ transport: 'rediss' }, undefined, ['shared L2']],
    [{ transport: 'dns', form: 'hostname' }, undefined, ['DNS']],
    [{ transport: 'dial', form: 'none' }, undefined, ['connections']],
    [{ transport: 'dial', form: 'none', purpose: 'probe' }, undefined, ['probes']],
    [{ transport: 'sibling', observer: 'http:c' }, undefined, ['HTTP', 'siblings']],
    [{ transport: 'delegated', purpose: 'prefetch' }, undefined, ['delegated routing', 'prefetch']],
    [{ purpose: 'shadow' }, undefined, ['bitswap want', 'shadow']],
    [{ purpose: 'serve' }, undefined, ['answers to others']],
    [{ key: 'block', observer: 'p2p:a' }, undefined, ['bitswap want', 'hints']],
    [{ key: 'joined', observer: 'p2p:b' }, undefined, ['bitswap want', 'coalesced', 'failure: peer silent']]
  ] as const)('%j is known', (init, sighting, paths) => {
    expect(pathsOf(entry(init), sighting, PLAYED)).toEqual(paths)
  })
})

describe('the table by path', () => {
  const group = (tally: Partial<Compared['tally']>, entries: readonly DisclosureEntry[], sightings: readonly Sighting[]): Compared => ({
    line: { what: 'asked' },
    tally: { ...emptyTally(), ...tally },
    entries: entries.map(entry => ({ entry, intendedAt: 0 })),
    sightings
  } as unknown as Compared)

  it('counts what was compared, each side where it is known', () => {
    const table = byPath([
      group({ matched: 1 }, [entry({})], [seen('bitswap')]),
      group({ extra: 1 }, [entry({ purpose: 'shadow' })], []),
      group({ missing: 1 }, [], [seen('http')]),
      group({ unknown: 1 }, [entry({ transport: 'dns', state: 'unknown' })], [])
    ], 'open', { ...PLAYED, hits: 3 })

    expect(table.get('bitswap want')).toMatchObject({ matched: 1, extra: 1 })
    expect(table.get('shadow')).toMatchObject({ matched: 0, extra: 1 })
    expect(table.get('HTTP')).toMatchObject({ matched: 0, missing: 1 })
    expect(table.get('DNS')).toMatchObject({ matched: 0, unknown: 1 })
    expect(table.get('cache hit')).toMatchObject({ matched: 0, reads: 3 })
    expect(allPaths([table, table]).get('bitswap want')).toMatchObject({ matched: 2, extra: 2 })
  })

  it.each([200, 80, 40])('fits in %d columns', width => {
    const lines = pathLines(byPath([group({ matched: 1 }, [entry({})], [seen('bitswap')])], 'strict', PLAYED), width).split('\n')
    expect(Math.max(...lines.map(({ length }) => length))).toBeLessThanOrEqual(width)
    expect(lines.some(line => /^bitswap want +1/.test(line))).toBe(true)
  })
})

describe('what a seed decides', () => {
  it('is decided by each in his own way, in whatever order they are asked', () => {
    const rolls = (dice: Dice): number[] => Array.from({ length: 5 }, () => dice.below(1_000_000))
    const first = rolls(new Dice(1).of('peer-1'))
    const dice = new Dice(1)
    rolls(dice)
    rolls(dice.of('peer-2'))

    expect(rolls(dice.of('peer-1'))).toEqual(first)
    expect(rolls(dice.of('peer-2'))).not.toEqual(first)
    expect(rolls(new Dice(2).of('peer-1'))).not.toEqual(first)
  })
})

describe('a clock that leaps', () => {
  it('does at once, in order, what was due meanwhile, and nothing else', () => {
    const clock = leapingClock()
    const done: string[] = []
    const before = clock.now()
    clock.schedule(60_000, () => { done.push('later') })
    clock.schedule(40_000, () => { done.push('sooner') })
    const cancel = clock.schedule(50_000, () => { done.push('never') })
    const last = clock.schedule(200_000, () => { done.push('too late') })
    cancel()
    clock.leap(100_000)
    last()

    expect(done).toEqual(['sooner', 'later'])
    expect(clock.now() - before).toBeGreaterThanOrEqual(100_000)
  })
})
