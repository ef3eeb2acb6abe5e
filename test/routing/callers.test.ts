import { MemoryBlockstore } from 'blockstore-core'
import { describe, expect, it } from 'vitest'
import { numbered, settled, world } from './support/world.ts'
import type { CID } from 'multiformats/cid'

const noHedge = { share: 0, initial: 0, shadowShare: 0 }

describe('each caller', () => {
  it('hears about the progress from when it came until it left', async () => {
    const w = await world({ routing: { hedge: noHedge } })
    w.network.add('good', { connect: 100, latency: 100 })
    const cid = w.network.block(numbered(1))
    const heard: Record<string, string[]> = { early: [], leaving: [], late: [] }
    const listen = (name: string) => ({ onProgress: (event: { type: string, detail: unknown }) => { heard[name]?.push(event.type.replace('portolan:retrieve:', '')) } })
    const leaving = new AbortController()
    const early = w.manager.retrieve(cid, listen('early'))
    const left = settled(w.manager.retrieve(cid, { ...listen('leaving'), signal: leaving.signal }))
    await w.clock.advance(50)
    leaving.abort()
    const late = w.manager.retrieve(cid, listen('late'))
    await w.clock.run(Promise.all([early, late, left]))
    expect(heard).toEqual({
      early: ['discovery', 'provider', 'attempt', 'connected', 'first-byte', 'verify', 'settled'],
      leaving: ['provider', 'attempt'],
      late: ['connected', 'first-byte', 'verify', 'settled']
    })
    await w.manager.stop()
  })

  it('has a deadline of its own', async () => {
    const w = await world({ routing: { hedge: noHedge } })
    const good = w.network.add('good', { latency: 500 })
    const cid = w.network.block(numbered(1))
    const hasty = settled(w.manager.retrieve(cid, { timeout: 100 }))
    const patient = w.manager.retrieve(cid, { timeout: 1_000 })
    await w.clock.run(hasty)
    expect(w.clock.now()).toBe(100)
    expect((await hasty).error).toMatchObject({ name: 'RetrievalTimeoutError' })
    expect(await w.clock.run(patient)).toEqual(numbered(1))
    expect(good.requestCount).toBe(1)
    await w.manager.stop()
  })

  it('extends the deadline of the whole when it is more patient than the first', async () => {
    const w = await world({ routing: { hedge: noHedge, rounds: { pause: 300 } } })
    const only = w.network.add('only', { down: true })
    const cid = w.network.block(numbered(1))
    const hasty = settled(w.manager.retrieve(cid, { timeout: 400 }))
    const patient = w.manager.retrieve(cid, { timeout: 20_000 })
    await w.clock.run(hasty)
    only.behaviour.down = false
    expect(await w.clock.run(patient)).toEqual(numbered(1))
    await w.manager.stop()
  })

  it('may bring a provider that nobody else knows', async () => {
    const w = await world({ routing: { hedge: noHedge } })
    w.network.add('silent', { silent: true })
    const known = w.network.add('known', { latency: 10 }, { unlisted: true })
    const cid = w.network.block(numbered(1))
    const first = w.manager.retrieve(cid)
    await w.clock.advance(50)
    const second = w.manager.retrieve(cid, { providers: ['http://known.example'] })
    await w.clock.run(Promise.all([first, second]))
    expect(known.requestCount).toBe(1)
    await w.manager.stop()
  })
})

describe('a deadline', () => {
  it('is 30 s by default, and holds while bytes still come', async () => {
    const w = await world({ routing: { hedge: noHedge, timeouts: { stall: 10_000 } } })
    const trickle = w.network.add('trickle', { throughput: 131_072 / 64_000 })
    const reading = settled(w.manager.retrieve(w.network.block(numbered(1, 131_072))))
    const { error } = await w.clock.run(reading)
    expect(w.clock.now()).toBe(30_000)
    expect(error?.name).toBe('RetrievalTimeoutError')
    expect(error?.message).toContain('http:trickle.example silent')
    await w.clock.advance(0)
    expect(trickle.requests[0]?.outcome).toBe('aborted')
    await w.manager.stop()
  })

  it('can be set for all reads and for one', async () => {
    const w = await world({ routing: { hedge: noHedge, timeout: 2_000 } })
    w.network.add('silent', { silent: true })
    const cid = w.network.block(numbered(1))
    expect((await w.clock.run(settled(w.manager.retrieve(cid)))).error?.name).toBe('RetrievalTimeoutError')
    expect(w.clock.now()).toBe(2_000)
    expect((await w.clock.run(settled(w.manager.retrieve(cid, { timeout: 300 })))).error?.name).toBe('RetrievalTimeoutError')
    expect(w.clock.now()).toBe(2_300)
    await w.manager.stop()
  })

  it('holds for the whole: store, network and all', async () => {
    const hanging = { has: async () => new Promise<boolean>(() => {}), async * get () { yield new Uint8Array(0) }, put: (cid: never) => cid }
    const w = await world({ parts: { store: hanging }, routing: { hedge: noHedge } })
    w.network.add('silent', { silent: true })
    const started = w.clock.now()
    const { error } = await w.clock.run(settled(w.manager.retrieve(w.network.block(numbered(1)), { timeout: 1_000 })))
    expect(error?.name).toBe('RetrievalTimeoutError')
    expect(w.clock.now() - started).toBeLessThanOrEqual(1_000)
    await w.manager.stop()
  })
})

describe('callers of one flight', () => {
  it('leave none behind when the first leaves before it has begun', async () => {
    const leaving = new AbortController()
    const w = await world({
      parts: {
        parseHint: (hint, source) => {
          leaving.abort(new Error('gone'))
          return { id: `http:${String(hint)}`, addresses: [], protocols: [], source, fallback: false, domains: [] }
        }
      }
    })
    const cid = w.network.block(numbered(1))
    await expect(w.manager.retrieve(cid, { providers: ['a'], signal: leaving.signal })).rejects.toThrow('gone')
    expect(w.manager.stats()).toMatchObject({ inFlight: { flights: 0 }, aborted: 1 })
    await w.manager.stop()
  })

  it('are not hurt by the progress callback of another', async () => {
    const { network, clock, manager } = await world()
    network.add('good')
    const cid = network.block(numbered(1))
    const bad = settled(manager.retrieve(cid, { onProgress: () => { throw new Error('boom') } }))
    const fine = settled(manager.retrieve(cid))
    await clock.run(bad)
    expect((await clock.run(fine)).value).toEqual(numbered(1))
    expect((await bad).value).toEqual(numbered(1))
    await manager.stop()
  })

  it('each have their own limit on the size of the block: a large one beside a small one', async () => {
    const { network, clock, manager, book } = await world()
    const good = network.add('good')
    const cid = network.block(numbered(1, 1_000))
    const small = settled(manager.retrieve(cid, { maxBlockSize: 100 }))
    const large = settled(manager.retrieve(cid, { maxBlockSize: 10_000 }))
    await clock.run(small)
    expect((await clock.run(large)).value).toHaveLength(1_000)
    expect((await small).error).toBeDefined()
    expect(book.describe(good.id)?.conduct ?? 0).toBeGreaterThanOrEqual(0)
    await manager.stop()
  })

  it('each have their own limit on the size of the block: a small one beside a large one', async () => {
    const { network, clock, manager } = await world()
    network.add('good')
    const cid = network.block(numbered(1, 1_000))
    const large = settled(manager.retrieve(cid, { maxBlockSize: 10_000 }))
    const small = settled(manager.retrieve(cid, { maxBlockSize: 100 }))
    expect((await clock.run(large)).value).toHaveLength(1_000)
    expect((await small).error).toBeDefined()
    await manager.stop()
  })

  it('that come while the block is being stored are served by the same flight', async () => {
    const slow = new MemoryBlockstore()
    const { network, clock, manager } = await world()
    network.add('good', { latency: 50 })
    const cid = network.block(numbered(1))
    const put = slow.put.bind(slow)
    Object.assign(slow, {
      put: async (c: CID, bytes: Uint8Array) => {
        await clock.sleep(100)
        return put(c, bytes)
      }
    })
    const { manager: storing } = await world({ network, parts: { store: slow } })
    const first = storing.retrieve(cid)
    await clock.advance(80)
    const second = storing.retrieve(cid)
    await clock.run(Promise.all([first, second]))
    expect(network.requests).toBe(1)
    await manager.stop()
    await storing.stop()
  })

  it('with a higher priority move the whole flight ahead in the queue', async () => {
    const { network, clock, manager } = await world({ routing: { limits: { global: 1 } } })
    network.add('good', { latency: 100 })
    const order: number[] = []
    const read = async (n: number, priority: number): Promise<void> => {
      await manager.retrieve(network.block(numbered(n)), { priority })
      order.push(n)
    }
    const all = [read(1, 0), read(2, 0), read(3, 0), read(4, 0)]
    await clock.advance(10)
    all.push(read(4, 10))
    await clock.run(Promise.all(all))
    expect(order.indexOf(4)).toBe(1)
    await manager.stop()
  })
})
