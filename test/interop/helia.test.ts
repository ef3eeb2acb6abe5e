import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { unixfs } from '@helia/unixfs'
import { multiaddr } from '@multiformats/multiaddr'
import { CID } from 'multiformats/cid'
import { sha256 } from 'multiformats/hashes/sha2'
import { onTestFinished, describe, expect, it } from 'vitest'
import { bitswapSpy } from '../../bench/exchange/bitswap-spy.ts'
import { heliaNode } from '../../bench/exchange/helia-node.ts'
import { getFilesystem } from '../../src/index.ts'
import { ownNode } from './own-node.ts'
import { digestOf, seededBytes } from './sample-data.ts'
import type { Portolan } from '../../src/portolan.ts'

const SIZE = 16 * 1024 * 1024
const DIGEST = digestOf(seededBytes(SIZE, 3))
const TIME = 60_000

async function helia (security: 'tls' | 'noise'): ReturnType<typeof heliaNode> {
  const folder = await mkdtemp(join(tmpdir(), 'portolan-helia-'))
  const node = await heliaNode(folder, security)
  onTestFinished(async () => {
    await node.stop()
    await rm(folder, { recursive: true, force: true, maxRetries: 3 })
  })
  return node
}

async function own (): Promise<Portolan> {
  const node = await ownNode()
  onTestFinished(async () => { await node.stop() })
  return node
}

async function all<T> (source: AsyncIterable<T>): Promise<T[]> {
  const items: T[] = []
  for await (const item of source) {
    items.push(item)
  }
  return items
}

describe.each(['tls', 'noise'] as const)('plain Helia with its own bitswap, over %s', security => {
  it('reads a file from us', async () => {
    const [us, them] = await Promise.all([own(), helia(security)])
    const root = await getFilesystem(us.helia).addByteStream(seededBytes(SIZE, 3), { rawLeaves: true })
    const server = us.libp2p.getMultiaddrs()
    const signal = AbortSignal.timeout(TIME)
    await them.libp2p.dial(server, { signal })
    const session = them.blockstore.createSession(root, { providers: [server[0]!] })
    expect(digestOf(await all(unixfs({ blockstore: session }).cat(root, { signal })))).toBe(DIGEST)
    session.close()
    expect(us.contentRouting.stats().exchange?.bitswap?.serving).toMatchObject({ stalled: 0, refused: 0 })
  })

  it('is read by us, each block once', async () => {
    const [us, them] = await Promise.all([own(), helia(security)])
    const root = await unixfs(them).addByteStream(seededBytes(SIZE, 3), { rawLeaves: true })
    const read = getFilesystem(us.helia).cat(root, { providers: [them.libp2p.getMultiaddrs()[0]!], signal: AbortSignal.timeout(TIME) })
    expect(digestOf(await all(read))).toBe(DIGEST)
    expect(us.contentRouting.stats().exchange?.received.bitswap).toBeLessThan(SIZE * 1.01)
  })
})

// no implementation that can be had speaks nothing newer: Kubo and Helia offer all versions at once
describe.each(['/ipfs/bitswap/1.1.0', '/ipfs/bitswap/1.0.0'] as const)('a peer that speaks %s and nothing newer', protocol => {
  it('gives us what it has, and is asked in its own way', async () => {
    const bytes = Buffer.from(`a block over ${protocol}`)
    const cid = CID.createV1(0x55, await sha256.digest(bytes))
    const old = await bitswapSpy({ protocols: [protocol], answer: wants => ({ blocks: wants.filter(({ cancel }) => !cancel).map(({ cid }) => ({ cid, bytes })) }) })
    onTestFinished(async () => { await old.stop() })
    const us = await own()
    expect(await us.contentRouting.retrieve(cid, { providers: old.multiaddrs, signal: AbortSignal.timeout(TIME) })).toEqual(new Uint8Array(bytes))
    expect(old.streams.map(stream => stream.protocol)).toEqual([protocol])
    // there are no other questions in these versions
    expect(old.wants.map(({ type }) => type)).toEqual(['block'])
  })

  it('gets from us what we have', async () => {
    const us = await own()
    const bytes = Buffer.from(`another block over ${protocol}`)
    const cid = CID.createV1(0x55, await sha256.digest(bytes))
    await us.store.put(cid, bytes)
    const old = await bitswapSpy({ protocols: [protocol] })
    onTestFinished(async () => { await old.stop() })
    await old.libp2p.dial(multiaddr(us.libp2p.getMultiaddrs()[0]), { signal: AbortSignal.timeout(TIME) })
    await old.say({ wants: [{ cid, type: 'block', priority: 1 }] })
    await old.until(({ blocks }) => blocks.length > 0)
    expect(old.blocks.map(block => Buffer.from(block.bytes))).toEqual([bytes])
    expect(old.streams.map(stream => stream.protocol)).toEqual([protocol])
  })
})
