import fc from 'fast-check'
import { expect, it } from 'vitest'
import { block, blocks, read } from './support/blocks.ts'
import { smallCache } from './support/small-cache.ts'
import type { TestBlock } from './support/blocks.ts'
import type { SmallCache, SmallCacheInit } from './support/small-cache.ts'

/** What callers are told; the cache itself holds a second more */
const PROMISED = 5_000

interface Situation {
  readonly init: SmallCacheInit
  /** What is done to the disk before anything comes: nothing is on it then, and all promises are kept by memory */
  readonly before?: (small: SmallCache) => void
  readonly puts: boolean
}

const full = (): Error => Object.assign(new Error('ENOSPC: no space left on device'), { code: 'ENOSPC' })

const SITUATIONS: Readonly<Record<string, Situation>> = {
  'that is in memory alone': { init: { memoryBytes: 6_000, transitBytes: 20_000 }, before: ({ disk }) => { disk.writeFault = full() }, puts: false },
  'whose disk is full': { init: { memoryBytes: 0, transitBytes: 8_000 }, before: ({ disk }) => { disk.writeFault = full() }, puts: false },
  'where a client owns no more than its share': { init: { maxShare: 0.3, transitBytes: 6_000 }, puts: true },
  'that is far too small': { init: { capacity: 4_000, maxBytes: 7_000, transitBytes: 3_000 }, puts: true }
}

it.each(Object.entries(SITUATIONS))('what has() or a write promised can be read for five seconds, in a cache %s, whatever presses', async (_, { init, before, puts }) => {
  const known = await blocks(6, 900)
  const others = await blocks(60, 700)

  const step = fc.record({ kind: fc.constantFrom('has', 'admit', 'press', 'press', 'read', 'wait', ...puts ? ['put' as const, 'delete' as const] : []), which: fc.nat(known.length - 1), ms: fc.oneof(fc.nat(2_500), fc.constant(PROMISED)) })
  await fc.assert(fc.asyncProperty(fc.array(step, { minLength: 20, maxLength: 60 }), async steps => {
    const small = await smallCache(init)
    const { cache, clock } = small
    const promised = new Map<number, number>()
    let pressed = 0

    before?.(small)
    for (const { cid, bytes } of known) {
      await clock.run(cache.admit(cid, new Uint8Array(bytes), { origin: 'test', client: 'a' }))
      await clock.advance(3_000)
    }
    for (const { kind, which, ms } of steps) {
      const { cid, bytes } = known[which] as TestBlock
      switch (kind) {
        case 'has':
          if (await clock.run((async () => cache.has(cid))())) {
            promised.set(which, clock.now())
          }
          break
        case 'admit':
        case 'put': {
          promised.delete(which)
          const done = kind === 'put' ? Promise.resolve(cache.put(cid, new Uint8Array(bytes))) : cache.admit(cid, new Uint8Array(bytes), { origin: 'test', client: 'a' })
          await clock.run(done.then(() => { promised.set(which, clock.now()) }, (err: Error) => { expect(err.name).toBe('CacheFullError') }))
          break
        }
        case 'delete':
          promised.delete(which)
          await clock.run(Promise.resolve(cache.delete(cid)))
          break
        case 'press': {
          const one = others[pressed++ % others.length] as TestBlock
          await clock.run(cache.admit(one.cid, new Uint8Array(one.bytes), { origin: 'test', client: pressed % 2 === 0 ? 'a' : 'b', wait: ms % 2 === 0 }))
          break
        }
        case 'read':
          await clock.run(read(cache.get(cid)).catch((err: Error) => { expect(err.name).toBe('NotFoundError') }))
          break
        default:
          await clock.advance(ms)
      }
      // a read of the disk promises anew, so each promise is looked at once
      for (const [which, at] of kind === 'wait' ? promised : []) {
        promised.delete(which)
        if (clock.now() - at <= PROMISED) {
          const { cid, bytes } = known[which] as TestBlock
          expect(Buffer.compare(await clock.run(read(cache.get(cid))), bytes)).toBe(0)
        }
      }
    }
    await clock.run(cache.close())
    expect(clock.pending).toBe(0)
  }), { numRuns: 60 })
})

it('a get promises nothing: what it gave from memory may be gone a moment later', async () => {
  const { cache, clock } = await smallCache({ memoryBytes: 3_000 })
  const { cid, bytes } = await block()
  await cache.admit(cid, bytes, { origin: 'test' })
  await clock.advance(20_000)
  expect(await read(cache.get(cid))).toEqual(Buffer.from(bytes))
  await clock.run(cache.clear())
  await expect(clock.run(read(cache.get(cid)))).rejects.toMatchObject({ name: 'NotFoundError' })
})
