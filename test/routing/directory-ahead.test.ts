import { importer } from 'ipfs-unixfs-importer'
import { describe, expect, it } from 'vitest'
import { listDirectory } from '../../src/unixfs/list-directory.ts'
import { resolvePath } from '../../src/unixfs/path.ts'
import { Blocks } from '../unixfs/support/blocks.ts'
import { world } from './support/world.ts'
import type { World } from './support/world.ts'
import type { RetrievalSession } from '../../src/interface/routing.ts'
import type { BlockLoader } from '../../src/interface/unixfs.ts'
import type { SimulatedProvider } from '../../src/testing/simulated-provider.ts'
import type { CID } from 'multiformats/cid'

const ENTRIES = 5_000
const DELAY = 25
const blocks = new Blocks()
const cids: CID[] = []
const files = Array.from({ length: ENTRIES }, (_, i) => ({ path: `file-${i}`, content: Uint8Array.of(i & 0xff) }))

for await (const { cid } of importer(files, {
  put: async (cid, bytes) => {
    cids.push(cid)
    return blocks.store.put(cid, bytes)
  }
}, { wrapWithDirectory: true, shardSplitThresholdBytes: 1 })) {
  cids.push(cid)
}

const root = cids.at(-1) as CID
const shards = new Set(cids.filter(({ code }) => code === 0x70).map(String))

interface Setting extends World {
  readonly provider: SimulatedProvider
  readonly session: RetrievalSession
  readonly load: BlockLoader
}

/** A directory of 5 000 entries at one provider, 25 ms away */
async function setting (): Promise<Setting> {
  const w = await world({ routing: { hedge: { share: 0, initial: 0, shadowShare: 0 } } })
  const provider = w.network.add('a', { latency: DELAY })
  cids.forEach(cid => { w.network.put(cid, blocks.block(cid)) })
  const session = w.manager.createSession(root)
  return { ...w, provider, session, load: async (cid, options) => session.retrieve(cid, options) }
}

describe('a sharded directory of 5 000 entries, 25 ms away', () => {
  it('is listed in few round trips: its shards are wanted ahead, in order and each once', async () => {
    const { provider, clock, load, manager } = await setting()
    let entries = 0
    await clock.run((async () => {
      for await (const { name } of listDirectory(root, load)) {
        entries += name.startsWith('file-') ? 1 : 0
      }
    })())
    expect(entries).toBe(ENTRIES)
    expect(shards.size).toBeGreaterThan(400)
    expect(provider.requestCount).toBe(shards.size)
    expect(clock.now() / DELAY).toBeLessThanOrEqual(20)
    expect(provider.requests.filter(({ purpose }) => purpose === 'prefetch').length).toBeGreaterThan(shards.size * 0.9)
    await manager.stop()
  })

  it('is fetched no further when its reader leaves', async () => {
    const { provider, clock, load, manager } = await setting()
    const reader = listDirectory(root, load)
    await clock.run((async () => {
      for (let i = 0; i < 30; i++) {
        await reader.next()
      }
    })())
    const asked = provider.requestCount
    await reader.return()
    await clock.advance(10_000)
    expect(asked).toBeLessThan(shards.size / 2)
    expect(provider.requestCount).toBe(asked)
    expect(provider.requests.filter(({ outcome }) => outcome === 'pending')).toEqual([])
    expect(provider.requests.filter(({ outcome }) => outcome === 'aborted').length).toBeGreaterThan(0)
    await manager.stop()
  })

  it('is not fetched by who follows one path through it', async () => {
    const { provider, clock, load, manager } = await setting()
    expect((await clock.run(resolvePath(root, ['file-4321'], load))).size).toBe(1)
    await clock.advance(10_000)
    // two or three shards on the way, and the file
    expect(provider.requestCount).toBeLessThanOrEqual(4)
    expect(new Set(provider.requests.map(({ purpose }) => purpose))).toEqual(new Set(['read']))
    await manager.stop()
  })
})
