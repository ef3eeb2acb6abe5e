import { MemoryDatastore } from 'datastore-core'
import { describe, expect, it } from 'vitest'
import { numbered, settled, world } from './support/world.ts'
import type { BlockFetcher } from '../../src/interface/fetcher.ts'
import type { Attempt } from '../../src/interface/request.ts'
import type { World } from './support/world.ts'

const noHedge = { share: 0, initial: 0, shadowShare: 0 }

async function read (w: World, count: number, from = 0): Promise<void> {
  for (let i = from; i < from + count; i++) {
    await w.clock.run(w.manager.retrieve(w.network.block(numbered(i))))
  }
}

/** The simulated fetcher with its `fetch` replaced for one provider */
function fetcherWith (w: { network: World['network'] }, name: string, fetch: (attempt: Attempt) => Promise<Uint8Array>): BlockFetcher {
  const { fetcher } = w.network
  return {
    ...fetcher,
    fetch: (want, route, attempt) => route.provider === `http:${name}.example` ? fetch(attempt) : fetcher.fetch(want, route, attempt)
  }
}

describe('back-off', () => {
  it('leaves a provider that never delivered alone after one failure', async () => {
    const w = await world({ routing: { hedge: noHedge } })
    const down = w.network.add('down', { down: true })
    w.network.add('good', { latency: 10 })
    await read(w, 30)
    expect(down.requestCount).toBeLessThanOrEqual(2)
    await w.manager.stop()
  })

  it('grows, and one probe at a time goes through after it', async () => {
    const w = await world({ routing: { hedge: noHedge } })
    const only = w.network.add('only', { down: true })
    const gaps: number[] = []
    for (let i = 0; i < 400; i++) {
      const failed = settled(w.manager.retrieve(w.network.block(numbered(i)), { timeout: 400, skipNegativeCache: true }))
      await w.clock.advance(500)
      await failed
    }
    const times = only.requests.map(({ at }) => at)
    for (let i = 1; i < times.length; i++) {
      gaps.push((times[i] ?? 0) - (times[i - 1] ?? 0))
    }
    expect(only.requestCount).toBeLessThan(20)
    expect(gaps.at(-1)).toBeGreaterThan(4 * (gaps[0] ?? 0))
    await w.manager.stop()
  })

  it('ends with the first answer', async () => {
    const w = await world({ routing: { hedge: noHedge } })
    const only = w.network.add('only', { down: true })
    await w.clock.run(settled(w.manager.retrieve(w.network.block(numbered(0)), { timeout: 500 })))
    expect(w.book.view(only.id, only.route, w.clock.now()).breaker).toBe('open')
    only.behaviour.down = false
    await w.clock.advance(2_000)
    expect(w.book.view(only.id, only.route, w.clock.now()).breaker).toBe('half-open')
    await read(w, 1, 1)
    expect(w.book.view(only.id, only.route, w.clock.now()).breaker).toBe('closed')
    await w.manager.stop()
  })

  it('for load moves on to another at once and costs no conduct', async () => {
    const w = await world({ routing: { hedge: noHedge } })
    const busy = w.network.add('busy', { latency: 5, rateLimit: 0.001 })
    w.network.add('good', { latency: 50 })
    await read(w, 30)
    expect(w.manager.stats().outcomes.overloaded).toBeGreaterThan(0)
    expect(Number(w.book.describe(busy.id)?.conduct)).toBeGreaterThanOrEqual(0)
    expect(w.manager.stats().succeeded).toBe(30)
    await w.manager.stop()
  })

  it('outlives a restart, as does everything learnt', async () => {
    const datastore = new MemoryDatastore()
    const w = await world({ datastore, routing: { hedge: noHedge } })
    const down = w.network.add('down', { down: true })
    const liar = w.network.add('liar', { garbage: true })
    const good = w.network.add('good', { latency: 10 })
    await read(w, 10)
    const conduct = Number(w.book.describe(liar.id)?.conduct)
    expect(conduct).toBeLessThan(0)
    await w.manager.stop()

    const again = await world({ datastore, network: w.network, seed: 2, routing: { hedge: noHedge } })
    expect(again.book.view(down.id, down.route, again.clock.now()).breaker).toBe('open')
    expect(again.book.describe(liar.id)?.conduct).toBe(conduct)
    const asked = { down: down.requestCount, liar: liar.requestCount }
    await again.clock.run(again.manager.retrieve(again.network.block(numbered(100))))
    expect(down.requestCount).toBe(asked.down)
    expect(liar.requestCount).toBe(asked.liar)
    expect(good.requests.at(-1)?.outcome).toBe('answered')
    await again.manager.stop()
  })

  it('is not laundered by a new address', async () => {
    const w = await world({ routing: { hedge: noHedge } })
    const liar = w.network.add('liar', { garbage: true })
    const good = w.network.add('good', { latency: 500 })
    await read(w, 3)
    const moved = { ...liar.provider, addresses: ['http://elsewhere.example'] }
    const v = await world({
      network: w.network,
      parts: {
        reputation: w.book,
        sources: [{ name: 'moved', async * find () { yield moved; yield good.provider } }],
        fetchers: [{ ...w.network.fetcher, routes: provider => [{ provider: provider.id, transport: 'http', address: provider.addresses[0] }] }]
      }
    })
    const asked = liar.requestCount
    await v.clock.run(v.manager.retrieve(v.network.block(numbered(50))))
    expect(liar.requestCount).toBe(asked)
    await v.manager.stop()
    await w.manager.stop()
  })
})

describe('conduct', () => {
  it('of a provider that lies bars it, and the read succeeds all the same', async () => {
    const w = await world({ routing: { hedge: noHedge } })
    const liar = w.network.add('liar', { garbage: true, latency: 1 })
    w.network.add('good', { latency: 50 })
    for (let i = 0; i < 60; i++) {
      await read(w, 1, i)
      // past every pause: only its conduct keeps it out
      await w.clock.advance(310_000)
    }
    expect(liar.requestCount).toBeLessThanOrEqual(55)
    expect(w.manager.stats().succeeded).toBe(60)
    expect(w.manager.stats().outcomes.invalid).toBe(liar.requestCount)
    await w.manager.stop()
  })

  it('suffers from repeated refusals only', async () => {
    const w = await world({ routing: { hedge: noHedge } })
    const refuser = w.network.add('refuser', { refuses: true })
    const conduct: number[] = []
    for (let i = 0; i < 4; i++) {
      await w.clock.run(settled(w.manager.retrieve(w.network.block(numbered(i)))))
      conduct.push(Number(w.book.describe(refuser.id)?.conduct))
    }
    expect(conduct).toEqual([0, 0, -5, -10])
    await w.manager.stop()
  })
})

describe('an outage of our own', () => {
  it('is held against nobody, and is over with the first answer', async () => {
    const w = await world({ routing: { hedge: noHedge } })
    const providers = Array.from({ length: 8 }, (_, i) => w.network.add(`p${i}`, { latency: 20 + i }))
    // each has proved itself
    for (let i = 0; providers.some(provider => provider.requestCount < 2); i++) {
      await read(w, 1, i)
    }
    await w.clock.advance(60_000)
    w.network.outage = true
    for (let i = 0; i < 20; i++) {
      const failed = await w.clock.run(settled(w.manager.retrieve(w.network.block(numbered(10_000 + i)), { timeout: 2_000, skipNegativeCache: true })))
      expect(failed.error).toBeDefined()
    }
    expect(w.book.frozen).toBe(true)
    expect(providers.filter(({ id, route }) => w.book.view(id, route, w.clock.now()).breaker !== 'closed')).toEqual([])
    expect(providers.every(({ id }) => Number(w.book.describe(id)?.reliability) > 0.5)).toBe(true)
    w.network.outage = false
    const started = w.clock.now()
    await read(w, 1, 20_000)
    expect(w.clock.now() - started).toBeLessThan(100)
    expect(w.book.frozen).toBe(false)
    await w.manager.stop()
  })

  it('ends for a read under way when the network comes back', async () => {
    const w = await world()
    Array.from({ length: 8 }, (_, i) => w.network.add(`p${i}`, { latency: 20 }))
    w.network.outage = true
    const reading = w.manager.retrieve(w.network.block(numbered(1)))
    await w.clock.advance(300)
    w.network.outage = false
    expect(await w.clock.run(reading)).toEqual(numbered(1))
    expect(w.clock.now()).toBeLessThan(5_000)
    await w.manager.stop()
  })
})

describe('a provider that is slow', () => {
  it('but steady is not called silent', async () => {
    const w = await world({ routing: { hedge: noHedge } })
    w.network.add('slow', { latency: 1_500, sigma: 0.3 })
    await read(w, 50)
    expect(w.manager.stats().outcomes).toMatchObject({ delivered: 50, stalled: 0, cancelled: 0 })
    await w.manager.stop()
  })

  it('beyond what is waited for an unknown one is heard out when there is nobody else', async () => {
    const w = await world({ routing: { hedge: noHedge } })
    w.network.add('slow', { latency: 8_000 })
    await read(w, 3)
    expect(w.manager.stats().outcomes).toMatchObject({ delivered: 3, stalled: 0 })
    await w.manager.stop()
  })

  it('and trickles is not cut off while bytes come', async () => {
    const w = await world({ routing: { hedge: noHedge } })
    // eight pieces, each 1.2 s apart
    w.network.add('trickle', { latency: 50, throughput: 131_072 / 9_600 })
    await w.clock.run(w.manager.retrieve(w.network.block(numbered(1, 131_072))))
    expect(w.clock.now()).toBeGreaterThan(9_000)
    expect(w.manager.stats().outcomes).toMatchObject({ delivered: 1, stalled: 0 })
    await w.manager.stop()
  })

  it('turned silent in the middle of a transfer is left for another', async () => {
    const w = await world({ routing: { hedge: noHedge } })
    const stalling = w.network.add('stalling', { latency: 5, stallsAfter: 0.5 })
    w.network.add('good', { latency: 100 })
    const cid = w.network.block(numbered(1, 65_536))
    while (stalling.requestCount === 0) {
      await w.clock.run(w.manager.retrieve(cid))
    }
    expect(stalling.requests[0]?.outcome).toBe('aborted')
    expect(w.manager.stats().outcomes.stalled).toBe(1)
    expect(String(w.manager.explain(cid))).toMatch(/silent for 1500 ms after 32768 bytes/)
    await w.manager.stop()
  })

  it('to connect is given up at the connect timeout', async () => {
    const w = await world({ routing: { hedge: noHedge, timeouts: { connect: 400 } } })
    const far = w.network.add('far', { connect: 60_000 }, { unlisted: true })
    w.network.add('good', { latency: 10 })
    const cid = w.network.block(numbered(1))
    await w.clock.run(w.manager.retrieve(cid, { providers: ['http://far.example'] }))
    expect(far.requests[0]?.outcome).toBe('aborted')
    expect(w.manager.stats().outcomes.unreachable).toBe(1)
    expect(w.clock.now()).toBeLessThan(500)
    expect(String(w.manager.explain(cid))).toContain('no connection within 400 ms')
    await w.manager.stop()
  })
})

describe('a fetcher', () => {
  it('that ignores its signal holds up neither the read nor stop', async () => {
    const w = await world({ started: false })
    w.network.add('deaf')
    w.network.add('good', { latency: 100 })
    const v = await world({ network: w.network, parts: { fetchers: [fetcherWith(w, 'deaf', async () => new Promise(() => {}))] } })
    for (let i = 0; i < 5; i++) {
      expect(await v.clock.run(v.manager.retrieve(v.network.block(numbered(i))))).toEqual(numbered(i))
    }
    await v.manager.stop()
    expect(v.manager.stats().inFlight.attempts).toBe(0)
    expect(v.clock.pending).toBe(0)
  })

  it('that throws before it returns a promise is a failed attempt', async () => {
    const w = await world({ started: false })
    w.network.add('broken')
    w.network.add('good', { latency: 100 })
    const fetcher = fetcherWith(w, 'broken', () => { throw new TypeError('cannot read properties of undefined') })
    const v = await world({ network: w.network, parts: { fetchers: [fetcher] } })
    for (let i = 0; i < 5; i++) {
      expect(await v.clock.run(v.manager.retrieve(v.network.block(numbered(i))))).toEqual(numbered(i))
    }
    expect(v.manager.stats().outcomes.unreachable).toBeGreaterThan(0)
    await v.manager.stop()
  })

  it('that drips a byte a second is given up for another, and backs off', async () => {
    const w = await world({ started: false })
    const drip = w.network.add('drip', { latency: 1 })
    w.network.add('good', { latency: 100 })
    const fetcher = fetcherWith(w, 'drip', async attempt => {
      attempt.phase('first-byte')

      for (;;) {
        attempt.bytes(1)
        await w.network.clock.sleep(1_000, { signal: attempt.signal })
      }
    })
    // a hedge would be sooner
    const v = await world({ network: w.network, parts: { fetchers: [fetcher] }, routing: { hedge: { share: 0, initial: 0 } } })
    const started = v.clock.now()
    expect(await v.clock.run(v.manager.retrieve(v.network.block(numbered(1)), { providers: ['http://drip.example'] }))).toEqual(numbered(1))
    expect(v.clock.now() - started).toBeLessThan(5_000)
    expect(v.manager.stats().outcomes.stalled).toBe(1)
    expect(v.book.describe(drip.id)?.breaker).toBe('open')
    await v.manager.stop()
  })

  it('that delivers after it was told to stop changes nothing any more', async () => {
    const w = await world({ started: false })
    const late = w.network.add('late', { latency: 1 })
    w.network.add('good', { latency: 100 })
    let deliver: (bytes: Uint8Array) => void = () => {}
    let told = false
    const fetcher = fetcherWith(w, 'late', async attempt => new Promise(resolve => {
      deliver = resolve
      attempt.signal.addEventListener('abort', () => { told = true })
    }))
    const v = await world({ network: w.network, parts: { fetchers: [fetcher] } })
    const cid = v.network.block(numbered(1))
    const bytes = await v.clock.run(v.manager.retrieve(cid, { providers: ['http://late.example'] }))
    expect(bytes).toEqual(numbered(1))
    expect(told).toBe(true)
    const facts = (): unknown => {
      const { providers: _, ...stats } = v.manager.stats()
      return { stats, late: v.book.describe(late.id)?.attempts, hashed: v.verifier.hashed }
    }
    const before = facts()
    deliver(numbered(1))
    await v.clock.advance(100)
    expect(facts()).toEqual(before)
    await v.manager.stop()
  })

  it.each([
    ['nothing', undefined],
    ['a string', 'the block'],
    ['empty bytes', new Uint8Array(0)]
  ])('that delivers %s is answered by invalid, and the next one is asked', async (_name, answer) => {
    const w = await world({ started: false })
    const odd = w.network.add('odd')
    w.network.add('good', { latency: 100 })
    const v = await world({ network: w.network, parts: { fetchers: [fetcherWith(w, 'odd', async () => answer as Uint8Array)] } })
    const cid = v.network.block(numbered(1))
    expect(await v.clock.run(v.manager.retrieve(cid, { providers: ['http://odd.example'] }))).toEqual(numbered(1))
    expect(v.book.describe(odd.id)?.conduct).toBe(-20)
    await v.manager.stop()
  })
})
