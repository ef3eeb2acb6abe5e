import { MemoryBlockstore } from 'blockstore-core'
import { CID } from 'multiformats/cid'
import { describe, expect, it } from 'vitest'
import { numbered, settled, world } from './support/world.ts'
import type { World } from './support/world.ts'

const noHedge = { share: 0, initial: 0, shadowShare: 0 }

function times<T> (count: number, make: (i: number) => T): T[] {
  return Array.from({ length: count }, (_, i) => make(i))
}

/** What the manager holds: nothing must be left of a flight that is over */
function held ({ manager }: World): { flights: number, attempts: number, queued: number } {
  const { flights, attempts, queued } = manager.stats().inFlight
  return { flights, attempts, queued }
}

const NOTHING = { flights: 0, attempts: 0, queued: 0 }

describe('callers of one block', () => {
  it('share one request, one hash and the same bytes', async () => {
    const w = await world()
    const good = w.network.add('good')
    const cid = w.network.block(numbered(1))
    const all = await w.clock.run(Promise.all(times(25, async () => w.manager.retrieve(cid))))
    expect(new Set(all).size).toBe(1)
    expect(all[0]).toEqual(numbered(1))
    expect(good.requestCount).toBe(1)
    expect(w.verifier.hashed).toBe(1)
    expect(w.network.lookups).toBe(1)
    expect(w.manager.stats()).toMatchObject({ cacheMissesHandled: 1, coalesced: 24, attempts: 1, succeeded: 1 })
    expect(held(w)).toEqual(NOTHING)
    await w.manager.stop()
  })

  it('share one write to the store, and the next ones read from there', async () => {
    const store = new MemoryBlockstore()
    let puts = 0
    const { put } = store
    store.put = function (cid, bytes) {
      puts++
      return put.call(this, cid, bytes)
    }
    const w = await world({ parts: { store } })
    w.network.add('good')
    const cid = w.network.block(numbered(1))
    await w.clock.run(Promise.all(times(25, async () => w.manager.retrieve(cid))))
    expect(puts).toBe(1)
    expect(w.verifier.hashed).toBe(1)
    expect(await w.clock.run(w.manager.retrieve(cid))).toEqual(numbered(1))
    expect(w.network.requests).toBe(1)
    expect(w.manager.stats().cache).toMatchObject({ hits: 1 })
    await w.manager.stop()
  })

  it('share it whatever the codec and version of their CIDs: it is one multihash', async () => {
    const w = await world()
    const good = w.network.add('good')
    const raw = w.network.block(numbered(1))
    const cids = [raw, CID.createV1(0x71, raw.multihash), CID.createV0(CID.createV1(0x70, raw.multihash).multihash as Parameters<typeof CID.createV0>[0])]
    await w.clock.run(Promise.all(cids.map(async cid => w.manager.retrieve(cid))))
    expect(good.requestCount).toBe(1)
    await w.manager.stop()
  })

  it('share it across sessions, and with callers that have none', async () => {
    const w = await world()
    const good = w.network.add('good')
    const cid = w.network.block(numbered(1))
    const sessions = times(3, i => w.manager.createSession(w.network.block(numbered(10 + i))))
    await w.clock.run(Promise.all([w.manager.retrieve(cid), ...sessions.map(async session => session.retrieve(cid))]))
    expect(good.requestCount).toBe(1)
    await w.manager.stop()
  })

  it('do not share it across modes: who asked for less disclosure must not ride on more', async () => {
    const w = await world({ routing: { hedge: noHedge } })
    const good = w.network.add('good')
    const cid = w.network.block(numbered(1))
    const reads = (['open', 'balanced', 'strict'] as const).flatMap(mode => [w.manager.retrieve(cid, { mode }), w.manager.retrieve(cid, { mode })])
    await w.clock.advance(1)
    expect(held(w).flights).toBe(3)
    await w.clock.run(Promise.all(reads))
    expect(good.requestCount).toBe(3)
    expect(w.manager.stats().coalesced).toBe(3)
    await w.manager.stop()
  })

  it('fail together, each with the story', async () => {
    const w = await world()
    w.network.add('liar', { garbage: true })
    const cid = w.network.block(numbered(1))
    const all = await w.clock.run(Promise.all(times(5, async () => settled(w.manager.retrieve(cid)))))
    expect(all.map(({ error }) => error?.name)).toEqual(times(5, () => 'RetrievalFailedError'))
    expect(all.every(({ error }) => String(error?.story).includes('shared by 5 callers'))).toBe(true)
    expect(held(w)).toEqual(NOTHING)
    await w.manager.stop()
  })
})

describe('a caller that leaves', () => {
  it('gets its own reason at once, and the rest are served', async () => {
    const w = await world({ routing: { hedge: noHedge } })
    const good = w.network.add('good', { latency: 100 })
    const cid = w.network.block(numbered(1))
    const leaving = new AbortController()
    const first = settled(w.manager.retrieve(cid, { signal: leaving.signal }))
    const rest = times(4, async () => w.manager.retrieve(cid))
    await w.clock.advance(50)
    leaving.abort(new Error('I leave'))
    const { error } = await first
    expect(error?.message).toBe('I leave')
    expect(w.clock.now()).toBe(50)
    expect(await w.clock.run(Promise.all(rest))).toEqual(times(4, () => numbered(1)))
    expect(good.requests.map(({ outcome }) => outcome)).toEqual(['answered'])
    await w.manager.stop()
  })

  it('as the last one aborts the work, and the provider sees it', async () => {
    const w = await world({ routing: { hedge: noHedge } })
    const good = w.network.add('good', { latency: 1_000 })
    const cid = w.network.block(numbered(1))
    const leaving = times(3, () => new AbortController())
    const reads = leaving.map(async ({ signal }) => settled(w.manager.retrieve(cid, { signal })))
    await w.clock.advance(50)
    leaving.slice(1).forEach(controller => { controller.abort() })
    await w.clock.advance(0)
    expect(good.requests[0]?.outcome).toBe('pending')
    leaving[0]?.abort()
    expect(held(w)).toEqual(NOTHING)
    await w.clock.advance(0)
    expect(good.requests[0]?.outcome).toBe('aborted')
    expect((await Promise.all(reads)).map(({ error }) => error?.name)).toEqual(['AbortError', 'AbortError', 'AbortError'])
    expect(w.manager.stats()).toMatchObject({ aborted: 1, outcomes: { cancelled: 1 } })
    expect(w.manager.explain(cid)?.result).toBe('aborted')
    await w.manager.stop()
    expect(w.clock.pending).toBe(0)
  })

  it('as the last one ends the lookup too, and says nothing about anybody', async () => {
    let ended = false
    const w = await world({
      parts: {
        sources: [{
          name: 'patient',
          find: (_want, request) => ({
            [Symbol.asyncIterator]: () => ({
              next: async () => new Promise((_resolve, reject) => {
                request.signal.addEventListener('abort', () => {
                  ended = true
                  reject(request.signal.reason as Error)
                })
              })
            })
          })
        }]
      }
    })
    const leaving = new AbortController()
    const cid = w.network.block(numbered(1))
    const reading = settled(w.manager.retrieve(cid, { signal: leaving.signal }))
    await w.clock.advance(50)
    leaving.abort()
    await reading
    await w.clock.advance(0)
    expect(ended).toBe(true)
    // nothing was learnt: the next reader asks
    w.network.add('good')
    const second = settled(w.manager.retrieve(cid, { providers: ['http://good.example'] }))
    expect((await w.clock.run(second)).value).toEqual(numbered(1))
    await w.manager.stop()
  })

  it('does not spoil it for one that comes in the same breath', async () => {
    const w = await world({ routing: { hedge: noHedge } })
    const good = w.network.add('good', { latency: 100 })
    const cid = w.network.block(numbered(1))
    const leaving = new AbortController()
    const first = settled(w.manager.retrieve(cid, { signal: leaving.signal }))
    await w.clock.advance(50)
    leaving.abort()
    const second = w.manager.retrieve(cid)
    expect(await w.clock.run(second)).toEqual(numbered(1))
    expect((await first).error?.name).toBe('AbortError')
    expect(good.requests.map(({ outcome }) => outcome)).toEqual(['aborted', 'answered'])
    await w.manager.stop()
  })

  it('before it came asks nobody', async () => {
    const w = await world()
    w.network.add('good')
    const reading = settled(w.manager.retrieve(w.network.block(numbered(1)), { signal: AbortSignal.abort(new Error('never mind')) }))
    expect((await w.clock.run(reading)).error?.message).toBe('never mind')
    expect(w.network.requests + w.network.lookups).toBe(0)
    await w.manager.stop()
  })

  it('leaves no listener on its signal', async () => {
    const w = await world()
    w.network.add('good')
    const { signal } = new AbortController()
    const listeners = new Set<unknown>()
    const { addEventListener, removeEventListener } = signal
    signal.addEventListener = (...args: Parameters<typeof addEventListener>) => {
      listeners.add(args[1])
      addEventListener.apply(signal, args)
    }
    signal.removeEventListener = (...args: Parameters<typeof removeEventListener>) => {
      listeners.delete(args[1])
      removeEventListener.apply(signal, args)
    }
    const reading = w.manager.retrieve(w.network.block(numbered(1)), { signal })
    await w.clock.advance(1)
    expect(listeners.size).toBe(1)
    await w.clock.run(reading)
    expect(listeners.size).toBe(0)
    await w.manager.stop()
  })
})
