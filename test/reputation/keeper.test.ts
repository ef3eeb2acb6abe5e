import { MemoryDatastore } from 'datastore-core'
import { Key } from 'interface-datastore/key'
import { describe, expect, it } from 'vitest'
import { raceSignal } from '../../src/clock/race-signal.ts'
import { seededRandom } from '../../src/clock/random.ts'
import { ProviderBook } from '../../src/reputation/book.ts'
import { DEFAULT_KEEPER_TIMEOUT } from '../../src/keeper/entry-keeper.ts'
import { REPUTATION_PREFIX, ReputationKeeper } from '../../src/reputation/keeper.ts'
import { silentLogger } from '../../src/testing/silent-logger.ts'
import { VirtualClock } from '../../src/testing/virtual-clock.ts'
import type { ProviderId, Route } from '../../src/interface/provider.ts'
import type { ReputationInit } from '../../src/reputation/book.ts'
import type { Batch, Datastore, Pair, Query } from 'interface-datastore'

const id = (name: string | number): ProviderId => `p2p:${name}`
const route = (name: string | number): Route => ({ provider: id(name), transport: 'bitswap', address: '/ip4/192.0.2.1/tcp/1' })

/** A datastore that fails, hangs and counts as told */
class WilfulDatastore extends MemoryDatastore {
  failing = false
  gate: Promise<void> | undefined
  commits = 0
  concurrent = 0
  mostConcurrent = 0
  obeysSignals = true
  ended = 0

  override batch (): Batch {
    const batch = super.batch()
    const commit = batch.commit.bind(batch)
    return Object.assign(batch, {
      commit: async (options?: { signal?: AbortSignal }) => {
        this.commits++
        this.concurrent++
        this.mostConcurrent = Math.max(this.concurrent, this.mostConcurrent)

        try {
          await this.#obstacle(options?.signal)
          await commit()
        } finally {
          this.concurrent--
        }
      }
    })
  }

  override async * query (query: Query, options?: { signal?: AbortSignal }): AsyncGenerator<Pair> {
    try {
      for await (const pair of super.query(query, options)) {
        yield pair
        await this.#obstacle(undefined)
      }
    } finally {
      this.ended++
    }
  }

  async #obstacle (signal: AbortSignal | undefined): Promise<void> {
    if (this.failing) {
      throw new Error('disk full')
    }

    if (this.gate != null) {
      await raceSignal(this.gate, this.obeysSignals ? signal : undefined)
    }
  }
}

interface Node { clock: VirtualClock, book: ProviderBook, keeper: ReputationKeeper }

function node (datastore: Datastore, init?: ReputationInit): Node {
  const clock = new VirtualClock()
  const book = new ProviderBook({ clock, random: seededRandom(1) }, init)
  return { clock, book, keeper: new ReputationKeeper({ book, datastore, logger: silentLogger, clock }) }
}

/** Entries keep three decimals */
const rounded = (value: unknown): unknown => JSON.parse(JSON.stringify(value, (_key, v: unknown) => typeof v === 'number' ? Math.round(v * 100) / 100 : v))

async function count (datastore: Datastore): Promise<number> {
  let entries = 0
  for await (const entry of datastore.queryKeys({ prefix: REPUTATION_PREFIX })) {
    entries += entry == null ? 0 : 1
  }
  return entries
}

describe('the reputation keeper', () => {
  it('a book outlives its process', async () => {
    const datastore = new MemoryDatastore()
    const first = node(datastore)

    for (const [name, outcome] of [['good', 'delivered'], ['liar', 'invalid'], ['dead', 'unreachable']] as const) {
      first.book.record(id(name), route(name), outcome, { latency: 20, bytes: 1e6, transfer: 10 }, 0)
    }
    await first.keeper.save()

    const second = node(datastore)
    await second.keeper.load()
    expect(second.book.size).toBe(3)
    for (const name of ['good', 'liar', 'dead']) {
      expect(rounded(second.book.view(id(name), route(name), 0))).toEqual(rounded(first.book.view(id(name), route(name), 0)))
    }
    expect(second.book.view(id('dead'), route('dead'), 0).breaker).toBe('open')
    expect(second.keeper.stats()).toEqual({ dropped: 0, failedWrites: 0 })
  })

  it('writes what changed and nothing else', async () => {
    const datastore = new WilfulDatastore()
    const { book, keeper } = node(datastore)
    await keeper.save()
    expect(datastore.commits).toBe(0)

    book.record(id('a'), route('a'), 'delivered', {}, 0)
    await keeper.save()
    await keeper.save()
    expect(datastore.commits).toBe(1)
    expect(await count(datastore)).toBe(1)
  })

  it('a failed write loses nothing: it is counted and tried again', async () => {
    const datastore = new WilfulDatastore()
    const { book, keeper } = node(datastore, { maxProviders: 20 })
    book.record(id('a'), route('a'), 'invalid', {}, 0)
    datastore.failing = true
    await keeper.save()
    expect(keeper.stats().failedWrites).toBe(1)
    expect(await count(datastore)).toBe(0)

    book.record(id('b'), route('b'), 'delivered', {}, 0)
    await keeper.save()
    datastore.failing = false
    await keeper.save()
    expect(keeper.stats().failedWrites).toBe(2)
    expect(await count(datastore)).toBe(2)

    // deletions are not lost either
    for (let i = 0; i < 30; i++) {
      book.record(id(i), route(i), 'delivered', {}, 0)
    }
    datastore.failing = true
    await keeper.save()
    datastore.failing = false
    await keeper.save()
    expect(await count(datastore)).toBe(book.size)
  })

  it('writes once at a time, and those who ask meanwhile share the next', async () => {
    const datastore = new WilfulDatastore()
    const { clock, book, keeper } = node(datastore)
    const gate = Promise.withResolvers<void>()
    datastore.gate = gate.promise
    book.record(id('a'), route('a'), 'delivered', {}, 0)
    const first = keeper.save()
    await clock.advance(0)
    expect(datastore.commits).toBe(1)
    book.record(id('b'), route('b'), 'delivered', {}, 0)
    const others = Array.from({ length: 20 }, async () => keeper.save())
    gate.resolve()
    await Promise.all([first, ...others])
    expect(datastore.mostConcurrent).toBe(1)
    expect(datastore.commits).toBe(2)
    expect(await count(datastore)).toBe(2)
  })

  it.each([true, false])('a store that hangs is not waited for longer than the timeout (it obeys signals: %s)', async obeysSignals => {
    const datastore = new WilfulDatastore()
    datastore.obeysSignals = obeysSignals
    const { clock, book, keeper } = node(datastore)
    const gate = Promise.withResolvers<void>()
    datastore.gate = gate.promise
    book.record(id('a'), route('a'), 'delivered', {}, 0)
    await clock.run(keeper.save())
    expect(clock.now()).toBe(DEFAULT_KEEPER_TIMEOUT)
    expect(keeper.stats().failedWrites).toBe(1)

    book.record(id('b'), route('b'), 'delivered', {}, 0)
    await clock.run(keeper.save())
    expect(clock.now()).toBe(2 * DEFAULT_KEEPER_TIMEOUT)
    expect(datastore.mostConcurrent).toBe(1)
    expect(clock.pending).toBe(0)

    // it comes back to life
    gate.resolve()
    datastore.gate = undefined
    await clock.run(keeper.save())
    expect(await count(datastore)).toBe(2)
  })

  it('drops what it cannot read, counts it, and deletes it with the next write', async () => {
    const datastore = new MemoryDatastore()
    const first = node(datastore)
    first.book.record(id('good'), route('good'), 'delivered', { latency: 5 }, 0)
    await first.keeper.save()
    let good = ''
    for await (const { value } of datastore.query({ prefix: REPUTATION_PREFIX })) {
      good = new TextDecoder().decode(value)
    }
    const spoilt = [
      '', 'not json', 'null', '42', '[]', '{}', '"text"',
      good.replace('p2p:good', 'nobody:good'),
      good.replace('"wall":', '"wall":"x","old":'),
      good.replace('"score":1', '"score":null'),
      good.replace('"routes":[', '"routes":7,"old":['),
      good.slice(0, -10),
      // a whole entry under somebody else's name
      good,
      `"${'x'.repeat(100_000)}"`
    ]
    for (const [i, text] of spoilt.entries()) {
      await datastore.put(new Key(`${REPUTATION_PREFIX}/spoilt${i}`), new TextEncoder().encode(text))
    }
    // not ours
    await datastore.put(new Key('/portolan/reputation/v10/x'), new Uint8Array(3))

    const second = node(datastore)
    await second.keeper.load()
    expect(second.keeper.stats().dropped).toBe(spoilt.length)
    expect(second.book.ids()).toEqual([id('good')])

    await second.keeper.save()
    expect(await count(datastore)).toBe(1 + 1)
    expect(await datastore.has(new Key('/portolan/reputation/v10/x'))).toBe(true)
  })

  it('a book larger than the store allows keeps the worst and the latest', async () => {
    const datastore = new MemoryDatastore()
    const first = node(datastore, { maxProviders: 20_000 })
    for (let i = 0; i < 12_000; i++) {
      first.book.record(id(i), route(i), i % 100 === 0 ? 'invalid' : 'delivered', { latency: 5 }, i)
    }
    await first.keeper.save()
    expect(await count(datastore)).toBe(12_000)

    const second = node(datastore)
    await second.clock.advance(100_000)
    await second.keeper.load()
    expect(second.book.size).toBe(10_000)
    const kept = new Set(second.book.ids())
    expect([...Array(12_000).keys()].filter(i => i % 100 === 0 && !kept.has(id(i)))).toEqual([])
    expect([...Array(12_000).keys()].filter(i => i > 2_100 && !kept.has(id(i)))).toEqual([])

    await second.keeper.save()
    expect(await count(datastore)).toBe(10_000)
  })

  it('what was learnt while it was loading adds to what was stored', async () => {
    const datastore = new MemoryDatastore()
    const first = node(datastore)
    for (let i = 0; i < 30; i++) {
      first.book.record(id('liar'), route('liar'), 'invalid', { latency: 5 }, i)
    }
    await first.keeper.save()

    const second = node(datastore)
    second.book.record(id('liar'), route('liar'), 'delivered', { latency: 50 }, 0)
    await second.keeper.load()
    expect(second.book.view(id('liar'), route('liar'), 0)).toMatchObject({ conduct: -599, selectable: false, attempts: 31 })
  })

  it('a load that fails or hangs keeps what it read, and ends', async () => {
    const datastore = new WilfulDatastore()
    const first = node(datastore)
    for (const name of ['a', 'b', 'c']) {
      first.book.record(id(name), route(name), 'delivered', { latency: 5 }, 0)
    }
    await first.keeper.save()

    datastore.failing = true
    const second = node(datastore)
    await expect(second.keeper.load()).rejects.toThrow('disk full')
    expect(second.book.size).toBe(1)
    expect(second.clock.pending).toBe(0)

    datastore.failing = false
    datastore.gate = new Promise(() => {})
    const third = node(datastore)
    await expect(third.clock.run(third.keeper.load())).rejects.toMatchObject({ name: 'TimeoutError' })
    expect(third.clock.now()).toBe(DEFAULT_KEEPER_TIMEOUT)
    expect(third.book.size).toBe(1)

    const fourth = node(datastore)
    await expect(fourth.keeper.load({ signal: AbortSignal.abort(new Error('enough')) })).rejects.toThrow('enough')
    expect(fourth.clock.pending).toBe(0)
  })
})
