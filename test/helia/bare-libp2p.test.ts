import { contentRoutingSymbol } from '@libp2p/interface'
import { multiaddr } from '@multiformats/multiaddr'
import { uriToMultiaddr } from '@multiformats/uri-to-multiaddr'
import { MemoryBlockstore } from 'blockstore-core'
import { createLibp2p } from 'libp2p'
import { afterEach, describe, expect, it } from 'vitest'
import { libp2pComposer } from '../../src/compose.ts'
import { undiciTransport } from '../../src/exchange/http/undici-egress.ts'
import { ContentRoutingManager } from '../../src/routing/manager.ts'
import { loopbackProvider } from '../../src/testing/loopback-provider.ts'
import { sampleFile } from '../../src/testing/sample-file.ts'
import { loopbackLibp2p } from './loopback-libp2p.ts'
import { block } from './own-routing.ts'
import type { LocalStore } from '../../src/interface/cache.ts'
import type { ContentRouting } from '@libp2p/interface'
import type { Libp2p } from 'libp2p'

const closing: Array<() => Promise<unknown>> = []
const compose = libp2pComposer(({ policy }) => undiciTransport({ policy }))

afterEach(async () => {
  for (const close of closing.splice(0).reverse()) {
    await close()
  }
})

/** A libp2p node with one content router that says what it is told to */
async function node (router?: Partial<ContentRouting>): Promise<Libp2p> {
  const init = loopbackLibp2p()
  const libp2p = await createLibp2p({
    ...init,
    services: {
      ...init.services,
      ...(router == null ? {} : { router: () => ({ [contentRoutingSymbol]: { provide: async () => {}, cancelReprovide: async () => {}, put: async () => {}, ...router } }) })
    }
  })
  closing.push(async () => libp2p.stop())
  return libp2p
}

describe('content routing on a libp2p node without Helia', () => {
  it('exchanges blocks with peers while it runs, over restarts, and serves from the store it was given', async () => {
    const one = await block('one')
    const store = new MemoryBlockstore()
    await store.put(one.cid, one.bytes)
    const [a, b] = [await node(), await node()]
    const serving = compose(a, { serve: 'everyone' }, { store: store as unknown as LocalStore })
    const reading = compose(b, { allowAddresses: ['127.0.0.1'] })

    for (let round = 1; round <= 3; round++) {
      await serving.start()
      await reading.start()
      expect(await reading.retrieve(one.cid, { providers: [String(a.getMultiaddrs()[0])] })).toEqual(one.bytes)
      expect(reading.stats().exchange?.blocks.bitswap).toBe(round)
      await reading.stop()
      await serving.stop()
      expect([a, b].flatMap(libp2p => libp2p.getProtocols().filter(name => name.includes('bitswap')))).toEqual([])
    }
    expect(serving.stats().exchange?.bitswap?.serving).toMatchObject({ blocks: 3, policy: 'everyone' })
  })

  it('finds providers through its content routers and fetches from their gateways', async () => {
    const file = await sampleFile({ size: 100_000, chunkSize: 16_384 })
    const gateway = await loopbackProvider({ blocks: file.blocks })
    closing.push(async () => gateway.close())
    const provided: string[] = []
    const libp2p = await node({
      provide: async cid => { provided.push(cid.toString()) },
      findProviders: async function * () {
        yield { id: libp2p.peerId, multiaddrs: [multiaddr('/ip4/127.0.0.1/tcp/1'), uriToMultiaddr(gateway.url)], routing: 'test' }
      }
    })
    const routing = compose(libp2p, { allowAddresses: ['127.0.0.0/8'], serve: 'everyone' })
    expect(routing).toBeInstanceOf(ContentRoutingManager)

    for (let i = 0; i < 3; i++) {
      await routing.start()
      const parts: Uint8Array[] = []
      for await (const part of routing.retrieveContent(file.root)) {
        parts.push(part)
      }
      expect(Buffer.concat(parts)).toEqual(Buffer.from(file.bytes))
      if (i === 0) {
        await routing.announce(file.root)
      }
      await routing.stop()
    }
    expect(provided).toEqual([file.root.toString()])
  })

  it('announces nothing where nobody is served, and anything where another one serves', async () => {
    const one = await block('one')
    const provided: string[] = []
    const withdrawn: string[] = []
    const libp2p = await node({ provide: async cid => { provided.push(cid.toString()) }, cancelReprovide: async cid => { withdrawn.push(cid.toString()) } })
    const routing = compose(libp2p)
    await routing.start()
    await expect(routing.announce(one.cid)).rejects.toMatchObject({ name: 'AnnounceRefusedError', reason: 'serves-nobody' })
    await expect(routing.announce((async function * () { yield one.cid })())).rejects.toThrow('serve')
    expect(provided).toEqual([])
    await routing.stop()

    for (const bitswap of ['off', 'adopted'] as const) {
      const other = compose(libp2p, { bitswap })
      await other.start()
      await other.announce(one.cid)
      await other.cancel([one.cid])
      await other.stop()
    }
    expect([provided, withdrawn]).toEqual([[one.cid, one.cid].map(String), [one.cid, one.cid].map(String)])
  })

  it('says that nobody has it where there is no router at all', async () => {
    const one = await block('one')
    const routing = compose(await node(), { serve: 'everyone' })
    await routing.start()
    await expect(routing.retrieve(one.cid)).rejects.toMatchObject({ name: 'NotFoundError' })
    await expect(routing.announce(one.cid)).rejects.toThrow('could not be announced')
    // nothing was announced, so there is nothing to end
    await routing.cancel(one.cid)
    await routing.stop()
    await expect(routing.retrieve(one.cid)).rejects.toMatchObject({ name: 'NotRunningError' })
  })
})
