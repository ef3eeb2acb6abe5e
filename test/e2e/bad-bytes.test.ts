import { CID } from 'multiformats/cid'
import { sha256 } from 'multiformats/hashes/sha2'
import { describe, expect, it } from 'vitest'
import { blockKey } from '../../src/block/key.ts'
import { sampleFile } from '../../src/testing/sample-file.ts'
import { blockFrom, failure, gateway, idOf, inTurn, told, wrappedNode } from './node.ts'
import type { LoopbackBehaviour } from '../../src/testing/loopback-behaviour.ts'

const file = await sampleFile({ size: 64 * 1024 })
const { root: cid, bytes } = file

interface Case {
  name: string
  behaviour: LoopbackBehaviour
  outcome: 'invalid' | 'stalled' | 'refused'
}

const cases: Case[] = [
  { name: 'wrong bytes of the right length', behaviour: { kind: 'garbage' }, outcome: 'invalid' },
  { name: 'no bytes', behaviour: { kind: 'empty' }, outcome: 'invalid' },
  { name: 'half of the bytes, well-formed', behaviour: { kind: 'short' }, outcome: 'invalid' },
  { name: 'half of the bytes, then a broken connection', behaviour: { kind: 'truncated' }, outcome: 'invalid' },
  { name: 'a Content-Length larger than the body', behaviour: { kind: 'lying-length' }, outcome: 'invalid' },
  { name: 'a Content-Length smaller than the body', behaviour: { kind: 'lying-length', claims: 100 }, outcome: 'invalid' },
  { name: 'a Content-Length of a terabyte', behaviour: { kind: 'lying-length', claims: 2 ** 40 }, outcome: 'invalid' },
  { name: 'a body that never ends', behaviour: { kind: 'endless' }, outcome: 'invalid' },
  { name: 'a web page', behaviour: { kind: 'html' }, outcome: 'invalid' },
  { name: 'a redirect', behaviour: { kind: 'redirect' }, outcome: 'refused' },
  { name: 'half of the bytes, then silence', behaviour: { kind: 'stalling' }, outcome: 'stalled' }
]

describe.each(cases)('a provider that sends $name', ({ behaviour, outcome }) => {
  it('is replaced by another one', async () => {
    const bad = await gateway(file.blocks, behaviour)
    const good = await gateway(file.blocks)
    const { helia, store } = await wrappedNode({ providers: inTurn(bad, good) })

    expect(await blockFrom(helia.blockstore, cid)).toEqual(bytes)
    expect(bad.requests.length).toBeGreaterThan(0)
    expect(await blockFrom(store, cid)).toEqual(bytes)

    const story = told(helia.contentRouting.explain(cid))
    expect(story.result).toBe('delivered')
    expect(story.attempts.find(({ provider }) => provider === idOf(bad))?.outcome).toMatch(outcome === 'stalled' ? /stalled|cancelled/ : outcome)
    expect(story.attempts.find(({ provider }) => provider === idOf(good))?.outcome).toBe('delivered')
  })

  it('is named by the error when there is no other, and leaves nothing behind', async () => {
    const bad = await gateway(file.blocks, behaviour)
    const { helia, store } = await wrappedNode({ providers: [bad] })

    const err = await failure(helia.contentRouting.retrieve(cid, { timeout: outcome === 'stalled' ? 2500 : 10_000 }))
    expect(err.name).toMatch(/^Retrieval(Failed|Timeout)Error$/)
    expect(String(err.story)).toContain(idOf(bad))
    expect(err.errors?.[0]).toMatchObject({ name: 'FetchError', outcome, provider: idOf(bad) })
    expect(store.has(cid)).toBe(false)
    // an endless body is cut off: what was sent is not much more than a block may weigh
    expect(Math.max(...bad.requests.map(request => request.bytes))).toBeLessThan(16 * 1024 * 1024)
  })
})

describe('a block over the limit', () => {
  const big = new Uint8Array(3 * 1024 * 1024).fill(7)

  it('is refused by name, whoever has it, and comes when the caller raises the limit', async () => {
    const bigCid = CID.createV1(0x55, await sha256.digest(big))
    const provider = await gateway(new Map([[blockKey(bigCid), big]]))
    const { helia, store } = await wrappedNode({ providers: [provider] })

    const err = await failure(helia.contentRouting.retrieve(bigCid))
    expect(err.errors?.[0]).toMatchObject({ outcome: 'invalid', provider: idOf(provider) })
    expect(err.errors?.[0]?.message).toContain('2097152')
    expect(store.has(bigCid)).toBe(false)

    // another node: on this one the provider sits out its fault
    const tolerant = await wrappedNode({ providers: [provider] })
    expect(await tolerant.helia.contentRouting.retrieve(bigCid, { maxBlockSize: 4 * 1024 * 1024 })).toEqual(big)
  })
})

describe('a provider that lies through the node\'s own blockstore', () => {
  it('surfaces in the error that Helia throws', async () => {
    const bad = await gateway(file.blocks, 'garbage')
    const { helia } = await wrappedNode({ providers: [bad] })
    const err = await failure(blockFrom(helia.blockstore, cid))
    expect(err.name).toBe('LoadBlockFailedError')
    expect(err.errors?.[0]?.name).toBe('RetrievalFailedError')
    expect(String((err.errors?.[0] as { story?: unknown } | undefined)?.story)).toContain(idOf(bad))
  })
})
