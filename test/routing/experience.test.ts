import { MemoryDatastore } from 'datastore-core'
import { describe, expect, it } from 'vitest'
import { numbered, world } from './support/world.ts'
import type { Batch, Datastore } from 'interface-datastore'

describe('a datastore', () => {
  const hanging = (what: 'query' | 'batch'): Datastore => {
    const datastore = new MemoryDatastore()
    return new Proxy(datastore, {
      get (target, name) {
        if (name === 'query' && what === 'query') {
          return async function * () { await new Promise(() => {}); yield { key: undefined, value: undefined } }
        }
        if (name === 'batch' && what === 'batch') {
          return (): Batch => ({ put: () => {}, delete: () => {}, commit: async () => new Promise(() => {}) }) as unknown as Batch
        }
        const value = Reflect.get(target, name) as unknown
        return typeof value === 'function' ? value.bind(target) : value
      }
    }) as unknown as Datastore
  }

  it('that hangs on loading does not keep the manager from starting', async () => {
    const { network, clock, manager } = await world({ datastore: hanging('query'), started: false })
    network.add('good')
    await clock.run(manager.start())
    expect(clock.now()).toBeLessThanOrEqual(20_000)
    expect(await clock.run(manager.retrieve(network.block(numbered(1))))).toEqual(numbered(1))
    await manager.stop()
    expect(clock.pending).toBe(0)
  })

  it('that hangs on saving does not keep the manager from stopping', async () => {
    const { network, clock, manager } = await world({ datastore: hanging('batch') })
    network.add('good')
    await clock.run(manager.retrieve(network.block(numbered(1))))
    const started = clock.now()
    await clock.run(manager.stop())
    expect(clock.now() - started).toBeLessThanOrEqual(20_000)
    expect(clock.pending).toBe(0)
  })
})
