import { noise } from '@libp2p/noise'
import { tcp } from '@libp2p/tcp'
import { yamux } from '@libp2p/yamux'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p } from 'libp2p'
import { sha256 } from 'multiformats/hashes/sha2'
import { CID } from 'multiformats/cid'
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { blockKey } from '../../src/block/key.ts'
import { encodeProvider, encodeRequest, MAX_READ } from '../../src/discovery/kad/kad-message.ts'
import { getFilesystem } from '../../src/index.ts'
import { recordedRequest } from '../discovery/recorded-request.ts'
import { ownNode } from './own-node.ts'
import { requireKubo } from './require-kubo.ts'
import { digestOf, seededBytes } from './sample-data.ts'
import type { KuboDaemon } from './kubo/daemon.ts'
import type { Portolan, PortolanInit } from '../../src/portolan.ts'
import type { Stream } from '@libp2p/interface'

const kubos = await requireKubo()
/** What Kubo speaks with peers at private addresses */
const LAN = '/ipfs/lan/kad/1.0.0'
const SIZE = 3 * 1024 * 1024
const TIME = 60_000

const nodes: Portolan[] = []

function signal (): AbortSignal {
  return AbortSignal.timeout(TIME)
}

async function all<T> (source: AsyncIterable<T>): Promise<T[]> {
  const items: T[] = []
  for await (const item of source) {
    items.push(item)
  }
  return items
}

async function own (init: PortolanInit): Promise<Portolan> {
  const node = await ownNode({ listen: ['/ip4/127.0.0.1/tcp/0'], ...init })
  nodes.push(node)
  return node
}

function idOf (node: Portolan): string {
  return node.libp2p.peerId.toString()
}

/** Who Kubo says has it */
async function providersBy (kubo: KuboDaemon, cid: CID): Promise<string[]> {
  return (await kubo.ipfs('routing', 'findprovs', cid.toString())).split('\n').filter(line => line !== '')
}

describe.skipIf(kubos == null)('a private network of Kubo nodes, and we in it', () => {
  let network: [KuboDaemon, KuboDaemon, KuboDaemon]
  let bootstrap: string[]

  beforeAll(async () => {
    const first = await kubos!.start({ dht: true })
    bootstrap = [...first.multiaddrs]
    network = [first, await kubos!.start({ dht: true, bootstrap }), await kubos!.start({ dht: true, bootstrap })]
    // each has both others in its table
    await vi.waitFor(async () => {
      for (const kubo of network) {
        expect(await kubo.ipfs('stats', 'dht', 'lan')).toMatch(/DHT lan \(2 peers\)/)
      }
    }, TIME)
  })

  afterEach(async () => {
    await Promise.all(nodes.splice(0).map(async node => { await node.stop() }))
  })

  afterAll(async () => {
    await kubos?.stop()
  })

  it('Kubo finds what we announced, and fetches it', async () => {
    const us = await own({ bootstrap, dhtProtocol: LAN })
    const root = await getFilesystem(us.helia).addByteStream(seededBytes(SIZE, 21))
    await us.discovery!.announce([root], { signal: signal() })

    // the one that we were not told of
    expect(await providersBy(network[2], root)).toEqual([idOf(us)])
    expect((await network[2].peers()).map(({ peer }) => peer)).toContain(idOf(us))
    expect(digestOf(await all(network[2].cat(root, { signal: signal() })))).toBe(digestOf(seededBytes(SIZE, 21)))
    await network[2].clear()
  })

  it('we find what Kubo announced by a walk of our own, and read it', async () => {
    const root = await network[1].add(seededBytes(SIZE, 22))
    await network[1].ipfs('routing', 'provide', root.toString())
    const us = await own({ bootstrap, dhtProtocol: LAN, listen: [] })

    expect(digestOf(await all(us.contentRouting.retrieveContent(root, { signal: signal() })))).toBe(digestOf(seededBytes(SIZE, 22)))
    const story = String(us.contentRouting.explain(root))
    expect(story).toMatch(/dht named [1-9]/)
    expect(story).toContain(network[1].peerId)
    expect(us.discovery?.stats()).toMatchObject({ lookups: { lookups: 1 } })
  })

  it('as a server we keep what Kubo announces, and name it to whoever asks us alone', async () => {
    const server = await own({ bootstrap, dhtProtocol: LAN, dhtServer: true })
    // a server is known as soon as it is connected to
    await vi.waitFor(async () => {
      expect(await network[1].ipfs('stats', 'dht', 'lan')).toContain(idOf(server))
    }, TIME)
    const root = await network[1].add(seededBytes(SIZE, 23))
    await network[1].ipfs('routing', 'provide', root.toString())

    const { dht } = server.libp2p.services as unknown as { dht: { providers: { getProviders (cid: CID): Promise<Array<{ toString (): string }>> } } }
    // Kubo sends its announcement and waits for no answer to it
    await vi.waitFor(async () => {
      expect((await dht.providers.getProviders(root)).map(String)).toEqual([network[1].peerId])
    }, TIME)
    const reader = await own({ bootstrap: server.libp2p.getMultiaddrs().map(String), dhtProtocol: LAN, listen: [] })
    expect(digestOf(await all(reader.contentRouting.retrieveContent(root, { signal: signal() })))).toBe(digestOf(seededBytes(SIZE, 23)))
  })

  it('Kubo answers over HTTP for the DHT that it is in: no DHT is needed here', async () => {
    const root = await network[1].add(seededBytes(SIZE, 24))
    await network[1].ipfs('routing', 'provide', root.toString())
    const us = await own({ routers: [network[2].gatewayUrl], listen: [] })

    expect(us.discovery).toBeUndefined()
    expect(digestOf(await all(us.contentRouting.retrieveContent(root, { signal: signal() })))).toBe(digestOf(seededBytes(SIZE, 24)))
    expect(us.contentRouting.stats().routers?.[0]).toMatchObject({ requests: 1, records: 1 })
    expect(String(us.contentRouting.explain(root))).toContain(network[1].peerId)
  })

  it('of an answer that is longer than is read, what was read is used', async () => {
    const digest = await sha256.digest(new TextEncoder().encode('popular'))
    const cid = CID.createV1(0x55, digest)
    const popular: Array<Awaited<ReturnType<typeof createLibp2p>>> = []
    const nobody = 'x'.repeat(63)
    try {
      for (let i = 0; i < 60; i++) {
        const peer = await createLibp2p({ transports: [tcp()], connectionEncrypters: [noise()], streamMuxers: [yamux()] })
        popular.push(peer)
        const connection = await peer.dial(multiaddr(bootstrap[0] ?? ''), { signal: signal() })
        const stream = await connection.newStream(LAN, { signal: signal() })
        // nobody looks these up: no block is asked for here
        const addresses = Array.from({ length: 60 }, (_, n) => `/dns4/${nobody}.${nobody}.${n}.${i}.invalid/tcp/4001`)
        stream.send(encodeRequest({ type: 'ADD_PROVIDER', key: digest.bytes, provider: encodeProvider({ id: peer.peerId.toString(), addresses }) }))
        await stream.close()
      }
      const asker = popular[0]!
      const ask = async (): Promise<number> => lengthOf(await asker.getConnections()[0]!.newStream(LAN, { signal: signal() }), encodeRequest({ type: 'GET_PROVIDERS', key: digest.bytes }))
      await vi.waitFor(async () => { expect(await ask()).toBeGreaterThan(1.2 * MAX_READ) }, TIME)

      const us = await own({ bootstrap, dhtProtocol: LAN, listen: [] })
      const found = await all(us.discovery!.source.find({ cid, key: blockKey(cid) }, recordedRequest().request))
      const ids = new Set(popular.map(({ peerId }) => `p2p:${peerId}`))
      expect(found.filter(({ id }) => ids.has(id)).length).toBeGreaterThanOrEqual(20)
    } finally {
      await Promise.all(popular.map(async peer => { await peer.stop() }))
    }
  })
})

/** Bytes that come back */
async function lengthOf (stream: Stream, question: Uint8Array): Promise<number> {
  let bytes = 0
  const ended = Promise.withResolvers<void>()
  stream.addEventListener('message', ({ data }) => { bytes += data.byteLength })
  stream.addEventListener('remoteCloseWrite', () => { ended.resolve() })
  stream.addEventListener('close', () => { ended.resolve() })
  stream.send(question)
  await stream.close()
  await ended.promise
  return bytes
}
