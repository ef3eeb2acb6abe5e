import all from 'it-all'
import { CID } from 'multiformats/cid'
import { describe, expect, it } from 'vitest'
import { blockKey } from '../../../src/block/key.ts'
import { MAX_PEER_LOOKUPS, delegatedRouter } from '../../../src/discovery/routers/delegated-router.ts'
import { systemClock } from '../../../src/clock/system-clock.ts'
import { RouterFailedError } from '../../../src/interface/errors.ts'
import { silentLogger } from '../../../src/testing/silent-logger.ts'
import { lines, loopback, NDJSON, peer, record, wantOf } from './delegated-server.ts'

const want = await wantOf('a')

describe('a delegated router', () => {
  it('is asked as the specification says, and told what can be used', async () => {
    await using it = await loopback(lines(record(1)), { filter: { addresses: ['tcp', 'unknown'], protocols: ['transport-bitswap', 'unknown'] }, path: '/some/path/routing/v1/' })
    await all(it.router.find(want, it.request()))

    expect(it.requests).toHaveLength(1)
    expect(it.requests[0]?.url).toBe(`/some/path/routing/v1/providers/${want.cid.toString()}?filter-addrs=tcp,unknown&filter-protocols=transport-bitswap,unknown`)
    const headers = it.requests[0]?.headers
    expect(headers).toMatchObject({ accept: 'application/x-ndjson, application/json;q=0.9', 'accept-encoding': 'identity' })
    expect(Object.keys(headers ?? {}).sort()).toEqual(['accept', 'accept-encoding', 'connection', 'host'])
  })

  it('is asked for a CIDv1, whatever is sought', async () => {
    await using it = await loopback(lines(record(1)))
    const cid = CID.parse('QmdfTbBqBPQ7VNxZEYEj14VmRuZBkqFbiwReogJgS1zR1n')
    await all(it.router.find({ cid, key: blockKey(cid) }, it.request()))
    expect(it.requests[0]?.url).toBe(`/routing/v1/providers/${cid.toV1().toString()}`)
  })

  it('learns of the CID by one disclosure, and of this node by another, which are settled as sent', async () => {
    await using it = await loopback(lines(record(1)))
    await all(it.router.find(want, it.request()))
    const observer = `router:${new URL(it.url).host}`
    expect(it.entries).toMatchObject([
      { observer, form: 'cid', transport: 'delegated', audience: 'one', state: 'sent' },
      { observer, form: 'none', transport: 'dial', audience: 'one', state: 'sent' }
    ])
  })

  it('names providers by a stream, as they come', async () => {
    const second = Promise.withResolvers<void>()
    await using it = await loopback((_, res) => {
      res.setHeader('content-type', NDJSON).write(lines(record(1)))
      void second.promise.then(() => res.end(lines(record(2))))
    })
    const found = it.router.find(want, it.request())[Symbol.asyncIterator]()

    expect((await found.next()).value).toMatchObject({ id: `p2p:${peer(1)}`, addresses: [`/ip4/198.51.100.1/tcp/4001/p2p/${peer(1)}`], protocols: ['transport-bitswap'], source: it.router.name, fallback: false })
    second.resolve()
    expect((await found.next()).value).toMatchObject({ id: `p2p:${peer(2)}` })
    expect((await found.next()).done).toBe(true)
    expect(it.router.stats()).toMatchObject({ requests: 1, records: 2, active: 0, waiting: 0, state: 'awake' })
  })

  it.each([
    ['a list', { Providers: [record(1), record(2)] }, 2],
    ['an empty list', { Providers: [] }, 0],
    ['no list', { Providers: null }, 0]
  ])('names providers by a document with %s', async (_, document, count) => {
    await using it = await loopback((_, res) => { res.setHeader('content-type', 'application/json; charset=utf-8').end(JSON.stringify(document)) })
    expect(await all(it.router.find(want, it.request()))).toHaveLength(count)
  })

  it('knows nobody when it answers 404', async () => {
    await using it = await loopback((_, res) => { res.writeHead(404).end('routing: not found') })
    expect(await all(it.router.find(want, it.request()))).toEqual([])
    expect(it.router.stats()).toMatchObject({ state: 'awake', failures: { refused: 0 } })
  })

  it('is asked in mode strict only when it is the operator\'s own', async () => {
    await using theirs = await loopback(lines(record(1)))
    await using ours = await loopback(lines(record(1)), { own: true })

    expect(await all(theirs.router.find(want, theirs.request({ mode: 'strict' })))).toEqual([])
    await expect(theirs.router.findPeer(peer(1), theirs.request({ mode: 'strict' }))).resolves.toBeUndefined()
    expect([theirs.requests, theirs.entries]).toEqual([[], []])
    expect(await all(ours.router.find(want, ours.request({ mode: 'strict' })))).toHaveLength(1)
  })

  it('is not asked by a request that is over', async () => {
    await using it = await loopback(lines(record(1)))
    expect(await all(it.router.find(want, it.request({ signal: AbortSignal.abort() })))).toEqual([])
    expect(it.entries).toEqual([])
  })

  it.each([
    ['no URL', 'router'],
    ['another scheme', 'ftp://router.example'],
    ['credentials', 'https://user:secret@router.example'],
    ['a query', 'https://router.example/?a=b'],
    ['nothing', undefined as unknown as string],
    ['port 0', 'http://127.0.0.1:0']
  ])('cannot be %s', (_, url) => {
    expect(() => delegatedRouter({ url })).toThrow(expect.objectContaining({ name: 'InvalidOptionError', message: expect.not.stringContaining('secret') as string }))
  })

  it.each([
    [{ maxRequests: 0 }, 'maxRequests'],
    [{ timeout: NaN }, 'timeout'],
    [{ headTimeout: 1.5 }, 'headTimeout'],
    [{ filter: { addresses: ['tcp,&x=y'] } }, 'filter.addresses'],
    [{ filter: { protocols: 'bitswap' as unknown as string[] } }, 'filter.protocols']
  ])('has options with ranges: %j', (init, option) => {
    expect(() => delegatedRouter({ url: 'https://router.example', ...init })).toThrow(expect.objectContaining({ name: 'InvalidOptionError', message: expect.stringContaining(option) as string }))
  })

  it('is called by its host, and its path where it has one', () => {
    const components = { transport: { request: async () => { throw new Error('unused') } }, clock: systemClock, logger: silentLogger }
    expect(delegatedRouter({ url: 'https://router.example/routing/v1' })(components).name).toBe('router.example')
    expect(delegatedRouter({ url: 'https://router.example:8443/net/' })(components).name).toBe('router.example:8443/net')
    expect(delegatedRouter({ url: 'https://router.example', name: 'mine' })(components).name).toBe('mine')
  })
})

describe('several askers of a delegated router', () => {
  it('share one request, and each gets all of it', async () => {
    const go = Promise.withResolvers<void>()
    await using it = await loopback((_, res) => {
      res.setHeader('content-type', NDJSON).write(lines(record(1)))
      void go.promise.then(() => res.end(lines(record(2), record(3))))
    })
    const askers = Array.from({ length: 20 }, () => it.router.find(want, it.request())[Symbol.asyncIterator]())
    await Promise.all(askers.map(async asker => asker.next()))
    const late = all(it.router.find(want, it.request()))
    go.resolve()

    for (const asker of askers) {
      expect([(await asker.next()).value, (await asker.next()).value]).toMatchObject([{ id: `p2p:${peer(2)}` }, { id: `p2p:${peer(3)}` }])
      expect((await asker.next()).done).toBe(true)
    }
    expect(await late).toHaveLength(3)
    expect(it.requests).toHaveLength(1)
    expect(it.entries.map(({ form }) => form)).toEqual(['cid', 'none'])
    expect(it.router.stats()).toMatchObject({ shared: 20, requests: 1 })
  })

  it('leave the others their answer, and the last to leave ends it on the wire', async () => {
    const closed = Promise.withResolvers<void>()
    await using it = await loopback((_, res) => {
      res.on('close', () => { closed.resolve() })
      res.setHeader('content-type', NDJSON).write(lines(record(1)))
    })
    const [first, second] = [new AbortController(), new AbortController()]
    const one = it.router.find(want, it.request({ signal: first.signal }))[Symbol.asyncIterator]()
    const two = it.router.find(want, it.request({ signal: second.signal }))[Symbol.asyncIterator]()
    await one.next()
    first.abort()
    expect((await one.next()).done).toBe(true)
    expect((await two.next()).value).toMatchObject({ id: `p2p:${peer(1)}` })
    await two.return?.(undefined)
    await closed.promise
    await expect.poll(() => it.router.stats()).toMatchObject({ active: 0, waiting: 0, state: 'awake' })
  })

  it('all hear of its failure, which counts once', async () => {
    await using it = await loopback((_, res) => { res.writeHead(500).end() })
    const results = await Promise.allSettled([1, 2, 3].map(async () => all(it.router.find(want, it.request()))))
    expect(results.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected'])
    expect(it.router.stats()).toMatchObject({ requests: 1, failures: { unreachable: 1 } })
  })

  it('have 32 requests at a time, and the others wait for their turn', async () => {
    const waiting: Array<() => void> = []
    const reached = Promise.withResolvers<void>()
    await using it = await loopback((_, res) => {
      waiting.push(() => { res.setHeader('content-type', NDJSON).end(lines(record(1))) })
      if (waiting.length === 32) {
        reached.resolve()
      }
    })
    const wants = await Promise.all(Array.from({ length: 40 }, async (_, i) => wantOf(`want ${i}`)))
    const found = wants.map(async want => all(it.router.find(want, it.request())))
    await reached.promise
    expect(it.router.stats()).toMatchObject({ active: 32, waiting: 8 })
    it.answer = (_, res) => { res.setHeader('content-type', NDJSON).end(lines(record(1))) }
    waiting.forEach(answer => { answer() })
    expect((await Promise.all(found)).flat()).toHaveLength(40)
    expect(it.requests).toHaveLength(40)
    expect(it.router.stats()).toMatchObject({ active: 0, waiting: 0 })
  })
})

describe('a provider without addresses', () => {
  const bare = (n: number): object => record(n, { Addrs: [] })

  it('is named at once, and again when the router knows its addresses', async () => {
    await using it = await loopback((req, res) => {
      res.setHeader('content-type', req.url?.includes('/peers/') === true ? 'application/json' : NDJSON)
      res.end(req.url?.includes('/peers/') === true ? JSON.stringify({ Peers: [record(1, { Protocols: [] })] }) : lines(bare(1), record(2)))
    }, { filter: { protocols: ['transport-bitswap'] } })
    const found = await all(it.router.find(want, it.request()))

    expect(found[0]).toMatchObject({ id: `p2p:${peer(1)}`, addresses: [] })
    expect(found).toContainEqual(expect.objectContaining({ id: `p2p:${peer(1)}`, addresses: [`/ip4/198.51.100.1/tcp/4001/p2p/${peer(1)}`], protocols: ['transport-bitswap'] }))
    expect(found).toHaveLength(3)
    expect(it.requests[1]?.url).toMatch(/^\/routing\/v1\/peers\/(?:b|k)[a-z2-9]+$/)
    expect(it.entries).toMatchObject([{ form: 'cid', state: 'sent' }, { form: 'none', state: 'sent' }, { form: 'peer', state: 'sent' }])
  })

  it('is looked for among few, and a failure hides none of the others', async () => {
    await using it = await loopback((req, res) => {
      if (req.url?.includes('/peers/') === true) {
        res.writeHead(404).end()
      } else {
        res.setHeader('content-type', NDJSON).end(lines(...[1, 2, 3, 4, 5, 6].map(bare)))
      }
    })
    expect(await all(it.router.find(want, it.request()))).toHaveLength(6)
    expect(it.requests).toHaveLength(1 + MAX_PEER_LOOKUPS)
  })

  it('is not taken for another one', async () => {
    await using it = await loopback((_, res) => { res.setHeader('content-type', 'application/json').end(JSON.stringify({ Peers: [record(2)] })) })
    await expect(it.router.findPeer(peer(1), it.request())).resolves.toBeUndefined()
    expect(it.router.stats().skipped.mismatched).toBe(1)
    await expect(it.router.findPeer('nobody', it.request())).rejects.toMatchObject({ name: 'InvalidProviderError' })
  })
})

describe('what a delegated router said', () => {
  const kept = 'public, max-age=300, stale-while-revalidate=600, stale-if-error=1200'

  it('is used again as long as it says', async () => {
    await using it = await loopback((_, res) => { res.setHeader('content-type', NDJSON).setHeader('cache-control', kept).end(lines(record(1))) })
    await all(it.router.find(want, it.request()))
    it.clock.skip(299_000)
    expect(await all(it.router.find(want, it.request()))).toMatchObject([{ id: `p2p:${peer(1)}` }])
    expect(it.requests).toHaveLength(1)
    expect(it.entries.map(({ form }) => form)).toEqual(['cid', 'none'])
    expect(it.router.stats()).toMatchObject({ cacheHits: 1, cached: { answers: 1 } })
  })

  it('is used at once while it is asked again, and then what is new', async () => {
    await using it = await loopback((_, res) => { res.setHeader('content-type', NDJSON).setHeader('cache-control', kept).end(lines(record(1))) })
    await all(it.router.find(want, it.request()))
    it.clock.skip(301_000)
    const go = Promise.withResolvers<void>()
    it.answer = (_, res) => { void go.promise.then(() => res.setHeader('content-type', NDJSON).end(lines(record(1), record(2)))) }
    const found = it.router.find(want, it.request())[Symbol.asyncIterator]()
    expect((await found.next()).value).toMatchObject({ id: `p2p:${peer(1)}` })
    go.resolve()
    expect((await found.next()).value).toMatchObject({ id: `p2p:${peer(2)}` })
    expect((await found.next()).done).toBe(true)
    expect(it.router.stats()).toMatchObject({ stale: 1, requests: 2 })
  })

  it('is used in place of an error as long as it says, and no longer', async () => {
    await using it = await loopback((_, res) => { res.setHeader('content-type', NDJSON).setHeader('cache-control', 'max-age=10, stale-if-error=100').end(lines(record(1))) })
    await all(it.router.find(want, it.request()))
    it.answer = (_, res) => { res.writeHead(500).end() }
    it.clock.skip(50_000)
    expect(await all(it.router.find(want, it.request()))).toHaveLength(1)
    expect(it.router.stats()).toMatchObject({ staleOnError: 1, failures: { unreachable: 1 } })
    it.clock.skip(100_000)
    await expect(all(it.router.find(want, it.request()))).rejects.toMatchObject({ name: 'RouterFailedError' })
  })

  it('is asked for again by its tag, and holds when nothing has changed', async () => {
    await using it = await loopback((req, res) => {
      res.setHeader('etag', 'W/"v1"')
      if (req.headers['if-none-match'] === 'W/"v1"') {
        res.writeHead(304, { 'cache-control': 'max-age=60' }).end()
      } else {
        res.setHeader('content-type', NDJSON).end(lines(record(1), record(2)))
      }
    })
    expect(await all(it.router.find(want, it.request()))).toHaveLength(2)
    expect(await all(it.router.find(want, it.request()))).toHaveLength(2)
    expect(await all(it.router.find(want, it.request()))).toHaveLength(2)
    expect(it.requests).toHaveLength(2)
    expect(it.router.stats()).toMatchObject({ notModified: 1, cacheHits: 1 })
  })

  it.each([
    ['no-store', 'no-store, max-age=300'],
    ['no-cache', 'no-cache, max-age=300'],
    ['nothing', undefined],
    ['nonsense', 'max-age=-1, stale-if-error="x']
  ])('is not used again at %s', async (_, header) => {
    await using it = await loopback((_, res) => {
      if (header != null) {
        res.setHeader('cache-control', header)
      }
      res.setHeader('content-type', NDJSON).end(lines(record(1)))
    })
    await all(it.router.find(want, it.request()))
    await all(it.router.find(want, it.request()))
    expect(it.requests).toHaveLength(2)
  })

  it('is kept for a minute at most when it is nothing, and never stale', async () => {
    await using it = await loopback((_, res) => { res.writeHead(404, { 'cache-control': 'max-age=86400, stale-if-error=86400, stale-while-revalidate=86400' }).end() })
    expect(await all(it.router.find(want, it.request()))).toEqual([])
    it.clock.skip(59_000)
    expect(await all(it.router.find(want, it.request()))).toEqual([])
    expect(it.requests).toHaveLength(1)
    it.clock.skip(2_000)
    it.answer = (_, res) => { res.writeHead(500).end() }
    await expect(all(it.router.find(want, it.request()))).rejects.toBeInstanceOf(RouterFailedError)
  })
})
