import { MemoryDatastore } from 'datastore-core'
import { Key } from 'interface-datastore/key'
import { describe, expect, it } from 'vitest'
import { DhtRecords, withRecordLimit } from '../../src/config/dht-records.ts'
import { VirtualClock } from '../../src/testing/virtual-clock.ts'

const VALUE = new Uint8Array([1])
const record = (n: number): Key => new Key(`/dht/provider/block-${n}/peer`)

async function all<T> (source: AsyncIterable<T>): Promise<T[]> {
  const items: T[] = []
  for await (const item of source) {
    items.push(item)
  }
  return items
}

describe('records that a server of the DHT keeps for others', () => {
  it('are as many as may be: what is new is refused by name, what is there is renewed, and the rest of the store is not counted', async () => {
    const inner = new MemoryDatastore()
    await inner.put(record(0), VALUE)
    const records = new DhtRecords(inner, { maxRecords: 3, clock: new VirtualClock() })
    await records.put(record(1), VALUE)
    await records.put(new Key('/peers/somebody'), VALUE)
    await records.put(record(2), VALUE)
    await expect(records.put(record(3), VALUE)).rejects.toMatchObject({ name: 'RecordsFullError' })
    await records.put(record(1), new Uint8Array([2]))
    expect(await records.get(record(1))).toEqual(new Uint8Array([2]))
    expect([await records.has(record(3)), await inner.has(new Key('/peers/somebody'))]).toEqual([false, true])
    expect(await all(records.queryKeys({ prefix: '/dht/' }))).toHaveLength(3)
    expect(await all(records.query({ prefix: '/dht/provider' }))).toHaveLength(3)
  })

  it('make room as they expire', async () => {
    const clock = new VirtualClock()
    const records = new DhtRecords(new MemoryDatastore(), { maxRecords: 2, clock })
    await Promise.all([records.put(record(1), VALUE), records.put(record(2), VALUE)])
    await records.delete(record(1))
    await expect(records.put(record(3), VALUE)).rejects.toMatchObject({ name: 'RecordsFullError' })
    await clock.run(clock.sleep(300_000))
    await records.put(record(3), VALUE)
    await expect(records.put(record(4), VALUE)).rejects.toMatchObject({ name: 'RecordsFullError' })
  })

  it('of a store that cannot be counted are counted the next time', async () => {
    const inner = new MemoryDatastore()
    const records = new DhtRecords(inner, { maxRecords: 1, clock: new VirtualClock() })
    const { queryKeys } = inner
    inner.queryKeys = () => { throw new Error('the disk is slow') }
    await expect(records.put(record(1), VALUE)).rejects.toThrow('the disk is slow')
    inner.queryKeys = queryKeys
    await records.put(record(1), VALUE)
  })

  it('are limited for kad-dht alone: everything else of a node is asked as before', () => {
    const components = new Proxy({ datastore: new MemoryDatastore(), logger: 7 } as Record<string, unknown>, {
      get: (target, name: string) => target[name] ?? (() => { throw new Error(`no ${name}`) })()
    }) as unknown as { datastore: MemoryDatastore, logger: number, metrics: unknown }
    const limited = withRecordLimit(components)
    expect(limited.datastore).toBeInstanceOf(DhtRecords)
    expect(limited.logger).toBe(7)
    expect(() => limited.metrics).toThrow('no metrics')
    expect(components.datastore).toBeInstanceOf(MemoryDatastore)
  })
})
