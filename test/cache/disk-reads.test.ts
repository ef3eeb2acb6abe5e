import { CID } from 'multiformats/cid'
import { sha256 } from 'multiformats/hashes/sha2'
import { describe, expect, it } from 'vitest'
import { DiskReads } from '../../src/cache/disk-reads.ts'
import { cacheKey } from '../../src/cache/key.ts'
import { seededRandom } from '../../src/clock/random.ts'
import { VirtualClock } from '../../src/testing/virtual-clock.ts'
import type { CacheParts } from '../../src/cache/cache-parts.ts'

const MAX_SUSPECTS = 4_096
const SLOT = 0

/** Over a disk that answers each read with the error that it is given */
function readsOf (read: () => Promise<Uint8Array>): { reads: DiskReads, slow: string[], clock: VirtualClock } {
  const clock = new VirtualClock()
  const slow: string[] = []
  const parts = {
    clock,
    random: seededRandom(1),
    verifyRate: 0,
    disk: { checked: () => true, find: () => SLOT, setChecked: () => {}, read },
    verifier: { vouch: () => {} },
    memory: { set: () => {} },
    health: { failed: () => {}, slow: (what: string) => { slow.push(what) } },
    log: Object.assign(() => {}, { error: () => {}, trace: () => {}, enabled: false })
  } as unknown as CacheParts
  return { reads: new DiskReads(parts), slow, clock }
}

async function cidOf (i: number): Promise<CID> {
  return CID.createV1(0x55, await sha256.digest(Uint8Array.of(i, i >> 8)))
}

describe('blocks that could not be read', () => {
  it('are asked about before they are said to be here; the oldest of more than are remembered is trusted again', async () => {
    const { reads } = readsOf(async () => { throw Object.assign(new Error('made by the test'), { code: 'EIO' }) })
    const cids = await Promise.all(Array.from({ length: MAX_SUSPECTS + 1 }, async (_, i) => cidOf(i)))
    const trusted = (): CID[] => cids.filter(cid => reads.trusts(cacheKey(cid), SLOT))

    for (const cid of cids.slice(0, MAX_SUSPECTS)) {
      expect(await reads.read(cid, cacheKey(cid), SLOT)).toBeUndefined()
    }
    expect(trusted()).toEqual([cids[MAX_SUSPECTS]])
    const last = cids[MAX_SUSPECTS] as CID
    await reads.read(last, cacheKey(last), SLOT)
    expect(trusted()).toEqual([cids[0]])
  })

  it('are trusted once they were read', async () => {
    let fails = true
    const { reads } = readsOf(async () => {
      if (fails) {
        throw Object.assign(new Error('made by the test'), { code: 'EIO' })
      }
      return Uint8Array.of(1)
    })
    const cid = await cidOf(1)
    const key = cacheKey(cid)
    await reads.read(cid, key, SLOT)
    expect(reads.trusts(key, SLOT)).toBe(false)
    fails = false
    expect(await reads.read(cid, key, SLOT)).toEqual(Uint8Array.of(1))
    expect(reads.trusts(key, SLOT)).toBe(true)
  })
})

describe('a disk that does not answer', () => {
  it('is passed by after five seconds, each read after its own', async () => {
    const { reads, slow, clock } = readsOf(async () => new Promise(() => {}))
    const [first, second] = [await cidOf(1), await cidOf(2)]
    const ended: string[] = []
    const early = reads.read(first, cacheKey(first), SLOT).then(() => { ended.push('first') })
    await clock.advance(3_000)
    const late = reads.read(second, cacheKey(second), SLOT).then(() => { ended.push('second') })
    await clock.advance(1_999)
    expect(ended).toEqual([])
    await clock.advance(1)
    await early
    expect(ended).toEqual(['first'])
    await clock.advance(3_000)
    await late
    expect(ended).toEqual(['first', 'second'])
    expect(slow).toHaveLength(2)
    expect(clock.pending).toBe(0)
  })

  it('leaves no timer behind when the reads have settled', async () => {
    const { reads, clock } = readsOf(async () => Uint8Array.of(1))
    const cid = await cidOf(1)
    await reads.read(cid, cacheKey(cid), SLOT)
    await reads.settled()
    expect(clock.pending).toBe(0)
  })
})
