import { MemoryDatastore } from 'datastore-core'
import { Key } from 'interface-datastore/key'
import { describe, expect, it } from 'vitest'
import { Disclosure } from '../../../src/interface/disclosure.ts'
import { DisclosureLedger } from '../../../src/privacy/ledger/disclosure-ledger.ts'
import { encodeChunk, encodeCounts } from '../../../src/privacy/ledger/journal-chunk.ts'
import { seededRandom } from '../../../src/clock/random.ts'
import { VirtualClock } from '../../../src/testing/virtual-clock.ts'
import type { Clock } from '../../../src/interface/clock.ts'
import type { LedgerInit } from '../../../src/privacy/ledger/disclosure-ledger.ts'
import type { DisclosureInit } from '../../../src/interface/disclosure.ts'
import type { Exposure } from '../../../src/interface/privacy.ts'
import type { Datastore } from 'interface-datastore'

const PREFIX = '/portolan/ledger/v1'
const decoder = new TextDecoder()
const encoder = new TextEncoder()

interface World {
  readonly clock: VirtualClock
  readonly datastore: Datastore
  readonly logged: string[]
}

function world (): World {
  return { clock: new VirtualClock(), datastore: new MemoryDatastore(), logged: [] }
}

/** One run of a node on what is there */
async function run ({ clock, datastore, logged }: World, init?: LedgerInit, seen: Clock = clock): Promise<DisclosureLedger> {
  const log = Object.assign(() => {}, { error: (...args: unknown[]) => { logged.push(args.map(String).join(' ')) }, trace: () => {} })
  const ledger = new DisclosureLedger({ clock: seen, random: seededRandom(1), datastore, logger: { forComponent: () => log } }, init)
  await clock.run(ledger.start())
  return ledger
}

function disclose (ledger: DisclosureLedger, clock: VirtualClock, n = 0, changes: Partial<DisclosureInit> = {}): Disclosure {
  return new Disclosure(ledger, { observer: `p2p:12D3KooWobserver${n}`, form: 'cid', transport: 'bitswap', audience: 'one', ...changes }, { request: `request-${n}`, purpose: 'read', mode: 'balanced', key: `subject-${n}`, client: `client-${n}`, at: clock.wall() })
}

/** The same, but for these methods */
function changed (datastore: Datastore, methods: Partial<Datastore>): Datastore {
  return Object.assign(Object.create(datastore) as Datastore, methods)
}

async function stored (datastore: Datastore): Promise<Map<string, string>> {
  const found = new Map<string, string>()
  for await (const { key, value } of datastore.query({ prefix: PREFIX })) {
    found.set(key.toString(), decoder.decode(value))
  }
  return found
}

async function kept (ledger: DisclosureLedger): Promise<Exposure[]> {
  const all: Exposure[] = []
  for await (const exposure of ledger.kept()) {
    all.push(exposure)
  }
  return all
}

describe('the journal of a ledger', () => {
  it('keeps numbers and pseudonyms, and nothing that anybody could be known by', async () => {
    const { clock, datastore, logged } = world()
    const first = await run({ clock, datastore, logged })
    disclose(first, clock, 1).sent()
    disclose(first, clock, 1).sent()
    disclose(first, clock, 2).notSent()
    await clock.run(first.stop())

    const files = [...(await stored(datastore)).values()].join('\n')
    expect(files).toContain('"balanced"')
    expect(files).not.toMatch(/12D3KooW|observer\d|request-|subject-|client-/)

    const second = await run({ clock, datastore, logged })
    expect(second.about('subject-1')).toEqual([])
    expect(second.entries()).toEqual([])
    expect(second.stats()).toMatchObject({ total: 3, earlier: 3, states: { sent: 2, 'not-sent': 1, intended: 0, unknown: 0 } })

    const exposures = await kept(second)
    expect(exposures.map(({ observerClass, state, form, transport }) => [observerClass, state, form, transport])).toEqual([['peer', 'sent', 'cid', 'bitswap'], ['peer', 'sent', 'cid', 'bitswap'], ['peer', 'not-sent', 'cid', 'bitswap']])
    // of one run they can be told apart and together
    expect(exposures[0]?.observer).toBe(exposures[1]?.observer)
    expect(exposures[0]?.observer).not.toBe(exposures[2]?.observer)
    expect(new Set([exposures[0]?.observer, exposures[0]?.subject, exposures[0]?.request, exposures[0]?.client]).size).toBe(4)
    expect(logged).toEqual([])
  })

  it('gives each run, and each day of one, a key of its own', async () => {
    const { clock, datastore, logged } = world()
    const first = await run({ clock, datastore, logged }, { maxAge: 10 * 86_400_000 })
    disclose(first, clock, 1).sent()
    await clock.run(clock.sleep(86_400_000 + 20_000))
    disclose(first, clock, 1).sent()
    await clock.run(first.stop())
    const second = await run({ clock, datastore, logged }, { maxAge: 10 * 86_400_000 })
    disclose(second, clock, 1).sent()
    await clock.run(second.stop())

    expect(new Set((await kept(second)).map(({ observer }) => observer)).size).toBe(3)
  })

  it('brings the entries back where names are kept as they are, and drops them when they no longer shall be', async () => {
    const { clock, datastore, logged } = world()
    const first = await run({ clock, datastore, logged }, { raw: true })
    const sent = disclose(first, clock, 1)
    sent.sent()
    await clock.run(clock.sleep(30_000))
    sent.cancel()
    disclose(first, clock, 2)
    await clock.run(first.stop())
    const before = first.entries()

    const second = await run({ clock, datastore, logged }, { raw: true })
    expect(second.entries()).toEqual(before)
    expect(second.about('subject-1')).toMatchObject([{ observer: 'p2p:12D3KooWobserver1', client: 'client-1', state: 'sent', cancelled: true }])
    expect(second.about('subject-2')).toMatchObject([{ state: 'unknown' }])
    await clock.run(second.stop())

    const third = await run({ clock, datastore, logged })
    expect(third.entries()).toEqual([])
    expect(third.stats()).toMatchObject({ total: 2, earlier: 2, cancelled: 1 })
    expect([...(await stored(datastore)).keys()]).toEqual([`${PREFIX}/counts`])
    await clock.run(third.stop())
  })

  it('loses at most the last interval when the process is killed', async () => {
    const { clock, datastore, logged } = world()
    const first = await run({ clock, datastore, logged }, { raw: true })
    disclose(first, clock, 1).sent()
    disclose(first, clock, 2)
    await clock.run(clock.sleep(13_000))
    disclose(first, clock, 3).sent()
    // no stop

    const second = await run({ clock, datastore, logged }, { raw: true })
    expect(second.entries().map(({ subject, state }) => [subject, state])).toEqual([['subject-1', 'sent'], ['subject-2', 'unknown']])
    expect(second.stats()).toMatchObject({ total: 2, states: { sent: 1, unknown: 1, intended: 0 } })
    await clock.run(first.stop())
  })

  it('writes nothing as long as there is nothing new', async () => {
    const { clock, datastore, logged } = world()
    let commits = 0
    const counting = changed(datastore, {
      batch: () => {
        commits++
        return datastore.batch()
      }
    })
    const ledger = await run({ clock, datastore: counting, logged })
    await clock.run(clock.sleep(600_000))
    expect(commits).toBe(0)
    disclose(ledger, clock).sent()
    await clock.run(clock.sleep(600_000))
    expect(commits).toBe(1)
    await clock.run(ledger.stop())
    expect(commits).toBe(1)
  })

  it('keeps so many and no older ones, in files as in memory', async () => {
    const { clock, datastore, logged } = world()
    const ledger = await run({ clock, datastore, logged }, { raw: true, maxEntries: 1_200, maxAge: 3_600_000 })
    for (let i = 0; i < 5_000; i++) {
      disclose(ledger, clock, i).sent()
    }
    await clock.run(clock.sleep(15_000))
    const { journal } = ledger.stats()
    expect(journal?.entries).toBeGreaterThanOrEqual(1_200)
    expect(journal?.entries).toBeLessThan(1_200 + 500)
    expect(ledger.entries()).toHaveLength(1_200)
    expect((await stored(datastore)).size).toBe((journal?.chunks ?? 0) + 1)

    await clock.run(clock.sleep(3_700_000))
    expect(ledger.entries()).toEqual([])
    expect(ledger.stats().journal).toMatchObject({ chunks: 0, entries: 0 })
    expect(ledger.stats()).toMatchObject({ total: 5_000 })
    expect([...(await stored(datastore)).keys()]).toEqual([`${PREFIX}/counts`])
    await clock.run(ledger.stop())
  })

  it('lets nothing live longer because it shares a piece with what is younger', async () => {
    const { clock, datastore, logged } = world()
    const day = 86_400_000
    const ledger = await run({ clock, datastore, logged }, { maxAge: day })
    for (let hour = 0; hour < 100; hour++) {
      disclose(ledger, clock, hour).sent()
      await clock.run(clock.sleep(3_600_000))
    }
    const oldest = Math.min(...(await kept(ledger)).map(({ at }) => at))
    expect(clock.wall() - oldest).toBeLessThan(day * (1 + 1 / 24) + 3_600_000)
    await clock.run(ledger.stop())
  })

  it.each([
    ['cut short', (text: string) => text.slice(0, text.length / 2)],
    ['a flipped bit in a name', (text: string) => text.replace('bitswap', 'bitswaq')],
    ['of another kind', () => '[]'],
    ['empty', () => '']
  ])('drops a piece that is %s with a word, and nothing else', async (_, damage) => {
    const { clock, datastore, logged } = world()
    const first = await run({ clock, datastore, logged }, { raw: true })
    for (let i = 0; i < 700; i++) {
      disclose(first, clock, i).sent()
    }
    await clock.run(first.stop())
    const [name, text] = [...await stored(datastore)].find(([name]) => name.includes('chunks')) ?? ['', '']
    await datastore.put(new Key(name), encoder.encode(damage(text)))

    const second = await run({ clock, datastore, logged }, { raw: true })
    expect(second.entries().map(({ subject }) => subject)).toEqual(Array.from({ length: 200 }, (_, i) => `subject-${i + 500}`))
    expect(second.stats()).toMatchObject({ total: 700, journal: { dropped: 1, chunks: 1 } })
    expect(logged).toHaveLength(1)
    expect(logged[0]).toContain('damaged')
    expect(logged[0]).not.toMatch(/12D3KooW|subject-/)
    expect((await stored(datastore)).has(name)).toBe(false)
    await clock.run(second.stop())
  })

  it('begins to count anew when the numbers are damaged', async () => {
    const { clock, datastore, logged } = world()
    const first = await run({ clock, datastore, logged }, { raw: true })
    disclose(first, clock, 1).sent()
    await clock.run(first.stop())
    await datastore.put(new Key(`${PREFIX}/counts`), encoder.encode('x'))

    const second = await run({ clock, datastore, logged }, { raw: true })
    expect(second.stats()).toMatchObject({ total: 0, entries: 1 })
    expect(logged).toHaveLength(1)
    await clock.run(second.stop())
  })

  it.each([1e300, -1e300, 8_640_000_000_000_001])('takes no time that is none, however well it is written: %d', async at => {
    const { clock, datastore, logged } = world()
    await datastore.put(new Key(`${PREFIX}/counts`), encodeCounts({ since: at, rows: [] }))
    await datastore.put(new Key(`${PREFIX}/chunks/00000000000001`), encodeChunk({
      raw: true,
      exposures: [{ at, request: 'r', purpose: 'read', mode: 'open', observer: 'p2p:x', observerClass: 'peer', form: 'cid', transport: 'bitswap', audience: 'one', state: 'sent', cancelled: false }]
    }))
    const ledger = await run({ clock, datastore, logged }, { raw: true })

    expect(ledger.entries()).toEqual([])
    expect(ledger.stats()).toMatchObject({ since: clock.wall(), journal: { dropped: 2 } })
    await clock.run(ledger.stop())
  })

  it('goes on without a datastore that fails, and keeps what came meanwhile once it works again', async () => {
    const { clock, datastore, logged } = world()
    let isFull = true
    const failing = changed(datastore, {
      batch: () => {
        if (isFull) {
          throw new Error('ENOSPC: no space left on device')
        }
        return datastore.batch()
      }
    })
    const ledger = await run({ clock, datastore: failing, logged }, { raw: true })
    disclose(ledger, clock, 1).sent()
    await clock.run(clock.sleep(60_000))
    expect(ledger.about('subject-1')).toHaveLength(1)
    expect(ledger.stats().journal?.failedWrites).toBeGreaterThan(1)
    // once, and not with every tick
    expect(logged).toHaveLength(1)

    isFull = false
    disclose(ledger, clock, 2).sent()
    await clock.run(clock.sleep(15_000))
    await clock.run(ledger.stop())
    const next = await run({ clock, datastore, logged }, { raw: true })
    expect(next.entries().map(({ subject }) => subject)).toEqual(['subject-1', 'subject-2'])
    await clock.run(next.stop())
  })

  it('does not wait for a datastore that hangs, and does not write over what it could not read', async () => {
    const { clock, datastore, logged } = world()
    const first = await run({ clock, datastore, logged })
    disclose(first, clock, 1).sent()
    await clock.run(first.stop())
    const before = await stored(datastore)

    const hanging = changed(datastore, { query: async function * () { await new Promise(() => {}) } })
    const began = clock.now()
    const second = await run({ clock, datastore: hanging, logged })
    expect(clock.now() - began).toBeLessThanOrEqual(5_000)
    disclose(second, clock, 2).sent()
    await clock.run(second.stop())
    expect(await stored(datastore)).toEqual(before)
  })

  it.each(['99999999999999', '00000000000000', '-1', 'NaN', '1e21', '999999999999999'])('loses nothing of its own for a file that somebody has named %s', async name => {
    const { clock, datastore, logged } = world()
    const exposure: Exposure = { at: clock.wall(), request: 'r', purpose: 'read', mode: 'open', observer: 'p2p:x', observerClass: 'peer', subject: 'theirs', form: 'cid', transport: 'bitswap', audience: 'one', state: 'sent', cancelled: false }
    await datastore.put(new Key(`${PREFIX}/chunks/${name}`), encodeChunk({ raw: true, exposures: [exposure] }))

    for (let round = 0; round < 3; round++) {
      const ledger = await run({ clock, datastore, logged }, { raw: true })
      for (let i = 0; i < 700; i++) {
        disclose(ledger, clock, 1_000 * round + i).sent()
      }
      await clock.run(ledger.stop())
    }
    const last = await run({ clock, datastore, logged }, { raw: true })
    expect(last.entries().filter(({ subject }) => subject !== 'theirs')).toHaveLength(2_100)
    expect(last.stats()).toMatchObject({ total: 2_100, journal: { dropped: 0, failedWrites: 0 } })
    await clock.run(last.stop())
  })

  it.each([1e15, NaN, -5])('finds again what it wrote while the clock said %d', async wall => {
    const { clock, datastore, logged } = world()
    const off: Clock = { now: () => clock.now(), wall: () => wall, schedule: clock.schedule.bind(clock), sleep: clock.sleep, timeout: clock.timeout }
    for (let round = 0; round < 3; round++) {
      const ledger = await run({ clock, datastore, logged }, { raw: true, maxAge: 31_536_000_000 }, off)
      disclose(ledger, clock, round).sent()
      await clock.run(ledger.stop())
    }
    expect([...(await stored(datastore)).keys()].filter(key => /chunks\/\d{14}$/.test(key)).length).toBeGreaterThan(0)
    expect([...(await stored(datastore)).keys()].filter(key => !/(chunks\/\d{14}|counts)$/.test(key))).toEqual([])
  })

  it('ages by a clock that is set back or forward', async () => {
    const { clock, datastore, logged } = world()
    const future: Clock = { now: () => clock.now(), wall: () => clock.wall() + 400 * 86_400_000, schedule: clock.schedule.bind(clock), sleep: clock.sleep, timeout: clock.timeout }
    const first = await run({ clock, datastore, logged }, { raw: true }, future)
    new Disclosure(first, { observer: 'p2p:a', form: 'cid', transport: 'bitswap', audience: 'one' }, { request: 'r', purpose: 'read', key: 'k', at: future.wall() }).sent()
    await clock.run(first.stop())

    const second = await run({ clock, datastore, logged }, { raw: true })
    expect(second.entries()).toHaveLength(1)
    await clock.run(clock.sleep(86_400_000 + 30_000))
    expect(second.entries()).toEqual([])
    expect(second.stats().journal).toMatchObject({ chunks: 0 })
    await clock.run(second.stop())
  })
})
