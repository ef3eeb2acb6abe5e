import { describe, expect, it } from 'vitest'
import { seededRandom } from '../../src/clock/random.ts'
import { ProviderBook } from '../../src/reputation/book.ts'
import { DEFAULT_BREAKER } from '../../src/reputation/breaker.ts'
import { DEFAULT_OUTAGE } from '../../src/reputation/outage.ts'
import { Pardons } from '../../src/reputation/pardons.ts'
import { newRecord } from '../../src/reputation/record.ts'
import { VirtualClock } from '../../src/testing/virtual-clock.ts'
import type { Outcome } from '../../src/interface/outcome.ts'
import type { ProviderId, Route } from '../../src/interface/provider.ts'
import type { ProviderView } from '../../src/interface/reputation.ts'
import type { ReputationInit } from '../../src/reputation/book.ts'

const { window, strict } = DEFAULT_OUTAGE
const GOOD: ProviderId = 'https:good.example'
const names = (count: number, what: string): ProviderId[] => Array.from({ length: count }, (_, i): ProviderId => `https:${what}${i}.example`)

interface World {
  clock: VirtualClock
  book: ProviderBook
  record (id: ProviderId, outcome: Outcome): void
  view (id: ProviderId): ProviderView
  ask (id: ProviderId, outcome: Outcome): boolean
}

function world (init?: ReputationInit): World {
  const clock = new VirtualClock()
  const book = new ProviderBook({ clock, random: seededRandom(1) }, init)
  const route = (id: ProviderId): Route => ({ provider: id, transport: 'http', address: id.replace(':', '://') })
  const record = (id: ProviderId, outcome: Outcome): void => { book.record(id, route(id), outcome, { latency: 20 }, clock.now()) }
  const view = (id: ProviderId): ProviderView => book.view(id, route(id), clock.now())
  /** One that may be asked is asked */
  const ask = (id: ProviderId, outcome: Outcome): boolean => {
    const { breaker, selectable } = view(id)

    if (breaker === 'open' || !selectable) {
      return false
    }

    if (breaker === 'half-open') {
      book.probing(id, route(id))
    }

    record(id, outcome)
    return true
  }

  return { clock, book, record, view, ask }
}

describe('a captive portal', () => {
  it('answers in the name of everybody, and is held against nobody, not even the first', async () => {
    const { clock, book, record, view, ask } = world()
    const everybody = names(8, 'p')
    everybody.forEach(id => { record(id, 'delivered') })
    await clock.advance(60_000)
    const before = everybody.map(id => view(id).conduct)

    for (let minute = 0; minute < 60; minute++) {
      everybody.forEach(id => { ask(id, 'invalid') })
      expect(book.frozen).toBe(true)
      expect(everybody.map(id => view(id).conduct)).toEqual(before.map(score => Math.max(0, score - 10 * Math.floor((minute + 1) / 10))))
      expect(everybody.every(id => view(id).retryAt <= clock.now() + DEFAULT_BREAKER.base)).toBe(true)
      await clock.advance(60_000)
    }

    expect(everybody.filter(id => !ask(id, 'delivered'))).toEqual([])
    expect(book.frozen).toBe(false)
    expect(everybody.filter(id => view(id).breaker !== 'closed')).toEqual([])
  })

  it('cuts off those that it cannot speak for, which is the same outage', async () => {
    const { clock, book, record, view } = world()
    const everybody = names(4, 'p')
    everybody.forEach(id => { record(id, 'delivered') })
    await clock.advance(60_000)
    for (const [i, id] of everybody.entries()) {
      record(id, i % 2 === 0 ? 'invalid' : 'unreachable')
    }
    expect(book.frozen).toBe(true)
    await clock.advance(DEFAULT_BREAKER.base)
    expect(everybody.filter(id => view(id).breaker === 'open' || view(id).conduct < 0)).toEqual([])
  })

  it('is known for one after a restart, before anybody has delivered', () => {
    const { clock, book, record } = world()
    const everybody = names(4, 'p')
    everybody.forEach(id => { record(id, 'delivered') })
    const again = new ProviderBook({ clock, random: seededRandom(1) })
    const entries = JSON.parse(JSON.stringify(book)) as unknown[]
    entries.forEach(entry => { again.restore(entry) })
    for (const id of everybody) {
      again.record(id, { provider: id, transport: 'http', address: id.replace(':', '://') }, 'invalid', {}, 0)
    }
    expect(again.frozen).toBe(true)
    expect(everybody.map(id => again.describe(id)?.conduct)).toEqual([1, 1, 1, 1])
  })

  it('pardons what is on disk too', () => {
    const { book, record } = world()
    const everybody = names(4, 'p')
    everybody.forEach(id => { record(id, 'delivered') })
    everybody.slice(1).forEach(id => { record(id, 'invalid') })
    const written = (): number[] => book.takeDirty().map(([, stored]) => (stored as { conduct: { score: number } }).conduct.score)
    expect(written()).toEqual([1, -19, -19, -19])
    // the window of the last delivery is over for nobody: a lone bad one tips the share
    record('https:p0.example', 'invalid')
    expect(written()).toEqual([1, 1, 1, 1])
  })
})

describe('no captive portal', () => {
  it('are new names that send garbage, however many; and the good one is asked as ever', async () => {
    const { clock, book, record, view } = world()
    record(GOOD, 'delivered')
    for (const id of names(2_000, 'new')) {
      record(id, 'invalid')
      expect(book.frozen).toBe(false)
      expect(view(id)).toMatchObject({ conduct: -20, breaker: 'open' })
      expect(view(id).retryAt).toBeGreaterThan(clock.now() + 20_000)
    }
    expect(view(GOOD)).toMatchObject({ conduct: 1, breaker: 'closed', selectable: true })
  })

  it('nor are they before anybody has delivered', () => {
    const { book, record, view } = world()
    for (const id of names(50, 'new')) {
      record(id, 'invalid')
      expect(book.frozen).toBe(false)
      expect(view(id).conduct).toBe(-20)
    }
  })

  it('nor does an outage make liars of strangers honest', async () => {
    const { clock, book, record, view } = world()
    const everybody = names(8, 'p')
    everybody.forEach(id => { record(id, 'delivered') })
    await clock.advance(60_000)
    everybody.forEach(id => { record(id, 'unreachable') })
    expect(book.frozen).toBe(true)
    record('https:new.example', 'invalid')
    expect(view('https:new.example').conduct).toBe(-20)
  })

  it('are a few who lie while others deliver', async () => {
    const { clock, book, record, view } = world()
    const liars = names(3, 'liar')
    const good = names(3, 'good')
    ;[...liars, ...good].forEach(id => { record(id, 'delivered') })
    await clock.advance(60_000)
    for (let i = 0; i < 3; i++) {
      liars.forEach(id => { record(id, 'invalid') })
      expect(book.frozen).toBe(false)
      good.forEach(id => { record(id, 'delivered') })
    }
    expect(liars.map(id => view(id).conduct)).toEqual([-59, -59, -59])
  })

  it.each([
    ['lie', ['invalid']],
    ['lie or fall silent', ['invalid', 'stalled']],
    ['fall silent first, and then lie', ['stalled', 'stalled', 'invalid']]
  ] as const)('are twenty who delivered once to be taken for honest and now %s: it buys them next to nothing, and the good one is asked at every read', async (_name, manners) => {
    const liars = names(20, 'liar')
    const lies: number[] = []

    // as it is, and where nothing is ever forgiven
    for (const init of [{}, { outage: { minProviders: Infinity } }]) {
      const { clock, record, view, ask } = world(init)
      let count = 0
      let turn = 0
      record(GOOD, 'delivered')
      liars.forEach(id => { record(id, 'delivered') })
      await clock.advance(60_000)

      for (let read = 0; read < 4_000; read++) {
        // the worst order: all of them are asked before the good one
        for (const id of liars) {
          const outcome = manners[turn++ % manners.length] as Outcome
          count += ask(id, outcome) && outcome === 'invalid' ? 1 : 0
        }

        expect(ask(GOOD, 'delivered')).toBe(true)
        await clock.advance(10_000)
      }

      expect(Math.min(...liars.map(id => view(id).conduct))).toBeLessThan(-400)
      expect(view(GOOD)).toMatchObject({ selectable: true, breaker: 'closed' })
      lies.push(count)
    }

    expect(lies[0]).toBeLessThan(1.2 * (lies[1] ?? 0))
  })

  it('is what comes within ten minutes of the last one', async () => {
    const { clock, book, record, view } = world()
    const everybody = names(6, 'p')
    const lie = (): number[] => {
      everybody.forEach(id => { record(id, 'invalid') })
      return everybody.map(id => view(id).conduct)
    }
    everybody.forEach(id => { record(id, 'delivered') })
    await clock.advance(60_000)
    expect(lie()).toEqual([1, 1, 1, 1, 1, 1])
    await clock.advance(window)
    everybody.forEach(id => { record(id, 'delivered') })
    expect(lie()).toEqual([-18, -18, -18, -18, -18, -18])
    expect(book.frozen).toBe(false)
    await clock.advance(strict)
    expect(Math.min(...lie())).toBeGreaterThan(-18)
    expect(book.frozen).toBe(true)
  })
})

describe('pardons', () => {
  it('are remembered for a bounded number of providers', () => {
    const pardons = new Pardons(10, window)
    for (const [i, id] of names(100, 'p').entries()) {
      pardons.remember(newRecord(id, 0), i)
      expect(pardons.size).toBeLessThanOrEqual(10)
    }
  })

  it('are for those only who sent wrong bytes within the window, and were not heard otherwise since', () => {
    const pardons = new Pardons(10, window)
    const records = new Map(names(3, 'p').map(id => [id, newRecord(id, 0)]))
    const [late, heard, lately] = [...records.values()]
    for (const [record, at] of [[late, 0], [heard, 1], [lately, 1]] as const) {
      if (record != null) {
        pardons.remember(record, at)
        record.failures = 9
      }
    }
    pardons.forget(heard?.id ?? GOOD)
    expect(pardons.grant(id => records.get(id), window + 1, DEFAULT_BREAKER)).toEqual([lately])
    expect([...records.values()].map(({ failures }) => failures)).toEqual([9, 9, 0])
    expect(pardons.size).toBe(0)
  })
})
