import { describe, expect, it } from 'vitest'
import { openBlockCache } from '../../src/cache/open-block-cache.ts'
import { VirtualClock } from '../../src/testing/virtual-clock.ts'
import { MemoryFiles } from './disk/support/memory-files.ts'
import { blocks, failure, read } from './support/blocks.ts'
import type { TestBlock } from './support/blocks.ts'
import type { BlockCache } from '../../src/interface/cache.ts'
import type { AbortOptions } from '@libp2p/interface'

interface HalfEmpty {
  readonly cache: BlockCache
  readonly files: MemoryFiles
  readonly clock: VirtualClock
  readonly left: readonly TestBlock[]
}

/** On the real tier, with something in every segment that can be given back */
async function halfEmpty (): Promise<HalfEmpty> {
  const files = new MemoryFiles()
  const clock = new VirtualClock()
  const cache = await openBlockCache({ path: '/cache', maxBytes: 16_777_216, memoryBytes: 0, transitBytes: 0, files, clock })
  const all = await blocks(60, 50_000)

  for (const { cid, bytes } of all) {
    await clock.run(Promise.resolve(cache.put(cid, bytes)))
  }
  for (const { cid } of all.filter((_, i) => i % 5 < 2)) {
    await clock.run(Promise.resolve(cache.delete(cid)))
  }
  return { cache, files, clock, left: all.filter((_, i) => i % 5 >= 2) }
}

const gc = async (cache: BlockCache, options?: AbortOptions): Promise<unknown> => cache.gc(options)
const clear = async (cache: BlockCache, options?: AbortOptions): Promise<unknown> => cache.clear({ ...options, authored: true })

describe.each([['gc', gc], ['clear', clear]] as const)('%s', (_, work) => {
  it('on a disk that hangs ends with the cache, and nobody looks at that afterwards', async () => {
    const { cache, files, clock } = await halfEmpty()
    files.fault = async () => new Promise(() => {})
    const working = failure(work(cache))
    await clock.advance(1_000)
    const closing = failure(cache.close())
    await clock.advance(0)
    expect(await working).toBe('CacheClosedError')
    await clock.advance(120_000)
    expect([await closing, clock.pending]).toEqual(['Error', 0])
  })

  it('ends when its signal aborts, though the disk hangs, and can be had once more', async () => {
    const { cache, files, clock, left } = await halfEmpty()
    const gate = Promise.withResolvers<void>()
    const stop = new AbortController()
    files.fault = async () => gate.promise
    const working = work(cache, { signal: stop.signal })
    working.catch(() => {})
    await clock.advance(1_000)
    stop.abort(new Error('enough'))
    await expect(working).rejects.toThrow('enough')
    expect(cache.health()).toEqual({ state: 'ok' })

    files.fault = undefined
    gate.resolve()
    const before = cache.stats().diskBytes
    await clock.run(work(cache))
    expect(cache.stats().diskBytes).toBeLessThan(before)
    const held = await Promise.all(left.map(async ({ cid, bytes }) => await cache.has(cid) && Buffer.compare(await read(cache.get(cid)), bytes) === 0))
    expect(new Set(held)).toEqual(new Set([work === gc]))
    await cache.close()
  })

  it('with a signal that has aborted does nothing', async () => {
    const { cache, files, left } = await halfEmpty()
    const calls = files.calls.length
    await expect(work(cache, { signal: AbortSignal.abort(new Error('enough')) })).rejects.toThrow('enough')
    expect([files.calls.length, cache.stats().blocks.authored]).toEqual([calls, left.length])
    await cache.close()
  })
})
