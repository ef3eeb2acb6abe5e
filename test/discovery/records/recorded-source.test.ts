import { CID } from 'multiformats/cid'
import { describe, expect, it } from 'vitest'
import { blockKey } from '../../../src/block/key.ts'
import { ProviderRecords } from '../../../src/discovery/records/provider-records.ts'
import { RecordedSource } from '../../../src/discovery/records/recorded-source.ts'
import { toProvider } from '../../../src/provider/provider.ts'
import { RoutingRequest } from '../../../src/routing/request.ts'
import { silentLogger } from '../../../src/testing/silent-logger.ts'
import { VirtualClock } from '../../../src/testing/virtual-clock.ts'
import { recordedRequest } from '../recorded-request.ts'
import type { DisclosureEntry, PrivacyMode } from '../../../src/interface/disclosure.ts'
import type { Provider } from '../../../src/interface/provider.ts'
import type { Request } from '../../../src/interface/request.ts'

const CID_TEXT = 'bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy'
const WANT = { cid: CID.parse(CID_TEXT), key: blockKey(CID.parse(CID_TEXT)) }
const MINUTE = 60_000
const [A, B, C] = ['a', 'b', 'c'].map(name => toProvider(`https://${name}.example`, { source: 'dht' })) as [Provider, Provider, Provider]

type Script = (request: Request, count: number) => AsyncIterable<Provider>

/** A source that does as it is told, over a clock that is moved by hand */
class World {
  readonly clock = new VirtualClock()
  readonly records = new ProviderRecords(this.clock)
  readonly entries: DisclosureEntry[] = []
  readonly source: RecordedSource
  count = 0
  ended = 0
  #requests = 0

  constructor (script: Script) {
    const { clock, records } = this
    const start = (request: Request): AsyncIterable<Provider> => script(request, ++this.count)
    const end = (): void => { this.ended++ }
    this.source = new RecordedSource({
      records,
      clock,
      logger: silentLogger,
      source: {
        name: 'dht',
        async * find (_, request) {
          request.disclose({ observer: 'router:dht', form: 'cid', transport: 'dht', audience: 'many' }).sent()
          try {
            yield * start(request)
          } finally {
            end()
          }
        }
      }
    })
  }

  request (init: { id?: string, mode?: PrivacyMode, signal?: AbortSignal, deadline?: number } = {}): RoutingRequest {
    return new RoutingRequest({ clock: this.clock, ledger: { intended: entry => { this.entries.push(entry) }, settled: () => {} } }, {
      id: init.id ?? `r${++this.#requests}`,
      purpose: 'read',
      mode: init.mode ?? 'open',
      signal: init.signal ?? new AbortController().signal,
      deadline: () => init.deadline ?? this.clock.now() + 30_000,
      priority: () => 0
    })
  }

  async find (init: Parameters<World['request']>[0] = {}): Promise<string[]> {
    return this.clock.run(names(this.source.find(WANT, this.request(init))))
  }

  async pass (ms: number): Promise<void> {
    await this.clock.run(this.clock.sleep(ms))
  }
}

async function names (found: AsyncIterable<Provider>): Promise<string[]> {
  const all: string[] = []
  for await (const { id } of found) {
    all.push(id.slice('https:'.length, 'https:'.length + 1))
  }
  return all
}

/** Leaves after the first */
async function firstOf (found: AsyncGenerator<Provider>): Promise<string | undefined> {
  const { value } = await found.next()
  await found.return(undefined)
  return (value as Provider | undefined)?.id
}

function says (...providers: Provider[]): Script {
  return async function * () { yield * providers }
}

describe('a source that remembers', () => {
  it('looks up once in the time in which its answer is fresh', async () => {
    const world = new World(says(A, B))

    expect(await world.find()).toEqual(['a', 'b'])
    for (let i = 0; i < 9; i++) {
      await world.pass(30_000)
      expect(await world.find()).toEqual(['a', 'b'])
    }
    expect(world.count).toBe(1)
    expect(world.entries).toHaveLength(1)
    expect(world.source.stats()).toEqual({ lookups: 1, hits: 9, stale: 0, joined: 0, staleOnError: 0, retrievals: 0, successfulRetrievals: 0 })
  })

  it('does not remember that there was nobody', async () => {
    const world = new World(says())

    expect(await world.find()).toEqual([])
    expect(await world.find()).toEqual([])
    expect(world.count).toBe(2)
  })

  it('shares one lookup among those who ask for the same meanwhile, each from its beginning', async () => {
    const world: World = new World(async function * () {
      yield A
      await world.clock.sleep(100)
      yield B
    })
    const first = names(world.source.find(WANT, world.request()))
    await world.pass(50)
    const second = names(world.source.find(WANT, world.request()))

    expect(await world.clock.run(Promise.all([first, second]))).toEqual([['a', 'b'], ['a', 'b']])
    expect(world.count).toBe(1)
    expect(world.source.stats()).toMatchObject({ lookups: 1, joined: 1 })
  })

  it('tells all who wait, and those who come later, what the lookup says of itself, and nobody who has left', async () => {
    const world: World = new World(async function * (request) {
      request.note?.('one')
      yield A
      await world.clock.sleep(100)
      request.note?.('two')
      for (let i = 0; i < 20; i++) {
        request.note?.('more')
      }
      yield B
    })
    const left = recordedRequest({ id: 'left', clock: world.clock })
    const [first, late] = [recordedRequest({ id: 'first', clock: world.clock }), recordedRequest({ id: 'late', clock: world.clock })]
    const found = names(world.source.find(WANT, first.request))
    expect(await world.clock.run(firstOf(world.source.find(WANT, left.request)))).toBe(A.id)
    await world.pass(50)
    await world.clock.run(Promise.all([found, names(world.source.find(WANT, late.request))]))

    expect(first.notes.slice(0, 2)).toEqual(['one', 'two'])
    expect(first.notes).toHaveLength(8)
    expect(late.notes).toEqual(first.notes)
    expect(left.notes).toEqual(['one'])
    expect(world.count).toBe(1)
  })

  it('keeps modes apart: in another one others may learn of it', async () => {
    const world: World = new World(async function * () {
      await world.clock.sleep(100)
      yield A
    })
    const found = Promise.all([names(world.source.find(WANT, world.request({ mode: 'open' }))), names(world.source.find(WANT, world.request({ mode: 'strict' })))])
    await world.clock.run(found)
    expect(world.count).toBe(2)
  })

  it('begins with what it knows when that is old, and asks again', async () => {
    const world = new World((_, count) => count === 1 ? says(A, B)(_, count) : says(B, C)(_, count))
    await world.find()
    await world.pass(6 * MINUTE)

    expect(await world.find()).toEqual(['a', 'b', 'c'])
    expect(world.count).toBe(2)
    // the new answer counts
    expect(await world.find()).toEqual(['b', 'c'])
    expect(world.count).toBe(2)
  })

  it('tells where one has moved to that it had told from memory, and nothing twice', async () => {
    const moved = { ...A, addresses: ['https://new.a.example'] }
    const world = new World((_, count) => count === 1 ? says(A)(_, count) : says(A, moved, { ...moved, addresses: [] }, moved, B)(_, count))
    const told: Array<readonly string[]> = []
    await world.find()
    await world.pass(6 * MINUTE)
    await world.clock.run((async () => {
      for await (const { addresses } of world.source.find(WANT, world.request())) {
        told.push(addresses)
      }
    })())

    expect(told).toEqual([A.addresses, moved.addresses, B.addresses])
    // and both are remembered
    expect(world.records.get('dht', WANT.key)?.providers[0]?.addresses).toEqual([...A.addresses, ...moved.addresses])
  })

  it('asks again for a retrieval that had no use for what is remembered', async () => {
    const world = new World(says(A))
    await world.find()

    expect(await world.find({ id: 'same' })).toEqual(['a'])
    expect(world.count).toBe(1)
    expect(await world.find({ id: 'same' })).toEqual(['a'])
    expect(world.count).toBe(2)
  })

  it('uses what it knows for two days when the router fails, and says so when it knows nothing', async () => {
    const world = new World((_, count) => {
      if (count === 1) {
        return says(A)(_, count)
      }
      throw new Error('no route to host')
    })
    await world.find()
    await world.pass(47 * 60 * MINUTE)
    expect(await world.find()).toEqual(['a'])
    expect(await world.find()).toEqual(['a'])
    expect(world.source.stats()).toMatchObject({ lookups: 3, stale: 2, staleOnError: 2 })
    await world.pass(61 * MINUTE)
    await expect(world.find()).rejects.toThrow('no route to host')
  })

  it('ends the lookup when the last one leaves, and keeps what was found', async () => {
    let signal: AbortSignal | undefined
    const world: World = new World(async function * (request) {
      signal = request.signal
      yield A
      await new Promise(() => {})
    })
    const controllers = [new AbortController(), new AbortController()]
    const askers = controllers.map(async controller => names(world.source.find(WANT, world.request({ signal: controller.signal }))))
    await world.pass(1)

    controllers[0]?.abort()
    expect(await askers[0]).toEqual(['a'])
    expect(signal?.aborted).toBe(false)
    controllers[1]?.abort()
    expect(await askers[1]).toEqual(['a'])
    expect(signal?.aborted).toBe(true)
    expect(await world.find()).toEqual(['a'])
    expect(world.count).toBe(1)
    expect(world.clock.pending).toBe(0)
  })

  it('is left by who has enough, without a word', async () => {
    const world: World = new World(async function * () {
      yield A
      await world.clock.sleep(1_000)
      yield B
    })
    expect(await firstOf(world.source.find(WANT, world.request()))).toBe(A.id)
    await world.pass(1)
    // nobody is left, so it goes no further
    await world.pass(2_000)
    expect(world.ended).toBe(1)
    expect(world.records.get('dht', WANT.key)?.providers).toEqual([A])
  })

  it('goes on when nobody waits for a renewal, for a while', async () => {
    const world: World = new World(async function * (_, count) {
      if (count > 1) {
        await world.clock.sleep(count === 2 ? 10_000 : 60_000)
      }
      yield count === 1 ? A : B
    })
    await world.find()
    await world.pass(6 * MINUTE)
    expect(await firstOf(world.source.find(WANT, world.request()))).toBe(A.id)
    await world.pass(11_000)
    expect(world.ended).toBe(2)
    expect(world.records.get('dht', WANT.key)).toEqual({ providers: [B], fresh: true })

    // one that takes too long is given up: what was known stays, and is not fresh
    await world.pass(6 * MINUTE)
    expect(await firstOf(world.source.find(WANT, world.request()))).toBe(B.id)
    await world.pass(15_001)
    expect(world.count).toBe(3)
    expect(world.records.get('dht', WANT.key)).toEqual({ providers: [B], fresh: false })
    expect(await world.find()).toEqual(['b'])
    expect(world.count).toBe(4)
  })

  it('keeps few lookups that nobody waits for', async () => {
    let running = 0
    const world: World = new World(async function * (request, count) {
      if (count <= 20) {
        yield A
        return
      }
      running++
      request.signal.addEventListener('abort', () => { running-- })
      await new Promise(() => {})
    })
    const wants = Array.from({ length: 20 }, (_, i) => ({ cid: WANT.cid, key: `key-${i}` }))
    for (const want of wants) {
      await world.clock.run(names(world.source.find(want, world.request())))
    }
    await world.pass(6 * MINUTE)
    for (const want of wants) {
      expect(await firstOf(world.source.find(want, world.request()))).toBe(A.id)
    }
    await world.pass(1)
    expect(world.count).toBe(40)
    expect(running).toBe(8)
    await world.pass(16_000)
    expect(running).toBe(0)
    expect(world.clock.pending).toBe(0)
  })

  it('gives a lookup the time of the last of its askers', async () => {
    let request: Request | undefined
    const world: World = new World(async function * (each) {
      request = each
      await world.clock.sleep(1_000)
      yield A
    })
    const first = names(world.source.find(WANT, world.request({ deadline: 500 })))
    await world.pass(1)
    expect(request?.deadline).toBe(500)
    const second = names(world.source.find(WANT, world.request({ deadline: 5_000 })))
    await world.pass(1)
    expect(request?.deadline).toBe(5_000)
    expect(request).toMatchObject({ purpose: 'read', mode: 'open', priority: 0, hints: [] })
    await world.clock.run(Promise.all([first, second]))
  })

  it('takes so many and no more', async () => {
    const world = new World(async function * () {
      for (let i = 0; ; i++) {
        yield toProvider(`https://p${i}.example`, { source: 'dht' })
      }
    })
    const found = await world.find()
    expect(found).toHaveLength(256)
    expect(world.ended).toBe(1)
    expect(world.records.get('dht', WANT.key)?.providers).toHaveLength(20)
  })

  it('counts each provider once, however often it is named', async () => {
    const world = new World(async function * () {
      for (let i = 0; i < 256; i++) {
        const provider = toProvider(`https://p${i}.example`, { source: 'dht' })
        yield { ...provider, addresses: [] }
        yield provider
        yield { ...provider, addresses: [`https://p${i}.other.example`] }
      }
    })
    await world.find()
    const found = await world.find({ id: 'other' })
    expect([found.length, world.count]).toEqual([20, 1])
    expect(world.ended).toBe(1)

    const talker = new World(async function * () {
      for (let i = 0; ; i++) {
        yield { ...A, addresses: [`https://a.example:${i}`] }
      }
    })
    expect(await talker.find()).toHaveLength(1_024)
  })

  it('ends what is under way when it is stopped', async () => {
    const world: World = new World(async function * () {
      await new Promise(() => {})
    })
    const found = world.find()
    await world.clock.run(Promise.resolve())
    world.source.stop()
    expect(await found).toEqual([])
  })

  it('asks nobody for who has already left', async () => {
    const world = new World(says(A))
    expect(await world.find({ signal: AbortSignal.abort() })).toEqual([])
    expect(world.count).toBe(0)
  })
})
