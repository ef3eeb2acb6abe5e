import { unixfs } from '@helia/unixfs'
import { CID } from 'multiformats/cid'
import { sha256 } from 'multiformats/hashes/sha2'
import { MemoryDatastore } from 'datastore-core'
import { expect, it, describe } from 'vitest'
import { blockKey } from '../../src/block/key.ts'
import { sampleFile } from '../../src/testing/sample-file.ts'
import { VirtualClock } from '../../src/testing/virtual-clock.ts'
import { blockFrom, bytesFrom, failure, gateway, idOf, inTurn, told, wrappedNode } from './node.ts'

const file = await sampleFile({ size: 40 * 4096, chunkSize: 4096 })
const rootKey = new Set([blockKey(file.root)])
const [leaf] = file.others as [CID]
const leafBytes = file.blocks.get(blockKey(leaf)) as Uint8Array

describe('one flight for many callers', () => {
  it('25 concurrent gets of one block are one request', async () => {
    const provider = await gateway(file.blocks, { kind: 'good', firstByte: 50 })
    const { helia } = await wrappedNode({ clock: new VirtualClock(), providers: [provider] })
    const all = await Promise.all(Array.from({ length: 25 }, async () => await blockFrom(helia.blockstore, leaf)))
    expect(all.every(bytes => Buffer.compare(bytes, leafBytes) === 0)).toBe(true)
    expect(provider.requests).toHaveLength(1)
  })

  it('one caller that leaves does not take the others with it; the last one does', async () => {
    const provider = await gateway(file.blocks, 'silent')
    const { helia } = await wrappedNode({ clock: new VirtualClock(), providers: [provider] })
    const [first, second] = [new AbortController(), new AbortController()]
    const reads = [first, second].map(async ({ signal }) => await failure(helia.contentRouting.retrieve(leaf, { signal })))
    await expect.poll(() => provider.requests.length, { interval: 1 }).toBe(1)

    first.abort(new Error('the first has left'))
    expect((await reads[0])?.message).toBe('the first has left')
    expect(provider.requests[0]?.aborted).toBe(false)
    second.abort(new Error('the second has left'))
    expect((await reads[1])?.message).toBe('the second has left')
    await expect.poll(() => provider.requests[0]?.aborted, { interval: 1 }).toBe(true)
  })
})

describe('a block that nobody has', () => {
  it('is asked for once per window, and again when it is announced or a hint is given', async () => {
    const missing = CID.createV1(0x55, await sha256.digest(new TextEncoder().encode('nobody has this')))
    const provider = await gateway(new Map())
    const { helia, router } = await wrappedNode({ clock: new VirtualClock(), providers: [provider] })
    for (let i = 0; i < 25; i++) {
      expect((await failure(helia.contentRouting.retrieve(missing))).name).toBe('NotFoundError')
    }
    expect(provider.requests).toHaveLength(1)
    expect(router.lookups).toHaveLength(1)

    const other = await gateway(new Map([[blockKey(missing), new TextEncoder().encode('nobody has this')]]))
    expect(await helia.contentRouting.retrieve(missing, { providers: [other.url] })).toEqual(new TextEncoder().encode('nobody has this'))
  })
})

describe('a file over providers that fail in their own ways', () => {
  it('is read in a session although the first provider lacks half of the leaves', async () => {
    const half = await gateway(file.blocks, { kind: 'partial', except: rootKey })
    const whole = await gateway(file.blocks, { kind: 'good', firstByte: 20 })
    const { helia } = await wrappedNode({ providers: inTurn(half, whole) })
    const session = helia.blockstore.createSession(file.root)
    expect(await bytesFrom(unixfs({ ...helia, blockstore: session }).cat(file.root))).toEqual(new Uint8Array(file.bytes))
    session.close()
    // the loser of one race or the one that lacks a block stays in the session
    expect(half.requests.filter(({ outcome }) => outcome === 'served').length).toBeGreaterThan(1)
  })

  it('is read although the first provider is silent on half of the leaves', async () => {
    const mute = await gateway(file.blocks, { kind: 'silent', share: 0.5, except: rootKey })
    const whole = await gateway(file.blocks, { kind: 'good', firstByte: 20 })
    const { helia } = await wrappedNode({ providers: inTurn(mute, whole) })
    expect(await bytesFrom(unixfs(helia).cat(file.root))).toEqual(new Uint8Array(file.bytes))
    expect(mute.requests.some(({ aborted }) => aborted)).toBe(true)
  })

  it('is looked up once, not once per block', async () => {
    const provider = await gateway(file.blocks)
    const { helia, router } = await wrappedNode({ clock: new VirtualClock(), providers: [provider] })
    expect(await bytesFrom(unixfs(helia).cat(file.root))).toEqual(new Uint8Array(file.bytes))
    expect(router.lookups.map(String)).toEqual([file.root.toString()])
    expect(provider.requests).toHaveLength(file.blocks.size)
  })
})

describe('a provider that says when to come back', () => {
  it('is left alone until then, in new reads and in new sessions, and asked again after', async () => {
    const clock = new VirtualClock()
    const busy = await gateway(file.blocks, { kind: 'rate-limited', retryAfter: 60_000 })
    const free = await gateway(file.blocks)
    const { helia } = await wrappedNode({ clock, providers: [free, busy] })
    await helia.contentRouting.retrieve(leaf, { providers: [busy.url] })
    expect(told(helia.contentRouting.explain(leaf)).attempts.find(({ provider }) => provider === idOf(busy))?.outcome).toBe('overloaded')

    const session = helia.blockstore.createSession(file.root)
    for (const cid of [file.root, ...file.others.slice(1, 20)]) {
      await blockFrom(session, cid)
    }
    session.close()
    await clock.advance(59_000)
    await blockFrom(helia.blockstore, file.others[20] as CID)
    expect(busy.requests).toHaveLength(1)
    // load is no dishonesty
    const { providers } = helia.contentRouting.stats()
    expect(providers.find(({ id }) => id === idOf(busy))?.conduct).toBe(0)

    // its time has come, and nobody else has the next block
    await clock.advance(30_000)
    busy.set('good')
    free.set({ kind: 'partial', share: 1 })
    expect((await blockFrom(helia.blockstore, file.others[21] as CID)).byteLength).toBe(4096)
    expect(busy.requests).toHaveLength(2)
  })
})

describe('what was learnt', () => {
  it('survives a restart: who lied is not asked first again', async () => {
    const datastore = new MemoryDatastore()
    const liar = await gateway(file.blocks, 'garbage')
    const honest = await gateway(file.blocks, { kind: 'good', firstByte: 20 })
    const first = await wrappedNode({ datastore, providers: inTurn(liar, honest) })
    for (const cid of file.others.slice(0, 10)) {
      await blockFrom(first.helia.blockstore, cid)
    }
    expect(liar.requests.length).toBeGreaterThan(0)
    await first.helia.stop()
    liar.clear()

    const second = await wrappedNode({ datastore, providers: [liar, honest] })
    const { providers, reputation } = second.helia.contentRouting.stats()
    expect(providers.find(({ id }) => id === idOf(liar))?.conduct).toBeLessThan(0)
    expect(reputation.kept).toBe('memory')
    await blockFrom(second.helia.blockstore, file.others[20] as CID)
    expect(told(second.helia.contentRouting.explain(file.others[20] as CID)).attempts[0]?.provider).toBe(idOf(honest))
  })
})
