import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, expect, it } from 'vitest'
import { redisTier } from '../src/cache/shared/redis-tier.ts'
import { createPortolan } from '../src/portolan.ts'
import { loopbackProvider } from '../src/testing/loopback-provider.ts'
import { sampleFile } from '../src/testing/sample-file.ts'
import type { PortolanInit } from '../src/portolan.ts'

const cleanup: Array<() => unknown> = []
afterEach(async () => {
  for (const clean of cleanup.splice(0).reverse()) {
    await clean()
  }
})

function directory (): string {
  const path = mkdtempSync(join(tmpdir(), 'portolan-node-'))
  cleanup.push(() => { rmSync(path, { recursive: true }) })
  return path
}

async function collect (source: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const chunks: Uint8Array[] = []
  for await (const chunk of source) {
    chunks.push(chunk)
  }
  return new Uint8Array(Buffer.concat(chunks))
}

it('reads a file from a named provider, with one hash per block, and has it for ever after', async () => {
  const file = await sampleFile({ size: 1_500_000 })
  const provider = await loopbackProvider({ blocks: file.blocks })
  cleanup.push(() => provider.close())
  const store = directory()
  const node = await createPortolan({ store, providers: [provider.url] })
  cleanup.push(() => node.stop())

  expect(node.contacts).toEqual([provider.url])
  expect(await collect(node.contentRouting.retrieveContent(file.root))).toEqual(file.bytes)
  expect(node.verifier.hashed).toBe(file.blocks.size)
  // each block once, and once the question whether it makes CARs
  expect(provider.requests).toHaveLength(file.blocks.size + 1)

  await node.stop()
  await provider.close()
  const offline = await createPortolan({ store })
  cleanup.push(() => offline.stop())
  expect(await collect(offline.contentRouting.retrieveContent(file.root))).toEqual(file.bytes)
})

it('reads through Helia hash each block once as well', async () => {
  const file = await sampleFile({ size: 600_000 })
  const provider = await loopbackProvider({ blocks: file.blocks })
  cleanup.push(() => provider.close())
  const node = await createPortolan({ providers: [provider.url] })
  cleanup.push(() => node.stop())

  for (const cid of [file.root, ...file.others]) {
    await collect(node.helia.blockstore.get(cid) as AsyncGenerator<Uint8Array>)
  }
  expect(node.verifier.hashed).toBe(file.blocks.size)
})

it('has one identity over restarts, in one process and the next', async () => {
  const store = directory()
  const node = await createPortolan({ store })
  cleanup.push(() => node.stop())
  const peer = node.libp2p.peerId.toString()

  await node.stop()
  await node.start()
  expect(node.libp2p.peerId.toString()).toBe(peer)
  await node.stop()

  const next = await createPortolan({ store })
  cleanup.push(() => next.stop())
  expect(next.libp2p.peerId.toString()).toBe(peer)
})

it('names the shared cache among those whom it contacts, and refuses one that would not be used', async () => {
  const sharedCache = redisTier({ url: 'rediss://portolan:secret@cache.example:6380/2' })
  const node = await createPortolan({ store: directory(), sharedCache, start: false })
  cleanup.push(() => node.stop())
  expect(node.contacts).toEqual(['rediss://cache.example:6380'])
  await expect(createPortolan({ sharedCache })).rejects.toMatchObject({ name: 'InvalidOptionError', message: expect.stringContaining('name a directory') as string })
})

it('listens for nobody, looks for nobody and names nobody by default', async () => {
  const node = await createPortolan()
  cleanup.push(() => node.stop())
  expect([node.libp2p.getMultiaddrs(), node.libp2p.getConnections(), node.contacts]).toEqual([[], [], []])
  expect(Object.keys(node.libp2p.services)).not.toContain('dht')
})

it('joins a DHT only through the bootstrap peers it is given', async () => {
  const seed = await createPortolan({ listen: ['/ip4/127.0.0.1/tcp/0'] })
  cleanup.push(() => seed.stop())
  const address = seed.libp2p.getMultiaddrs()[0]?.toString() ?? ''
  const node = await createPortolan({ bootstrap: [address], start: false })
  cleanup.push(() => node.stop())

  const connected = Promise.withResolvers<string>()
  await node.start()
  node.libp2p.addEventListener('peer:connect', event => { connected.resolve(event.detail.toString()) })
  for (const peer of node.libp2p.getPeers()) {
    connected.resolve(peer.toString())
  }
  expect(await connected.promise).toBe(seed.libp2p.peerId.toString())
  expect(Object.keys(node.libp2p.services)).toContain('dht')
  expect(node.contacts).toEqual([address])
})

it('start and stop are idempotent, in any order, and stop before start is harmless', async () => {
  const node = await createPortolan({ store: directory(), start: false })
  await node.stop()
  await Promise.all([node.start(), node.start()])
  const stopping = node.stop()
  await Promise.all([stopping, node.start()])
  expect(node.status).toBe('started')
  await Promise.all([node.stop(), node.stop()])
  expect(node.status).toBe('stopped')
})

it('a start that fails leaves the store free', async () => {
  const store = directory()
  const first = await createPortolan({ listen: ['/ip4/127.0.0.1/tcp/0'] })
  cleanup.push(() => first.stop())
  const taken = first.libp2p.getMultiaddrs()[0]?.toString().replace(/\/p2p\/.*/, '') ?? ''

  await expect(createPortolan({ store, listen: [taken] })).rejects.toMatchObject({
    name: 'ListenError',
    message: `libp2p: port ${taken.replace(/.*\//, '')} on 127.0.0.1 is taken by another program; choose another with --listen MULTIADDR (port 0 takes a free one)`
  })
  await expect(createPortolan({ store, listen: ['/ip4/192.0.2.1/tcp/0'] })).rejects.toMatchObject({
    name: 'ListenError',
    message: expect.stringMatching(/^libp2p: 192\.0\.2\.1 is no address of this machine.*$/)
  })
  const node = await createPortolan({ store })
  await node.stop()
})

it.each([
  [{ store: '' }, /store must be/], [{ listen: ['nonsense'] }, /listen must be a multiaddr/], [{ listen: ['/ip4/1'] }, /listen must be a multiaddr/],
  [{ bootstrap: ['/ip4/127.0.0.1/tcp/1'] }, /bootstrap must be a multiaddr that ends in \/p2p/], [{ maxConnections: 0 }, /maxConnections must be/],
  [{ serve: { allow: [] } }, /serve\.allow must name at least one peer id/], [{ providers: ['nonsense'] }, /nonsense/], [{ mode: 'private' }, /mode/], [{ timeout: -1 }, /timeout/], [{ maxBlockSize: 0 }, /maxBlockSize/], [{ colour: 'red' }, /colour/]
])('%j is refused before anything is opened', async (init, message) => {
  await expect(createPortolan(init as object)).rejects.toThrow(message)
})

it.each([
  [{ stroe: './x' }, 'stroe', 'store'], [{ maxByte: 1 }, 'maxByte', 'maxBytes'], [{ memorybytes: 1 }, 'memorybytes', 'memoryBytes'], [{ listn: [] }, 'listn', 'listen'],
  [{ bootstrp: [] }, 'bootstrp', 'bootstrap'], [{ provider: [] }, 'provider', 'providers'], [{ hedges: {} }, 'hedges', 'hedge']
])('has no option %j, and says which it has', async (init, name, meant) => {
  await expect(createPortolan(init as PortolanInit)).rejects.toMatchObject({
    name: 'InvalidOptionError',
    message: expect.stringMatching(new RegExp(`^createPortolan has no option "${name}", it has store, maxBytes, memoryBytes, .*\\blisten, .*bootstrap, .*providers, .*; did you mean ${meant}\\?$`)) as string
  })
})

it('has none of the options that are for nodes with brokers and routers of others, and none at all where they are no object', async () => {
  const told = await createPortolan({ zzzzzzzz: 1 } as PortolanInit).catch((err: unknown) => (err as Error).message)
  expect(told).not.toMatch(/trustedBrokers|trustedRouters|relays|enabled/)

  for (const init of [null, './store', []]) {
    await expect(createPortolan(init as unknown as PortolanInit)).rejects.toThrow(/^the options of createPortolan must be an object, got /)
  }
})
