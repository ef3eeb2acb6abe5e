import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { CID } from 'multiformats/cid'
import { CustomProgressEvent } from 'progress-events'
import { parseCID } from '../../src/block/cid.ts'
import { unixfsFiles } from '../../src/cli/unixfs-files.ts'
import { systemClock } from '../../src/clock/system-clock.ts'
import { Control } from '../../src/gateway/control.ts'
import { MetricRegistry } from '../../src/gateway/metric-registry.ts'
import { StoreRouting, ask, quietLogger } from './fixture.ts'
import type { CacheTools } from '../../src/gateway/cache-control.ts'
import type { CacheProgressEvents, CacheStats } from '../../src/interface/cache.ts'
import type { Answer } from './fixture.ts'

const cid = CID.parse('bafkreifjjcie6lypi6ny7amxnfftagclbuxndqonfipmb64f2km2devei4')
const asked: unknown[] = []
let broken = false
const gate = Promise.withResolvers<void>()

const cache: CacheTools = {
  stats: () => ({ maxBytes: 1 }) as CacheStats,
  health: () => ({ state: 'degraded', reason: 'the disk is full' }),
  async * ls () {
    yield { cid, size: 3, kind: 'authored' }
    if (broken) {
      throw new Error('the disk fails')
    }
    yield { cid, size: 4, kind: 'fetched' }
  },
  async * verify () { yield { blocks: 2, bytes: 7, totalBlocks: 2, damaged: [cid], damagedBlocks: 1, unreadBlocks: 0 } },
  gc: async options => {
    const tell = (blocks: number): void => { options?.onProgress?.(new CustomProgressEvent('portolan:cache:evict', { phase: 'evict', blocks, totalBlocks: 9 }) as CacheProgressEvents) }
    tell(1)
    await gate.promise
    tell(2)
    tell(3)
    if (broken) {
      throw new Error('the disk fails')
    }
    return { evicted: 1, freedBytes: 2 }
  },
  clear: async options => {
    asked.push(options?.authored)
    return { removed: 3, freedBytes: 4 }
  }
}
const init = { contentRouting: new StoreRouting(), files: unixfsFiles, parseCID, clock: systemClock, logger: quietLogger, stats: () => ({}), ready: () => true }
const control = new Control({ ...init, metrics: new MetricRegistry(), cache }, { port: 0 })
const without = new Control({ ...init, metrics: new MetricRegistry() }, { port: 0 })
let url: string
let urlWithout: string

const post = (path: string): Promise<Answer> => ask(url, path, { method: 'POST', headers: { authorization: `Bearer ${control.token}` } })
const get = (path: string): Promise<Answer> => ask(url, path, { headers: { authorization: `Bearer ${control.token}` } })
const lines = ({ text }: Answer): unknown[] => text.trim().split('\n').map(line => JSON.parse(line) as unknown)

beforeAll(async () => {
  url = (await control.start()).url
  urlWithout = (await without.start()).url
})
afterAll(async () => { await Promise.all([control.stop(), without.stop()]) })

describe('the cache over the control endpoint', () => {
  it('says how it is', async () => {
    expect(JSON.parse((await get('/api/cache/stats')).text)).toEqual({ maxBytes: 1, health: { state: 'degraded', reason: 'the disk is full' } })
  })

  it('lists blocks and says when that was the end', async () => {
    expect(lines(await get('/api/cache/ls'))).toEqual([{ cid: cid.toString(), size: 3, kind: 'authored' }, { cid: cid.toString(), size: 4, kind: 'fetched' }, { done: true }])
  })

  it('a list that fails in the middle never looks whole', async () => {
    broken = true
    try {
      // little enough to be told as an error instead
      expect((await get('/api/cache/ls')).status).toBe(500)
    } finally {
      broken = false
    }
  })

  it('verifies, collects and clears on POST only', async () => {
    expect(lines(await post('/api/cache/verify'))).toEqual([{ blocks: 2, bytes: 7, totalBlocks: 2, damaged: [cid.toString()], damagedBlocks: 1, unreadBlocks: 0 }, { done: true, blocks: 2, bytes: 7, damagedBlocks: 1, unreadBlocks: 0 }])
    expect(lines(await post('/api/cache/clear'))).toEqual([{ done: true, removed: 3, freedBytes: 4 }])
    expect((await post('/api/cache/clear?authored=true')).status).toBe(200)
    expect(asked).toEqual([false, true])

    for (const action of ['verify', 'gc', 'clear']) {
      const answer = await get(`/api/cache/${action}`)
      expect([answer.status, answer.headers.allow]).toEqual([405, 'POST'])
    }
    expect((await post('/api/cache/stats')).status).toBe(405)
    expect((await post('/api/stats')).status).toBe(405)
    expect(asked).toEqual([false, true])
  })

  it('tells how far it is while it works, the newest first, and never as if a failure were the end', async () => {
    const read = async (): Promise<unknown[]> => {
      const answer = await fetch(`${url}/api/cache/gc`, { method: 'POST', headers: { authorization: `Bearer ${control.token}` } })
      const told: unknown[] = []
      let text = ''
      for await (const chunk of answer.body as unknown as AsyncIterable<Uint8Array>) {
        text += new TextDecoder().decode(chunk)
        told.push(...text.trim().split('\n').slice(told.length).map(line => JSON.parse(line) as unknown))
        // the first word has come before the work is over
        gate.resolve()
      }
      return told
    }
    expect(await read()).toEqual([{ phase: 'evict', blocks: 1, totalBlocks: 9 }, { phase: 'evict', blocks: 3, totalBlocks: 9 }, { done: true, evicted: 1, freedBytes: 2 }])
    broken = true
    try {
      await expect(read()).rejects.toThrow()
    } finally {
      broken = false
    }
  })

  it('demands the token and knows what it does not have', async () => {
    expect((await ask(url, '/api/cache/clear', { method: 'POST' })).status).toBe(401)
    expect((await get('/api/cache/nothing')).status).toBe(404)
    const answer = await ask(urlWithout, '/api/cache/stats', { headers: { authorization: `Bearer ${without.token}` } })
    expect([answer.status, answer.text]).toEqual([404, expect.stringContaining('has no cache')])
  })
})
