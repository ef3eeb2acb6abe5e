import { MemoryDatastore } from 'datastore-core'
import { Key } from 'interface-datastore'
import { expect, it } from 'vitest'
import { DEFAULT_RECORDS, ProviderRecords } from '../../src/discovery/records/provider-records.ts'
import { EntryKeeper } from '../../src/keeper/entry-keeper.ts'
import { toProvider } from '../../src/provider/provider.ts'
import { silentLogger } from '../../src/testing/silent-logger.ts'
import { VirtualClock } from '../../src/testing/virtual-clock.ts'
import type { KeptTable } from '../../src/keeper/entry-keeper.ts'
import type { Batch, Datastore, Pair, Query } from 'interface-datastore'

const PREFIX = '/portolan/test/v1'

/** Its writes fail while it is told so */
class FailingDatastore extends MemoryDatastore {
  failing = false

  override batch (): Batch {
    const batch = super.batch()
    const commit = batch.commit.bind(batch)
    return Object.assign(batch, {
      commit: async () => {
        if (this.failing) {
          throw new Error('disk full')
        }
        await commit()
      }
    })
  }
}

const emptyTable: KeptTable = { restore () {}, settle () {}, takeDirty: () => [], giveBack () {} }

function keeperOf (table: KeptTable, datastore: Datastore, clock = new VirtualClock()): EntryKeeper {
  return new EntryKeeper({ table, datastore, clock, logger: silentLogger }, { prefix: PREFIX, name: 'test' })
}

async function keysOf (datastore: Datastore): Promise<string[]> {
  const keys: string[] = []
  for await (const key of datastore.queryKeys({ prefix: PREFIX })) {
    keys.push(key.toString())
  }
  return keys
}

it('an unreadable entry whose deletion failed is deleted with the next write', async () => {
  const datastore = new FailingDatastore()
  await datastore.put(new Key(`${PREFIX}/strange`), Uint8Array.of(1))
  const keeper = keeperOf(emptyTable, datastore)
  await keeper.load()
  datastore.failing = true
  await keeper.save()
  expect([await keysOf(datastore), keeper.stats()]).toEqual([[`${PREFIX}/strange`], { dropped: 1, failedWrites: 1 }])

  datastore.failing = false
  await keeper.save()
  expect([await keysOf(datastore), keeper.stats()]).toEqual([[], { dropped: 1, failedWrites: 1 }])
})

it('what was learnt anew is not deleted with the damaged entry in its place, whatever the store does first', async () => {
  const clock = new VirtualClock()
  const datastore = new MemoryDatastore()
  const learn = (): ProviderRecords => {
    const records = new ProviderRecords(clock)
    records.set('dht', 'key', [toProvider('https://gateway.example', { source: 'dht' })], true)
    return records
  }
  await keeperOf(learn(), datastore, clock).save()
  const [key] = await keysOf(datastore)
  await datastore.put(new Key(key as string), Uint8Array.of(1))

  const table = new ProviderRecords(clock)
  const keeper = keeperOf(table, datastore, clock)
  await keeper.load()
  expect([table.size, keeper.stats().dropped]).toEqual([0, 1])
  table.set('dht', 'key', [toProvider('https://gateway.example', { source: 'dht' })], true)
  await keeper.save()
  await keeper.save()

  const later = new ProviderRecords(clock)
  await keeperOf(later, datastore, clock).load()
  expect(later.get('dht', 'key')?.providers).toHaveLength(1)
})

it('a list that hangs is given back when nobody waits for it any more', async () => {
  const clock = new VirtualClock()
  const gate = Promise.withResolvers<void>()
  const returned = Promise.withResolvers<void>()
  const datastore = new MemoryDatastore()
  datastore.query = async function * (_: Query): AsyncGenerator<Pair> {
    try {
      await gate.promise
      yield { key: new Key(`${PREFIX}/late`), value: Uint8Array.of(1) }
      yield { key: new Key(`${PREFIX}/later`), value: Uint8Array.of(1) }
    } finally {
      returned.resolve()
    }
  }
  const keeper = keeperOf(emptyTable, datastore, clock)
  await expect(clock.run(keeper.load())).rejects.toThrow()
  gate.resolve()
  await returned.promise
  expect([keeper.stats().dropped, clock.pending]).toEqual([0, 0])
})

it('what a full table let go is deleted from the store', async () => {
  const clock = new VirtualClock()
  const datastore = new MemoryDatastore()
  const records = new ProviderRecords(clock, { ...DEFAULT_RECORDS, entries: 2 })
  const keeper = keeperOf(records, datastore, clock)

  for (const key of ['a', 'b', 'c']) {
    records.set('dht', key, [toProvider(`https://${key}.example`, { source: 'dht' })], true)
    await clock.run(keeper.save())
  }
  expect([records.size, (await keysOf(datastore)).length]).toEqual([2, 2])
})
