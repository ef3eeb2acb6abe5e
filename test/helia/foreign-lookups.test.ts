import { withLibp2pLight } from '@helia/libp2p'
import { contentRoutingSymbol } from '@libp2p/interface'
import { multiaddr } from '@multiformats/multiaddr'
import { MemoryDatastore } from 'datastore-core'
import { createHeliaLight } from 'helia'
import all from 'it-all'
import { afterEach, describe, expect, it } from 'vitest'
import { heliaMixin } from '../../src/compose.ts'
import { undiciTransport } from '../../src/exchange/http/undici-egress.ts'
import { loopbackProvider } from '../../src/testing/loopback-provider.ts'
import { gatewayProvider, loopbackRouter } from '../../src/testing/loopback-router.ts'
import { sampleFile } from '../../src/testing/sample-file.ts'
import { VirtualClock } from '../../src/testing/virtual-clock.ts'
import { ledger } from '../e2e/lookup-wire.ts'
import { loopbackLibp2p } from './loopback-libp2p.ts'
import { block } from './own-routing.ts'
import type { ContentRoutingOptions } from '../../src/compose.ts'
import type { HeliaContentRouting } from '../../src/helia/helia-routing.ts'
import type { Clock } from '../../src/interface/clock.ts'
import type { Ledger } from '../../src/interface/disclosure.ts'
import type { LoopbackProvider } from '../../src/testing/loopback-provider.ts'
import type { Helia, Provider, Router } from '@helia/interface'
import type { HeliaWithLibp2p } from '@helia/libp2p'
import type { PeerInfo, ServiceMap } from '@libp2p/interface'
import type { Datastore } from 'interface-datastore'
import type { CID } from 'multiformats/cid'

type Wrapped = Helia & { contentRouting: HeliaContentRouting }

const closing: Array<() => Promise<unknown>> = []
const LOOPBACK: ContentRoutingOptions = { allowAddresses: ['127.0.0.0/8'] }
const URLS = ['http://127.0.0.1:1001', 'http://127.0.0.1:1002', 'http://127.0.0.1:1003'] as const
const { cid } = await block('looked for')

afterEach(async () => {
  for (const close of closing.splice(0).reverse()) {
    await close()
  }
})

async function start (routers: Router[], platform: { clock?: Clock, ledger?: Ledger, datastore?: Datastore } = {}): Promise<Wrapped> {
  const { datastore, ...rest } = platform
  const helia = heliaMixin(({ policy }) => undiciTransport({ policy }), rest)(createHeliaLight({ routers, datastore }), LOOPBACK)
  closing.push(async () => helia.stop())
  return helia.start()
}

async function gateway (blocks: Awaited<ReturnType<typeof sampleFile>>['blocks']): Promise<LoopbackProvider> {
  const provider = await loopbackProvider({ blocks })
  closing.push(async () => provider.close())
  return provider
}

const broken = (name = 'broken'): Router => ({
  name,

  async * findProviders () { throw new Error('no route to anywhere') }
})

/** Never ends, whatever it is told, and remembers who asked */
function hanging (url?: string): Router & { asked: number } {
  const router = {
    name: 'hanging',
    asked: 0,
    async * findProviders (): AsyncGenerator<Provider> {
      router.asked++
      if (url != null) {
        yield gatewayProvider(url, 'hanging')
      }
      await new Promise(() => {})
    }
  }
  return router
}

const fallback = (url: string): Router => ({
  name: 'last',
  capabilities: () => ['fallback'],
  async * findProviders () { yield { ...gatewayProvider(url, 'last'), fallback: true } }
})

const urls = (found: readonly Provider[]): string[] => found.map(({ multiaddrs }) => String(multiaddrs[0]))
const addressOf = (url: string): string => url.replace('http://127.0.0.1:', '/ip4/127.0.0.1/tcp/') + '/http'

describe('a router of the node that fails or hangs', () => {
  it('hides none of the others, and its error is told', async () => {
    const file = await sampleFile({ size: 1_000, chunkSize: 1_024 })
    const provider = await gateway(file.blocks)
    const helia = await start([broken(), loopbackRouter({ providers: [provider] }), broken('broken too')])
    expect(await helia.contentRouting.retrieve(file.root)).toEqual(file.blocks.values().next().value)
    const { cid: nowhere } = await block('nowhere')
    await expect(helia.contentRouting.retrieve(nowhere)).rejects.toThrow()
    expect(String(helia.contentRouting.explain(nowhere))).toContain('helia failed: broken: "no route to anywhere"; broken too: "no route to anywhere"')
    // it was found before the router failed, or after: who has it is known either way
    expect(provider.requests.some(({ outcome }) => outcome === 'served')).toBe(true)
  })

  it('is none of those of a libp2p node that has none: nobody was told, and nobody has it', async () => {
    const book = ledger()
    const light = withLibp2pLight(createHeliaLight(), loopbackLibp2p()) as HeliaWithLibp2p<ServiceMap>
    const helia = heliaMixin(({ policy }) => undiciTransport({ policy }), { ledger: book })(light)
    closing.push(async () => helia.stop())
    await helia.start()
    await expect(helia.contentRouting.retrieve(cid)).rejects.toMatchObject({ name: 'NotFoundError' })
    expect(String(helia.contentRouting.explain(cid))).toContain('helia named 0 providers')
    expect(book.entries.map(({ observer, state }) => [observer, state])).toEqual([['router:helia', 'not-sent']])
  })

  it('keeps those of last resort from nobody', async () => {
    const file = await sampleFile({ size: 1_000, chunkSize: 1_024 })
    const provider = await gateway(file.blocks)
    const helia = await start([hanging(), fallback(provider.url)])
    await helia.contentRouting.retrieve(file.root)
    expect(String(helia.contentRouting.explain(file.root))).toContain('fallback named 1 provider')
  })

  it('is as it was when content routing does not have the node', async () => {
    const router = broken()
    const libp2pRouter = { provide: async () => {}, cancelReprovide: async () => {}, put: async () => {}, async * findProviders (): AsyncGenerator<PeerInfo> {} }
    const light = withLibp2pLight(createHeliaLight({ routers: [router] }), {
      ...loopbackLibp2p(),
      services: { ...loopbackLibp2p().services, mine: () => ({ [contentRoutingSymbol]: libp2pRouter }) } as never
    }) as HeliaWithLibp2p<ServiceMap>
    const helia = heliaMixin(({ policy }) => undiciTransport({ policy }))(light)
    closing.push(async () => helia.stop())
    const [plain, plainOfLibp2p] = [router.findProviders, libp2pRouter.findProviders]

    for (let round = 0; round < 2; round++) {
      await helia.start()
      expect(router.findProviders).not.toBe(plain)
      expect(libp2pRouter.findProviders).not.toBe(plainOfLibp2p)
      helia.contentRouting.disable()
      expect([router.findProviders, libp2pRouter.findProviders]).toEqual([plain, plainOfLibp2p])
      // also when it is asked directly meanwhile
      await expect(helia.contentRouting.retrieve(cid, { timeout: 1_000 })).rejects.toThrow()
      expect([router.findProviders, libp2pRouter.findProviders]).toEqual([plain, plainOfLibp2p])
      helia.contentRouting.enable()
      expect(router.findProviders).not.toBe(plain)
      await helia.stop()
      expect([router.findProviders, libp2pRouter.findProviders]).toEqual([plain, plainOfLibp2p])
    }
  })
})

describe('who looks up through helia.routing', () => {
  it('has what Helia would have said, in its words', async () => {
    const peer = (await bareLibp2p()).peerId
    const record: Provider = { id: peer.toCID() as CID, multiaddrs: [multiaddr('/ip4/127.0.0.1/udp/4001/quic-v1'), multiaddr('/dns4/peer.example/tcp/443/tls/ws')], protocols: ['transport-bitswap'], router: 'mine', fallback: false }
    const router: Router = { name: 'mine', async * findProviders () { yield * [record, gatewayProvider(URLS[0], 'mine')] } }
    const helia = await start([router])
    const events: string[] = []
    const [first, second] = await all(helia.routing.findProviders(cid, { onProgress: ({ type }) => { events.push(type) } }))
    expect(first).toMatchObject({ router: 'mine', fallback: false, protocols: ['transport-bitswap'] })
    expect(first?.id.equals(record.id)).toBe(true)
    expect(first?.multiaddrs.map(String).sort()).toEqual(record.multiaddrs.map(String).sort())
    expect(second).toEqual(gatewayProvider(URLS[0], 'mine'))
    expect(events).toEqual(['helia:routing:find-providers:start', 'helia:routing:find-providers:provider', 'helia:routing:find-providers:provider', 'helia:routing:find-providers:end'])
  })

  it('shares one lookup with all others, and with retrievals; the next is answered from memory, also after a restart', async () => {
    const datastore = new MemoryDatastore()
    const book = ledger()
    const held = Promise.withResolvers<void>()
    const router = loopbackRouter({ providers: async function * () { await held.promise; yield URLS[0] } })
    const helia = await start([router], { datastore, ledger: book })
    const reading = helia.contentRouting.retrieve(cid, { timeout: 1_000 })
    const looking = [1, 2, 3].map(async () => all(helia.routing.findProviders(cid)))
    await new Promise(resolve => { setImmediate(resolve) })
    held.resolve()
    expect((await Promise.all(looking)).map(urls)).toEqual([1, 2, 3].map(() => [addressOf(URLS[0])]))
    expect(router.lookups).toHaveLength(1)
    expect(book.entries.filter(({ observer }) => observer === 'router:helia')).toMatchObject([{ form: 'cid', transport: 'foreign', audience: 'unbounded', state: 'sent' }])
    await expect(reading).rejects.toThrow()

    const before = router.lookups.length
    expect(urls(await all(helia.routing.findProviders(cid)))).toEqual([addressOf(URLS[0])])
    expect(router.lookups).toHaveLength(before)
    await helia.stop()
    await helia.start()
    expect(urls(await all(helia.routing.findProviders(cid)))).toEqual([addressOf(URLS[0])])
    await helia.stop()
    const again = await start([router], { datastore })
    expect(urls(await all(again.routing.findProviders(cid)))).toEqual([addressOf(URLS[0])])
    expect(router.lookups).toHaveLength(before)
    // unless he does not want that
    await all(again.routing.findProviders(cid, { useCache: false }))
    expect(router.lookups).toHaveLength(before + 1)
  })

  it('gets stale answers at once, while the router is asked again', async () => {
    const clock = new VirtualClock()
    const router = loopbackRouter({ providers: [URLS[0]] })
    const helia = await start([router], { clock })
    await all(helia.routing.findProviders(cid))
    await clock.run(clock.sleep(299_000))
    await all(helia.routing.findProviders(cid))
    expect(router.lookups).toHaveLength(1)
    await clock.run(clock.sleep(1_001))
    expect(urls(await all(helia.routing.findProviders(cid)))).toEqual([addressOf(URLS[0])])
    expect(router.lookups).toHaveLength(2)
  })

  it('hears of everybody although one router throws and one hangs, and leaves when he likes', async () => {
    const helia = await start([broken(), hanging(URLS[0]), loopbackRouter({ providers: [URLS[1]] })])
    const controller = new AbortController()
    const found: Provider[] = []
    for await (const provider of helia.routing.findProviders(cid, { signal: controller.signal })) {
      found.push(provider)
      if (found.length === 2) {
        controller.abort()
      }
    }
    expect(urls(found).sort()).toEqual([addressOf(URLS[0]), addressOf(URLS[1])])

    const leaving = helia.routing.findProviders(cid)[Symbol.asyncIterator]()
    expect((await leaving.next()).done).toBe(false)
    await leaving.return?.()
    const waiting = helia.routing.findProviders(cid)[Symbol.asyncIterator]()
    await waiting.next()
    await waiting.next()
    const third = waiting.next()
    await waiting.return?.()
    expect((await third).done).toBe(true)
    // nobody to tell, and no error either
    expect(await all((await start([broken()])).routing.findProviders(cid))).toEqual([])
    expect(await all((await start([])).routing.findProviders(cid))).toEqual([])
    expect(await all((await start([loopbackRouter({ providers: [URLS[0]] })])).routing.findProviders(cid, { signal: AbortSignal.abort() }))).toEqual([])
  })

  it('hears of those of last resort when the others have ended, and when one of them hangs', async () => {
    const clock = new VirtualClock()
    const [first, last] = [loopbackRouter({ providers: [URLS[0]] }), fallback(URLS[2])]
    expect(urls(await all((await start([last, first], { clock })).routing.findProviders(cid)))).toEqual([addressOf(URLS[0]), addressOf(URLS[2])])

    const helia = await start([last, hanging(URLS[0])], { clock })
    const looking = helia.routing.findProviders(cid)[Symbol.asyncIterator]()
    const next = async (): Promise<Provider> => (await clock.run(looking.next())).value as Provider
    expect(urls([await next()])).toEqual([addressOf(URLS[0])])
    const started = clock.now()
    expect(await next()).toMatchObject({ router: 'last', fallback: true })
    expect(clock.now() - started).toBe(2_000)
    // and what hangs keeps nobody for longer than a minute, nor from asking again
    expect((await clock.run(looking.next())).done).toBe(true)
    expect(clock.now() - started).toBeLessThanOrEqual(60_000)
  })

  it('asks anew where a lookup hung', async () => {
    const clock = new VirtualClock()
    const router = hanging()
    const helia = await start([router], { clock })
    expect(await clock.run(all(helia.routing.findProviders(cid)))).toEqual([])
    expect(await clock.run(all(helia.routing.findProviders(cid)))).toEqual([])
    expect(router.asked).toBe(2)
  })

  it('that one alone hears an error of the node\'s own function', async () => {
    const helia = createHeliaLight()

    Object.assign(helia.routing, { async * findProviders () { throw new Error('wrapped by somebody') } })
    const wrapped = heliaMixin(({ policy }) => undiciTransport({ policy }))(helia)
    closing.push(async () => wrapped.stop())
    await wrapped.start()
    await expect(all(wrapped.routing.findProviders(cid))).rejects.toThrow('wrapped by somebody')
  })

  it('goes past us with useNetwork: false', async () => {
    const options: unknown[] = []
    const router: Router = { name: 'mine', async * findProviders (_, given) { options.push(given?.useNetwork) } }
    const helia = await start([router])
    await all(helia.routing.findProviders(cid, { useNetwork: false }))
    expect(options).toEqual([false])
  })

  it('has what he looks for gone through routers that are added late', async () => {
    const helia = await start([])
    const late = broken('late')
    helia.addRouter(late)
    await expect(helia.contentRouting.retrieve(cid, { timeout: 1_000 })).rejects.toThrow()
    expect(String(helia.contentRouting.explain(cid))).toContain('helia failed: late: "no route to anywhere"')
  })
})

async function bareLibp2p (): Promise<HeliaWithLibp2p<ServiceMap>['libp2p']> {
  const helia = withLibp2pLight(createHeliaLight(), loopbackLibp2p()) as HeliaWithLibp2p<ServiceMap>
  closing.push(async () => helia.stop())
  await helia.start()
  return helia.libp2p
}
