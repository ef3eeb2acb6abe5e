import { MemoryDatastore } from 'datastore-core'
import * as fc from 'fast-check'
import { Key } from 'interface-datastore'
import all from 'it-all'
import { describe, expect, it } from 'vitest'
import { PeerRecordWrites } from '../../src/config/peer-record-writes.ts'
import { VirtualClock } from '../../src/testing/virtual-clock.ts'
import type { Batch } from 'interface-datastore'

const PEER = new Key('/peers/a')
const OTHER = new Key('/portolan/a')

function bytes (text: string): Uint8Array {
  return new TextEncoder().encode(text)
}

/** Counts, and fails when it is told to */
class Disk extends MemoryDatastore {
  reads = 0
  writes = 0
  full = false
  /** When set, a commit waits for it */
  gate: Promise<void> | undefined

  override get (key: Key): Uint8Array {
    this.reads++
    return super.get(key) as Uint8Array
  }

  override put (key: Key, value: Uint8Array): Key {
    this.writes++
    return super.put(key, value) as Key
  }

  override batch (): Batch {
    const batch = super.batch()
    return {
      put: (key, value) => { batch.put(key, value) },
      delete: key => { batch.delete(key) },
      commit: async options => {
        await this.gate
        if (this.full) {
          throw new Error('the disk is full')
        }
        await batch.commit(options)
      }
    }
  }
}

function setup (init: { maxRecords?: number } = {}): { disk: Disk, store: PeerRecordWrites, clock: VirtualClock } {
  const disk = new Disk()
  const clock = new VirtualClock()
  return { disk, clock, store: new PeerRecordWrites(disk, { clock, ...init }) }
}

describe('records of peers', () => {
  it('are written once, however often they change, and read from memory', async () => {
    const { disk, store, clock } = setup()
    for (let i = 0; i < 100; i++) {
      await store.put(PEER, bytes(`${i}`))
      expect(await store.get(PEER)).toEqual(bytes(`${i}`))
      expect(await store.has(PEER)).toBe(true)
    }
    expect(disk).toMatchObject({ reads: 0, writes: 0 })
    await clock.advance(1_000)
    expect(disk).toMatchObject({ reads: 0, writes: 1 })
    expect(disk.get(PEER)).toEqual(bytes('99'))
    expect(store.waiting).toBe(0)
    expect(clock.pending).toBe(0)
  })

  it('are read from the disk once', async () => {
    const { disk, store } = setup()
    disk.put(PEER, bytes('there'))
    expect(await store.get(PEER)).toEqual(bytes('there'))
    expect(await store.get(PEER)).toEqual(bytes('there'))
    expect(disk.reads).toBe(1)
    await expect(store.get(new Key('/peers/b'))).rejects.toMatchObject({ name: 'NotFoundError' })
    expect(await store.has(new Key('/peers/b'))).toBe(false)
  })

  it('are all there when somebody looks through them', async () => {
    const { store } = setup()
    await store.put(PEER, bytes('1'))
    expect(await all(store.query({ prefix: '/peers/' }))).toEqual([{ key: PEER, value: bytes('1') }])
    await store.put(new Key('/peers/b'), bytes('2'))
    expect((await all(store.queryKeys({}))).map(String)).toEqual(['/peers/a', '/peers/b'])
  })

  it('that are deleted while they are written stay deleted, and one put after it stays', async () => {
    const { disk, store } = setup()
    const { promise, resolve } = Promise.withResolvers<void>()
    disk.gate = promise
    await store.put(PEER, bytes('1'))
    const settling = store.settle()
    // as the deletion is asked for it is being written
    await Promise.resolve()
    const deleting = store.delete(PEER)
    await store.put(new Key('/peers/b'), bytes('2'))
    resolve()
    await Promise.all([settling, deleting])
    await expect(store.get(PEER)).rejects.toMatchObject({ name: 'NotFoundError' })
    await store.put(PEER, bytes('3'))
    await store.settle()
    expect(disk.get(PEER)).toEqual(bytes('3'))
    expect(disk.get(new Key('/peers/b'))).toEqual(bytes('2'))
  })

  it('do not pile up: the limit writes them', async () => {
    const { disk, store } = setup({ maxRecords: 10 })
    for (let i = 0; i < 25; i++) {
      await store.put(new Key(`/peers/${i}`), bytes(`${i}`))
      expect(store.waiting).toBeLessThan(10)
    }
    expect(disk.writes).toBe(20)
  })

  it('that cannot be written are kept and tried again; the next put tells, and the end', async () => {
    const { disk, store, clock } = setup()
    disk.full = true
    await store.put(PEER, bytes('1'))
    await clock.advance(1_000)
    expect(store.waiting).toBe(1)
    await expect(store.put(new Key('/peers/b'), bytes('2'))).rejects.toThrow('the disk is full')
    // nobody was told that this one is there
    await expect(store.get(new Key('/peers/b'))).rejects.toMatchObject({ name: 'NotFoundError' })
    expect(await store.get(PEER)).toEqual(bytes('1'))
    disk.full = false
    await store.put(new Key('/peers/b'), bytes('3'))
    expect(disk.get(PEER)).toEqual(bytes('1'))
    expect(disk.get(new Key('/peers/b'))).toEqual(bytes('3'))

    await store.put(PEER, bytes('4'))
    disk.full = true
    await expect(store.close()).rejects.toThrow('the disk is full')
    expect(store.waiting).toBe(0)
    expect(clock.pending).toBe(0)
  })

  it('are written at the end and not remembered after it', async () => {
    const { disk, store, clock } = setup()
    await store.put(PEER, bytes('1'))
    await store.close()
    expect(clock.pending).toBe(0)
    disk.put(PEER, bytes('of another process'))
    expect(await store.get(PEER)).toEqual(bytes('of another process'))
  })
})

describe('other records', () => {
  it('are written and read as ever', async () => {
    const { disk, store } = setup()
    await store.put(OTHER, bytes('1'))
    expect(disk.writes).toBe(1)
    expect(await store.get(OTHER)).toEqual(bytes('1'))
    await store.delete(OTHER)
    expect(await store.has(OTHER)).toBe(false)
  })
})

describe('whatever is done in whatever order', () => {
  const key = fc.constantFrom('/peers/a', '/peers/b', '/peers/c', '/portolan/a').map(name => new Key(name))
  const step = fc.oneof(
    fc.record({ do: fc.constant('put' as const), key, value: fc.integer({ min: 0, max: 99 }) }),
    fc.record({ do: fc.constant('delete' as const), key }),
    fc.record({ do: fc.constant('batch' as const), key, other: key, value: fc.integer({ min: 0, max: 99 }) }),
    fc.record({ do: fc.constant('wait' as const), ms: fc.integer({ min: 1, max: 2_000 }) }),
    fc.record({ do: fc.constant('look' as const) })
  )

  it('reads what a plain datastore reads, and leaves the same behind', async () => {
    await fc.assert(fc.asyncProperty(fc.array(step, { maxLength: 40 }), fc.integer({ min: 1, max: 3 }), async (steps, maxRecords) => {
      const { disk, store, clock } = setup({ maxRecords })
      const plain = new MemoryDatastore()

      for (const one of steps) {
        if (one.do === 'put') {
          await store.put(one.key, bytes(`${one.value}`))
          await plain.put(one.key, bytes(`${one.value}`))
        } else if (one.do === 'delete') {
          await store.delete(one.key)
          await plain.delete(one.key)
        } else if (one.do === 'batch') {
          for (const batch of [store.batch(), plain.batch()]) {
            batch.put(one.key, bytes(`${one.value}`))
            if (!one.other.toString().endsWith(one.key.toString())) {
              batch.delete(one.other)
            }
            await batch.commit()
          }
        } else if (one.do === 'wait') {
          await clock.advance(one.ms)
        } else {
          expect((await all(store.query({}))).map(({ key, value }) => `${key} ${String(value)}`).sort()).toEqual((await all(plain.query({}))).map(({ key, value }) => `${key} ${String(value)}`).sort())
        }
        for (const name of ['/peers/a', '/peers/b', '/peers/c', '/portolan/a']) {
          const has = await plain.has(new Key(name))
          expect(await store.has(new Key(name))).toBe(has)
          if (has) {
            expect(await store.get(new Key(name))).toEqual(await plain.get(new Key(name)))
          }
        }
      }

      await store.close()
      expect((await all(disk.queryKeys({}))).map(String).sort()).toEqual((await all(plain.queryKeys({}))).map(String).sort())
      expect(clock.pending).toBe(0)
    }))
  })
})
