import { MemoryDatastore } from 'datastore-core'
import { Key } from 'interface-datastore'
import { describe, expect, it } from 'vitest'
import { DEFAULT_RECORDS, ProviderRecords, RECORDS_PREFIX } from '../../../src/discovery/records/provider-records.ts'
import { EntryKeeper } from '../../../src/keeper/entry-keeper.ts'
import { toProvider } from '../../../src/provider/provider.ts'
import { silentLogger } from '../../../src/testing/silent-logger.ts'
import { VirtualClock } from '../../../src/testing/virtual-clock.ts'

const MINUTE = 60_000
const HOUR = 60 * MINUTE
const PEER = '12D3KooWGC6TvWhfajpX6wvJHMYvKpDMXPb3ZnCZ6dMoaMtimQ5o'
const DIRECT = toProvider(`/ip4/192.0.2.1/tcp/4001/p2p/${PEER}`, { source: 'dht' })
const RELAYED = toProvider('/ip4/192.0.2.9/tcp/4001/p2p/12D3KooWJbJFaZ1dwpuu9tQY3ELCKCpWMJc1dSRVbcMwhiLiFq7q/p2p-circuit/p2p/12D3KooWPjceQrSwdWXPyLLeABRXmuqt69Rg3sBYbU1Nft9HyQ6X', { source: 'dht' })
const WEB = toProvider('https://gateway.example', { source: 'dht' })

function at (clock: VirtualClock, ms: number): Promise<void> {
  return clock.run(clock.sleep(ms - clock.now()))
}

describe('what routers said', () => {
  it('is fresh for five minutes, and worth something for two days', async () => {
    const clock = new VirtualClock()
    const records = new ProviderRecords(clock)
    records.set('dht', 'key', [DIRECT], true)

    await at(clock, 5 * MINUTE - 1)
    expect(records.get('dht', 'key')).toEqual({ providers: [DIRECT], fresh: true })
    await at(clock, 5 * MINUTE)
    expect(records.get('dht', 'key')).toEqual({ providers: [DIRECT], fresh: false })
    await at(clock, 48 * HOUR - 1)
    expect(records.get('dht', 'key')).toEqual({ providers: [DIRECT], fresh: false })
    await at(clock, 48 * HOUR)
    expect(records.get('dht', 'key')).toBeUndefined()
    expect(records.size).toBe(0)
  })

  it('names relays for two hours only, and the peer behind one for longer', async () => {
    const clock = new VirtualClock()
    const records = new ProviderRecords(clock)
    records.set('dht', 'key', [RELAYED, DIRECT], true)

    expect(RELAYED.addresses).toHaveLength(1)
    await at(clock, 2 * HOUR - 1)
    expect(records.get('dht', 'key')?.providers).toEqual([RELAYED, DIRECT])
    await at(clock, 2 * HOUR)
    expect(records.get('dht', 'key')?.providers).toEqual([{ ...RELAYED, addresses: [] }, DIRECT])
  })

  it('is kept apart by router, and forgotten for all of them', () => {
    const records = new ProviderRecords(new VirtualClock())
    records.set('dht', 'key', [DIRECT], true)
    records.set('delegated', 'key', [WEB], true)
    records.set('dht', 'other', [WEB], true)

    expect(records.get('dht', 'key')?.providers).toEqual([DIRECT])
    expect(records.get('delegated', 'key')?.providers).toEqual([WEB])
    records.forget('key')
    expect(records.get('dht', 'key')).toBeUndefined()
    expect(records.get('delegated', 'key')).toBeUndefined()
    expect(records.get('dht', 'other')?.providers).toEqual([WEB])
  })

  it('is no longer fresh when somebody says that it has changed, and fresh for half a minute whatever is said', async () => {
    const clock = new VirtualClock()
    const records = new ProviderRecords(clock)
    const fresh = (): boolean | undefined => records.get('dht', 'key')?.fresh
    records.renew('key')
    records.set('dht', 'key', [DIRECT], true)
    await at(clock, 30_000 - 1)
    records.renew('key')
    expect(fresh()).toBe(true)
    await at(clock, 30_000)
    records.renew('other')
    expect(fresh()).toBe(true)
    records.renew('key')
    expect(records.get('dht', 'key')).toEqual({ providers: [DIRECT], fresh: false })
    // it makes nothing older than it is
    records.renew('key')
    await at(clock, 48 * HOUR - 1)
    records.renew('key')
    expect(records.get('dht', 'key')).toEqual({ providers: [DIRECT], fresh: false })
  })

  it('is replaced by a whole answer and added to by part of one; nothing found is not remembered', () => {
    const records = new ProviderRecords(new VirtualClock())
    const elsewhere = toProvider(`/ip4/198.51.100.1/tcp/4001/p2p/${PEER}`, { source: 'dht' })
    records.set('dht', 'key', [DIRECT, WEB], true)
    records.set('dht', 'key', [elsewhere], false)
    expect(records.get('dht', 'key')?.providers.map(({ id }) => id)).toEqual([DIRECT.id, WEB.id])
    expect(records.get('dht', 'key')?.providers[0]?.addresses).toEqual([...elsewhere.addresses, ...DIRECT.addresses])

    records.set('dht', 'key', [elsewhere], true)
    expect(records.get('dht', 'key')?.providers).toEqual([elsewhere])
    records.set('dht', 'key', [], true)
    expect(records.get('dht', 'key')).toBeUndefined()
  })

  it('is not made younger by an answer that does not name it', async () => {
    const clock = new VirtualClock()
    const records = new ProviderRecords(clock)
    records.set('dht', 'key', [DIRECT, RELAYED], true)

    for (let hours = 1; hours < 60; hours++) {
      await at(clock, hours * HOUR)
      records.set('dht', 'key', [WEB], false)
      const left = hours < 2 ? [DIRECT.addresses, RELAYED.addresses] : hours < 48 ? [DIRECT.addresses, []] : []
      expect(records.get('dht', 'key'), `${hours} h`).toMatchObject({ providers: [WEB.addresses, ...left].map(addresses => ({ addresses })), fresh: true })
    }
    // nothing was said
    records.set('dht', 'key', [], false)
    expect(records.get('dht', 'key')).toEqual({ providers: [WEB], fresh: true })
  })

  it('is all that was said of a provider, though it was named again with less', () => {
    const records = new ProviderRecords(new VirtualClock())
    const elsewhere = '/ip4/198.51.100.1/tcp/4001'
    records.set('dht', 'key', [DIRECT, WEB, { ...DIRECT, addresses: [] }, { ...DIRECT, addresses: [elsewhere] }], true)

    expect(records.get('dht', 'key')?.providers).toEqual([{ ...DIRECT, addresses: [...DIRECT.addresses, elsewhere] }, WEB])
  })

  it('is bounded in bytes, whatever is said', () => {
    const records = new ProviderRecords(new VirtualClock(), { ...DEFAULT_RECORDS, bytes: 200_000 })
    const vast = Array.from({ length: 20 }, (_, i) => ({ ...WEB, id: `https:${i}.example` as const, addresses: Array.from({ length: 8 }, (_, n) => `/dns4/${n}${'x'.repeat(500)}/tcp/4001`) }))

    for (let i = 0; i < 50; i++) {
      records.set('dht', `key-${i}`, vast, true)
    }
    expect(records.size).toBe(4)
    expect(records.get('dht', 'key-49')?.providers.map(({ id }) => id)).toEqual(vast.map(({ id }) => id))
    for (const [, entry] of records.takeDirty(1_000)) {
      expect(JSON.stringify(entry ?? null).length).toBeLessThan(65_536)
    }
  })

  it('has bounds', () => {
    const records = new ProviderRecords(new VirtualClock(), { ...DEFAULT_RECORDS, entries: 10, providers: 3 })
    const many = Array.from({ length: 50 }, (_, i) => toProvider(`https://gateway-${i}.example`, { source: 'dht' }))

    for (let i = 0; i < 100; i++) {
      records.set('dht', `key-${i}`, many, true)
    }
    records.set('dht', 'k'.repeat(2_000), many, true)
    expect(records.size).toBe(10)
    expect(records.get('dht', 'key-99')?.providers).toEqual(many.slice(0, 3))
    expect(records.get('dht', 'key-89')).toBeUndefined()
    // one that is gone may be in the store: nobody knows how many were
    expect(records.takeDirty(1_000).length).toBeLessThanOrEqual(20)
  })
})

describe('records over restarts', () => {
  const keeperOf = (datastore: MemoryDatastore, clock: VirtualClock, records: ProviderRecords): EntryKeeper => {
    return new EntryKeeper({ table: records, datastore, clock, logger: silentLogger }, { prefix: RECORDS_PREFIX, name: 'discovery:records' })
  }

  it('are as old as they were, and gone when they are gone', async () => {
    const datastore = new MemoryDatastore()
    const clock = new VirtualClock()
    const before = new ProviderRecords(clock)
    const keeper = keeperOf(datastore, clock, before)
    before.set('dht', 'kept', [DIRECT, RELAYED], true)
    before.set('dht', 'gone', [DIRECT], true)
    await keeper.save()
    await at(clock, 3 * MINUTE)
    before.forget('gone')
    await keeper.save()
    expect(keeper.stats()).toEqual({ dropped: 0, failedWrites: 0 })

    // another process: its monotonic clock begins anew, the wall clock does not
    const later = { ...clock, now: () => 7, wall: () => clock.wall() + MINUTE } as unknown as VirtualClock
    const after = new ProviderRecords(later)
    await keeperOf(datastore, clock, after).load()
    expect(after.size).toBe(1)
    expect(after.get('dht', 'kept')).toEqual({ providers: [DIRECT, RELAYED], fresh: true })

    const tomorrow = { ...clock, now: () => 7, wall: () => clock.wall() + 24 * HOUR } as unknown as VirtualClock
    const old = new ProviderRecords(tomorrow)
    await keeperOf(datastore, clock, old).load()
    expect(old.get('dht', 'kept')).toEqual({ providers: [DIRECT, { ...RELAYED, addresses: [] }], fresh: false })

    const nextWeek = { ...clock, now: () => 7, wall: () => clock.wall() + 7 * 24 * HOUR } as unknown as VirtualClock
    const none = new ProviderRecords(nextWeek)
    const last = keeperOf(datastore, clock, none)
    await last.load()
    expect(none.size).toBe(0)
    await last.save()
    const keys: string[] = []
    for await (const key of datastore.queryKeys({})) {
      keys.push(key.toString())
    }
    expect(keys).toEqual([])
  })

  it('of the future are of no known age', async () => {
    const clock = new VirtualClock()
    const records = new ProviderRecords(clock)
    const entry = { id: 'dht key', source: 'dht', key: 'key', at: clock.wall() + HOUR, providers: [DIRECT, RELAYED] }
    records.restore(entry)
    expect(records.get('dht', 'key')).toEqual({ providers: [DIRECT, { ...RELAYED, addresses: [] }], fresh: false })
  })

  it('that make no sense are dropped, the others are not', async () => {
    const datastore = new MemoryDatastore()
    const clock = new VirtualClock()
    const good = { id: 'dht key', source: 'dht', key: 'key', at: clock.wall(), providers: [WEB] }
    const spoilt: unknown[] = [null, 7, {}, { ...good, id: 'dht other' }, { ...good, at: 'now' }, { ...good, at: null }, { ...good, providers: {} }, { ...good, providers: [{ id: 'x' }] }, { ...good, source: 5 }]
    const put = async (id: string, text: string): Promise<void> => {
      await datastore.put(new Key(`${RECORDS_PREFIX}/${Buffer.from(id).toString('base64url')}`), new TextEncoder().encode(text))
    }
    for (const [i, entry] of spoilt.entries()) {
      await put((entry as { id?: string } | null)?.id ?? `spoilt-${i}`, JSON.stringify(entry))
      const records = new ProviderRecords(clock)
      const keeper = keeperOf(datastore, clock, records)
      await keeper.load()
      expect(keeper.stats().dropped, JSON.stringify(entry)).toBe(1)
      expect(records.size).toBe(0)
      // it is deleted with the next save
      await keeper.save()
    }
    await put('dht key', JSON.stringify(good))
    await put('dht other', '{"id":"dht oth')
    const records = new ProviderRecords(clock)
    const keeper = keeperOf(datastore, clock, records)
    await keeper.load()
    expect(keeper.stats().dropped).toBe(1)
    expect(records.get('dht', 'key')).toEqual({ providers: [{ ...WEB, source: 'dht' }], fresh: true })
  })

  it('keep what each provider was named at, and read what was stored before providers had times', async () => {
    const datastore = new MemoryDatastore()
    const clock = new VirtualClock()
    const before = new ProviderRecords(clock)
    before.set('dht', 'key', [DIRECT, RELAYED], true)
    await at(clock, 47 * HOUR)
    before.set('dht', 'key', [WEB], false)
    await keeperOf(datastore, clock, before).save()
    const after = new ProviderRecords(clock)
    after.restore({ id: 'dht old', source: 'dht', key: 'old', at: clock.wall() - HOUR, providers: [DIRECT, RELAYED] })
    await keeperOf(datastore, clock, after).load()

    expect(after.get('dht', 'key')).toEqual({ providers: [WEB, DIRECT, { ...RELAYED, addresses: [] }], fresh: true })
    expect(after.get('dht', 'old')).toEqual({ providers: [DIRECT, RELAYED], fresh: false })
    await at(clock, 48 * HOUR)
    expect(after.get('dht', 'key')?.providers).toEqual([WEB])
    expect(after.get('dht', 'old')?.providers).toEqual([DIRECT, { ...RELAYED, addresses: [] }])
  })

  it('of any size that is taken in can be read again, and push out nothing that was learnt since', async () => {
    const datastore = new MemoryDatastore()
    const clock = new VirtualClock()
    const vast = Array.from({ length: 20 }, (_, i) => ({ ...WEB, id: `https:${i}.example` as const, addresses: Array.from({ length: 8 }, (_, n) => `/dns4/${n}${'é'.repeat(500)}/tcp/4001`) }))
    const before = new ProviderRecords(clock)
    for (let i = 0; i < 10; i++) {
      before.set('dht', `key-${i}`, vast, true)
    }
    await keeperOf(datastore, clock, before).save()
    const after = new ProviderRecords(clock)
    const keeper = keeperOf(datastore, clock, after)
    await keeper.load()
    expect(after.get('dht', 'key-7')).toEqual({ ...before.get('dht', 'key-7'), fresh: true })
    expect([after.size, keeper.stats().dropped]).toEqual([10, 0])

    const small = new ProviderRecords(clock, { ...DEFAULT_RECORDS, bytes: 200_000 })
    small.set('dht', 'new', [WEB], true)
    await keeperOf(datastore, clock, small).load()
    expect(small.get('dht', 'new')?.providers).toEqual([WEB])
    expect(small.size).toBeGreaterThan(2)
    expect(small.size).toBeLessThan(6)
  })

  it('do not replace what was learnt since', () => {
    const clock = new VirtualClock()
    const records = new ProviderRecords(clock)
    records.set('dht', 'key', [WEB], true)
    records.restore({ id: 'dht key', source: 'dht', key: 'key', at: clock.wall(), providers: [DIRECT] })
    expect(records.get('dht', 'key')?.providers).toEqual([WEB])
  })
})
