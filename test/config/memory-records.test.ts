import { MemoryDatastore } from 'datastore-core'
import fc from 'fast-check'
import { Key } from 'interface-datastore/key'
import all from 'it-all'
import { expect, it, onTestFinished, vi } from 'vitest'
import { MemoryRecords } from '../../src/config/memory-records.ts'

const KEYS = ['/dht/provider/CIQA/one', '/dht/provider/CIQA/two', '/dht/provider/CIQB/one', '/dht/record/CIQA', '/peers/one', '/dht/provider'].map(key => new Key(key))
const PREFIXES = ['/dht/provider/CIQA', '/dht/provider/CIQA/', '/dht/provider/CIQB', '/dht/provider/CIQC', '/dht/provider/', '/dht/provider', '/dht/', '/peers', '', undefined]

it('is a datastore in memory as any other, whatever is put, deleted and asked for', async () => {
  await fc.assert(fc.asyncProperty(fc.array(fc.tuple(fc.constantFrom(...KEYS), fc.nat(2))), async steps => {
    const [ours, plain] = [new MemoryRecords(), new MemoryDatastore()]

    for (const [key, value] of steps) {
      for (const datastore of [ours, plain]) {
        if (value === 0) {
          await datastore.delete(key)
        } else {
          await datastore.put(key, Uint8Array.of(value))
        }
      }
    }
    for (const prefix of PREFIXES) {
      const [mine, theirs] = await Promise.all([ours, plain].map(async datastore => (await all(datastore.query({ prefix }))).map(({ key, value }) => `${key.toString()} ${value[0]}`).sort()))
      expect(mine).toEqual(theirs)
    }
  }))
})

it('finds who provides a block without a look at all others', async () => {
  const records = new MemoryRecords()
  for (let i = 0; i < 1_000; i++) {
    records.put(new Key(`/dht/provider/BLOCK${i}/peer`), Uint8Array.of(1))
  }
  const read = vi.spyOn(records, 'get')
  const everything = vi.spyOn(MemoryDatastore.prototype, '_all')
  onTestFinished(() => { everything.mockRestore() })
  expect(await all(records.query({ prefix: '/dht/provider/BLOCK7' }))).toHaveLength(1)
  expect(await all(records.query({ prefix: '/dht/provider/NONE' }))).toHaveLength(0)
  expect([everything.mock.calls.length, read.mock.calls.length]).toEqual([0, 0])
})
