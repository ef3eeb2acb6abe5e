import { MemoryBlockstore } from 'blockstore-core'
import * as Digest from 'multiformats/hashes/digest'
import { identity } from 'multiformats/hashes/identity'
import { CID } from 'multiformats/cid'
import { describe, expect, it } from 'vitest'
import { blockVerifier } from '../../src/block/verify.ts'
import { numbered, settled, world } from './support/world.ts'
import type { MultihashHasher } from 'multiformats/hashes/interface'
import type { RetrieveOptions } from '../../src/interface/routing.ts'
import type { BlockFetcher } from '../../src/interface/fetcher.ts'
import type { ProviderHint } from '../../src/interface/provider.ts'
import type { World } from './support/world.ts'

const noHedge = { share: 0, initial: 0, shadowShare: 0 }

/** Asked first, because it is hinted, and once: the good one is found by lookup */
async function read (w: World, cid: CID, store: MemoryBlockstore): Promise<unknown> {
  const bytes = await w.clock.run(w.manager.retrieve(cid, { providers: ['http://bad.example'] }))
  const kept: Uint8Array[] = []
  for await (const chunk of store.get(cid)) {
    kept.push(chunk)
  }
  expect(kept).toEqual([bytes])
  return bytes
}

describe('what is asked for', () => {
  it.each([
    ['nothing', undefined],
    ['null', null],
    ['a number', 5],
    ['text that is no CID', 'QmNotACid'],
    ['an object of another kind', { multihash: 'no' }],
    ['an object that cannot be read', Object.create(null)],
    ['an object that throws', { get multihash () { throw new Error('boom') } }]
  ])('must be a CID, not %s', async (_what, target) => {
    const w = await world()
    w.network.add('good')
    const { error } = await settled(w.manager.retrieve(target as CID))
    expect(error?.name).toBe('InvalidCIDError')
    expect(() => w.manager.createSession(target as CID)).toThrow(expect.objectContaining({ name: 'InvalidCIDError' }))
    expect(() => w.manager.explain(target as CID)).toThrow(expect.objectContaining({ name: 'InvalidCIDError' }))
    expect(w.network.requests + w.network.lookups).toBe(0)
    await w.manager.stop()
  })

  it.each([
    ['sha1', CID.createV1(0x55, Digest.create(0x11, new Uint8Array(20)))],
    ['md5', CID.createV1(0x55, Digest.create(0xd5, new Uint8Array(16)))],
    ['an unknown hash', CID.createV1(0x55, Digest.create(0x999999, new Uint8Array(32)))],
    ['a digest of 19 bytes', CID.createV1(0x55, Digest.create(0x12, new Uint8Array(19)))],
    ['an identity of 129 bytes', CID.createV1(0x55, identity.digest(new Uint8Array(129)))]
  ])('must be something that bytes can be trusted by, not %s', async (_what, cid) => {
    const w = await world()
    w.network.add('good')
    expect((await settled(w.manager.retrieve(cid))).error?.name).toBe('UnacceptableHashError')
    expect(w.network.requests + w.network.lookups).toBe(0)
    await w.manager.stop()
  })

  it('may be a sha1 by option', async () => {
    const w = await world({ parts: { verifier: blockVerifier({ allowSha1: true }) } })
    w.network.add('good')
    const digest = new Uint8Array(await crypto.subtle.digest('SHA-1', new Uint8Array(numbered(1))))
    const cid = CID.createV1(0x55, Digest.create(0x11, digest))
    w.network.put(cid, numbered(1))
    const reading = w.manager.retrieve(cid)
    reading.catch(() => {})
    await w.clock.advance(1_000)
    // WebCrypto answers outside of virtual time
    expect(await reading).toEqual(numbered(1))
    await w.manager.stop()
  })
})

describe('a hint', () => {
  it.each([
    [''], ['not a provider'], ['ftp://a.example'], [5], [null], ['http://a.example\u001b[2J'], [{ toString () { throw new Error('boom') } }]
  ])('that is none (%j) is refused by name before anybody is asked', async hint => {
    const w = await world()
    w.network.add('good')
    const cid = w.network.block(numbered(1))
    const { error } = await settled(w.manager.retrieve(cid, { providers: ['http://good.example', hint as ProviderHint] }))
    expect(error?.name).toBe('InvalidProviderError')
    // eslint-disable-next-line no-control-regex
    expect(error?.message).not.toMatch(/[\u0000-\u001f]/)
    expect(w.network.requests + w.network.lookups).toBe(0)
    expect(w.manager.stats().inFlight.flights).toBe(0)
    expect(await w.clock.run(w.manager.retrieve(cid))).toEqual(numbered(1))
    await w.manager.stop()
  })
})

describe('bad bytes', () => {
  it.each([
    ['wrong', { garbage: true }, 'HashMismatchError'],
    ['no', { empty: true }, 'HashMismatchError']
  ])('%s bytes are the provider\'s fault: named, nothing kept, the next one asked', async (_what, behaviour, name) => {
    const store = new MemoryBlockstore()
    const w = await world({ parts: { store }, routing: { hedge: noHedge } })
    const bad = w.network.add('bad', behaviour, { unlisted: true })
    w.network.add('good')
    const cid = w.network.block(numbered(1))
    expect(await read(w, cid, store)).toEqual(numbered(1))
    expect(bad.requestCount).toBe(1)
    expect(w.manager.stats().outcomes).toMatchObject({ invalid: 1, delivered: 1 })
    expect(w.book.describe(bad.id)?.conduct).toBe(-20)

    const alone = await w.clock.run(settled(w.manager.retrieve(w.network.block(numbered(2)), { providers: ['http://bad.example'], timeout: 500 })))
    expect(alone.value ?? alone.error?.name).toEqual(numbered(2))
    const cause = w.manager.explain(cid)?.attempts[0]
    expect(cause).toMatchObject({ provider: 'http:bad.example', outcome: 'invalid' })
    w.network.providers.delete('good')
    const only = await w.clock.run(settled(w.manager.retrieve(w.network.block(numbered(3)), { providers: ['http://bad.example'] })))
    expect(only.error?.name).toBe('RetrievalFailedError')
    expect(only.error?.errors?.every(err => (err.cause as Error).name === name)).toBe(true)
    expect(store.has(w.network.block(numbered(3)))).toBe(false)
    await w.manager.stop()
  })

  it('a block over the limit is refused by name, and accepted by a caller who allows it', async () => {
    const store = new MemoryBlockstore()
    const w = await world({ parts: { store }, routing: { hedge: noHedge } })
    w.network.add('good')
    const cid = w.network.block(numbered(1, 2_097_153))
    const { error } = await w.clock.run(settled(w.manager.retrieve(cid)))
    expect(error?.name).toBe('RetrievalFailedError')
    expect((error?.errors?.[0]?.cause as Error).name).toBe('BlockTooLargeError')
    expect(error?.errors?.[0]?.message).toMatch(/http:good\.example: .* 2097153 bytes, at most 2097152/)
    expect(store.has(cid)).toBe(false)
    w.network.add('other')
    expect(await w.clock.run(w.manager.retrieve(cid, { maxBlockSize: 4_000_000 }))).toHaveLength(2_097_153)
    await w.manager.stop()
  })

  it('what the fetcher is told to accept at most is what the caller accepts', async () => {
    const limits: number[] = []
    const w = await world({ started: false })
    w.network.add('good')
    const fetcher: BlockFetcher = {
      ...w.network.fetcher,
      fetch: async (want, route, attempt) => {
        limits.push(want.maxBytes)
        return w.network.fetcher.fetch(want, route, attempt)
      }
    }
    const v = await world({ network: w.network, parts: { fetchers: [fetcher] } })
    await v.clock.run(v.manager.retrieve(v.network.block(numbered(1))))
    await v.clock.run(v.manager.retrieve(v.network.block(numbered(2)), { maxBlockSize: 5_000_000 }))
    expect(limits).toEqual([2_097_152, 5_000_000])
    await v.manager.stop()
  })

  it('a body that never ends is cut off at the deadline, and does not grow without bound', async () => {
    const w = await world({ started: false })
    w.network.add('endless')
    let stopped = false
    const fetcher: BlockFetcher = {
      ...w.network.fetcher,
      fetch: async (_want, _route, attempt) => {
        attempt.signal.addEventListener('abort', () => { stopped = true })
        while (!attempt.signal.aborted) {
          await v.clock.sleep(100, { signal: attempt.signal })
          attempt.bytes(16_384)
        }
        throw new Error('aborted')
      }
    }
    const v: World = await world({ network: w.network, parts: { fetchers: [fetcher] } })
    const { error } = await v.clock.run(settled(v.manager.retrieve(v.network.block(numbered(1)))))
    expect(error?.name).toBe('RetrievalTimeoutError')
    expect(v.clock.now()).toBe(30_000)
    expect(stopped).toBe(true)
    await v.manager.stop()
    expect(v.clock.pending).toBe(0)
  })

  it('a hash function of ours that fails is not held against the provider', async () => {
    const verifier = blockVerifier({ hashers: [{ name: 'sha2-256', code: 0x12, encode: () => { throw new Error('no WebCrypto here') } } as unknown as MultihashHasher] })
    const { network, clock, manager, book } = await world({ parts: { verifier } })
    const good = network.add('good')
    await clock.run(settled(manager.retrieve(network.block(numbered(1)))))
    expect(book.describe(good.id)?.conduct ?? 0).toBe(0)
    await manager.stop()
  })
})

describe('options', () => {
  it.each([
    { signal: {} },
    { onProgress: 'yes' },
    { client: 5 },
    { offline: 'yes' },
    { store: 'no' },
    { skipNegativeCache: 1 },
    { maxBlockSize: 2 ** 31 }
  ])('of a read are refused by name, and do not touch the next reader: %o', async options => {
    const { network, clock, manager } = await world()
    network.add('good')
    const cid = network.block(numbered(1))
    const { error } = await clock.run(settled(manager.retrieve(cid, options as unknown as RetrieveOptions)))
    expect(error?.name).toBe('InvalidOptionError')
    expect(error?.message).toContain(Object.keys(options)[0])
    expect((await clock.run(settled(manager.retrieve(cid)))).value).toEqual(numbered(1))
    await manager.stop()
  })
})
