import { MemoryBlockstore } from 'blockstore-core'
import { describe, expect, it } from 'vitest'
import { FetchError, RetrievalTimeoutError } from '../../src/interface/errors.ts'
import { numbered, settled, unpublished, world } from './support/world.ts'
import type { BlockFetcher } from '../../src/interface/fetcher.ts'

const noHedge = { share: 0, initial: 0, shadowShare: 0 }

// eslint-disable-next-line no-control-regex
const UNPRINTABLE = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/

describe('explain', () => {
  it('tells who was found, tried and skipped, why, what came back and what it cost', async () => {
    const w = await world({ routing: { hedge: noHedge } })
    w.network.add('down', { down: true })
    await w.clock.run(settled(w.manager.retrieve(w.network.block(numbered(0)), { timeout: 400 })))
    w.network.add('lacking', { latency: 10, has: 0 }, { unlisted: true })
    w.network.add('liar', { latency: 20, garbage: true }, { unlisted: true })
    w.network.add('good', { latency: 30, connect: 40, throughput: 100 }, { unlisted: true })
    const cid = w.network.block(numbered(1))
    const first = w.manager.retrieve(cid, { providers: ['down', 'lacking', 'liar', 'unheard'].map(name => `http://${name}.example`) })
    // by now both have been asked, in whatever order
    await w.clock.advance(25)
    await w.clock.run(Promise.all([first, w.manager.retrieve(cid, { providers: ['http://good.example'] })]))
    const story = w.manager.explain(cid)?.toJSON()
    expect(story).toMatchObject({ cid: cid.toString(), result: 'delivered', cost: { requests: 3, bytes: 2_048, wasted: 1_024, callers: 2 } })
    expect(story?.found.map(({ provider }) => provider)).toEqual(expect.arrayContaining(['http:lacking.example', 'http:liar.example', 'http:good.example']))
    expect(story?.attempts.map(({ outcome }) => outcome).sort()).toEqual(['delivered', 'invalid', 'not-here'])
    expect(story?.phases).toMatchObject({ connecting: 40, waiting: 30, transfer: 10.24 })
    const text = String(w.manager.explain(cid))
    expect(text).toContain('http:down.example: backing off')
    expect(text).toContain('http:unheard.example: no transport for')
    expect(text).toMatch(/ask #\d +http:lacking\.example over http/)
    expect(text).toContain('not-here after 10 ms')
    expect(text).toMatch(/invalid after \d+ ms: http:liar\.example: The 1024 bytes are the wrong ones/)
    expect(text).toContain('delivered 1.0 KiB in 80 ms, verified')
    expect(text).toContain('cost: 3 requests, 2.0 KiB of which 1.0 KiB not needed, shared by 2 callers')
    await w.manager.stop()
  })

  it('knows nothing of what was never asked for, and no more stories than it may keep', async () => {
    const w = await world({ routing: { stories: 3 } })
    w.network.add('good')
    const cids = Array.from({ length: 5 }, (_, i) => w.network.block(numbered(i)))
    expect(w.manager.explain(cids[0] as typeof cids[number])).toBeUndefined()
    for (const cid of cids) {
      await w.clock.run(w.manager.retrieve(cid))
    }
    expect(cids.map(cid => w.manager.explain(cid)?.result)).toEqual([undefined, undefined, 'delivered', 'delivered', 'delivered'])
    await w.manager.stop()
  })

  it('has the phases of a read: cache, discovery, connecting, transfer, verify', async () => {
    const { network, clock, manager } = await world({ parts: { store: new MemoryBlockstore() } })
    network.add('good', { connect: 20, throughput: 100 })
    const cid = network.block(numbered(1))
    const seen = new Set<string>()
    await clock.run(manager.retrieve(cid, { onProgress: event => { seen.add(event.type) } }))
    const phases = new Set(manager.explain(cid)?.events.map(({ phase }) => phase))
    expect([...phases]).toEqual(expect.arrayContaining(['cache', 'discovery', 'verify', 'done']))
    expect([...seen]).toEqual(expect.arrayContaining(['portolan:retrieve:discovery', 'portolan:retrieve:connected', 'portolan:retrieve:first-byte', 'portolan:retrieve:verify']))
    await manager.stop()
  })

  it('tells a story while it is still going on', async () => {
    const w = await world({ routing: { hedge: noHedge } })
    w.network.add('silent', { silent: true })
    const cid = w.network.block(numbered(1))
    const reading = settled(w.manager.retrieve(cid))
    await w.clock.advance(100)
    expect(String(w.manager.explain(cid))).toMatch(/still running after 100 ms[^]*ask #1 +http:silent\.example/)
    await w.manager.stop()
    await reading
    expect(w.manager.explain(cid)?.result).toBe('aborted')
  })

  it('is safe to print, whatever providers and routers say', async () => {
    const evil = '\u001b[2J\u001b]0;owned\u0007\r\nok: delivered\u202e\u2066\u0000'
    const w = await world({ started: false })
    w.network.add('evil')
    const fetcher: BlockFetcher = {
      ...w.network.fetcher,
      fetch: async () => { throw new FetchError('refused', `403 ${evil}`) },
      unusable: () => evil
    }
    const v = await world({
      network: w.network,
      parts: {
        fetchers: [fetcher],
        sources: [
          w.network.source,
          { name: `router ${evil}`, async * find () { throw new Error(evil) } },
          { name: 'records', async * find () { yield { id: `p2p:${evil}`, addresses: [evil], protocols: [evil], source: evil, fallback: false, domains: [] } } }
        ]
      }
    })
    const cid = v.network.block(numbered(1))
    const { error } = await v.clock.run(settled(v.manager.retrieve(cid, { timeout: 2_000 })))
    const text = String(error?.story)
    expect(text).toContain('ok: delivered')
    expect(UNPRINTABLE.exec(text)).toBeNull()
    expect(text.split('\n').every((line, i) => i === 0 || /^ *[\d.]+ m?s {2}|^(?:learnt by|cost): /.test(line))).toBe(true)
    expect(UNPRINTABLE.exec(String(error?.message))).toBeNull()
    await v.manager.stop()
  })
})

describe('errors', () => {
  it('carry the story, readable and as JSON, and one entry per attempt', async () => {
    const w = await world({ routing: { hedge: noHedge } })
    w.network.add('lacking', { has: 0, latency: 10 })
    w.network.add('liar', { garbage: true, latency: 20 })
    w.network.add('refuser', { refuses: true, latency: 30 })
    const cid = w.network.block(numbered(1))
    const { error } = await w.clock.run(settled(w.manager.retrieve(cid)))
    expect(error?.name).toBe('RetrievalFailedError')
    expect(error?.message).toContain(cid.toString())
    expect(error?.message).toContain('asked 3 times')
    const each = error?.errors as readonly FetchError[]
    expect(each.map(({ outcome, provider }) => [outcome, provider]).sort()).toEqual([
      ['invalid', 'http:liar.example'], ['not-here', 'http:lacking.example'], ['refused', 'http:refuser.example']
    ])
    expect(each.every(err => err instanceof FetchError)).toBe(true)
    expect(String(error?.story)).toContain('failed after')
    expect(JSON.parse(JSON.stringify(error?.story))).toMatchObject({ cid: cid.toString(), result: 'failed', cost: { requests: 3 } })
    expect(String(error?.story)).toBe(String(w.manager.explain(cid)))
    await w.manager.stop()
  })

  it('tell who lacks it, nobody known, and out of time apart', async () => {
    const w = await world({ routing: { hedge: noHedge } })
    const nobody = await w.clock.run(settled(w.manager.retrieve(unpublished(1))))
    expect(nobody.error).toMatchObject({ name: 'NotFoundError', message: expect.stringContaining('no providers found') })
    w.network.add('lacking', { has: 0 })
    const lacking = await w.clock.run(settled(w.manager.retrieve(unpublished(2))))
    expect(lacking.error).toMatchObject({ name: 'NotFoundError', message: expect.stringContaining('1 not-here') })
    w.network.add('silent', { silent: true })
    const late = await w.clock.run(settled(w.manager.retrieve(unpublished(3), { timeout: 500 })))
    expect(late.error).toMatchObject({ name: 'RetrievalTimeoutError' })
    expect(late.error?.message).toMatch(/asked .*http:silent\.example silent/)
    expect(String(late.error?.story)).toContain('out of time')
    await w.manager.stop()
  })

  it('of a deadline have one entry per attempt that failed', async () => {
    const { network, clock, manager } = await world()
    network.add('broken', { garbage: true, latency: 5 })
    network.add('silent', { silent: true })
    const result = await clock.run(settled(manager.retrieve(network.block(numbered(1)), { timeout: 2_000 })))
    expect(result.error).toBeInstanceOf(RetrievalTimeoutError)
    expect(result.error?.errors?.length).toBeGreaterThan(0)
    await manager.stop()
  })
})
