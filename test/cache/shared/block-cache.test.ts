import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createHeliaLight } from 'helia'
import { CID } from 'multiformats/cid'
import * as raw from 'multiformats/codecs/raw'
import * as Digest from 'multiformats/hashes/digest'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openBlockCache, redisTier, withContentRouting } from '../../../src/index.ts'
import { respServer } from './resp-server.ts'
import { smallBlock, until } from './tier.ts'
import type { RespServer } from './resp-server.ts'
import type { SmallBlock } from './tier.ts'
import type { BlockCache } from '../../../src/interface/cache.ts'
import type { DisclosureEntry } from '../../../src/interface/disclosure.ts'

let directory: string
let server: RespServer
let cache: BlockCache
let disclosed: DisclosureEntry[]
let connected: DisclosureEntry[]

const cidOf = ({ multihash }: SmallBlock): CID => CID.createV1(raw.code, Digest.decode(multihash))

async function read (block: SmallBlock): Promise<Uint8Array> {
  const chunks: Uint8Array[] = []
  for await (const chunk of cache.get(cidOf(block))) {
    chunks.push(chunk)
  }
  return Uint8Array.from(Buffer.concat(chunks))
}

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'portolan-shared-'))
  server = await respServer()
  disclosed = []
  connected = []
  cache = await openBlockCache({
    path: directory,
    shared: redisTier({ url: server.url, timeout: 10_000, connectTimeout: 10_000 }),
    ledger: { intended: entry => { (entry.form === 'none' ? connected : disclosed).push(entry) }, settled: () => {} }
  })
})

afterEach(async () => {
  await cache.close()
  await server.close()
  await rm(directory, { recursive: true })
})

describe('a cache with a shared level', () => {
  it('reads from there what it does not have, and accounts for it', async () => {
    const block = smallBlock(1)
    server.values.set(block.key, Buffer.from(block.bytes))
    expect(await read(block)).toEqual(block.bytes)
    expect(cache.stats()).toMatchObject({ hits: { shared: 1 }, shared: { asked: 1, hits: 1 } })
    expect(disclosed.map(({ observer, purpose, state }) => [observer, purpose, state])).toEqual([[`party:${server.url}`, 'read', 'sent']])
    expect(connected.map(({ observer, purpose, state }) => [observer, purpose, state])).toEqual([[`party:${server.url}`, 'join', 'sent']])
    await expect(read(smallBlock(2))).rejects.toMatchObject({ name: 'NotFoundError' })
  })

  it('gives it what was fetched and is read again', async () => {
    const block = smallBlock(1)
    await cache.admit(cidOf(block), block.bytes, { origin: 'test' })
    expect(server.values.size).toBe(0)
    expect(await read(block)).toEqual(block.bytes)
    await until(() => server.values.has(block.key))
    expect(cache.stats().shared).toMatchObject({ written: 1 })
  })

  it('never gives it what the user put, however often that is read', async () => {
    const block = smallBlock(1)
    await cache.put(cidOf(block), block.bytes)
    for (let i = 0; i < 5; i++) {
      expect(await read(block)).toEqual(block.bytes)
    }
    expect(cache.stats().shared).toMatchObject({ asked: 0, written: 0, dropped: 0 })
    expect(disclosed).toEqual([])
  })

  it('does not ask it for what is only looked for here', async () => {
    const block = smallBlock(1)
    server.values.set(block.key, Buffer.from(block.bytes))
    expect(await cache.has(cidOf(block))).toBe(false)
    expect(disclosed).toEqual([])
  })

  it('under a node: a put tells it nothing, a read asks it before anybody else, an offline read does not', async () => {
    const helia = await withContentRouting(createHeliaLight({ blockstore: cache }), { providers: [] }).start()
    try {
      const [own, shared] = [smallBlock(1), smallBlock(2)]
      await helia.blockstore.put(cidOf(own), own.bytes)
      await helia.blockstore.has(cidOf(shared))
      server.values.set(shared.key, Buffer.from(shared.bytes))
      await expect(helia.contentRouting.retrieve(cidOf(shared), { offline: true })).rejects.toMatchObject({ name: 'OfflineError' })
      expect(disclosed).toEqual([])

      const chunks = []
      for await (const chunk of helia.blockstore.get(cidOf(shared))) {
        chunks.push(chunk)
      }
      expect(Uint8Array.from(Buffer.concat(chunks))).toEqual(shared.bytes)
      expect(disclosed).toHaveLength(1)
      expect(cache.stats().hits.shared).toBe(1)
      expect(String(helia.contentRouting.explain(cidOf(shared)))).toContain('from the shared cache')

      const another = smallBlock(3)
      server.values.set(another.key, Buffer.from(another.bytes))
      expect(await helia.contentRouting.retrieve(cidOf(another))).toEqual(another.bytes)
    } finally {
      await helia.stop()
    }
  })

  it('says when it is down, and goes on without it', async () => {
    server.answer = ([command]) => command === 'AUTH' || command === 'PING' ? 'nothing' : undefined
    server.dropAll()
    await until(() => cache.health().state === 'degraded')
    expect(cache.health().reason).toContain('the shared cache redis://127.0.0.1')
    const block = smallBlock(1)
    await cache.admit(cidOf(block), block.bytes, { origin: 'test' })
    expect(await read(block)).toEqual(block.bytes)
  })
})
