import { createServer } from 'node:http'
import { encode as encodeCbor } from '@ipld/dag-cbor'
import all from 'it-all'
import { varint } from 'multiformats'
import { concat } from 'uint8arrays/concat'
import { afterEach, describe, expect, it } from 'vitest'
import { httpBlockFetcher } from '../../../src/exchange/http/http-fetcher.ts'
import { undiciTransport } from '../../../src/exchange/http/undici-egress.ts'
import { addressPolicy } from '../../../src/provider/address.ts'
import { VirtualClock } from '../../../src/testing/virtual-clock.ts'
import { attempt, routeTo, want } from './attempt.ts'
import type { FetchError } from '../../../src/interface/errors.ts'
import type { Block, DagWant } from '../../../src/interface/fetcher.ts'
import type { Recorded } from './attempt.ts'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

const contents = [new Uint8Array([1, 2, 3]), new Uint8Array(100_000).fill(7), new Uint8Array([9])]
const wants = await Promise.all(contents.map(async bytes => want(bytes)))
const blocks = wants.map(({ cid }, i) => ({ cid, bytes: contents[i] as Uint8Array }))
const root = wants[0] as typeof wants[number]

function section (bytes: Uint8Array): Uint8Array {
  return concat([varint.encodeTo(bytes.byteLength, new Uint8Array(varint.encodingLength(bytes.byteLength))), bytes])
}

const head = section(encodeCbor({ version: 1, roots: [root.cid] }))
const sections = blocks.map(({ cid, bytes }) => section(concat([cid.bytes, bytes])))
const car = concat([head, ...sections])

const closing: Array<() => Promise<void>> = []

afterEach(async () => {
  await Promise.all(closing.splice(0).map(async close => close()))
})

async function serve (handler: (req: IncomingMessage, res: ServerResponse) => void): Promise<string> {
  const server = createServer(handler)
  server.listen(0, '127.0.0.1')
  await new Promise(resolve => server.once('listening', resolve))
  closing.push(async () => {
    server.closeAllConnections()
    await new Promise(resolve => server.close(resolve))
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

function sendCar (res: ServerResponse, bytes = car): void {
  res.writeHead(200, { 'content-type': 'application/vnd.ipld.car; version=1; order=dfs; dups=n' }).end(bytes)
}

function fetcher (clock = new VirtualClock()): ReturnType<typeof httpBlockFetcher> {
  const policy = addressPolicy({ allow: ['127.0.0.1'] })
  const made = httpBlockFetcher({ transport: undiciTransport({ policy }), policy, clock })
  closing.push(async () => made.stop())
  return made
}

const dag: DagWant = { cid: root.cid, key: root.key, scope: 'entity', maxBytes: 2_097_152 }

async function stream (url: string, made = fetcher(), recorded: Recorded = attempt(), what: DagWant = dag): Promise<Block[]> {
  if (made.stream == null) {
    throw new Error('streams nothing')
  }
  return all(made.stream(what, routeTo(url), recorded))
}

async function failure (url: string, made = fetcher()): Promise<FetchError> {
  return stream(url, made).then(() => { throw new Error('delivered a stream') }, (err: FetchError) => err)
}

describe('stream', () => {
  it('brings the blocks of a DAG in one answer, and discloses the root once', async () => {
    const asked: Array<[string | undefined, string | undefined]> = []
    const url = await serve((req, res) => {
      asked.push([req.url, req.headers.accept])
      sendCar(res)
    })
    const recorded = attempt()
    const got = await stream(url, fetcher(), recorded)

    expect(got.map(({ cid }) => cid.toString())).toEqual(wants.map(({ cid }) => cid.toString()))
    expect(got.map(({ bytes }) => bytes)).toEqual(contents)
    expect(asked).toEqual([[
      `/ipfs/${root.cid.toString()}?format=car&car-version=1&car-order=dfs&car-dups=n&dag-scope=entity`,
      'application/vnd.ipld.car; version=1; order=dfs; dups=n'
    ]])
    expect(recorded.states).toEqual(['sent'])
    expect(recorded.events.slice(0, 2)).toEqual(['connected', 'first-byte'])
    expect(recorded.events.reduce<number>((sum, event) => sum + (typeof event === 'number' ? event : 0), 0)).toBe(car.byteLength)
  })

  it.each([
    [{ from: 10, to: 20 }, 'entity-bytes=10%3A20'],
    [{ from: 10 }, 'entity-bytes=10%3A*'],
    [{ to: 5 }, 'entity-bytes=0%3A5']
  ])('asks for a part of a file: %o', async (range, query) => {
    let asked = ''
    const url = await serve((req, res) => {
      asked = req.url ?? ''
      sendCar(res)
    })
    await stream(url, fetcher(), attempt(), { ...dag, ...range })
    expect(asked).toContain(query)
  })

  it('gives away blocks while the rest is still on its way, and ends the request when its reader leaves', async () => {
    const closed = Promise.withResolvers<void>()
    const url = await serve((_req, res) => {
      res.once('close', () => { closed.resolve() })
      res.writeHead(200, { 'content-type': 'application/vnd.ipld.car' }).write(concat([head, sections[0] as Uint8Array]))
    })
    const reader = fetcher().stream?.(dag, routeTo(url), attempt())[Symbol.asyncIterator]()

    expect((await reader?.next())?.value).toMatchObject({ bytes: contents[0] })
    await reader?.return?.()
    await closed.promise
  })

  it('asks for other files where only this one was refused as a CAR', async () => {
    let asked = 0
    const made = fetcher()
    const url = await serve((_req, res) => {
      asked++
      res.writeHead(400).end()
    })

    expect(await failure(url, made)).toMatchObject({ outcome: 'not-here', message: expect.stringContaining('makes no CAR of this') as string })
    expect(await failure(url, made)).toMatchObject({ outcome: 'not-here' })
    expect(asked).toBe(2)
  })

  it('does not ask again for an hour where no CARs are made', async () => {
    let asked = 0
    const clock = new VirtualClock()
    const made = fetcher(clock)
    const url = await serve((_req, res) => {
      asked++
      res.writeHead(200, { 'content-type': 'application/octet-stream' }).end('a file')
    })

    expect(made.streams?.(routeTo(url))).toBe(undefined)
    expect(await failure(url, made)).toMatchObject({ outcome: 'not-here', message: expect.stringContaining('instead of a CAR') as string })
    expect(made.streams?.(routeTo(url))).toBe(false)
    expect(await failure(url, made)).toMatchObject({ outcome: 'not-here', message: expect.stringContaining('makes no CARs') as string })
    expect(asked).toBe(1)
    await clock.advance(3_600_001)
    expect(made.streams?.(routeTo(url))).toBe(undefined)
    await failure(url, made)
    expect(asked).toBe(2)
  })

  it.each<[string, (res: ServerResponse) => void, Partial<FetchError>]>([
    ['501', res => { res.writeHead(501).end() }, { outcome: 'not-here' }],
    ['406', res => { res.writeHead(406).end() }, { outcome: 'not-here' }],
    ['404', res => { res.writeHead(404).end() }, { outcome: 'not-here' }],
    ['429 with Retry-After', res => { res.writeHead(429, { 'retry-after': '2' }).end() }, { outcome: 'overloaded', retryAfter: 2000 }],
    ['a redirect', res => { res.writeHead(302, { location: 'http://10.0.0.1/' }).end() }, { outcome: 'refused' }],
    ['a packed CAR', res => { res.writeHead(200, { 'content-type': 'application/vnd.ipld.car', 'content-encoding': 'gzip' }).end(car) }, { outcome: 'invalid' }],
    ['a CAR of another root', res => { sendCar(res, concat([section(encodeCbor({ version: 1, roots: [wants[1]?.cid] })), ...sections])) }, { outcome: 'invalid' }],
    ['garbage', res => { sendCar(res, new Uint8Array(1000).fill(0xff)) }, { outcome: 'invalid' }],
    ['a section that breaks off', res => { sendCar(res, car.subarray(0, 5000)) }, { outcome: 'invalid' }],
    ['a connection that breaks', res => {
      res.writeHead(200, { 'content-type': 'application/vnd.ipld.car' }).write(car.subarray(0, 5000), () => { res.destroy() })
    }, { outcome: 'unreachable' }]
  ])('says what came of it: %s', async (_name, answer, expected) => {
    const url = await serve((_req, res) => { answer(res) })
    expect(await failure(url)).toMatchObject({ name: 'FetchError', ...expected })
  })

  it('is cancelled without a blame, before and in the middle', async () => {
    const url = await serve((_req, res) => {
      res.writeHead(200, { 'content-type': 'application/vnd.ipld.car' }).write(concat([head, sections[0] as Uint8Array]))
    })
    const before = attempt()
    before.abort(new Error('the reader left'))
    await expect(stream(url, fetcher(), before)).rejects.toMatchObject({ outcome: 'cancelled' })
    expect(before.states).toEqual([])

    const during = attempt()
    const reader = fetcher().stream?.(dag, routeTo(url), during)[Symbol.asyncIterator]()
    await reader?.next()
    during.abort(new Error('the reader left'))
    await expect(reader?.next()).rejects.toMatchObject({ outcome: 'cancelled' })
  })

  it('pulls no faster than it is read', async () => {
    let pulled = 0
    async function * body (): AsyncGenerator<Uint8Array> {
      for (const part of [head, ...sections]) {
        pulled++
        yield part
      }
    }
    const made = httpBlockFetcher({
      policy: addressPolicy({ allow: ['127.0.0.1'] }),
      transport: {
        request: async (_init, disclosure) => {
          disclosure.sent()
          return { status: 200, headers: { get: name => name === 'content-type' ? 'application/vnd.ipld.car' : undefined }, body: body(), decoded: false, discard: () => {} }
        }
      }
    })
    const reader = made.stream?.(dag, routeTo('http://127.0.0.1:9999'), attempt())[Symbol.asyncIterator]()

    await reader?.next()
    expect(pulled).toBe(2)
    await reader?.next()
    expect(pulled).toBe(3)
    await reader?.return?.()
    expect(pulled).toBe(3)
  })
})
