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

describe('a restart of the same manager', () => {
  it('counts nothing twice: what it knows it has in memory', async () => {
    const datastore = new MemoryDatastore()
    const { network, clock, manager, book } = await world({ datastore })
    const good = network.add('good')
    for (let i = 0; i < 4; i++) {
      await clock.run(manager.retrieve(network.block(numbered(i))))
      await clock.run(manager.stop())
      await clock.run(manager.start())
    }
    expect(book.describe(good.id)).toMatchObject({ attempts: 4, delivered: 4 })
    await manager.stop()

    const again = await world({ network, datastore })
    expect(again.book.describe(good.id)).toMatchObject({ attempts: 4, delivered: 4 })
    await again.manager.stop()
  })

  it('loads what could not be loaded before', async () => {
    const datastore = new MemoryDatastore()
    const before = await world({ datastore })
    const good = before.network.add('good')
    await before.clock.run(before.manager.retrieve(before.network.block(numbered(1))))
    await before.clock.run(before.manager.stop())

    let closed = true
    const opening = new Proxy(datastore, {
      get (target, name) {
        if (name === 'query' && closed) {
          return () => { throw new Error('not open yet') }
        }
        const value = Reflect.get(target, name) as unknown
        return typeof value === 'function' ? value.bind(target) : value
      }
    }) as unknown as Datastore
    const { clock, manager, book } = await world({ network: before.network, datastore: opening })
    expect(book.describe(good.id)).toBeUndefined()
    await clock.run(manager.stop())
    closed = false
    await clock.run(manager.start())
    expect(book.describe(good.id)).toMatchObject({ delivered: 1 })
    await manager.stop()
  })
})
