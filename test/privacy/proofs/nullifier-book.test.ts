import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { MemoryDatastore } from 'datastore-core'
import { LevelDatastore } from 'datastore-level'
import fc from 'fast-check'
import { Key } from 'interface-datastore/key'
import all from 'it-all'
import { describe, expect, it } from 'vitest'
import { NullifierBook } from '../../../src/privacy/proofs/nullifier-book.ts'
import { VirtualClock } from '../../../src/testing/virtual-clock.ts'
import { DAY, START } from './support/members.ts'

class SettableClock extends VirtualClock {
  at = START

  override wall (): number {
    return this.at
  }
}

const claim = (nullifier: number, until = START + DAY, scope = 1): { scope: bigint, nullifier: bigint, until: number } => ({ scope: BigInt(scope), nullifier: BigInt(nullifier), until })

describe('a nullifier', () => {
  it('is taken once in each scope', async () => {
    const book = await NullifierBook.open({ clock: new SettableClock() })

    expect(book.has(1n, 7n)).toBe(false)
    expect(await book.claim(claim(7))).toBe('claimed')
    expect(book.has(1n, 7n)).toBe(true)
    expect(await book.claim(claim(7))).toBe('seen')
    expect(await book.claim(claim(7, START + DAY, 2))).toBe('claimed')
    expect(await book.claim(claim(8))).toBe('claimed')
    expect(book.stats()).toEqual({ entries: 3, unreadable: 0 })
  })

  it('is taken once when many come at a time', async () => {
    const book = await NullifierBook.open({ datastore: new MemoryDatastore(), clock: new SettableClock() })
    const outcomes = await Promise.all(Array.from({ length: 50 }, async () => book.claim(claim(7))))
    expect(outcomes.filter(outcome => outcome === 'claimed')).toHaveLength(1)
  })

  it('is known after a restart, from a store on disk', async () => {
    const path = await mkdtemp(join(tmpdir(), 'portolan-nullifiers-'))
    const clock = new SettableClock()

    try {
      for (const [already, outcome] of [[false, 'claimed'], [true, 'seen']] as const) {
        const datastore = new LevelDatastore(path)
        await datastore.open()
        const book = await NullifierBook.open({ datastore, clock })
        expect(book.has(1n, 7n)).toBe(already)
        expect(await book.claim(claim(7))).toBe(outcome)
        await datastore.close()
      }
    } finally {
      await rm(path, { recursive: true })
    }
  })

  it('is forgotten when its epoch is over, here and in the store', async () => {
    const clock = new SettableClock()
    const datastore = new MemoryDatastore()
    const book = await NullifierBook.open({ datastore, clock }, { maxEntries: 2 })
    const kept = async (): Promise<number> => (await all(datastore.queryKeys({}))).length

    await book.claim(claim(7))
    await book.claim(claim(8))
    await expect(book.claim(claim(9))).rejects.toMatchObject({ name: 'NullifierStoreError', message: expect.stringMatching(/2 claims are held/) })
    expect(book.has(1n, 7n)).toBe(true)

    clock.at = START + DAY
    expect(await book.claim(claim(9, START + 2 * DAY))).toBe('claimed')
    expect(book.stats().entries).toBe(1)
    // the claim, and until when all was forgotten
    expect(await kept()).toBe(2)
  })

  it('of a time that was forgotten is not taken any more, though the clock is set back, nor after a restart', async () => {
    const clock = new SettableClock()
    const datastore = new MemoryDatastore()
    const book = await NullifierBook.open({ datastore, clock })

    await book.claim(claim(7))
    clock.at = START + DAY
    await book.claim(claim(8, START + 2 * DAY))
    clock.at = START
    expect(await book.claim(claim(7))).toBe('forgotten')
    expect(await (await NullifierBook.open({ datastore, clock })).claim(claim(7))).toBe('forgotten')
  })

  it('that cannot be written is not taken, and can be later', async () => {
    let full = true
    class FullDatastore extends MemoryDatastore {
      override batch (): ReturnType<MemoryDatastore['batch']> {
        const batch = super.batch()
        return { ...batch, commit: async options => full ? Promise.reject(new Error('no space left')) : batch.commit(options) }
      }
    }
    const book = await NullifierBook.open({ datastore: new FullDatastore(), clock: new SettableClock() })

    await expect(book.claim(claim(7))).rejects.toMatchObject({ name: 'NullifierStoreError', message: 'claims could not be written: no space left' })
    expect(book.has(1n, 7n)).toBe(false)
    full = false
    expect(await book.claim(claim(7))).toBe('claimed')
  })

  it('is not waited for longer than the timeout when the store hangs', async () => {
    const clock = new SettableClock()
    class HangingDatastore extends MemoryDatastore {
      override batch (): ReturnType<MemoryDatastore['batch']> {
        return { ...super.batch(), commit: async () => new Promise(() => {}) }
      }

      override async * query (): ReturnType<MemoryDatastore['query']> {
        await new Promise(() => {})
      }
    }
    const datastore = new HangingDatastore()

    await expect(clock.run(NullifierBook.open({ datastore, clock }, { timeout: 1000 }))).rejects.toMatchObject({ name: 'NullifierStoreError', message: expect.stringMatching(/could not be read: Timed out after 1000 ms/) })

    const writes = new MemoryDatastore()
    const book = await NullifierBook.open({ datastore: writes, clock }, { timeout: 1000 })
    writes.batch = () => datastore.batch()
    await expect(clock.run(book.claim(claim(7)))).rejects.toMatchObject({ name: 'NullifierStoreError' })
    expect(clock.pending).toBe(0)

    const leaving = new AbortController()
    const waiting = book.claim(claim(8), { signal: leaving.signal })
    leaving.abort(new Error('enough'))
    await expect(waiting).rejects.toThrow('enough')
    await expect(book.claim(claim(8), { signal: leaving.signal })).rejects.toThrow('enough')
    expect(clock.pending).toBe(0)
  })
})

describe('a store', () => {
  it('with rubbish in it is read around the rubbish', async () => {
    const datastore = new MemoryDatastore()
    const clock = new SettableClock()
    await (await NullifierBook.open({ datastore, clock })).claim(claim(7))

    for (const [name, value] of [['x', '1'], [`${'0'.repeat(64)}-${'1'.repeat(64)}`, 'soon'], [`${'0'.repeat(64)}-${'2'.repeat(64)}`, '9'.repeat(10_000)], [`${'0'.repeat(64)}-${'3'.repeat(64)}`, '-1']] as const) {
      await datastore.put(new Key(`/portolan/privacy/nullifier/v1/${name}`), new TextEncoder().encode(value))
    }
    const book = await NullifierBook.open({ datastore, clock })
    expect(book.stats()).toEqual({ entries: 4, unreadable: 4 })
    expect(await book.claim(claim(7))).toBe('seen')
  })

  it.each(['', 'soon', '-1', '1e3', '9'.repeat(10_000), '\u0000'])('in which the time of a claim is damaged lets nobody make it again: %j', async damage => {
    const datastore = new MemoryDatastore()
    const clock = new SettableClock()
    await (await NullifierBook.open({ datastore, clock })).claim(claim(7))

    for await (const { key } of datastore.query({})) {
      await datastore.put(key, new TextEncoder().encode(damage))
    }
    const book = await NullifierBook.open({ datastore, clock })
    expect(book.stats()).toEqual({ entries: 1, unreadable: 2 })
    expect(await book.claim(claim(7))).toBe('seen')
    expect(await book.claim(claim(8))).toBe('claimed')
  })

  it('with more in it than is held is an error: what was left out could be made again', async () => {
    const datastore = new MemoryDatastore()
    const clock = new SettableClock()
    const book = await NullifierBook.open({ datastore, clock })
    for (const n of [1, 2, 3]) {
      await book.claim(claim(n))
    }
    await expect(NullifierBook.open({ datastore, clock }, { maxEntries: 2 })).rejects.toMatchObject({ name: 'NullifierStoreError', message: expect.stringMatching(/raise maxEntries/) })
  })

  it.each([0, -1, 1.5, Number.NaN])('maxEntries of %s is refused', async maxEntries => {
    await expect(NullifierBook.open({}, { maxEntries })).rejects.toMatchObject({ name: 'InvalidOptionError', message: expect.stringMatching(/maxEntries/) })
  })
})

describe('a record in the store', () => {
  const prefix = '/portolan/privacy/nullifier'
  const written = async (claims: ReadonlyArray<ReturnType<typeof claim>>, clock: SettableClock): Promise<MemoryDatastore> => {
    const datastore = new MemoryDatastore()
    const book = await NullifierBook.open({ datastore, clock })
    for (const each of claims) {
      await book.claim(each)
    }
    return datastore
  }

  it('lets nobody make a claim again when any bit of it is another, in its key or in its value', async () => {
    const clock = new SettableClock()
    const pairs = await all((await written([claim(7)], clock)).query({}))
    let flips = 0

    for (const { key, value } of pairs) {
      const name = key.toString().slice(`${prefix}/v2/`.length)
      for (let bit = 0; bit < 8 * (value.byteLength + name.length); bit += 3) {
        const datastore = new MemoryDatastore()
        const bytes = Uint8Array.from([...value, ...new TextEncoder().encode(name)])
        bytes[bit >> 3] = (bytes[bit >> 3] ?? 0) ^ 1 << (bit & 7)
        for (const other of pairs) {
          await (other.key === key
            ? datastore.put(new Key(`${prefix}/v2/${String.fromCharCode(...bytes.subarray(value.byteLength)).replaceAll('/', '|')}`), bytes.slice(0, value.byteLength))
            : datastore.put(other.key, other.value))
        }

        const book = await NullifierBook.open({ datastore, clock })
        expect([bit, book.stats().unreadable]).toEqual([bit, 1])
        expect([bit, await book.claim(claim(7))]).toEqual([bit, 'seen'])
        expect([bit, await book.claim(claim(8))]).toEqual([bit, 'claimed'])
        flips++
      }
    }
    expect(flips).toBeGreaterThan(500)
  })

  it('of which the end is damaged counts for good, and one whose key is damaged as long as it did', async () => {
    const clock = new SettableClock()
    const datastore = await written([claim(7)], clock)
    const key = new Key(`${prefix}/v2/${'0'.repeat(63)}1-${'0'.repeat(63)}7`)
    const value = await datastore.get(key)

    const stray = new Key(`${prefix}/v2/${'0'.repeat(63)}1-${'0'.repeat(63)}3`)
    await datastore.delete(key)
    await datastore.put(stray, value)
    const mended = await NullifierBook.open({ datastore, clock })
    expect([mended.has(1n, 7n), mended.has(1n, 3n)]).toEqual([true, false])
    expect([await datastore.has(stray), await datastore.get(key)]).toEqual([false, value])

    await datastore.put(key, new TextEncoder().encode(new TextDecoder().decode(value).replace(String(START + DAY), String(START + 2))))
    clock.at = START + 30 * DAY
    const book = await NullifierBook.open({ datastore, clock })
    expect(book.stats()).toEqual({ entries: 1, unreadable: 1 })
    expect(await book.claim(claim(7, START + 31 * DAY))).toBe('seen')
  })

  it('of when everything was forgotten is damaged: all that is over stays closed', async () => {
    const clock = new SettableClock()
    const datastore = await written([claim(7)], clock)
    await datastore.put(new Key(`${prefix}/v2/horizon`), new TextEncoder().encode(`horizon ${START - DAY} 0000000000000000`))
    clock.at = START + 3 * DAY
    const book = await NullifierBook.open({ datastore, clock })
    clock.at = START
    expect(await book.claim(claim(9, START + 2 * DAY))).toBe('forgotten')
    expect(await book.claim(claim(9, START + 4 * DAY))).toBe('claimed')
  })

  it('of a former version is taken over, once, and what came of it is as it was', async () => {
    const clock = new SettableClock()
    const datastore = new MemoryDatastore()
    const former = (name: string): Key => new Key(`${prefix}/v1/${name}`)
    const id = (n: number): string => `${'0'.repeat(63)}1-${'0'.repeat(63)}${n}`
    const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
    await datastore.put(former('horizon'), bytes(String(START + DAY)))
    await datastore.put(former(id(7)), bytes(String(START + 3 * DAY)))
    await datastore.put(former(id(8)), bytes('soon'))
    await datastore.put(former(id(9)), bytes(String(START - DAY)))

    for (const unreadable of [1, 0]) {
      const book = await NullifierBook.open({ datastore, clock })
      expect(book.stats()).toEqual({ entries: 2, unreadable })
      expect([await book.claim(claim(7, START + 3 * DAY)), await book.claim(claim(8, START + 3 * DAY))]).toEqual(['seen', 'seen'])
      expect(await book.claim(claim(6))).toBe('forgotten')
      expect((await all(datastore.queryKeys({}))).filter(key => key.toString().includes('/v1/'))).toEqual([])
    }
    const book = await NullifierBook.open({ datastore, clock })
    clock.at = START + 3 * DAY
    expect(await book.claim(claim(1, START + 4 * DAY))).toBe('claimed')
    expect(book.has(1n, 7n)).toBe(false)
  })

  it('of a former version that cannot be written anew is an error, and stays', async () => {
    const clock = new SettableClock()
    const datastore = new MemoryDatastore()
    const key = new Key(`${prefix}/v1/${'0'.repeat(64)}-${'7'.repeat(64)}`)
    await datastore.put(key, new TextEncoder().encode(String(START + DAY)))
    const batch = datastore.batch.bind(datastore)
    datastore.batch = () => ({ ...batch(), commit: async () => Promise.reject(new Error('no space left')) })
    await expect(NullifierBook.open({ datastore, clock })).rejects.toMatchObject({ name: 'NullifierStoreError', message: 'claims could not be written: no space left' })
    expect(await datastore.has(key)).toBe(true)
  })
})

it('never takes a claim twice, whatever the clock does and however often it is opened anew', async () => {
  const steps = fc.array(fc.oneof(
    fc.record({ kind: fc.constant('claim' as const), nullifier: fc.nat(3), epoch: fc.nat(4) }),
    fc.record({ kind: fc.constant('clock' as const), to: fc.nat(5) }),
    fc.record({ kind: fc.constant('open' as const) })
  ), { maxLength: 40 })

  await fc.assert(fc.asyncProperty(steps, async steps => {
    const clock = new SettableClock()
    const datastore = new MemoryDatastore()
    const taken = new Set<string>()
    let book = await NullifierBook.open({ datastore, clock })

    for (const step of steps) {
      if (step.kind === 'open') {
        book = await NullifierBook.open({ datastore, clock })
      } else if (step.kind === 'clock') {
        clock.at = START + step.to * DAY
      } else {
        // a verifier asks for epochs that are not over
        const until = START + (step.epoch + 1) * DAY
        if (until > clock.at && await book.claim(claim(step.nullifier, until, step.epoch)) === 'claimed') {
          expect(taken.has(`${step.epoch} ${step.nullifier}`)).toBe(false)
          taken.add(`${step.epoch} ${step.nullifier}`)
        }
      }
    }
  }))
})
