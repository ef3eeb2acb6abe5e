import { describe, expect, it } from 'vitest'
import { numbered, settled, world } from './support/world.ts'
import type { ProviderSource } from '../../src/interface/provider.ts'
import type { SimulatedProvider } from '../../src/testing/simulated-provider.ts'
import type { World } from './support/world.ts'

const hint = (name: string): string => `http://${name}.example`

describe('foreign code', () => {
  it('whose return() throws does not hurt the lookup', async () => {
    const { network, clock, manager } = await world()
    const good = network.add('good')
    const endless = {
      name: 'endless',
      find: () => ({
        [Symbol.asyncIterator]: () => ({
          next: async () => ({ done: false, value: good.provider }),
          return: () => { throw new Error('no way back') }
        })
      })
    }
    const { manager: second } = await world({ network, parts: { sources: [endless as unknown as ProviderSource] } })
    const result = await clock.run(settled(second.retrieve(network.block(numbered(1)))))
    expect(result.value).toEqual(numbered(1))
    await manager.stop()
    await second.stop()
    expect(clock.pending).toBe(0)
  })

  it('whose routes() throws costs itself, not the read', async () => {
    const { network, clock, manager } = await world({ started: false })
    network.add('good')
    const broken = { name: 'broken', transport: 'http' as const, routes: () => { throw new Error('no routes') }, fetch: async () => new Uint8Array() }
    const { manager: second } = await world({ network, parts: { fetchers: [broken, network.fetcher] } })
    const cid = network.block(numbered(1))
    expect((await clock.run(settled(second.retrieve(cid, { providers: [hint('good')] })))).value).toEqual(numbered(1))
    expect((await clock.run(settled(second.retrieve(network.block(numbered(2)))))).value).toEqual(numbered(2))
    await second.stop()
    await manager.stop()
  })
})

describe('a source', () => {
  const healthy = (w: World): ProviderSource => ({ name: 'healthy', async * find () { yield (w.network.providers.get('good') as SimulatedProvider).provider } })

  it.each([
    ['hangs', { find: () => ({ [Symbol.asyncIterator]: () => ({ next: async () => new Promise(() => {}) }) }) }],
    ['throws', { find: () => { throw new Error('router is broken') } }],
    ['throws while it is read', { async * find () { throw new Error('router is broken') } }],
    ['hangs on return', { find: () => ({ [Symbol.asyncIterator]: () => ({ next: async () => new Promise(() => {}), return: async () => new Promise(() => {}) }) }) }],
    ['fails on return', { find: () => ({ [Symbol.asyncIterator]: () => ({ next: async () => new Promise(() => {}), return: async () => { throw new Error('no way back') } }) }) }]
  ])('that %s hides none of the others, and nothing of it outlives stop', async (_what, source) => {
    const w = await world({ started: false })
    w.network.add('good', { latency: 20 })
    const v = await world({ network: w.network, parts: { sources: [{ name: 'odd', ...source } as unknown as ProviderSource, healthy(w)] } })
    expect(await v.clock.run(v.manager.retrieve(v.network.block(numbered(1))))).toEqual(numbered(1))
    expect(v.clock.now()).toBeLessThan(100)
    await v.manager.stop()
    await v.clock.advance(0)
    expect(v.clock.pending).toBe(0)
  })

  it('that hangs alone ends the read at its deadline, with the story', async () => {
    const w = await world({ parts: { sources: [{ name: 'hanging', find: () => ({ [Symbol.asyncIterator]: () => ({ next: async () => new Promise(() => {}) }) }) }] } })
    const { error } = await w.clock.run(settled(w.manager.retrieve(w.network.block(numbered(1)))))
    expect(['RetrievalTimeoutError', 'RetrievalFailedError', 'NotFoundError']).toContain(error?.name)
    expect(w.clock.now()).toBeLessThanOrEqual(30_000)
    expect(String(error?.story)).toContain('hanging failed: no answer within')
    // a failed lookup proves nothing: no miss is remembered
    const second = await w.clock.run(settled(w.manager.retrieve(w.network.block(numbered(1)), { timeout: 100 })))
    expect(second.error?.message).not.toContain('a moment ago')
    await w.manager.stop()
  })

  it('that fails makes no certain miss: it is asked again in the next round', async () => {
    const w = await world()
    w.network.add('good')
    w.network.lookupError = new Error('router is down')
    const reading = w.manager.retrieve(w.network.block(numbered(1)))
    await w.clock.advance(200)
    w.network.lookupError = undefined
    expect(await w.clock.run(reading)).toEqual(numbered(1))
    expect(w.manager.stats().discovery.failed).toBe(1)
    await w.manager.stop()
  })

  it('that never ends is cut off: requests are bounded when nobody has it', async () => {
    const w = await world({ started: false })
    let named = 0
    const endless = {
      name: 'endless',
      async * find () {
        for (;;) {
          const provider = w.network.providers.get(`x${named}`) ?? w.network.add(`x${named}`, { has: 0, latency: 5 })
          named++
          yield provider.provider
        }
      }
    }
    const v = await world({ network: w.network, parts: { sources: [endless] } })
    const { error } = await v.clock.run(settled(v.manager.retrieve(v.network.block(numbered(1)))))
    expect(error?.name).toBe('NotFoundError')
    // what nobody needs is skipped without haste while other routers may still answer
    expect(named).toBeLessThan(13_000)
    expect(v.clock.now()).toBeLessThan(16_000)
    expect(v.network.requests).toBe(64)
    await v.manager.stop()
  })
})
