import { describe, expect, it } from 'vitest'
import { numbered, settled, unpublished, world } from './support/world.ts'
import type { RetrieveOptions } from '../../src/interface/routing.ts'
import type { CID } from 'multiformats/cid'
import type { World } from './support/world.ts'

/** True when somebody was asked */
async function asks (w: World, cid: CID, options: RetrieveOptions = {}): Promise<boolean> {
  const before = w.network.requests + w.network.lookups
  await w.clock.run(settled(w.manager.retrieve(cid, options)))
  return w.network.requests + w.network.lookups > before
}

describe('a full miss', () => {
  it('is remembered for 15 s, then 30, then 60 and never longer', async () => {
    const w = await world()
    w.network.add('peer')
    const cid = unpublished(1)

    for (const window of [15_000, 30_000, 60_000, 60_000]) {
      expect(await asks(w, cid)).toBe(true)
      const missed = w.clock.now()
      await w.clock.advance(window - 1)
      expect(await asks(w, cid)).toBe(false)
      await w.clock.advance(missed + window - w.clock.now())
    }

    await w.manager.stop()
  })

  it('costs 25 readers one round, and each is told why', async () => {
    const w = await world()
    const peer = w.network.add('peer')
    const cid = unpublished(1)
    const errors: Array<Error & { story?: unknown } | undefined> = []
    for (let i = 0; i < 25; i++) {
      errors.push((await w.clock.run(settled(w.manager.retrieve(cid)))).error)
    }
    expect(peer.requestCount).toBe(1)
    expect(w.network.lookups).toBe(1)
    expect(errors.map(error => error?.name)).toEqual(Array.from({ length: 25 }, () => 'NotFoundError'))
    expect(errors[24]?.message).toMatch(/nobody delivered it a moment ago \(asked 1 time, last answers: 1 not-here\); not asked again for \d+ s/)
    expect(String(errors[24]?.story)).toContain('http:peer.example')
    expect(w.manager.stats()).toMatchObject({ negativeHits: 24, notFound: 1, cacheMissesHandled: 1 })
    await w.manager.stop()
  })

  it('also when no provider was found at all', async () => {
    const w = await world()
    const cid = unpublished(1)
    expect(await asks(w, cid)).toBe(true)
    expect(await asks(w, cid)).toBe(false)
    await w.manager.stop()
  })

  it('is bypassed by an option', async () => {
    const w = await world()
    w.network.add('peer')
    const cid = unpublished(1)
    await asks(w, cid)
    expect(await asks(w, cid, { skipNegativeCache: true })).toBe(true)
    expect(await asks(w, cid, { skipNegativeCache: false })).toBe(false)
    await w.manager.stop()
  })

  it('is bypassed by hints to somebody new, and not by hints to somebody who said no', async () => {
    const w = await world()
    w.network.add('peer')
    const known = w.network.add('known', {}, { unlisted: true })
    const cid = w.network.block(numbered(1))
    w.network.drop(cid)
    await asks(w, cid)
    expect(await asks(w, cid, { providers: ['http://peer.example'] })).toBe(false)
    w.network.put(cid, numbered(1))
    expect((await w.clock.run(w.manager.retrieve(cid, { providers: ['http://known.example'] })))).toEqual(numbered(1))
    expect(known.requestCount).toBe(1)
    await w.manager.stop()
  })

  it('is forgotten when somebody delivers the block after all', async () => {
    const w = await world()
    w.network.add('peer')
    const cid = w.network.block(numbered(1))
    w.network.drop(cid)
    await asks(w, cid)
    w.network.put(cid, numbered(1))
    await w.clock.run(w.manager.retrieve(cid, { skipNegativeCache: true }))
    w.network.drop(cid)
    expect(await asks(w, cid)).toBe(true)
    await w.manager.stop()
  })

  it('is forgotten when we announce the block, or hear that it is available', async () => {
    const w = await world({ parts: { provide: async () => {} } })
    w.network.add('peer')
    const [a, b, c] = [unpublished(1), unpublished(2), unpublished(3)]
    for (const cid of [a, b, c]) {
      await asks(w, cid)
    }
    await w.manager.announce([a])
    w.manager.available(b)
    expect(await asks(w, a)).toBe(true)
    expect(await asks(w, b)).toBe(true)
    expect(await asks(w, c)).toBe(false)
    await w.manager.stop()
  })

  it('holds for its mode only', async () => {
    const w = await world()
    w.network.add('peer')
    const cid = unpublished(1)
    await asks(w, cid, { mode: 'strict' })
    expect(await asks(w, cid, { mode: 'strict' })).toBe(false)
    expect(await asks(w, cid, { mode: 'open' })).toBe(true)
    await w.manager.stop()
  })

  it('has windows that can be configured', async () => {
    const w = await world({ routing: { negative: { base: 1_000, max: 1_000 } } })
    w.network.add('peer')
    const cid = unpublished(1)
    await asks(w, cid)
    await w.clock.advance(900)
    expect(await asks(w, cid)).toBe(false)
    await w.clock.advance(200)
    expect(await asks(w, cid)).toBe(true)
    await w.manager.stop()
  })
})

describe('no full miss', () => {
  it.each([
    ['is a provider that cannot be reached', { down: true }],
    ['is a provider that is silent', { silent: true }],
    ['is a provider that lies', { garbage: true }],
    ['is a provider that is overloaded', { rateLimit: 0.001 }]
  ])('%s: it is asked again', async (_what, behaviour) => {
    const w = await world({ routing: { timeout: 3_000 } })
    w.network.add('peer', behaviour)
    const cid = w.network.block(numbered(1))
    const { error } = await w.clock.run(settled(w.manager.retrieve(cid)))
    expect(error?.name).not.toBe('NotFoundError')
    const { negativeHits } = w.manager.stats()
    await w.clock.run(settled(w.manager.retrieve(cid)))
    expect(w.manager.stats().negativeHits).toBe(negativeHits)
    await w.manager.stop()
  })

  it('is a caller that left', async () => {
    const w = await world({ lookupDelay: 100 })
    const cid = unpublished(1)
    const leaving = new AbortController()
    const reading = settled(w.manager.retrieve(cid, { signal: leaving.signal }))
    await w.clock.advance(50)
    leaving.abort()
    await reading
    expect(await asks(w, cid)).toBe(true)
    await w.manager.stop()
  })

  it('is one that a provider which was not asked is missing from', async () => {
    const w = await world({ routing: { hedge: { share: 0, initial: 0, shadowShare: 0 } } })
    const has = w.network.add('has', { down: true })
    for (let i = 0; i < 3; i++) {
      await w.clock.run(settled(w.manager.retrieve(w.network.block(numbered(i)))))
    }
    has.behaviour.down = false
    w.network.add('lacking', { has: 0 })
    const cid = w.network.block(numbered(100))
    expect(w.book.view(has.id, has.route, w.clock.now()).breaker).toBe('open')
    const first = await w.clock.run(settled(w.manager.retrieve(cid, { timeout: 100 })))
    expect(first.error?.name).not.toBe('NotFoundError')
    await w.clock.advance(Math.max(0, w.book.view(has.id, has.route, w.clock.now()).retryAt - w.clock.now()))
    expect((await w.clock.run(settled(w.manager.retrieve(cid)))).value).toEqual(numbered(100))
    await w.manager.stop()
  })
})
