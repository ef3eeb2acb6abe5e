import { MemoryDatastore } from 'datastore-core'
import all from 'it-all'
import { CID } from 'multiformats/cid'
import { describe, expect, it } from 'vitest'
import { blockKey } from '../../src/block/key.ts'
import { seededRandom } from '../../src/clock/random.ts'
import { discoveryOf } from '../../src/discovery/node-discovery.ts'
import { NodeLookups } from '../../src/discovery/node-lookups.ts'
import { RoutersFailedError } from '../../src/discovery/router-lookup.ts'
import { silentLogger } from '../../src/testing/silent-logger.ts'
import type { VirtualClock } from '../../src/testing/virtual-clock.ts'
import { recordedRequest } from './recorded-request.ts'
import type { NodeDiscovery } from '../../src/discovery/node-discovery.ts'
import type { NodeLookupsInit } from '../../src/discovery/node-lookups.ts'
import type { Provider, ProviderSource } from '../../src/interface/provider.ts'
import type { Datastore } from 'interface-datastore'

const cid = CID.parse('bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy')

function provider (name: string, fields: Partial<Provider> = {}): Provider {
  return { id: `http:${name}`, addresses: [`http://${name}`], protocols: [], source: 'test', fallback: false, domains: [], ...fields }
}

type Find = ProviderSource['find']

const names = (...providers: Provider[]): Find => async function * () { yield * providers }
const fails = (error: Error, ...providers: Provider[]): Find => async function * () {
  yield * providers
  throw error
}

const hangs: Find = async function * () { await new Promise(() => {}) }

function compose (finds: { routers?: Find, dht?: Find, fallback?: Find, datastore?: Datastore }, init: NodeLookupsInit = {}): { lookups: NodeLookups, clock: VirtualClock, forgotten: string[], disclosing: () => number } {
  const { request, clock } = recordedRequest()
  const forgotten: string[] = []
  let disclosing = 0
  const discovery: NodeDiscovery | undefined = finds.dht == null
    ? undefined
    : {
        source: { name: 'dht', find: finds.dht },
        forget: key => { forgotten.push(key) },
        discloseWith: () => {
          disclosing++
          return () => { disclosing-- }
        }
      }
  const lookups = new NodeLookups({
    clock,
    random: seededRandom(1),
    logger: silentLogger,
    datastore: finds.datastore,
    routers: { name: 'helia', find: finds.routers ?? names() },
    ...finds.fallback == null ? {} : { fallback: { source: { name: 'fallback', later: true, find: finds.fallback }, isThere: () => true } },
    discovery: () => discovery,
    request: () => request
  }, init)
  return { lookups, clock, forgotten, disclosing: () => disclosing }
}

const ids = (found: readonly Provider[]): string[] => found.map(({ id }) => id.slice('http:'.length))

describe('lookups through a node', () => {
  it('merge what routers, the DHT and those of last resort say, each provider once, and again when its addresses are there', async () => {
    const first = Promise.withResolvers<void>()
    const { lookups, clock } = compose({
      routers: async function * () {
        yield * [provider('a'), provider('b', { addresses: [] })]
        first.resolve()
      },
      dht: async function * () {
        await first.promise
        yield * [provider('a'), provider('c'), provider('b')]
      },
      fallback: names(provider('d'))
    })
    const found = await all(lookups.find(cid))
    expect(ids(found).sort()).toEqual(['a', 'b', 'b', 'c', 'd'])
    expect(ids(found).at(-1)).toBe('d')
    expect(clock.pending).toBe(0)
  })

  it.each([
    ['routers', { routers: fails(new RoutersFailedError([], 'one of them'), provider('a')), dht: names(provider('b')) }],
    ['the DHT', { routers: names(provider('a')), dht: fails(new Error('nobody answered'), provider('b')) }],
    ['those of last resort', { routers: names(provider('a'), provider('b')), fallback: fails(new Error('broke')) }]
  ])('are whole but for what %s would have said, when these fail', async (_, finds) => {
    expect(ids(await all(compose(finds).lookups.find(cid))).sort()).toEqual(['a', 'b'])
  })

  it('are remembered by the next run; what was kept and is damaged is counted and asked for again', async () => {
    const datastore = new MemoryDatastore()
    const first = compose({ datastore, routers: names(provider('a')) })
    await first.lookups.start()
    expect(ids(await all(first.lookups.find(cid)))).toEqual(['a'])
    await first.lookups.stop()

    const second = compose({ datastore, routers: names(provider('b')) })
    await second.lookups.start()
    expect(ids(await all(second.lookups.find(cid)))).toEqual(['a'])
    expect(second.lookups.stats()).toEqual({ lookups: 0, hits: 1, stale: 0, joined: 0, staleOnError: 0, records: 1, kept: { dropped: 0, failedWrites: 0 } })
    await second.lookups.stop()

    for await (const key of datastore.queryKeys({})) {
      await datastore.put(key, new TextEncoder().encode('{"damaged'))
    }
    const third = compose({ datastore, routers: names(provider('b')) })
    await third.lookups.start()
    expect(ids(await all(third.lookups.find(cid)))).toEqual(['b'])
    expect(third.lookups.stats()).toMatchObject({ lookups: 1, hits: 0, kept: { dropped: 1, failedWrites: 0 } })
    await third.lookups.stop()
  })

  it('throw what the original function itself throws, after everything that was found', async () => {
    const { lookups } = compose({ routers: fails(new Error('wrapped by somebody')), dht: names(provider('a')) })
    const found: Provider[] = []
    await expect((async () => {
      for await (const each of lookups.find(cid)) {
        found.push(each)
      }
    })()).rejects.toThrow('wrapped by somebody')
    expect(ids(found)).toEqual(['a'])
  })

  it('throw when all failed and nobody was found, only where the original would have', async () => {
    const failing = { routers: fails(new RoutersFailedError([], 'all of them')) }
    expect(await all(compose(failing).lookups.find(cid))).toEqual([])
    await expect(all(compose(failing, { loud: true }).lookups.find(cid))).rejects.toThrow('all of them')
    expect(ids(await all(compose({ ...failing, dht: names(provider('a')) }, { loud: true }).lookups.find(cid)))).toEqual(['a'])
  })

  it('end with the caller, with his signal and with the node, and leave no timer', async () => {
    for (const end of ['return', 'abort', 'stop'] as const) {
      const { lookups, clock } = compose({ routers: hangs, fallback: hangs })
      await lookups.start()
      const controller = new AbortController()
      const looking = lookups.find(cid, { signal: controller.signal })
      const next = looking.next()
      await new Promise(resolve => { setImmediate(resolve) })

      if (end === 'return') {
        await looking.return()
      } else if (end === 'abort') {
        controller.abort()
      } else {
        await lookups.stop()
        controller.abort()
      }
      expect((await next).done).toBe(true)
      await lookups.stop()
      expect(clock.pending).toBe(0)
    }
  })

  it('fail after a minute where a router hangs, so that the next ones ask again', async () => {
    let asked = 0
    const { lookups, clock } = compose({
      routers: async function * () {
        asked++
        yield provider('a')
        await new Promise(() => {})
      }
    })
    expect(ids(await clock.run(all(lookups.find(cid))))).toEqual(['a'])
    expect(clock.now()).toBe(60_000)
    expect(ids(await clock.run(all(lookups.find(cid))))).toEqual(['a'])
    expect(asked).toBe(1)
    lookups.forget(blockKey(cid))
    await clock.run(all(lookups.find(cid)))
    expect(asked).toBe(2)
  })

  it('are disclosed with the node\'s own requests while it is taken', async () => {
    const { lookups, disclosing, forgotten } = compose({ dht: names() })
    lookups.take()
    lookups.take()
    expect(disclosing()).toBe(1)
    lookups.release()
    expect(disclosing()).toBe(0)
    lookups.take()
    await lookups.stop()
    expect(disclosing()).toBe(0)
    await all(lookups.find(cid, { useCache: false }))
    expect(forgotten).toEqual([blockKey(cid)])
  })

  it('give retrievals the DHT alone where nobody else is to be asked', () => {
    expect(compose({ dht: names() }).lookups.sources.map(({ name, later }) => [name, later])).toEqual([['helia', undefined], ['dht', true]])
    expect(compose({ dht: names(), fallback: names() }, { retrievals: false }).lookups.sources.map(({ name }) => name)).toEqual(['dht'])
    expect(compose({}, { retrievals: false }).lookups.sources).toEqual([])
  })
})

describe('the discovery of a node', () => {
  const service = { source: { name: 'dht', find: names() }, announce: async () => {}, isStarted: () => true }

  it('is found by what it can do, whatever its name, while it runs', () => {
    expect(discoveryOf({ identify: {}, empty: undefined, nothing: null, mine: service })).toBe(service)
    expect(discoveryOf({ mine: { ...service, isStarted: () => false } })).toBeUndefined()
    expect(discoveryOf({ mine: { ...service, source: { name: 'other', find: names() } } })).toBeUndefined()
    expect(discoveryOf(undefined)).toBeUndefined()
  })
})
