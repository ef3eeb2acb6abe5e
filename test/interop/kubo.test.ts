import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { decode } from '@ipld/dag-cbor'
import { CID } from 'multiformats/cid'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { carOf, cborGraph, digestOf, directoryEntries, readCar, seededBytes } from './sample-data.ts'
import { buildKubo } from './kubo/build.ts'
import { requireKubo } from './require-kubo.ts'
import { foreignSockets } from './sockets.ts'
import type { KuboDaemon } from './kubo/daemon.ts'
import type { AddressInfo } from 'node:net'

const kubos = await requireKubo()
const MIB = 1024 * 1024

async function all<T> (source: AsyncIterable<T>): Promise<T[]> {
  const items: T[] = []
  for await (const item of source) {
    items.push(item)
  }
  return items
}

describe.skipIf(kubos == null)('two Kubos', () => {
  let server: KuboDaemon
  let client: KuboDaemon

  beforeAll(async () => {
    [server, client] = await Promise.all([kubos!.start({ security: 'tls' }), kubos!.start({ security: 'tls', listen: ['tcp', 'ws', 'quic'] })])
    await client.connect(server.multiaddrs[0] ?? '')
  })

  afterAll(async () => { await kubos?.stop() })

  it('listen on loopback and know each other alone', async () => {
    expect(server.multiaddrs).toEqual([expect.stringMatching(/^\/ip4\/127\.0\.0\.1\/tcp\/\d+\/p2p\//)])
    expect(client.multiaddrs.map(address => address.replace(/\/(tcp|udp)\/\d+/, '/$1/N').replace(/\/p2p\/.*/, '')).sort()).toEqual([
      '/ip4/127.0.0.1/tcp/N', '/ip4/127.0.0.1/tcp/N/ws', '/ip4/127.0.0.1/udp/N/quic-v1'
    ])
    expect(await client.peers()).toEqual([expect.objectContaining({ peer: server.peerId })])
    expect(await server.peers()).toEqual([expect.objectContaining({ peer: client.peerId })])
    expect(new URL(server.apiUrl).hostname).toBe('127.0.0.1')
    expect(new URL(server.gatewayUrl).hostname).toBe('127.0.0.1')
  })

  it.skipIf(process.platform !== 'linux')('hold no socket that leaves loopback', async () => {
    const sockets = await Promise.all([server, client].map(async ({ pid }) => await foreignSockets(pid)))
    expect(sockets.map(({ foreign }) => foreign)).toEqual([[], []])
    // the listeners for the API, the gateway and peers at least
    expect(Math.min(...sockets.map(({ total }) => total))).toBeGreaterThanOrEqual(3)
  })

  it('ask no server for anything: a proxy, which they would have to use, hears nothing', async () => {
    const heard: string[] = []
    const proxy = createServer(socket => {
      socket.once('data', bytes => { heard.push(bytes.toString('latin1').split('\r\n')[0] ?? '') })
      socket.on('error', err => { heard.push(err.message) })
    }).listen(0, '127.0.0.1')
    await once(proxy, 'listening')
    const url = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`
    try {
      const kubo = await kubos!.start({ env: { HTTP_PROXY: url, HTTPS_PROXY: url } })
      await kubo.connect(server.multiaddrs[0] ?? '')
      await kubo.stop()
      expect(heard).toEqual([])
    } finally {
      proxy.close()
    }
  })

  it('read a file of 64 MiB from each other, and empty their store', async () => {
    const cid = await server.add(seededBytes(64 * MIB, 7), { chunkSize: MIB })
    const empty = (await client.blocks()).length
    expect(digestOf(await all(client.cat(cid)))).toBe(digestOf(seededBytes(64 * MIB, 7)))
    expect(digestOf(await all(client.cat(cid, { offline: true })))).toBe(digestOf(seededBytes(64 * MIB, 7)))
    // 64 leaves and a root
    expect((await client.blocks()).length).toBe(empty + 65)
    expect(await client.clear()).toBe(empty)
    expect(await client.blockSize(cid)).toBeUndefined()
    await expect(all(client.cat(cid, { offline: true }))).rejects.toMatchObject({ name: 'KuboRpcError', message: expect.stringContaining('not found') as string })
    expect(await server.blockSize(cid)).toBeGreaterThan(0)

    const directory = await mkdtemp(join(tmpdir(), 'portolan-get-'))
    try {
      await client.ipfs('get', '-o', join(directory, 'file'), cid.toString())
      expect((await stat(join(directory, 'file'))).size).toBe(64 * MIB)
      expect(digestOf([await readFile(join(directory, 'file'))])).toBe(digestOf(seededBytes(64 * MIB, 7)))
    } finally {
      await rm(directory, { recursive: true })
    }
  })

  it('read a HAMT directory with 5 000 entries from each other', async () => {
    const entries = [...directoryEntries()]
    const root = await server.addDirectory(entries)
    expect((await client.ls(root)).sort()).toEqual(entries.map(({ path }) => path).sort())
    const { path, content } = entries[4321]!
    expect(Buffer.concat(await all(client.cat(`${root}/${path}`)))).toEqual(content)
    // a HAMT, not one large node
    expect(await server.blockSize(root)).toBeLessThan(100_000)
  })

  it('export a dag-cbor graph from each other', async () => {
    const { root, blocks } = await cborGraph()
    expect(await server.dagImport(carOf(root, blocks))).toBe(blocks.length)
    const exported = readCar(Buffer.concat(await all(client.dagExport(root))))
    expect(exported.map(({ cid }) => cid.toString()).sort()).toEqual(blocks.map(({ cid }) => cid.toString()).sort())
    expect(exported[0]?.cid).toEqual(root)
    expect(decode(exported[0]?.bytes ?? new Uint8Array())).toMatchObject({ index: 0, level: 3 })
    expect(await client.dagPut(blocks[0]!.bytes)).toEqual(blocks[0]!.cid)
  })

  it('say what went wrong', async () => {
    const nobody = CID.parse('bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku')
    await expect(client.connect('/ip4/127.0.0.1/tcp/1/p2p/12D3KooWLQzUv2FHWGVPXTXSZpdHs7oHbXub2G5WC8Tx4NQhyd2d')).rejects.toMatchObject({ name: 'KuboRpcError', message: expect.stringContaining('swarm/connect') })
    await expect(all(client.cat(nobody, { timeout: 500 }))).rejects.toMatchObject({ name: 'TimeoutError' })
    await expect(all(client.cat(nobody, { signal: AbortSignal.abort(new Error('enough')) }))).rejects.toThrow('enough')
    await expect(client.dagImport([Buffer.from('no CAR')])).rejects.toMatchObject({ name: 'KuboRpcError' })
  })

  it('use the security that they are told to', async () => {
    const noisy = await kubos!.start({ security: 'noise' })
    await expect(noisy.connect(server.multiaddrs[0] ?? '')).rejects.toThrow(/security protocol/)
    const both = await kubos!.start()
    await both.connect(noisy.multiaddrs[0] ?? '')
    await both.connect(server.multiaddrs[0] ?? '')
    expect(await both.peers()).toHaveLength(2)
  })

  it('leave nothing behind', async () => {
    const { pid, repo, stop } = await kubos!.start()
    await Promise.all([stop(), stop()])
    expect(() => process.kill(pid, 0)).toThrow(/ESRCH/)
    expect(existsSync(repo)).toBe(false)

    const killed = await kubos!.start()
    await killed.kill()
    expect(() => process.kill(killed.pid, 0)).toThrow(/ESRCH/)
    await killed.stop()
    expect(existsSync(killed.repo)).toBe(false)
  })

  it('do not outlive the process that started them, however it ends', async () => {
    const script = `
      const { startKubo } = await import(${JSON.stringify(new URL('./kubo/daemon.ts', import.meta.url).href)})
      const { pid, repo } = await startKubo({ binary: ${JSON.stringify(kubos!.binary)} })
      console.log(JSON.stringify({ pid, repo }))
      setInterval(() => {}, 1000)`
    const parent = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: ['ignore', 'pipe', 'inherit'] })
    const [line] = await once(parent.stdout, 'data') as [Buffer]
    const { pid, repo } = JSON.parse(line.toString()) as { pid: number, repo: string }
    expect(process.kill(pid, 0)).toBe(true)

    parent.kill('SIGKILL')
    await vi.waitFor(() => {
      expect(() => process.kill(pid, 0)).toThrow(/ESRCH/)
      expect(existsSync(repo)).toBe(false)
    }, { timeout: 30_000 })
  })
})

describe.skipIf(process.platform !== 'linux')('the look at sockets itself', () => {
  it.each([['127.0.0.1', 0], ['::1', 0], ['::ffff:127.0.0.1', 0], ['0.0.0.0', 1], ['::', 1]])('tells whether %s is loopback', async (host, count) => {
    const before = await foreignSockets(process.pid)
    const listener = createServer().listen(0, host)
    await once(listener, 'listening')
    const after = await foreignSockets(process.pid)
    listener.close()
    expect(after.total - before.total).toBe(1)
    expect(after.foreign.length - before.foreign.length).toBe(count)
  })
})

describe('a machine that cannot build Kubo', () => {
  it.each([
    ['has no Go', join(tmpdir(), 'no-such-go'), /ENOENT/],
    ['has a Go that fails', 'false', /could not be built/]
  ])('is told why and skips, or fails in CI: it %s', async (_, go, reason) => {
    const cache = await mkdtemp(join(tmpdir(), 'portolan-cache-'))
    try {
      expect(await buildKubo({ go, cache })).toEqual({ reason: expect.stringMatching(reason) as string })

      const said: string[] = []
      expect(await requireKubo({ go, cache, ci: false, log: line => { said.push(line) } })).toBeUndefined()
      expect(said.at(-1)).toMatch(reason)
      await expect(requireKubo({ go, cache, ci: true, log: line => { said.push(line) } })).rejects.toThrow(reason)
    } finally {
      await rm(cache, { recursive: true })
    }
  })
})
