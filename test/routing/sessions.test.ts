import { MemoryBlockstore } from 'blockstore-core'
import { MemoryDatastore } from 'datastore-core'
import { describe, expect, it } from 'vitest'
import { blockKey } from '../../src/block/key.ts'
import { sampleFile } from '../../src/testing/sample-file.ts'
import { numbered, settled, world } from './support/world.ts'
import type { ProviderSource } from '../../src/interface/provider.ts'
import type { SampleFile } from '../../src/testing/sample-file.ts'
import type { SimulatedNetwork } from '../../src/testing/simulated-network.ts'
import type { SimulatedProvider } from '../../src/testing/simulated-provider.ts'

const noHedge = { share: 0, initial: 0, shadowShare: 0 }

/** A file of eight leaves, with its blocks on the network */
async function publishFile (network: SimulatedNetwork, seed = 1): Promise<SampleFile> {
  const file = await sampleFile({ size: 8 * 1_024, chunkSize: 1_024, seed })
  for (const cid of [file.root, ...file.others]) {
    network.put(cid, file.blocks.get(blockKey(cid)) as Uint8Array)
  }
  return file
}

function asked (provider: SimulatedProvider, file: SampleFile): number {
  return provider.requests.filter(({ key }) => file.blocks.has(key)).length
}

describe('sessions that nobody closes', () => {
  it('are 10 000 at most: the oldest is closed', async () => {
    const w = await world()
    w.network.add('a')
    const cid = w.network.block(numbered(1))
    const sessions = Array.from({ length: 10_001 }, () => w.manager.createSession(cid))

    expect(w.manager.stats().inFlight.sessions).toBe(10_000)
    await expect(sessions[0]?.retrieve(cid)).rejects.toMatchObject({ name: 'NotRunningError', message: expect.stringContaining('closed') })
    expect(await w.clock.run(sessions[1]?.retrieve(cid) as Promise<Uint8Array>)).toEqual(numbered(1))
    sessions.at(-1)?.close()
    expect(w.manager.stats().inFlight.sessions).toBe(9_999)
    await w.manager.stop()
    expect(w.manager.stats().inFlight.sessions).toBe(0)
  })
})

describe('the children of a root', () => {
  it('are asked of those who delivered it, with no second lookup', async () => {
    const w = await world({ routing: { hedge: noHedge } })
    w.network.add('a')
    w.network.add('b')
    const file = await publishFile(w.network)
    const session = w.manager.createSession(file.root)
    await w.clock.run(session.retrieve(file.root))
    await w.clock.run(Promise.all(file.others.map(async cid => session.retrieve(cid))))
    expect(w.network.lookups).toBe(1)
    expect(w.network.requests).toBe(9)
    await w.manager.stop()
  })

  it('also when they are read without a session: the links of the root tell', async () => {
    const w = await world({ routing: { hedge: noHedge } })
    w.network.add('a')
    w.network.add('b')
    const file = await publishFile(w.network)
    await w.clock.run(w.manager.retrieve(file.root))
    for (const cid of file.others) {
      await w.clock.run(w.manager.retrieve(cid))
    }
    expect(w.network.lookups).toBe(1)
    await w.manager.stop()
  })

  it('also in another session, later', async () => {
    const w = await world({ routing: { hedge: noHedge } })
    w.network.add('a')
    w.network.add('b')
    const file = await publishFile(w.network)
    const first = w.manager.createSession(file.root)
    await w.clock.run(first.retrieve(file.root))
    first.close()
    await w.clock.advance(3_600_000)
    const second = w.manager.createSession(file.root)
    for (const cid of file.others) {
      await w.clock.run(second.retrieve(cid))
    }
    expect(w.network.lookups).toBe(1)
    await w.manager.stop()
  })

  it('also after a restart', async () => {
    const datastore = new MemoryDatastore()
    const w = await world({ datastore, routing: { hedge: noHedge } })
    const a = w.network.add('a')
    const b = w.network.add('b')
    const file = await publishFile(w.network)
    const session = w.manager.createSession(file.root)
    // each of them delivers a part
    b.behaviour.has = 0
    await w.clock.run(session.retrieve(file.root))
    Object.assign(b.behaviour, { has: 1 })
    Object.assign(a.behaviour, { has: 0 })
    await w.clock.run(session.retrieve(file.others[0] as typeof file.root))
    Object.assign(a.behaviour, { has: 1 })
    await w.manager.stop()

    // the crowd that a lookup would name
    for (let i = 0; i < 10; i++) {
      w.network.add(`stranger${i}`)
    }
    const { lookups } = w.network
    const again = await world({ datastore, network: w.network, seed: 2, routing: { hedge: noHedge } })
    const later = again.manager.createSession(file.root)
    for (const cid of file.others.slice(1)) {
      await again.clock.run(later.retrieve(cid))
    }
    expect(w.network.lookups).toBe(lookups)
    expect(asked(a, file) + asked(b, file)).toBe(w.network.requests)
    await again.manager.stop()
  })

  it('are sought with the providers of the root when they have none of their own', async () => {
    const w = await world({ started: false })
    const good = w.network.add('good')
    const file = await publishFile(w.network)
    const wanted: string[] = []
    const rootsOnly: ProviderSource = {
      name: 'roots only',
      async * find (want) {
        wanted.push(want.key)
        if (want.key === blockKey(file.root)) {
          yield good.provider
        }
      }
    }
    const child = file.others[0] as typeof file.root
    const v = await world({ network: w.network, parts: { sources: [rootsOnly] }, routing: { hedge: noHedge } })
    const session = v.manager.createSession(file.root)
    expect(await v.clock.run(session.retrieve(child))).toEqual(file.blocks.get(blockKey(child)))
    expect(wanted).toEqual([blockKey(child), blockKey(file.root)])
    expect(String(v.manager.explain(child))).toContain('looking for the root of its DAG')
    await v.manager.stop()
  })

  it('of a root that was found locally are known as its children too', async () => {
    const w = await world({ started: false })
    const good = w.network.add('good')
    const file = await publishFile(w.network)
    const wanted: string[] = []
    const source: ProviderSource = { name: 'counting', async * find (want) { wanted.push(want.key); if (want.key === blockKey(file.root)) { yield good.provider } } }
    const v = await world({ network: w.network, parts: { sources: [source] }, routing: { hedge: noHedge } })
    const child = file.others[0] as typeof file.root
    const session = v.manager.createSession(file.root)
    session.seen(file.root, file.blocks.get(blockKey(file.root)) as Uint8Array)
    session.close()
    // no session tells which root it belongs to: only the links that were seen do
    await v.clock.run(v.manager.retrieve(child))
    expect(wanted).toContain(blockKey(file.root))
    await v.manager.stop()
  })
})

describe('a block that is in the store', () => {
  it('is searched for links once, however often it is read and its session told about it', async () => {
    const store = new MemoryBlockstore()
    const w = await world({ parts: { store } })
    const file = await sampleFile({ size: 8_192, chunkSize: 1_024 })
    const bytes = Uint8Array.from(file.blocks.get(blockKey(file.root)) as Uint8Array)
    let searched = 0
    await store.put(file.root, bytes)
    // what dag-pb is decoded from: parts of the bytes
    const counted = new Proxy(store, {
      get (target, name) {
        const value = Reflect.get(target, name) as unknown
        return name === 'get' ? function * () { yield bytes } : typeof value === 'function' ? value.bind(target) : value
      }
    })
    const { subarray } = bytes
    bytes.subarray = function (...range) {
      searched++
      return subarray.apply(this, range)
    }
    const v = await world({ network: w.network, parts: { store: counted } })
    const session = v.manager.createSession(file.root)
    for (let i = 0; i < 3; i++) {
      expect(await v.clock.run(v.manager.retrieve(file.root))).toBe(bytes)
      session.seen(file.root, await v.clock.run(session.retrieve(file.root)))
    }
    expect(searched).toBe(1)
    await v.manager.stop()
    await w.manager.stop()
  })
})

describe('a session', () => {
  it('keeps who lost a race: it is asked for the next block, without another lookup', async () => {
    const w = await world({ routing: { hedge: { shadowShare: 0, coldDelay: 20, minDelay: 20 } } })
    const slow = w.network.add('slow', { latency: 300 })
    const fast = w.network.add('fast', { latency: 1 })
    const file = await publishFile(w.network)
    const session = w.manager.createSession(file.root)
    await w.clock.run(session.retrieve(file.root, { providers: ['http://slow.example'] }))
    expect([slow.requests[0]?.outcome, fast.requests[0]?.outcome]).toEqual(['aborted', 'answered'])
    Object.assign(fast.behaviour, { has: 0 })
    for (const cid of file.others) {
      await w.clock.run(session.retrieve(cid))
    }
    expect(slow.requests.filter(({ outcome }) => outcome === 'answered')).toHaveLength(file.others.length)
    expect(w.network.lookups).toBe(1)
    await w.manager.stop()
  })

  it('keeps who lacked a block: it is asked for the next one, without another lookup', async () => {
    const w = await world({ routing: { hedge: noHedge } })
    const part = w.network.add('part', { has: 0 })
    const whole = w.network.add('whole')
    const file = await publishFile(w.network)
    const session = w.manager.createSession(file.root)
    const [first, second] = file.others as [typeof file.root, typeof file.root]
    await w.clock.run(session.retrieve(file.root))
    while (part.requestCount === 0) {
      await w.clock.run(session.retrieve(first))
    }
    Object.assign(part.behaviour, { has: 1 })
    whole.behaviour.down = true
    expect(await w.clock.run(session.retrieve(second))).toEqual(file.blocks.get(blockKey(second)))
    expect(part.requests.at(-1)).toMatchObject({ key: blockKey(second), outcome: 'answered' })
    expect(w.network.lookups).toBe(1)
    await w.manager.stop()
  })

  it('survives a partial provider that is the fastest: every block comes', async () => {
    const w = await world()
    const partial = w.network.add('partial', { latency: 1, has: 0.5 })
    w.network.add('whole', { latency: 100 })
    const file = await publishFile(w.network)
    const session = w.manager.createSession(file.root)
    for (const cid of [file.root, ...file.others]) {
      expect(await w.clock.run(session.retrieve(cid))).toEqual(file.blocks.get(blockKey(cid)))
    }
    expect(partial.requests.some(({ outcome }) => outcome === 'answered')).toBe(true)
    expect(w.manager.stats().outcomes['not-here']).toBeGreaterThan(0)
    await w.manager.stop()
  })

  it('seeks more providers in the background while the only known one works', async () => {
    const w = await world({ lookupDelay: 500, routing: { hedge: noHedge } })
    w.network.add('only', { latency: 10 })
    const file = await publishFile(w.network)
    const session = w.manager.createSession(file.root)
    await w.clock.run(session.retrieve(file.root))
    const late = w.network.add('late', { latency: 10 })
    await w.clock.advance(20_000)
    const started = w.clock.now()
    await w.clock.run(session.retrieve(file.others[0] as typeof file.root))
    expect(w.clock.now() - started).toBe(10)
    await w.clock.advance(1_000)
    expect(w.network.lookups).toBe(2)
    w.network.providers.get('only')?.requests.splice(0)
    const only = w.network.providers.get('only')
    if (only != null) {
      only.behaviour.down = true
    }
    await w.clock.run(session.retrieve(file.others[1] as typeof file.root))
    expect(late.requestCount).toBe(1)
    expect(w.network.lookups).toBe(2)
    await w.manager.stop()
  })

  it('has bounded rounds when nobody has a block: requests do not grow with patience', async () => {
    const counts: number[] = []
    for (const timeout of [30_000, 600_000]) {
      const w = await world({ routing: { hedge: noHedge } })
      for (let i = 0; i < 5; i++) {
        w.network.add(`p${i}`, { down: true })
      }
      const session = w.manager.createSession(w.network.block(numbered(1)), { timeout })
      const { error } = await w.clock.run(settled(session.retrieve(w.network.block(numbered(2)))))
      expect(error?.name).toBe('RetrievalFailedError')
      counts.push(w.network.requests)
      expect(w.manager.stats().discovery.lookups).toBeLessThanOrEqual(6)
      await w.manager.stop()
    }
    expect(counts[0]).toBeLessThanOrEqual(15)
    expect(counts[1]).toBeLessThanOrEqual(15)
  })

  it('honours hints for the root and for every child', async () => {
    const w = await world({ routing: { hedge: noHedge } })
    const hinted = w.network.add('hinted', { latency: 5 }, { unlisted: true })
    const file = await publishFile(w.network)
    const session = w.manager.createSession(file.root, { providers: ['http://hinted.example'] })
    for (const cid of [file.root, ...file.others]) {
      await w.clock.run(session.retrieve(cid))
    }
    expect(asked(hinted, file)).toBe(9)
    session.addProvider('http://another.example')
    expect(() => { session.addProvider('not a provider') }).toThrow(expect.objectContaining({ name: 'InvalidProviderError' }))
    await w.manager.stop()
  })

  it('passes its options on: mode, deadline, offline', async () => {
    const w = await world({ routing: { hedge: noHedge } })
    const silent = w.network.add('silent', { silent: true })
    const cid = w.network.block(numbered(1))
    const hasty = w.manager.createSession(cid, { timeout: 70 })
    expect((await w.clock.run(settled(hasty.retrieve(cid)))).error?.name).toBe('RetrievalTimeoutError')
    expect(w.clock.now()).toBe(70)
    const asked = silent.requestCount
    const offline = w.manager.createSession(cid, { offline: true })
    expect((await w.clock.run(settled(offline.retrieve(cid)))).error?.name).toBe('OfflineError')
    expect(silent.requestCount).toBe(asked)
    await w.manager.stop()
  })

  it('when closed aborts what is in flight, reads nothing more and leaves others alone', async () => {
    const w = await world({ routing: { hedge: noHedge } })
    const good = w.network.add('good', { latency: 100 })
    const [mine, shared] = [w.network.block(numbered(1)), w.network.block(numbered(2))]
    const session = w.manager.createSession(mine)
    const other = w.manager.createSession(shared)
    const reads = [settled(session.retrieve(mine)), settled(session.retrieve(shared))]
    const served = other.retrieve(shared)
    await w.clock.advance(50)
    session.close()
    session.close()
    const errors = await w.clock.run(Promise.all(reads))
    expect(errors.map(({ error }) => error?.name)).toEqual(['NotRunningError', 'NotRunningError'])
    expect(await w.clock.run(served)).toEqual(numbered(2))
    expect(good.requests.find(({ key }) => key === blockKey(mine))?.outcome).toBe('aborted')
    await expect(session.retrieve(mine)).rejects.toMatchObject({ name: 'NotRunningError', message: 'The session was closed' })
    expect(w.manager.stats().inFlight.sessions).toBe(1)
    await w.manager.stop()
  })

  it('is not needed twice: the table of sessions is bounded by closing', async () => {
    const w = await world()
    const cid = w.network.block(numbered(1))
    for (let i = 0; i < 100; i++) {
      w.manager.createSession(cid).close()
    }
    expect(w.manager.stats().inFlight.sessions).toBe(0)
    await w.manager.stop()
  })
})

describe('retrieveContent', () => {
  it('reads a file with one lookup, and a range with the blocks it needs', async () => {
    const w = await world({ routing: { hedge: noHedge } })
    w.network.add('a')
    w.network.add('b')
    const file = await publishFile(w.network)
    const read = async (options = {}): Promise<Uint8Array> => {
      const chunks: Uint8Array[] = []
      for await (const chunk of w.manager.retrieveContent(file.root, options)) {
        chunks.push(chunk)
      }
      return new Uint8Array(chunks.flatMap(chunk => [...chunk]))
    }
    expect(await w.clock.run(read())).toEqual(file.bytes)
    expect(w.network.lookups).toBe(1)
    expect(w.network.requests).toBe(9)
    expect(await w.clock.run(read({ offset: 3_000, length: 10 }))).toEqual(file.bytes.subarray(3_000, 3_010))
    expect(w.network.requests).toBe(11)
    expect(w.manager.stats().inFlight.sessions).toBe(0)
    await w.manager.stop()
  })

  it('stops the transfers when its reader leaves, even while a block is waited for', async () => {
    const w = await world({ routing: { hedge: noHedge } })
    const only = w.network.add('only', { latency: 10 })
    const file = await publishFile(w.network)
    await w.clock.run(w.manager.retrieve(file.root))
    only.behaviour.silent = true
    const content = w.manager.retrieveContent(file.root)
    const next = settled(content.next())
    await w.clock.advance(100)
    expect(w.manager.stats().inFlight.flights).toBeGreaterThan(0)
    await content.return()
    await next
    await w.clock.advance(0)
    expect(w.manager.stats().inFlight).toMatchObject({ flights: 0, attempts: 0, sessions: 0 })
    expect(only.requests.every(({ outcome }) => outcome !== 'pending')).toBe(true)
    await w.manager.stop()
  })

  it('needs a reader of content', async () => {
    const w = await world({ parts: { reader: undefined } })
    expect(() => w.manager.retrieveContent(w.network.block(numbered(1)))).toThrow(expect.objectContaining({ name: 'NotRunningError' }))
    await w.manager.stop()
  })
})
