import { MemoryDatastore } from 'datastore-core'
import { Key } from 'interface-datastore/key'
import { describe, expect, it } from 'vitest'
import { DhtRecords, withRecordLimit } from '../../src/config/dht-records.ts'
import { VirtualClock } from '../../src/testing/virtual-clock.ts'

const VALUE = new Uint8Array([1])
const record = (n: number): Key => new Key(`/dht/provider/block-${n}/peer`)

async function all<T> (source: AsyncIterable<T> | Iterable<T>): Promise<T[]> {
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

  it('make room for those who have few: whoever has most loses some, and is refused himself', async () => {
    const inner = new MemoryDatastore()
    const clock = new VirtualClock()
    const records = new DhtRecords(inner, { maxRecords: 200, clock })
    const of = (peer: string, n: number): Key => new Key(`/dht/provider/block-${n}/${peer}`)
    const count = async (peer: string): Promise<number> => (await all(inner.queryKeys({ prefix: '/dht/' }))).filter(key => key.toString().endsWith(peer)).length
    const refused: number[] = []
    let looks = 0
    const { queryKeys } = inner
    inner.queryKeys = (...args) => {
      looks++
      return queryKeys.apply(inner, args)
    }

    for (let n = 0; n < 300; n++) {
      await records.put(of('greedy', n), VALUE).catch(() => { refused.push(n) })
    }
    // one to count them, and one to see who has most
    expect([looks, refused.length]).toEqual([2, 100])
    expect(await count('greedy')).toBe(200)

    for (let n = 0; n < 40; n++) {
      await clock.run(clock.sleep(5_000))
      await records.put(of('modest', n), VALUE)
    }
    await records.put(of('other', 1), VALUE)
    expect([await count('modest'), await count('other')]).toEqual([40, 1])

    for (let n = 0; n < 20; n++) {
      await records.put(of('greedy', 300 + n), VALUE).catch(() => {})
    }
    expect(await count('modest')).toBe(40)
    await expect(records.put(of('greedy', 400), VALUE)).rejects.toMatchObject({ name: 'RecordsFullError' })
    expect((await all(inner.queryKeys({ prefix: '/dht/' }))).length).toBe(200)
  })

  it('are no larger than records are, and of what is not about providers there are a thousand at most', async () => {
    const inner = new MemoryDatastore()
    const records = new DhtRecords(inner, { maxRecords: 2_000, clock: new VirtualClock() })

    await expect(records.put(new Key(`/dht/provider/${'a'.repeat(1_000_000)}/peer`), VALUE)).rejects.toMatchObject({ name: 'RecordsFullError' })
    await expect(records.put(new Key('/dht/record/key'), new Uint8Array(1_000_000))).rejects.toMatchObject({ name: 'RecordsFullError' })
    expect(await all(inner.queryKeys({}))).toEqual([])

    for (let n = 0; n < 1_000; n++) {
      await records.put(new Key(`/dht/record/${n}`), VALUE)
    }
    await expect(records.put(new Key('/dht/record/more'), VALUE)).rejects.toMatchObject({ name: 'RecordsFullError' })
    await records.put(record(1), VALUE)
    await records.put(new Key('/dht/record/7'), new Uint8Array([2]))
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
