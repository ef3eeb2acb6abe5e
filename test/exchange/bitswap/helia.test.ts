import { withBitswap } from '@helia/bitswap'
import { withLibp2pLight } from '@helia/libp2p'
import { identify } from '@libp2p/identify'
import { tcp } from '@libp2p/tcp'
import { tls } from '@libp2p/tls'
import { yamux } from '@libp2p/yamux'
import { MemoryBlockstore } from 'blockstore-core'
import { createHeliaLight } from 'helia'
import { afterEach, describe, expect, it } from 'vitest'
import { attempt, failure, sample, wantOf } from './attempt.ts'
import { client } from './nodes.ts'
import type { Client } from './nodes.ts'
import type { Helia } from '@helia/interface'
import type { HeliaWithLibp2p } from '@helia/libp2p'
import type { Route } from '../../../src/interface/provider.ts'

const toStop: Array<{ stop (): Promise<unknown> }> = []

afterEach(async () => {
  await Promise.all(toStop.splice(0).map(async node => node.stop()))
})

/** Helia with its own bitswap, as its users have it, and ours */
async function pair (): Promise<{ helia: HeliaWithLibp2p & Helia, node: Client, route: Route }> {
  const helia = withBitswap(withLibp2pLight(createHeliaLight({ blockstore: new MemoryBlockstore() }), {
    addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
    transports: [tcp()],
    connectionEncrypters: [tls()],
    streamMuxers: [yamux()],
    services: { identify: identify() },
    connectionMonitor: { enabled: false }
  })) as unknown as HeliaWithLibp2p & Helia
  await helia.start()
  const node = await client()
  toStop.push(helia, node)
  const addresses = helia.libp2p.getMultiaddrs().map(String)
  const [route] = node.fetcher.routes({ id: `p2p:${helia.libp2p.peerId.toString()}`, addresses, protocols: ['transport-bitswap'], source: 'hint', fallback: false, domains: [] })

  return { helia, node, route: route as Route }
}

describe('Helia', () => {
  it('gives us what it has, in blocks of all sizes, and says what it has not', async () => {
    const { helia, node, route } = await pair()
    const blocks = await Promise.all([4, 1_000, 100_000, 1_048_576, 2_000_000].map(async (size, i) => sample(i, size)))

    for (const { cid, bytes } of blocks) {
      await helia.blockstore.put(cid, bytes)
    }

    const missing = failure(node.fetcher.fetch(wantOf(await sample(100)), route, attempt()))
    const fetched = await Promise.all(blocks.map(async block => node.fetcher.fetch(wantOf(block), route, attempt())))

    expect(fetched.map((bytes, i) => Buffer.compare(bytes, blocks[i]?.bytes ?? new Uint8Array(0)))).toEqual(blocks.map(() => 0))
    expect(await missing).toMatchObject({ outcome: 'not-here' })
    expect(node.verifier.hashed).toBe(blocks.length)
    expect(node.faults).toEqual([])
  })

  it('gives us two hundred blocks that are wanted at once', async () => {
    const { helia, node, route } = await pair()
    const blocks = await Promise.all(Array.from({ length: 200 }, async (_, i) => sample(i, 20_000)))

    for (const { cid, bytes } of blocks) {
      await helia.blockstore.put(cid, bytes)
    }

    const fetched = await Promise.all(blocks.map(async block => node.fetcher.fetch(wantOf(block), route, attempt())))
    expect(fetched.every((bytes, i) => Buffer.compare(bytes, blocks[i]?.bytes ?? new Uint8Array(0)) === 0)).toBe(true)
    expect(node.faults).toEqual([])
  })

  it('gives us a block that it got after it had said that it has it not', async () => {
    const { helia, node, route } = await pair()
    const block = await sample(1, 5_000)
    const first = await failure(node.fetcher.fetch(wantOf(block), route, attempt()))
    await helia.blockstore.put(block.cid, block.bytes)

    expect(first).toMatchObject({ outcome: 'not-here' })
    expect(await node.fetcher.fetch(wantOf(block), route, attempt())).toEqual(block.bytes)
    expect(node.faults).toEqual([])
  })
})
