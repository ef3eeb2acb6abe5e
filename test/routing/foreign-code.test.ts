import { describe, expect, it } from 'vitest'
import { numbered, settled, world } from './support/world.ts'
import type { ProviderSource } from '../../src/interface/provider.ts'

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
