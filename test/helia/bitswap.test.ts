import { withBitswap } from '@helia/bitswap'
import { withLibp2pLight } from '@helia/libp2p'
import { unixfs } from '@helia/unixfs'
import { createHeliaLight } from 'helia'
import { afterEach, describe, expect, it } from 'vitest'
import { heliaMixin } from '../../src/compose.ts'
import { undiciTransport } from '../../src/exchange/http/undici-egress.ts'
import { block, read } from './own-routing.ts'
import { loopbackLibp2p } from './loopback-libp2p.ts'
import type { ContentRoutingOptions } from '../../src/compose.ts'
import type { Helia } from '@helia/interface'
import type { HeliaWithLibp2p } from '@helia/libp2p'

const wrap = heliaMixin(({ policy }) => undiciTransport({ policy }))
const nodes: Helia[] = []

afterEach(async () => {
  await Promise.all(nodes.splice(0).map(async helia => helia.stop()))
})

async function keep<H extends Helia> (helia: H): Promise<H> {
  nodes.push(helia)
  return helia.start()
}

const plain = (): HeliaWithLibp2p => withBitswap(withLibp2pLight(createHeliaLight(), loopbackLibp2p())) as unknown as HeliaWithLibp2p

async function pair (options: ContentRoutingOptions = {}): Promise<{ server: HeliaWithLibp2p, client: ReturnType<typeof wrap<HeliaWithLibp2p>> }> {
  const server = await keep(plain())
  const client = await keep(wrap(plain(), options))
  await client.libp2p.dial(server.libp2p.getMultiaddrs())
  return { server, client }
}

describe('a node whose only way to blocks is bitswap', () => {
  it('loses no read by being wrapped: connected peers are asked', async () => {
    const { server, client } = await pair()
    const bytes = new Uint8Array(300_000).map((_, i) => i)
    const cid = await unixfs(server).addBytes(bytes)
    const parts: Uint8Array[] = []
    for await (const part of unixfs(client).cat(cid)) {
      parts.push(part)
    }
    expect(Buffer.concat(parts)).toEqual(Buffer.from(bytes))

    const session = client.blockstore.createSession(cid)
    expect(await session.has(cid)).toBe(true)
    session.close()
  })

  it('asks a peer that was only hinted at', async () => {
    const one = await block('one')
    const server = await keep(plain())
    await server.blockstore.put(one.cid, one.bytes)
    const client = await keep(wrap(plain(), { allowAddresses: ['127.0.0.1'] }))
    expect(await read(client.blockstore.get(one.cid, { providers: [server.libp2p.getMultiaddrs()] }))).toBe('one')
  })

  it('serves its own blocks to others while it is wrapped, also those put later', async () => {
    const one = await block('one')
    const { server, client } = await pair()
    const reading = read(server.blockstore.get(one.cid))
    await client.blockstore.put(one.cid, one.bytes)
    expect(await reading).toBe('one')
  })

  it('works again after a restart, disabled as well as enabled', async () => {
    const [one, two] = [await block('one'), await block('two')]
    const { server, client } = await pair()
    await server.blockstore.put(one.cid, one.bytes)
    await server.blockstore.put(two.cid, two.bytes)
    await client.stop()
    await client.start()
    await client.libp2p.dial(server.libp2p.getMultiaddrs())
    expect(await read(client.blockstore.get(one.cid))).toBe('one')
    client.contentRouting.disable()
    expect(await read(client.blockstore.get(two.cid))).toBe('two')
  })

  it('asks no peer in a stricter mode, unless the broker is trusted', async () => {
    const one = await block('one')
    const { server, client } = await pair({ mode: 'balanced', timeout: 2000 })
    await server.blockstore.put(one.cid, one.bytes)
    await expect(read(client.blockstore.get(one.cid))).rejects.toMatchObject({ name: 'LoadBlockFailedError', errors: [{ name: 'NotFoundError' }] })

    const trusting = await pair({ mode: 'balanced', trustedBrokers: ['bitswap'] })
    await trusting.server.blockstore.put(one.cid, one.bytes)
    expect(await read(trusting.client.blockstore.get(one.cid))).toBe('one')
  })
})
