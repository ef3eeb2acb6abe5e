import { Agent, request as httpRequest } from 'node:http'
import { connect } from 'node:net'
import { MemoryBlockstore } from 'blockstore-core'
import { CID } from 'multiformats/cid'
import * as raw from 'multiformats/codecs/raw'
import { sha256 } from 'multiformats/hashes/sha2'
import { expect, it, vi } from 'vitest'
import { parseCID } from '../../src/block/cid.ts'
import { systemClock } from '../../src/clock/system-clock.ts'
import { Gateway } from '../../src/gateway/gateway.ts'
import { readWindow } from '../../src/gateway/ipfs-handler.ts'
import { fileNode } from '../../src/gateway/welcome/dag.ts'
import { RetrievalTimeoutError } from '../../src/interface/errors.ts'
import { StoreRouting, ask, quietLogger, startGateway } from './fixture.ts'
import type { Files } from '../../src/gateway/components.ts'
import type { GatewayInit } from '../../src/gateway/gateway.ts'
import type { Socket } from 'node:net'

const cid = CID.createV1(raw.code, await sha256.digest(new Uint8Array([9])))
const CHUNK = 1_048_576
const GIGABYTE = 1_073_741_824

/** A gateway over one endless-looking file, which counts what is taken of it */
async function fileGateway (read: Files['read'], size: number, init: GatewayInit = {}): Promise<{ port: number, url: string } & AsyncDisposable> {
  const files: Files = { resolve: async () => ({ cid, type: 'file', size }), async * list () {}, read }
  const gateway = new Gateway({
    contentRouting: new StoreRouting(), files, parseCID, clock: systemClock, logger: quietLogger, store: new MemoryBlockstore() as never
  }, { port: 0, ...init })
  return { ...await gateway.start(), [Symbol.asyncDispose]: () => gateway.stop() }
}

function get (port: number, path = `/ipfs/${cid}?filename=a.bin.pdf`): Socket {
  const socket = connect(port, '127.0.0.1')
  socket.on('error', () => { /* a cut connection is what these tests are about; 'close' follows */ })
  socket.write(`GET ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`)
  return socket
}

async function closed (socket: Socket): Promise<string> {
  const chunks: Buffer[] = []
  socket.on('data', chunk => { chunks.push(chunk) })
  await new Promise(resolve => { socket.once('close', resolve) })
  return Buffer.concat(chunks).toString('latin1')
}

it('a client that reads nothing makes nobody read ahead, and is cut off', async () => {
  let taken = 0
  let ended = false
  await using gateway = await fileGateway(async function * () {
    try {
      for (; taken < GIGABYTE / CHUNK; taken++) {
        yield new Uint8Array(CHUNK)
      }
    } finally {
      ended = true
    }
  }, GIGABYTE, { stallTimeout: 300 })

  const socket = get(gateway.port)
  socket.pause()
  await vi.waitFor(() => { expect(ended).toBe(true) }, { timeout: 20_000 })
  // what the kernel's socket buffers took, a few MB at most, and one chunk
  expect(taken).toBeLessThan(16)
  socket.destroy()
})

it('what is read ahead is shared between those who read', async () => {
  const windows: Array<number | undefined> = []
  const held = Promise.withResolvers<void>()
  await using gateway = await fileGateway(async function * (_cid, _load, { window }) {
    windows.push(window)
    await held.promise
    yield new Uint8Array(10)
  }, 10, { readAhead: 6_000_000 })

  const first = ask(gateway.url, `/ipfs/${cid}?filename=a.pdf`)
  await vi.waitFor(() => { expect(windows).toEqual([4_194_304]) })
  const more = [ask(gateway.url, `/ipfs/${cid}?filename=a.pdf`), ask(gateway.url, `/ipfs/${cid}?filename=a.pdf`)]
  await vi.waitFor(() => { expect(windows).toHaveLength(3) })
  expect(windows.at(-1)).toBe(2_000_000)
  held.resolve()
  await Promise.all([first, ...more])
  expect([readWindow(1000, 5000), readWindow(1e9, 0)]).toEqual([1, 4_194_304])
})

it('a client that leaves aborts the read at once', async () => {
  let aborted: (() => void) | undefined
  const seen = new Promise<void>(resolve => { aborted = resolve })
  await using gateway = await fileGateway(async function * (_cid, _load, { signal }) {
    yield new Uint8Array(10)
    await new Promise((_resolve, reject) => {
      signal?.addEventListener('abort', () => {
        aborted?.()
        reject(signal.reason as Error)
      })
    })
  }, 20)

  const socket = get(gateway.port)
  await new Promise(resolve => { socket.once('data', resolve) })
  socket.destroy()
  await seen
})

it.each([
  ['ends early', async function * () { yield new Uint8Array(1) }],
  ['goes on after its end', async function * () { yield new Uint8Array(7) }],
  ['breaks', async function * () { throw new Error('the provider is gone') }]
])('content that %s breaks the connection: Content-Length does not lie', async (_what, rest: () => AsyncGenerator<Uint8Array>) => {
  const arrived = Promise.withResolvers<void>()
  await using gateway = await fileGateway(async function * () {
    yield new Uint8Array(4)
    // so that the head and these bytes are on the wire for sure
    await arrived.promise
    yield * rest()
  }, 10)
  const socket = get(gateway.port)
  socket.once('data', () => { arrived.resolve() })
  const answer = await closed(socket)

  expect(answer).toMatch(/^HTTP\/1\.1 200[^]*Content-Length: 10\r\n/i)
  expect(answer.slice(answer.indexOf('\r\n\r\n') + 4).length).toBeLessThan(10)
  expect(answer).not.toContain('the provider is gone')
})

it('nonsense after a request is not answered in the middle of its answer', async () => {
  await using gateway = await fileGateway(async function * (_cid, _load, { signal }) {
    yield new Uint8Array(4)
    await new Promise((_resolve, reject) => { signal?.addEventListener('abort', () => { reject(signal.reason as Error) }) })
  }, 10)
  const socket = get(gateway.port)
  socket.once('data', () => { socket.write('nonsense\r\n\r\n') })
  const answer = await closed(socket)
  expect(answer).toMatch(/^HTTP\/1\.1 200/)
  expect(answer).not.toContain(' 400 ')
})

it('content that breaks before its first byte is an answer of its own', async () => {
  await using gateway = await fileGateway(async function * () {
    throw new RetrievalTimeoutError([], 'Gave up on the first leaf')
  }, 10)
  const answer = await ask(gateway.url, `/ipfs/${cid}?filename=a.pdf`)
  expect([answer.status, answer.text]).toEqual([504, '504 Gave up on the first leaf\n'])
})

it('a session is closed and its reads are aborted when the client leaves before an answer', async () => {
  await using test = await startGateway()
  const held = Promise.withResolvers<void>()
  test.routing.hold = () => held.promise
  const socket = get(test.port)
  await vi.waitFor(() => { expect(test.routing.asked).toHaveLength(1) })
  socket.destroy()
  await vi.waitFor(() => { expect([test.routing.aborted, test.routing.open]).toEqual([1, 0]) })
  await vi.waitFor(() => { expect(test.metrics.toString()).toContain('portolan_gateway_requests_total{status="499"} 1') })
})

it('answers 503 with Retry-After when too many ask at once, and recovers', async () => {
  await using test = await startGateway({ maxRequests: 2 })
  const { cid: small } = await fileNode('small')
  await test.routing.store.put(small, new TextEncoder().encode('small'))
  const held = Promise.withResolvers<void>()
  test.routing.hold = () => held.promise

  const waiting = [ask(test.url, `/ipfs/${small}`), ask(test.url, `/ipfs/${small}`)]
  await vi.waitFor(() => { expect(test.gateway.active).toBe(2) })
  const refused = await ask(test.url, '/live')
  expect([refused.status, refused.headers['retry-after']]).toEqual([503, '1'])

  held.resolve()
  expect((await Promise.all(waiting)).map(({ status }) => status)).toEqual([200, 200])
  await vi.waitFor(async () => { expect((await ask(test.url, '/live')).status).toBe(200) })
})

it('stop lets an answer under way end, and cuts off one that does not', async () => {
  const test = await startGateway()
  const held = Promise.withResolvers<void>()
  test.routing.hold = () => held.promise
  const first = ask(test.url, `/ipfs/${cid}`)
  await vi.waitFor(() => { expect(test.routing.asked).toHaveLength(1) })
  const stopped = test.gateway.stop()
  held.resolve()
  expect((await first).status).toBe(404)
  await stopped

  const other = await startGateway()
  other.routing.hold = () => new Promise(() => {})
  const stalled = ask(other.url, `/ipfs/${cid}`)
  await vi.waitFor(() => { expect(other.routing.asked).toHaveLength(1) })
  await other.gateway.stop()
  expect((await stalled).status).toBe(503)
  await expect(ask(other.url, '/live')).rejects.toThrow(/ECONNREFUSED/)
})

it('start and stop are idempotent, stop before start is harmless, and a stopped gateway starts again', async () => {
  const { gateway } = await startGateway()
  const first = await gateway.start()
  expect(await gateway.start()).toEqual(first)
  await gateway.stop()
  await gateway.stop()
  const { url } = await gateway.start()
  expect((await ask(url, '/')).status).toBe(200)
  await gateway.stop()
})

it('a taken port is a named error that says which flag chooses another', async () => {
  await using test = await startGateway()
  await expect(startGateway({ port: test.port })).rejects.toMatchObject({ name: 'ListenError', message: expect.stringMatching(new RegExp(`port ${test.port} on 127\\.0\\.0\\.1 is taken.*--port`)) })
})

it('1 000 keep-alive clients at once all get the file, twice', async () => {
  await using test = await startGateway()
  const node = await fileNode('a small file\n')
  await test.routing.store.put(node.cid, node.blocks[0]?.bytes ?? new Uint8Array())

  const ask = (agent: Agent): Promise<string> => new Promise((resolve, reject) => {
    httpRequest({ host: '127.0.0.1', port: test.port, path: `/ipfs/${node.cid}`, agent }, response => {
      let text = ''
      response.setEncoding('utf8')
      response.on('data', chunk => { text += chunk as string })
      response.on('end', () => { resolve(`${response.statusCode} ${text}`) })
      response.on('error', reject)
    }).on('error', reject).end()
  })
  const client = async (): Promise<string[]> => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 })
    try {
      return [await ask(agent), await ask(agent)]
    } finally {
      agent.destroy()
    }
  }
  const answers = (await Promise.all(Array.from({ length: 1000 }, client))).flat()
  expect(answers).toHaveLength(2000)
  expect(new Set(answers)).toEqual(new Set(['200 a small file\n']))
})
