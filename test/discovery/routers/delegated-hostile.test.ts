import { gzipSync } from 'node:zlib'
import all from 'it-all'
import { describe, expect, it } from 'vitest'
import { MAX_LINE } from '../../../src/discovery/routers/delegated-lines.ts'
import { VirtualClock } from '../../../src/testing/virtual-clock.ts'
import { lines, loopback, NDJSON, peer, record, wantOf } from './delegated-server.ts'
import type { Handler, Loopback } from './delegated-server.ts'

const want = await wantOf('a')
const other = await wantOf('b')

const ask = async (it: Loopback): Promise<string[]> => (await all(it.router.find(want, it.request()))).map(({ id }) => id)
const failure = async (it: Loopback): Promise<unknown> => ask(it).then(found => { throw new Error(`it named ${found.length}`) }, (err: unknown) => err)
const json = (body: string): Handler => (_, res) => { res.setHeader('content-type', 'application/json').end(body) }
const ids = (...numbers: number[]): string[] => numbers.map(n => `p2p:${peer(n)}`)

describe('records of a delegated router that are of no use', () => {
  it.each<[string, object | string, object]>([
    ['no JSON', '{"Schema":"peer","ID":', { malformed: 1 }],
    ['a text without end', '"abc', { malformed: 1 }],
    ['no object', '[1]', { malformed: 1 }],
    ['null', 'null', { malformed: 1 }],
    ['no schema', { ID: peer(1) }, { malformed: 1 }],
    ['another schema', { Schema: 'graphsync-filecoinv1', ID: peer(1) }, { unknownSchema: 1 }],
    ['no peer id', record(1, { ID: undefined }), { badPeer: 1 }],
    ['a peer id that is none', record(1, { ID: '12D3KooWnobody' }), { badPeer: 1 }],
    ['a peer id that is a block', record(1, { ID: want.cid.toString() }), { badPeer: 1 }],
    ['addresses of another peer', record(1, { Addrs: [`/ip4/198.51.100.1/tcp/4001/p2p/${peer(2)}`] }), { mismatched: 1 }],
    ['a line that is too long', record(1, { Extra: 'x'.repeat(MAX_LINE) }), { oversized: 1 }]
  ])('are passed over and counted: %s', async (_, value, skipped) => {
    await using it = await loopback(lines(record(3), value, record(4)))
    expect(await ask(it)).toEqual(ids(3, 4))
    expect(it.router.stats()).toMatchObject({ records: 2, skipped, state: 'awake' })
  })

  it('may be legacy ones, which are of use', async () => {
    await using it = await loopback(lines({ Schema: 'bitswap', Protocol: 'transport-bitswap', ID: peer(1), Addrs: ['/ip4/198.51.100.1/tcp/4001'] }, { Schema: 'bitswap', ID: peer(2) }))
    const found = await all(it.router.find(want, it.request()))
    expect(found).toMatchObject([{ id: `p2p:${peer(1)}`, protocols: ['transport-bitswap'] }, { id: `p2p:${peer(2)}`, protocols: ['transport-bitswap'] }])
  })

  it('keep their good addresses: eight of hundreds, none that cannot be read or is of another peer', async () => {
    const many = Array.from({ length: 300 }, (_, i) => `/ip4/198.51.100.${i % 250}/tcp/${4000 + i}`)
    await using it = await loopback(lines(
      record(1, { Addrs: many }),
      record(2, { Addrs: ['/ip4/198.51.100.2/tcp/4001', `/ip4/198.51.100.3/tcp/4001/p2p/${peer(3)}`, '/nonsense/1', 42, null] }),
      record(3, { Addrs: 'none', Protocols: { a: 1 } })
    ), { filter: { addresses: ['tcp', 'unknown'] } })
    const found = await all(it.router.find(want, it.request()))
    expect(found[0]?.addresses).toHaveLength(8)
    expect(found[1]?.addresses).toEqual([`/ip4/198.51.100.2/tcp/4001/p2p/${peer(2)}`])
    expect(found[2]).toMatchObject({ addresses: [], protocols: [] })
    expect(it.router.stats().addresses).toMatchObject({ unusable: 1, foreign: 1, surplus: 292 })
  })

  it('are left out when nothing of them can be used, whatever the server makes of the filter', async () => {
    await using it = await loopback(lines(
      record(1, { Addrs: ['/ip4/198.51.100.1/udp/4001/quic-v1'] }),
      record(2, { Addrs: ['/ip4/198.51.100.2/udp/4001/quic-v1', '/ip4/198.51.100.2/tcp/4001'] }),
      record(3, { Protocols: ['transport-graphsync-filecoinv1'] }),
      record(4, { Addrs: [] }),
      record(5, { Protocols: [] })
    ), { filter: { addresses: ['tcp'], protocols: ['transport-bitswap', 'unknown'] } })
    expect(await ask(it)).toEqual(ids(2, 5))
    expect(it.router.stats()).toMatchObject({ skipped: { filtered: 3 }, addresses: { filtered: 2 } })
  })
})

describe('an answer of a delegated router that is none', () => {
  it.each<[string, Handler, string, RegExp]>([
    ['a page', (_, res) => { res.setHeader('content-type', 'text/html').end('<!doctype html><html>') }, 'invalid', /content-type "text\/html"/],
    ['a page that says it is a stream', (_, res) => { res.setHeader('content-type', NDJSON).end('<!doctype html>\n<html>\n</html>') }, 'invalid', /no record/],
    ['a page that says it is a document', json('<!doctype html>'), 'invalid', /no list called Providers/],
    ['a document without a list', json('{"error":"x"}'), 'invalid', /no list/],
    ['a document with another thing in its place', json('{"Providers":{"a":1}}'), 'invalid', /no list/],
    ['no type', (_, res) => { res.end('{}') }, 'invalid', /content-type ""/],
    ['a packed answer', (_, res) => { res.setHeader('content-type', NDJSON).setHeader('content-encoding', 'gzip').end(gzipSync(Buffer.alloc(10_000_000))) }, 'invalid', /content-encoding "gzip"/],
    ['a redirect to a private host', (_, res) => { res.writeHead(302, { location: 'http://169.254.169.254/latest/' }).end() }, 'refused', /redirects to "http:\/\/169\.254/],
    ['an unexpected 304', (_, res) => { res.writeHead(304).end() }, 'refused', /answered 304/],
    ['403', (_, res) => { res.writeHead(403).end() }, 'refused', /answered 403/],
    ['500', (_, res) => { res.writeHead(500).end('{"Providers":[]}') }, 'unreachable', /answered 500/],
    ['a broken connection', (_, res) => { res.destroy() }, 'unreachable', /connection broke/],
    ['a document that breaks off', (_, res) => { res.writeHead(200, { 'content-type': 'application/json', 'content-length': '1000' }).write('{"Providers":['); setImmediate(() => { res.socket?.end() }) }, 'invalid', /truncated/],
    ['an endless document', (_, res) => { pour(res, `{"Providers":["${'x'.repeat(65_536)}`, 'application/json') }, 'invalid', /more than the 2097152 bytes/],
    ['an endless line', (_, res) => { pour(res, 'x'.repeat(65_536)) }, 'invalid', /no record/]
  ])('is an error that says what it was: %s', async (_, answer, kind, message) => {
    await using it = await loopback(answer)
    const err = await failure(it)
    expect(err).toMatchObject({ name: 'RouterFailedError', kind, router: it.router.name, message: expect.stringMatching(message) as string })
    expect(it.router.stats()).toMatchObject({ failures: { [kind]: 1 }, active: 0 })
    // the next lookup goes on
    it.answer = (_, res) => { res.setHeader('content-type', NDJSON).end(lines(record(1))) }
    expect(await ask(it)).toEqual(ids(1))
  })

  it('is one at an address that the policy refuses, and nothing was sent', async () => {
    await using it = await loopback(lines(record(1)), { allow: [] })
    expect(await failure(it)).toMatchObject({ name: 'RouterFailedError', kind: 'refused', message: expect.stringMatching(/is refused: it is a loopback address/) as string })
    expect(it.entries).toMatchObject([{ state: 'not-sent' }])
    expect(it.requests).toEqual([])
  })

  it.each<[string, Handler, object]>([
    ['in the middle of a record, as if that were the end', (_, res) => { res.setHeader('content-type', NDJSON).end(lines(record(1)) + '{"Schema":"peer","ID":"12D') }, { skipped: { malformed: 1 } }],
    ['with its connection', (_, res) => {
      res.setHeader('content-type', NDJSON).write(lines(record(1)))
      setImmediate(() => { res.destroy() })
    }, { broken: 1 }]
  ])('keeps what came before it broke off %s, and is not used again', async (_, answer, counts) => {
    await using it = await loopback((req, res) => {
      res.setHeader('cache-control', 'max-age=300')
      answer(req, res)
    })
    expect(await ask(it)).toEqual(ids(1))
    expect(it.router.stats()).toMatchObject({ ...counts, cached: { answers: 0 }, state: 'awake' })
  })

  it('ends after a thousand records', async () => {
    await using it = await loopback((_, res) => { pour(res, lines(...Array.from({ length: 100 }, (_, i) => record(i)))) })
    expect(await ask(it)).toHaveLength(100)
    expect(it.router.stats()).toMatchObject({ cutShort: 1, records: 1_000 })
  })

  it('ends after two MiB', async () => {
    const long = lines(record(1, { Extra: 'x'.repeat(60_000) }))
    await using it = await loopback((_, res) => { pour(res, long) })
    expect(await ask(it)).toEqual(ids(1))
    expect(it.router.stats()).toMatchObject({ cutShort: 1 })
    expect(it.router.stats().records).toBeLessThan(45)
  })
})

describe('a delegated router that is late', () => {
  it('is left when no answer begins in time', async () => {
    const clock = new VirtualClock()
    const asked = Promise.withResolvers<void>()
    await using it = await loopback(() => { asked.resolve() }, { time: clock })
    const result = failure(it)
    await asked.promise
    await clock.advance(12_000)
    expect(await result).toMatchObject({ name: 'RouterFailedError', kind: 'late', message: 'it gave no answer within 12000 ms' })
    expect(it.router.stats()).toMatchObject({ active: 0, failures: { late: 1 } })
    expect(clock.pending).toBe(0)
  })

  it('gives what it drips until its time is over', async () => {
    const clock = new VirtualClock()
    await using it = await loopback((_, res) => { res.setHeader('content-type', NDJSON).write(lines(record(1))) }, { time: clock })
    const found = it.router.find(want, it.request())[Symbol.asyncIterator]()
    expect((await found.next()).value).toMatchObject({ id: `p2p:${peer(1)}` })
    const next = found.next()
    await clock.advance(25_000)
    expect((await next).done).toBe(true)
    expect(it.router.stats()).toMatchObject({ broken: 1, active: 0, state: 'awake' })
    expect(clock.pending).toBe(0)
  })

  it('is not waited for beyond the deadline of the request', async () => {
    const clock = new VirtualClock()
    const asked = Promise.withResolvers<void>()
    await using it = await loopback(() => { asked.resolve() }, { time: clock })
    const result = all(it.router.find(want, it.request({ deadline: 500 }))).catch((err: unknown) => err)
    await asked.promise
    await clock.advance(500)
    expect(await result).toMatchObject({ name: 'RouterFailedError', kind: 'late', message: 'it gave no answer within 500 ms' })
    await expect.poll(() => it.router.stats()).toMatchObject({ active: 0, state: 'awake' })
    expect(clock.pending).toBe(0)
  })

  it('gives its place to others even where nobody comes to hear of it', async () => {
    const clock = new VirtualClock()
    await using it = await loopback((_, res) => { res.setHeader('content-type', NDJSON).write(lines(record(1))) }, { time: clock, maxRequests: 1 })
    const paused = it.router.find(want, it.request())[Symbol.asyncIterator]()
    await paused.next()
    const next = it.router.find(other, it.request())[Symbol.asyncIterator]()
    const first = next.next()
    await clock.advance(25_000)
    expect((await first).value).toMatchObject({ id: `p2p:${peer(1)}` })
    await Promise.all([paused.return?.(undefined), next.return?.(undefined)])
    await expect.poll(() => it.router.stats().active).toBe(0)
  })
})

describe('a delegated router that has too much to do', () => {
  it.each([429, 503])('is left alone for as long as it says with %i, and asked once then', async status => {
    await using it = await loopback((_, res) => { res.writeHead(status, { 'retry-after': '60' }).end() })
    expect(await failure(it)).toMatchObject({ kind: 'overloaded', retryAfter: 60_000, message: `it answered ${status}: overloaded, and wants to be left alone for 60 s` })
    expect(it.router.stats()).toMatchObject({ state: 'resting', restsFor: 60_000 })

    it.clock.skip(50_000)
    expect(await failure(it)).toMatchObject({ kind: 'resting', message: expect.stringMatching(/^it is left alone for another 10 s: it answered/) as string })
    expect(it.requests).toHaveLength(1)
    expect(it.entries.map(({ form }) => form)).toEqual(['cid', 'none'])

    it.clock.skip(11_000)
    const go = Promise.withResolvers<void>()
    it.answer = (_, res) => { void go.promise.then(() => res.setHeader('content-type', NDJSON).end(lines(record(1)))) }
    const probe = ask(it)
    expect(await all(it.router.find(other, it.request())).catch((err: unknown) => err)).toMatchObject({ kind: 'resting', message: expect.stringMatching(/until a first request has been answered/) as string })
    go.resolve()
    expect(await probe).toEqual(ids(1))
    expect(it.router.stats()).toMatchObject({ state: 'awake', requests: 2 })
  })

  it.each([['a day', '86400', 600_000], ['no time', '0', 1_000], ['nonsense', 'soon', 1_000]])('is left alone within bounds when it says %s', async (_, header, rest) => {
    await using it = await loopback((_, res) => { res.writeHead(429, { 'retry-after': header }).end() })
    await failure(it)
    expect(it.router.stats().restsFor).toBe(rest)
  })

  it('delays nobody else', async () => {
    await using busy = await loopback((_, res) => { res.writeHead(429, { 'retry-after': '60' }).end() })
    await using idle = await loopback(lines(record(1)))
    await failure(busy)
    expect(await ask(idle)).toEqual(ids(1))
  })

  it('is left alone after failures in a row, and longer each time', async () => {
    await using it = await loopback((_, res) => { res.writeHead(500).end() })
    const rests: Array<number | undefined> = []

    for (let i = 0; i < 6; i++) {
      expect(await failure(it)).toMatchObject({ kind: 'unreachable' })
      const { restsFor } = it.router.stats()
      rests.push(restsFor)
      it.clock.skip((restsFor ?? 0) + 1)
    }
    expect(rests.slice(0, 2)).toEqual([undefined, undefined])
    expect(rests.slice(2)).toEqual([1_000, 2_000, 4_000, 8_000])
  })

  it('leaves its first request after a rest to the next when nobody waits for it', async () => {
    await using it = await loopback((_, res) => { res.writeHead(429).end() })
    await failure(it)
    it.clock.skip(1_500)
    const asked = Promise.withResolvers<void>()
    it.answer = () => { asked.resolve() }
    const gone = new AbortController()
    const probe = all(it.router.find(want, it.request({ signal: gone.signal })))
    await asked.promise
    gone.abort()
    await probe
    it.answer = (_, res) => { res.setHeader('content-type', NDJSON).end(lines(record(1))) }
    await expect.poll(async () => ask(it).catch(() => [])).toEqual(ids(1))
  })

  it('is not blamed for a CID that it refuses', async () => {
    await using it = await loopback((_, res) => { res.writeHead(422).end() })
    for (let i = 0; i < 5; i++) {
      expect(await failure(it)).toMatchObject({ kind: 'refused' })
    }
    expect(it.router.stats().state).toBe('awake')
  })

  it('is not asked by those who would wait behind hundreds', async () => {
    await using it = await loopback(() => {}, { maxRequests: 1 })
    const gone = new AbortController()
    const wants = await Promise.all(Array.from({ length: 258 }, async (_, i) => wantOf(`want ${i}`)))
    const results = wants.map(async want => all(it.router.find(want, it.request({ signal: gone.signal, client: 'crowd' }))).catch((err: unknown) => err))
    expect(await results.at(-1)).toMatchObject({ name: 'RouterFailedError', kind: 'busy', message: '256 requests wait for it already' })
    expect(it.router.stats()).toMatchObject({ waiting: 256, active: 1, state: 'awake' })
    gone.abort()
    await Promise.all(results)
    await expect.poll(() => it.router.stats()).toMatchObject({ waiting: 0, active: 0 })
  })
})

/** Writes the same for ever, as fast as it is read */
function pour (res: Parameters<Handler>[1], text: string, type = NDJSON): void {
  res.setHeader('content-type', type)
  const go = (): void => {
    if (!res.destroyed) {
      if (res.write(text)) {
        setImmediate(go)
      } else {
        res.once('drain', go)
      }
    }
  }
  go()
}
