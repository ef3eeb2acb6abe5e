import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { unixfs } from '@helia/unixfs'
import { createHeliaLight } from 'helia'
import drain from 'it-drain'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openBlockCache, withContentRouting } from '../../src/index.ts'
import { block, blocks, read } from '../cache/support/blocks.ts'

import type { BlockCache, BlockCacheOptions, ContentRouting } from '../../src/index.ts'
import type { TestBlock } from '../cache/support/blocks.ts'
import type { BlockBroker, Helia } from '@helia/interface'
import type { CID } from 'multiformats/cid'

/** What the network has, for a node without any */
function broker (known: readonly TestBlock[]): BlockBroker & { asked: string[] } {
  const asked: string[] = []
  const bytes = new Map(known.map(({ cid, bytes }) => [cid.toString(), bytes]))
  return {
    name: 'test',
    asked,
    retrieve: async cid => {
      asked.push(cid.toString())
      const found = bytes.get(cid.toString())
      if (found == null) {
        throw new Error('nobody has it')
      }
      return new Uint8Array(found)
    },
    createSession: () => ({
      name: 'test-session',
      addPeer: async () => {},
      retrieve: async cid => {
        const found = bytes.get(cid.toString())
        if (found == null) {
          throw new Error('nobody has it')
        }
        return new Uint8Array(found)
      }
    })
  }
}

describe('a cache under Helia', () => {
  let path: string
  let cache: BlockCache
  let helia: Helia

  const open = async (options: Partial<BlockCacheOptions> = {}): Promise<BlockCache> => openBlockCache({ path, maxBytes: 64_000_000, ...options })
  const kinds = async (): Promise<Record<string, string>> => {
    const found: Record<string, string> = {}
    for await (const { cid, kind } of cache.ls()) {
      found[key(cid)] = kind
    }
    return found
  }
  const key = (cid: CID): string => Buffer.from(cid.multihash.bytes).toString('hex')

  beforeEach(async () => {
    path = mkdtempSync(join(tmpdir(), 'portolan-e2e-'))
    cache = await open()
  })

  afterEach(async () => {
    await helia.stop()
    await cache.close()
    rmSync(path, { recursive: true })
  })

  it('keeps what was fetched apart from what the user put, whichever way it was fetched', async () => {
    const [own, many, routed, inSession, unrouted, unroutedSession, gotMany] = await blocks(7) as [TestBlock, TestBlock, TestBlock, TestBlock, TestBlock, TestBlock, TestBlock]
    helia = await withContentRouting(createHeliaLight({ blockstore: cache, blockBrokers: [() => broker([routed, inSession, unrouted, unroutedSession, gotMany])] })).start()

    await helia.blockstore.put(own.cid, own.bytes)
    await drain(helia.blockstore.putMany([many]))
    expect(await read(helia.blockstore.get(routed.cid))).toEqual(Buffer.from(routed.bytes))
    await read(helia.blockstore.createSession(inSession.cid).get(inSession.cid))
    for await (const { bytes } of helia.blockstore.getMany([gotMany.cid])) {
      await read(bytes)
    }
    ;(helia as typeof helia & { contentRouting: { disable (): void } }).contentRouting.disable()
    expect(await read(helia.blockstore.get(unrouted.cid))).toEqual(Buffer.from(unrouted.bytes))
    await read(helia.blockstore.createSession(unroutedSession.cid).get(unroutedSession.cid))

    expect(await kinds()).toEqual({
      [key(own.cid)]: 'authored',
      [key(many.cid)]: 'authored',
      [key(routed.cid)]: 'fetched',
      [key(inSession.cid)]: 'fetched',
      [key(unrouted.cid)]: 'fetched',
      [key(unroutedSession.cid)]: 'fetched',
      [key(gotMany.cid)]: 'fetched'
    })
  })

  it('leaves to the user what he puts, though it is here as fetched, by every way of putting', async () => {
    const known = await blocks(4)
    const [once, many, session, off] = known as [TestBlock, TestBlock, TestBlock, TestBlock]
    helia = await withContentRouting(createHeliaLight({ blockstore: cache, blockBrokers: [() => broker(known)] })).start()
    for (const { cid } of known) {
      await read(helia.blockstore.get(cid))
    }
    expect(Object.values(await kinds())).toEqual(Array(4).fill('fetched'))

    await helia.blockstore.put(once.cid, once.bytes)
    await drain(helia.blockstore.putMany([many]))
    await helia.blockstore.createSession(session.cid).put(session.cid, session.bytes)
    ;(helia as typeof helia & { contentRouting: { disable (): void } }).contentRouting.disable()
    await helia.blockstore.createSession(off.cid).put(off.cid, off.bytes)
    expect(Object.values(await kinds())).toEqual(Array(4).fill('authored'))
  })

  it('twenty-five readers of one block are one fetched block, and one write', async () => {
    const wanted = await block()
    helia = await withContentRouting(createHeliaLight({ blockstore: cache, blockBrokers: [() => broker([wanted])] })).start()
    await Promise.all(Array.from({ length: 25 }, async () => read(helia.blockstore.get(wanted.cid))))
    expect(Object.values(await kinds())).toEqual(['fetched'])
    expect(cache.stats()).toMatchObject({ admitted: 1, misses: 1 })
  })

  it('counts a read of what nobody has once, and readers who wait together once', async () => {
    const [nowhere, offline, later] = await blocks(3) as [TestBlock, TestBlock, TestBlock]
    helia = await withContentRouting(createHeliaLight({ blockstore: cache, blockBrokers: [] })).start()
    const missed = async (reading: () => Promise<unknown>): Promise<number> => {
      const { misses } = cache.stats()
      await reading().catch(() => {})
      return cache.stats().misses - misses
    }
    const { contentRouting } = helia as typeof helia & { contentRouting: ContentRouting }

    expect(await missed(async () => Promise.allSettled(Array.from({ length: 25 }, async () => read(helia.blockstore.get(nowhere.cid)))))).toBe(1)
    // answered from memory, and no more here than before
    expect(await missed(async () => read(helia.blockstore.get(nowhere.cid)))).toBe(1)
    expect(await missed(async () => contentRouting.retrieve(nowhere.cid, { skipNegativeCache: true }))).toBe(1)
    expect(await missed(async () => read(helia.blockstore.createSession(later.cid).get(later.cid)))).toBe(1)
    expect(await missed(async () => contentRouting.retrieve(offline.cid, { offline: true }))).toBe(1)
    // a read of the cache itself, and then of everybody, by one reader
    expect(await missed(async () => read(cache.get(offline.cid)))).toBe(1)
    expect(await missed(async () => contentRouting.retrieve(offline.cid))).toBe(0)
    // somebody has it now, and it is read here
    await cache.admit(later.cid, later.bytes, { origin: 'test' })
    expect(await missed(async () => read(helia.blockstore.get(later.cid)))).toBe(0)
    expect(cache.stats()).toMatchObject({ admitted: 1, misses: 7, hitRatio: 1 / 8 })
  })

  it('adds a file, which is there after a restart without anybody', async () => {
    const bytes = new Uint8Array(3_000_000).map((_, i) => i * 7 % 251)
    helia = await withContentRouting(createHeliaLight({ blockstore: cache })).start()
    const cid = await unixfs(helia).addBytes(bytes)
    expect(cache.stats().blocks.fetched).toBe(0)
    await helia.stop()
    await cache.close()

    cache = await open()
    helia = await withContentRouting(createHeliaLight({ blockstore: cache })).start()
    expect(Buffer.compare(await read(unixfs(helia).cat(cid)), bytes)).toBe(0)
  })

  it('garbage collection leaves what is pinned, and gives back the rest', async () => {
    const [pinned, unpinned] = await blocks(2) as [TestBlock, TestBlock]
    helia = await withContentRouting(createHeliaLight({ blockstore: cache })).start()
    cache.attachPins(async cid => helia.pins.isPinned(cid))

    for (const { cid, bytes } of [pinned, unpinned]) {
      await helia.blockstore.put(cid, bytes)
    }
    await drain(helia.pins.add(pinned.cid))
    await helia.gc()
    expect([await cache.has(pinned.cid), await cache.has(unpinned.cid)]).toEqual([true, false])
    expect(await read(helia.blockstore.get(pinned.cid))).toEqual(Buffer.from(pinned.bytes))
  })
})
