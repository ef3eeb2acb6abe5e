import { trustlessGatewayBlockBroker } from '@helia/trustless-gateway-client'
import { unixfs } from '@helia/unixfs'
import { MemoryDatastore } from 'datastore-core'
import { createHeliaLight } from 'helia'
import { afterEach, describe, expect, it } from 'vitest'
import { heliaMixin } from '../../src/compose.ts'
import { undiciTransport } from '../../src/exchange/http/undici-egress.ts'
import { loopbackProvider } from '../../src/testing/loopback-provider.ts'
import { loopbackRouter } from '../../src/testing/loopback-router.ts'
import { sampleFile } from '../../src/testing/sample-file.ts'
import { MapBroker, block, brokersOf, read } from './own-routing.ts'
import type { ContentRoutingOptions } from '../../src/compose.ts'
import type { HeliaContentRouting } from '../../src/helia/helia-routing.ts'
import type { LoopbackProvider, LoopbackProviderInit } from '../../src/testing/loopback-provider.ts'
import type { Helia } from '@helia/interface'

const closing: Array<() => Promise<unknown>> = []
const wrap = heliaMixin(({ policy }) => undiciTransport({ policy }))
const LOOPBACK = { allowAddresses: ['127.0.0.0/8'] }

afterEach(async () => {
  for (const close of closing.splice(0).reverse()) {
    await close()
  }
})

async function gateway (init: LoopbackProviderInit): Promise<LoopbackProvider> {
  const provider = await loopbackProvider(init)
  closing.push(async () => provider.close())
  return provider
}

async function start (init: Parameters<typeof createHeliaLight>[0], options: ContentRoutingOptions): Promise<Helia & { contentRouting: HeliaContentRouting }> {
  const helia = wrap(createHeliaLight(init), options)
  closing.push(async () => helia.stop())
  return helia.start()
}

const file = await sampleFile({ size: 200_000, chunkSize: 16_384 })

describe('a wrapped node over real gateways', () => {
  it('reads a file through helia.blockstore, a session and contentRouting, over three restarts', async () => {
    const provider = await gateway({ blocks: file.blocks })
    const helia = await start({ routers: [loopbackRouter({ providers: [provider] })] }, LOOPBACK)

    for (let i = 0; i < 3; i++) {
      const session = helia.blockstore.createSession(file.root)
      for (const blockstore of [helia.blockstore, session]) {
        expect(await bytesOf(unixfs({ blockstore } as Parameters<typeof unixfs>[0]).cat(file.root))).toEqual(Buffer.from(file.bytes))
      }
      session.close()
      expect(await bytesOf(helia.contentRouting.retrieveContent(file.root))).toEqual(Buffer.from(file.bytes))
      await helia.gc()
      expect(await helia.blockstore.has(file.root)).toBe(false)
      expect(await bytesOf(helia.contentRouting.retrieveContent(file.root))).toEqual(Buffer.from(file.bytes))
      await helia.gc()
      await helia.stop()
      await helia.start()
    }
    expect(provider.requests.length).toBeGreaterThan(0)
  })

  it('refuses loopback addresses that only a router names, tells so, and asks those the operator named', async () => {
    const provider = await gateway({ blocks: file.blocks })
    const refusing = await start({ routers: [loopbackRouter({ providers: [provider] })] }, {})
    await expect(refusing.contentRouting.retrieve(file.root, { timeout: 2000 })).rejects.toMatchObject({ name: 'NotFoundError' })
    await expect(refusing.contentRouting.retrieve(file.root, { timeout: 2000, providers: [provider.url] })).rejects.toThrow()
    expect(provider.requests).toHaveLength(0)

    const named = await start({}, { providers: [provider.url] })
    expect(await named.contentRouting.retrieve(file.root)).toBeInstanceOf(Uint8Array)
    expect(provider.requests).toHaveLength(1)
  })

  it('keeps what it learnt about a provider in the node\'s datastore', async () => {
    const provider = await gateway({ blocks: file.blocks })
    const datastore = new MemoryDatastore()
    const helia = await start({ datastore }, { providers: [provider.url] })
    await helia.contentRouting.retrieve(file.root)
    await helia.stop()
    const again = await start({ datastore }, { providers: [provider.url] })
    expect(again.contentRouting.stats()).toMatchObject({ reputation: { size: 1, kept: 'memory' } })
  })

  it('leaves no request and no connection behind when it stops in the middle of a read', async () => {
    const provider = await gateway({ blocks: file.blocks, behaviour: 'silent' })
    const helia = await start({}, { providers: [provider.url] })
    const reading = helia.contentRouting.retrieve(file.root)
    const asked = expect(reading).rejects.toMatchObject({ name: 'NotRunningError' })
    while (provider.requests.length === 0) {
      await new Promise(resolve => { setImmediate(resolve) })
    }
    await helia.stop()
    await asked
  })
})

describe('the brokers of the node as fetchers', () => {
  it('asks a broker for what nobody else has, and never in a stricter mode unless it is trusted', async () => {
    const [open, kept] = [await block('open'), await block('kept')]
    const broker = new MapBroker('mine', open, kept)
    const helia = await start({ blockBrokers: [broker] }, {})
    expect(await read(helia.blockstore.get(open.cid))).toBe('open')
    await expect(helia.contentRouting.retrieve(kept.cid, { mode: 'balanced', timeout: 2000 })).rejects.toThrow()
    expect(broker.asked).toEqual([open.cid.toString()])

    const trusting = await start({ blockBrokers: [broker] }, { trustedBrokers: ['mine'], mode: 'strict' })
    expect(await trusting.contentRouting.retrieve(kept.cid)).toEqual(kept.bytes)
  })

  it('can use them when asked directly although it does not have the node, the late ones too', async () => {
    const [early, late] = [await block('early'), await block('late')]
    const helia = await start({ blockBrokers: [new MapBroker('mine', early)] }, { enabled: false })
    expect(await helia.contentRouting.retrieve(early.cid)).toEqual(early.bytes)
    helia.addBlockBroker(new MapBroker('other', late))
    expect(await helia.contentRouting.retrieve(late.cid)).toEqual(late.bytes)
    expect(helia.hasBlockBroker('content-routing')).toBe(false)
  })

  it('does not have a gateway broker ask again whom our own fetcher asks', async () => {
    const missing = await block('nobody has this')
    const provider = await gateway({ blocks: file.blocks })
    const router = loopbackRouter({ providers: [provider] })
    const helia = await start({ routers: [router], blockBrokers: [trustlessGatewayBlockBroker({ allowInsecure: true, allowLocal: true })] }, LOOPBACK)
    await expect(read(helia.blockstore.get(missing.cid))).rejects.toMatchObject({ name: 'LoadBlockFailedError', errors: [{ name: 'NotFoundError' }] })
    expect(provider.requests).toHaveLength(1)
  })

  it('uses a gateway broker for addresses that the user allowed it and not us, whom it was told and nobody else', async () => {
    const provider = await gateway({ blocks: file.blocks })
    const router = loopbackRouter({ providers: [provider] })
    const broker = trustlessGatewayBlockBroker({ allowInsecure: true, allowLocal: true })
    const helia = await start({ routers: [router], blockBrokers: [broker] }, {})
    expect(await bytesOf(helia.blockstore.get(file.root))).toHaveLength(provider.requests[0]?.bytes ?? -1)
    expect([provider.requests.length, router.lookups.length]).toEqual([1, 1])
    // a hint is no router's word
    const other = await gateway({ blocks: file.blocks })
    const hinted = await start({ blockBrokers: [broker] }, {})
    await expect(hinted.contentRouting.retrieve(file.root, { providers: [other.url], timeout: 2000 })).rejects.toThrow()
    expect(other.requests).toHaveLength(0)
  })

  it('asks a gateway broker that knows credentials when our own fetcher was refused', async () => {
    const provider = await gateway({ blocks: file.blocks, behaviour: { kind: 'refusing', status: 401 } })
    const broker = trustlessGatewayBlockBroker({
      allowInsecure: true,
      allowLocal: true,
      transformRequestInit: request => {
        provider.set('good')
        return request
      }
    })
    const helia = await start({ routers: [loopbackRouter({ providers: [provider] })], blockBrokers: [broker] }, LOOPBACK)
    expect(await bytesOf(helia.blockstore.get(file.root))).toBeInstanceOf(Buffer)
  })

  it('is not held by a broker that ignores its signal', async () => {
    const missing = await block('missing')
    const broker = new MapBroker('deaf')
    broker.held = new Promise(() => {})
    const helia = await start({ blockBrokers: [broker] }, {})
    const controller = new AbortController()
    const reading = read(helia.blockstore.get(missing.cid, { signal: controller.signal }))
    while (broker.asked.length === 0) {
      await new Promise(resolve => { setImmediate(resolve) })
    }
    controller.abort(new Error('enough'))
    await expect(reading).rejects.toMatchObject({ errors: [{ message: 'enough' }] })
    await helia.stop()
    expect(brokersOf(helia)).toEqual([broker])
  })
})

describe('gc while a read stalls', () => {
  it('neither deadlocks nor delays what is local, through contentRouting and through sessions', async () => {
    const local = await block('local')
    const provider = await gateway({ blocks: file.blocks, behaviour: 'silent' })
    const helia = await start({}, { providers: [provider.url], timeout: 5000 })
    await helia.blockstore.put(local.cid, local.bytes)
    await helia.pins.add(local.cid)[Symbol.asyncIterator]().next()
    const session = helia.blockstore.createSession(file.root)

    const stop = new AbortController()
    const stalled = read(helia.blockstore.get(file.root, { signal: stop.signal }))
    const failed = expect(stalled).rejects.toThrow()
    while (provider.requests.length === 0) {
      await new Promise(resolve => { setImmediate(resolve) })
    }
    const gc = helia.gc()
    let swept = false
    void gc.then(() => { swept = true })

    expect(await helia.contentRouting.retrieve(local.cid)).toEqual(local.bytes)
    expect(await read(session.get(local.cid))).toBe('local')
    provider.set('good')
    const [other = file.root] = file.others
    expect((await bytesOf(session.get(other))).byteLength).toBeGreaterThan(0)
    // gc waits for the stalled read: that lock is Helia's own
    expect(swept).toBe(false)

    stop.abort()
    await failed
    await gc
  })
})

describe('bad options', () => {
  it.each([
    [{ provider: [] }, /^content routing has no option "provider", it has enabled, providers, .*; did you mean providers\?$/],
    [{ providers: 'http://127.0.0.1' }, 'providers must be an array'],
    [{ providers: Array.from({ length: 65 }, () => 'http://127.0.0.1:1') }, 'at most 64, got 65'],
    [{ providers: ['::'] }, 'is not a provider'],
    [{ allowAddresses: ['not an address!'] }, 'not an address!'],
    [{ trustedBrokers: 'bitswap' }, 'trustedBrokers must be an array'],
    [{ enabled: 1 }, 'enabled must be true or false'],
    [{ allowSha1: 'yes' }, 'allowSha1 must be true or false'],
    [{ maxBlockSize: -1 }, 'maxBlockSize'],
    [{ timeout: 'soon' }, 'timeout'],
    [null, 'must be an object']
  ])('%j is refused, and the node left as it was', async (options, message) => {
    const helia = createHeliaLight()
    expect(() => wrap(helia, options as ContentRoutingOptions)).toThrow(message)
    expect('contentRouting' in helia).toBe(false)
    expect('stop' in Object.getOwnPropertyDescriptors(helia)).toBe(false)
  })
})

async function bytesOf (chunks: Iterable<Uint8Array> | AsyncIterable<Uint8Array>): Promise<Buffer> {
  const parts: Uint8Array[] = []
  for await (const chunk of chunks) {
    parts.push(chunk)
  }
  return Buffer.concat(parts)
}
