import { mkdtemp, readFile, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { decode } from '@ipld/dag-cbor'
import { multiaddr } from '@multiformats/multiaddr'
import { CID } from 'multiformats/cid'
import { afterAll, afterEach, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest'
import { bitswapSpy } from '../../bench/exchange/bitswap-spy.ts'
import { getFilesystem } from '../../src/index.ts'
import { ownNode } from './own-node.ts'
import { requireKubo } from './require-kubo.ts'
import { carOf, cborGraph, digestOf, directoryEntries, readCar, seededBytes } from './sample-data.ts'
import type { KuboDaemon } from './kubo/daemon.ts'
import type { CborGraph } from './sample-data.ts'
import type { Portolan, PortolanInit } from '../../src/portolan.ts'

const kubos = await requireKubo()
const MIB = 1024 * 1024
const SIZE = 64 * MIB
/** Everything here is done within seconds on an idle machine */
const TIME = 120_000

const nodes: Portolan[] = []

async function own (init: PortolanInit = {}): Promise<Portolan> {
  const node = await ownNode(init)
  nodes.push(node)
  return node
}

async function all<T> (source: AsyncIterable<T>): Promise<T[]> {
  const items: T[] = []
  for await (const item of source) {
    items.push(item)
  }
  return items
}

function signal (): AbortSignal {
  return AbortSignal.timeout(TIME)
}

/** Our own address for TCP, or WebSockets */
function addressOf (node: Portolan, ws = false): string {
  return node.libp2p.getMultiaddrs().map(String).find(address => address.includes('/ws/') === ws) ?? ''
}

/** Bytes of answers that came over bitswap, also of those that were not needed */
function received (node: Portolan): number {
  return node.contentRouting.stats().exchange?.received.bitswap ?? NaN
}

describe.skipIf(kubos == null)('Kubo and we', () => {
  const entries = [...directoryEntries()]
  const named = entries[4321] as (typeof entries)[number]
  const digest = digestOf(seededBytes(SIZE, 7))
  let server: KuboDaemon
  let us: Portolan
  let file: CID
  let directory: CID
  let graph: CborGraph

  beforeAll(async () => {
    [server, us, graph] = await Promise.all([kubos!.start({ security: 'tls' }), ownNode(), cborGraph()])
    file = await server.add(seededBytes(SIZE, 7))
    directory = await server.addDirectory(entries)
    await server.dagImport(carOf(graph.root, graph.blocks))
  })

  afterEach(async () => {
    await Promise.all(nodes.splice(0).map(async node => { await node.stop() }))
  })

  afterAll(async () => {
    await us?.stop()
    await kubos?.stop()
  })

  // in this order: what we read from Kubo here is what another Kubo reads from us below
  describe('we read from Kubo', () => {
    it('a file of 64 MiB, each block once', async () => {
      const pieces = await all(getFilesystem(us.helia).cat(file, { providers: [multiaddr(server.multiaddrs[0])], signal: signal() }))
      expect(digestOf(pieces)).toBe(digest)
      expect(received(us)).toBeGreaterThanOrEqual(SIZE)
      expect(received(us)).toBeLessThan(SIZE * 1.01)
      expect(digestOf(await all(getFilesystem(us.helia).cat(file, { offline: true })))).toBe(digest)
    })

    it('a HAMT directory with 5 000 entries, and all of them', async () => {
      const providers = [multiaddr(server.multiaddrs[0])]
      const files = getFilesystem(us.helia)
      const found = await all(files.ls(directory, { providers, signal: signal() } as never))
      expect(found.map(({ name }) => name).sort()).toEqual(entries.map(({ path }) => path).sort())
      expect(Buffer.concat(await all(files.cat(directory, { path: named.path, providers, signal: signal() })))).toEqual(named.content)

      const read = new Map<string, Uint8Array>()
      for (let from = 0; from < found.length; from += 100) {
        await Promise.all(found.slice(from, from + 100).map(async ({ name, cid }) => {
          read.set(name, Buffer.concat(await all(files.cat(cid, { providers, signal: signal() }))))
        }))
      }
      expect(entries.filter(({ path, content }) => !read.get(path)?.every((byte, i) => byte === content[i])).map(({ path }) => path)).toEqual([])
    })

    it('a dag-cbor graph, by its links', async () => {
      const session = us.contentRouting.createSession(graph.root, { providers: [server.multiaddrs[0] ?? ''], signal: signal() })
      const seen = new Map<string, Uint8Array>()
      const walk = async (cid: CID): Promise<void> => {
        if (!seen.has(cid.toString())) {
          seen.set(cid.toString(), new Uint8Array())
          const bytes = await session.retrieve(cid)
          seen.set(cid.toString(), bytes)
          await Promise.all((decode<{ links: CID[] }>(bytes).links).map(walk))
        }
      }
      await walk(graph.root)
      session.close()
      expect([...seen].sort()).toEqual(graph.blocks.map(({ cid, bytes }) => [cid.toString(), new Uint8Array(bytes)]).sort())
    })

    it('over Noise and over WebSockets', async () => {
      for (const init of [{ security: 'noise' }, { listen: ['ws'] }] as const) {
        const kubo = await kubos!.start(init)
        const node = await own()
        const cid = await kubo.add(seededBytes(3 * MIB, 8))
        const pieces = await all(node.contentRouting.retrieveContent(cid, { providers: kubo.multiaddrs, signal: signal() }))
        expect(digestOf(pieces)).toBe(digestOf(seededBytes(3 * MIB, 8)))
        expect(node.libp2p.getConnections().map(({ remoteAddr, encryption }) => [String(remoteAddr).includes('/ws'), encryption])).toEqual(['listen' in init ? [true, '/tls/1.0.0'] : [false, '/noise']])
        await kubo.stop()
      }
    })

    it('what it does not have is said at once, and it is told that we no longer want it', async () => {
      const nobody = CID.parse('bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku')
      const wanted = async (peer: string): Promise<string[]> => {
        const { Keys } = JSON.parse(await server.rpc.text('bitswap/wantlist', { peer })) as { Keys: Array<{ '/': string }> | null }
        return (Keys ?? []).map(key => key['/'])
      }
      // one who does not take it back, to see that Kubo remembers what it does not have
      const other = await bitswapSpy()
      onTestFinished(async () => { await other.stop() })
      await other.libp2p.dial(multiaddr(server.multiaddrs[0]), { signal: signal() })
      await other.say({ wants: [{ cid: nobody, type: 'block', priority: 1, sendDontHave: true }] })
      await vi.waitFor(async () => { expect(await wanted(other.peer)).toEqual([nobody.toString()]) }, TIME)

      const node = await own()
      await expect(node.contentRouting.retrieve(nobody, { providers: server.multiaddrs, signal: signal() })).rejects.toMatchObject({ name: 'NotFoundError' })
      const { outcomes, exchange } = node.contentRouting.stats()
      expect(outcomes['not-here']).toBe(1)
      expect(exchange?.bitswap?.wants).toBe(1)
      await vi.waitFor(async () => { expect(await wanted(node.libp2p.peerId.toString())).toEqual([]) }, TIME)
      expect(node.contentRouting.stats().exchange?.bitswap?.cancels).toBe(1)
      // it is still connected: that is not why nothing is wanted any more
      expect(node.libp2p.getConnections().map(({ remotePeer, status }) => `${status} ${remotePeer}`)).toEqual([`open ${server.peerId}`])
      expect(await wanted(other.peer)).toEqual([nobody.toString()])
    })
  })

  describe('Kubo reads from us', () => {
    let client: KuboDaemon

    beforeAll(async () => {
      client = await kubos!.start({ security: 'tls' })
      await client.connect(addressOf(us))
      expect(await client.peers()).toEqual([expect.objectContaining({ peer: us.libp2p.peerId.toString() })])
    })

    it('a file of 64 MiB, with cat and with get', async () => {
      expect(digestOf(await all(client.cat(file)))).toBe(digest)
      await client.clear()
      const folder = await mkdtemp(join(tmpdir(), 'portolan-get-'))
      try {
        await client.ipfs('get', '-o', join(folder, 'file'), file.toString())
        expect(digestOf([await readFile(join(folder, 'file'))])).toBe(digest)
      } finally {
        await rm(folder, { recursive: true })
      }
    })

    it('a HAMT directory with 5 000 entries', async () => {
      expect((await client.ls(directory)).sort()).toEqual(entries.map(({ path }) => path).sort())
      expect(Buffer.concat(await all(client.cat(`${directory}/${named.path}`)))).toEqual(named.content)
    })

    it('a HAMT directory with 5 000 entries, with get', async () => {
      // Kubo asks for one file after the other, 20 ms each from whomever: so that is seconds, they are 50 different ones
      const repeated = entries.map(({ path }, i) => ({ path, content: (entries[i % 50] as typeof named).content }))
      const sharded = await server.addDirectory(repeated)
      const files = getFilesystem(us.helia)
      const providers = [multiaddr(server.multiaddrs[0])]
      const cids = new Map((await all(files.ls(sharded, { providers, signal: signal() } as never))).map(({ cid }) => [cid.toString(), cid]))
      expect(cids.size).toBe(50)
      for (const cid of cids.values()) {
        await all(files.cat(cid, { providers, signal: signal() }))
      }

      await client.clear()
      const folder = await mkdtemp(join(tmpdir(), 'portolan-get-'))
      try {
        await client.ipfs('get', '-o', join(folder, 'directory'), sharded.toString())
        expect((await readdir(join(folder, 'directory'))).sort()).toEqual(repeated.map(({ path }) => path).sort())
        for (const { path, content } of repeated) {
          expect((await readFile(join(folder, 'directory', path))).equals(content), path).toBe(true)
        }
      } finally {
        await rm(folder, { recursive: true })
      }
    })

    it('a dag-cbor graph, exported', async () => {
      const exported = readCar(Buffer.concat(await all(client.dagExport(graph.root))))
      expect(exported.map(({ cid }) => cid.toString()).sort()).toEqual(graph.blocks.map(({ cid }) => cid.toString()).sort())
    })

    it('over WebSockets', async () => {
      const kubo = await kubos!.start({ listen: ['ws'] })
      await kubo.connect(addressOf(us, true))
      const [piece] = await all(kubo.cat(file, { length: 1_000 }))
      expect(piece).toEqual([...seededBytes(1_000, 7)][0])
      await kubo.stop()
    })

    it('nothing where nobody is served', async () => {
      const silent = await own({ serve: 'none' })
      const cid = await getFilesystem(silent.helia).addBytes(Buffer.from('for nobody'))
      const kubo = await kubos!.start()
      await kubo.connect(addressOf(silent))
      await expect(all(kubo.cat(cid, { timeout: 2_000 }))).rejects.toMatchObject({ name: 'TimeoutError' })
      expect(silent.contentRouting.stats().exchange?.bitswap?.serving).toMatchObject({ blocks: 0, haves: 0 })
      await kubo.stop()
    })
  })

  it('of three providers one is killed in the middle: the file is right, and hardly anything came twice', async () => {
    const providers = [server, ...await Promise.all([kubos!.start(), kubos!.start()])]
    for (const kubo of providers.slice(1)) {
      await kubo.add(seededBytes(SIZE, 7))
    }
    const node = await own()
    const pieces: Uint8Array[] = []
    let read = 0
    let killed: KuboDaemon | undefined

    for await (const piece of getFilesystem(node.helia).cat(file, { providers: providers.map(({ multiaddrs }) => multiaddr(multiaddrs[0])), signal: signal() })) {
      pieces.push(piece)
      read += piece.byteLength

      if (read >= SIZE / 4 && killed == null) {
        // the one that does the most
        const delivered = (kubo: KuboDaemon): number => node.contentRouting.stats().providers.find(({ id }) => id === `p2p:${kubo.peerId}`)?.delivered ?? 0
        killed = providers.toSorted((a, b) => delivered(b) - delivered(a))[0] as KuboDaemon
        expect(delivered(killed)).toBeGreaterThan(0)
        await killed.kill()
      }
    }

    expect(killed).toBeDefined()
    expect(digestOf(pieces)).toBe(digest)
    // what was on its way from the killed one: a window at most
    expect(received(node)).toBeLessThan(SIZE + 16 * MIB)
  })
})
