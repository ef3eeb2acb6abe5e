import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openBlockCache } from '../../src/cache/open-block-cache.ts'
import { MetricRegistry } from '../../src/gateway/metric-registry.ts'
import { openBlockCache as openPublic } from '../../src/open-block-cache.ts'
import { nullLedger } from '../../src/privacy/null-ledger.ts'
import { VirtualClock } from '../../src/testing/virtual-clock.ts'
import { block, failure, read } from './support/blocks.ts'
import type { BlockCacheOptions } from '../../src/cache/open-block-cache.ts'
import type { SharedTier } from '../../src/cache/shared/shared-tier.ts'
import type { BlockCache } from '../../src/interface/cache.ts'
import type { Metrics } from '../../src/interface/metrics.ts'
import type { OpenBlockCacheOptions } from '../../src/open-block-cache.ts'

const stoppedShared: SharedTier = {
  async get () { return undefined },
  offer () {},
  stats: () => ({ asked: 0, hits: 0, misses: 0, bypassed: 0, late: 0, written: 0, dropped: 0, damaged: 0, outages: 0 }),
  health: () => ({ state: 'ok' }),
  async close () {}
}

describe('openBlockCache', () => {
  let path: string
  let cache: BlockCache

  const open = async (options: Partial<BlockCacheOptions> = {}): Promise<BlockCache> => openBlockCache({ path, maxBytes: 64_000_000, ...options })

  beforeEach(async () => {
    path = await mkdtemp(join(tmpdir(), 'portolan-cache-'))
    cache = await open()
  })

  afterEach(async () => {
    await cache.close()
    await rm(path, { recursive: true, force: true })
  })

  it('keeps what is put over a restart, and verifies it before it says so', async () => {
    const { cid, bytes } = await block(100_000)
    await cache.put(cid, bytes)
    expect(await cache.has(cid)).toBe(true)
    await cache.close()

    cache = await open()
    expect(cache.stats().blocks).toEqual({ authored: 1, fetched: 0 })
    expect(await cache.has(cid)).toBe(true)
    expect(await read(cache.get(cid))).toEqual(Buffer.from(bytes))
  })

  it('says that it is closed, in words of its own, and goes on telling metrics what was last', async () => {
    await cache.close()
    const registry = new MetricRegistry()
    cache = await open({ metrics: registry as unknown as Metrics })
    const { cid, bytes } = await block()
    await cache.admit(cid, bytes, { origin: 'test' })
    const before = registry.toString()
    expect(before).toContain('portolan_cache_admitted_total 1')
    expect(before).toContain('portolan_cache_leader{expert="recent"} 1')

    await cache.close()
    for (const ask of [() => cache.stats(), () => cache.health(), () => cache.has(cid), () => cache.get(cid)]) {
      expect(ask).toThrow(expect.objectContaining({ name: 'CacheClosedError', message: 'the cache was closed' }))
    }
    expect(registry.toString()).toBe(before)
  })

  it('keeps what is admitted as fetched', async () => {
    const { cid, bytes } = await block()
    expect(await cache.admit(cid, bytes, { origin: 'test' })).toBe(true)
    expect(cache.stats()).toMatchObject({ admitted: 1, misses: 1, blocks: { authored: 0, fetched: 1 } })
    await cache.close()

    cache = await open()
    expect(cache.stats().blocks).toEqual({ authored: 0, fetched: 1 })
    expect(await read(cache.get(cid))).toEqual(Buffer.from(bytes))
    expect(cache.stats().hits).toEqual({ memory: 0, disk: 1, shared: 0, transit: 0 })
    expect(await read(cache.get(cid))).toEqual(Buffer.from(bytes))
    expect(cache.stats().hits).toEqual({ memory: 1, disk: 1, shared: 0, transit: 0 })
  })

  it('is closed once, and says so to whoever comes later', async () => {
    const { cid, bytes } = await block()
    await cache.close()
    await cache.close()
    expect(await failure(async () => cache.put(cid, bytes))).toBe('CacheClosedError')
    expect(await failure(async () => cache.has(cid))).toBe('CacheClosedError')
    expect(await failure(async () => read(cache.get(cid)))).toBe('CacheClosedError')
  })

  it('is for one process at a time', async () => {
    expect(await failure(open())).toBe('CacheLockedError')
  })

  it('leaves nothing open when it cannot be opened to the end', async () => {
    await cache.close()
    const clock = new VirtualClock()
    const closed: string[] = []
    const shared = { ...stoppedShared, close: async () => { closed.push('shared') } }
    const metrics = { registerMetricGroup () { throw new Error('registered already') } } as unknown as Metrics

    await expect(open({ clock, metrics, shared: async () => shared })).rejects.toThrow('registered already')
    expect({ closed, timers: clock.pending }).toEqual({ closed: ['shared'], timers: 0 })
    cache = await open()
  })

  it.each([undefined, null, './cache'])('refuses %o instead of options', async options => {
    for (const opening of [openBlockCache, openPublic]) {
      await expect(opening(options as unknown as BlockCacheOptions)).rejects.toMatchObject({ name: 'InvalidOptionError', message: expect.stringContaining('must be an object, got') as string })
    }
  })

  it('of the package refuses what is no option of it', async () => {
    await expect(openPublic({ path, maxbytes: 1 } as unknown as OpenBlockCacheOptions)).rejects.toThrow(/no option "maxbytes", it has path, .*ledger; did you mean maxBytes\?$/)
    await expect(openPublic({ path, ledger: nullLedger })).rejects.toMatchObject({ name: 'CacheLockedError' })
  })

  it.each([
    [{ path: '' }, /path/],
    [{ maxBytes: 1_000 }, /maxBytes must be a whole number from 4194304/],
    [{ maxBytes: NaN }, /maxBytes/],
    [{ maxBytes: '10GB' as unknown as number }, /maxBytes must be a whole number from \d+ to \d+, got "10GB"/],
    [{ maxbytes: 10_000_000 } as object, /a cache has no option "maxbytes", it has path, maxBytes, .*; did you mean maxBytes\?$/],
    [{ shares: { maxshare: 0.5 } as unknown as { maxShare: number } }, /shares must be an object with maxShare alone, got "maxshare"/],
    [{ shares: 0.5 as unknown as { maxShare: number } }, /shares must be an object with maxShare alone, got 0.5/],
    [{ memoryBytes: -1 }, /memoryBytes/],
    [{ transitBytes: 60_000_000 }, /transitBytes must be at most half of maxBytes, 32000000/],
    [{ verifyRate: 2 }, /verifyRate/],
    [{ puts: 'mine' as 'authored' }, /puts must be/],
    [{ shares: { maxShare: 0 } }, /shares.maxShare/]
  ])('refuses %o', async (options, message) => {
    await expect(open(options)).rejects.toMatchObject({ name: 'InvalidOptionError', message: expect.stringMatching(message) as string })
  })
})
