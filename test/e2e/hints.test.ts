import { unixfs } from '@helia/unixfs'
import { uriToMultiaddr } from '@multiformats/uri-to-multiaddr'
import { describe, expect, it } from 'vitest'
import { sampleFile } from '../../src/testing/sample-file.ts'
import { VirtualClock } from '../../src/testing/virtual-clock.ts'
import { blockFrom, bytesFrom, failure, gateway, wrappedNode } from './node.ts'
import type { TestNode } from './node.ts'
import type { Multiaddr } from '@multiformats/multiaddr'

const file = await sampleFile({ size: 10 * 1024, chunkSize: 1024 })

interface Way {
  name: string
  read (node: TestNode, hint: { url: string, multiaddr: Multiaddr }): Promise<Uint8Array>
}

const ways: Way[] = [
  {
    name: 'contentRouting.retrieveContent',
    read: async ({ helia }, { url }) => await bytesFrom(helia.contentRouting.retrieveContent(file.root, { providers: [url] }))
  },
  {
    name: 'contentRouting.retrieve, block by block',
    read: async ({ helia }, { multiaddr }) => {
      for (const cid of [file.root, ...file.others]) {
        await helia.contentRouting.retrieve(cid, { providers: [multiaddr] })
      }
      return await bytesFrom(unixfs(helia).cat(file.root, { offline: true }))
    }
  },
  {
    name: 'contentRouting.createSession',
    read: async ({ helia }, { url }) => {
      const session = helia.contentRouting.createSession(file.root, { providers: [url] })
      for (const cid of [file.root, ...file.others]) {
        await session.retrieve(cid)
      }
      session.close()
      return await bytesFrom(unixfs(helia).cat(file.root, { offline: true }))
    }
  },
  {
    name: 'a hint added to an open session of content routing',
    read: async ({ helia }, { url }) => {
      const session = helia.contentRouting.createSession(file.root)
      session.addProvider(url)
      for (const cid of [file.root, ...file.others]) {
        await session.retrieve(cid)
      }
      session.close()
      return await bytesFrom(unixfs(helia).cat(file.root, { offline: true }))
    }
  },
  {
    name: 'blockstore.get, block by block',
    read: async ({ helia }, { multiaddr }) => {
      for (const cid of [file.root, ...file.others]) {
        await blockFrom(helia.blockstore, cid, { providers: [multiaddr] })
      }
      return await bytesFrom(unixfs(helia).cat(file.root, { offline: true }))
    }
  },
  {
    name: 'blockstore.getMany',
    read: async ({ helia }, { multiaddr }) => {
      for await (const { bytes } of helia.blockstore.getMany([file.root, ...file.others], { providers: [multiaddr] })) {
        await bytesFrom((async function * () { yield * bytes })())
      }
      return await bytesFrom(unixfs(helia).cat(file.root, { offline: true }))
    }
  },
  {
    name: 'blockstore.createSession',
    read: async ({ helia }, { multiaddr }) => {
      const session = helia.blockstore.createSession(file.root, { providers: [multiaddr] })
      return await bytesFrom(unixfs({ ...helia, blockstore: session }).cat(file.root)).finally(() => { session.close() })
    }
  },
  {
    name: 'session.addPeer',
    read: async ({ helia }, { multiaddr }) => {
      const session = helia.blockstore.createSession(file.root)
      await session.addPeer(multiaddr)
      return await bytesFrom(unixfs({ ...helia, blockstore: session }).cat(file.root)).finally(() => { session.close() })
    }
  },
  {
    name: 'unixfs.cat',
    read: async ({ helia }, { multiaddr }) => await bytesFrom(unixfs(helia).cat(file.root, { providers: [multiaddr] }))
  }
]

describe.each(ways)('a hint given to $name', ({ read }) => {
  it('is enough to read a file that no router knows', async () => {
    const provider = await gateway(file.blocks)
    const node = await wrappedNode({ clock: new VirtualClock() })
    const bytes = await read(node, { url: provider.url, multiaddr: uriToMultiaddr(provider.url) })
    expect(bytes).toEqual(new Uint8Array(file.bytes))
    expect(provider.requests).toHaveLength(file.blocks.size)
  })
})

describe('hints', () => {
  it('are asked before a router', async () => {
    const hinted = await gateway(file.blocks)
    const named = await gateway(file.blocks)
    const { helia, router } = await wrappedNode({ clock: new VirtualClock(), providers: [named] })
    await helia.contentRouting.retrieve(file.root, { providers: [hinted.url] })
    expect([hinted.requests.length, named.requests.length, router.lookups.length]).toEqual([1, 0, 0])
  })

  it('that are useless are replaced by what a router names', async () => {
    const hinted = await gateway(new Map())
    const named = await gateway(file.blocks)
    const { helia } = await wrappedNode({ clock: new VirtualClock(), providers: [named] })
    expect((await helia.contentRouting.retrieve(file.root, { providers: [hinted.url] })).byteLength).toBeGreaterThan(0)
    expect([hinted.requests.length, named.requests.length]).toEqual([1, 1])
  })

  it('that make no sense are a named error', async () => {
    const { helia } = await wrappedNode({ clock: new VirtualClock() })
    expect((await failure(helia.contentRouting.retrieve(file.root, { providers: ['not a provider'] }))).name).toBe('InvalidProviderError')
  })
})
