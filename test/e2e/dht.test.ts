import { CID } from 'multiformats/cid'
import { sha256 } from 'multiformats/hashes/sha2'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createPortolan } from '../../src/portolan.ts'
import { kadNode } from '../discovery/kad/support/kad-net.ts'
import type { Portolan } from '../../src/portolan.ts'
import type { KadNode } from '../discovery/kad/support/kad-net.ts'

async function blockOf (text: string): Promise<{ cid: CID, bytes: Uint8Array }> {
  const bytes = new TextEncoder().encode(text)
  return { cid: CID.createV1(0x55, await sha256.digest(bytes)), bytes }
}

describe('a node that joins a DHT', () => {
  let servers: KadNode[]
  let holder: Portolan
  let reader: Portolan

  beforeAll(async () => {
    servers = await Promise.all(Array.from({ length: 6 }, async () => kadNode({ protocol: '/ipfs/kad/1.0.0' })))
    for (const [i, server] of servers.entries()) {
      await Promise.all(servers.slice(0, i).map(async other => server.libp2p.dial(other.libp2p.getMultiaddrs())))
    }
    const [first, second] = servers.map(({ libp2p }) => libp2p.getMultiaddrs().map(String)) as [string[], string[]]
    holder = await createPortolan({ listen: ['/ip4/127.0.0.1/tcp/0'], bootstrap: first, serve: 'everyone' })
    reader = await createPortolan({ bootstrap: second, allowAddresses: ['127.0.0.1'] })
  }, 60_000)

  afterAll(async () => {
    await reader.stop()
    await holder.stop()
    await Promise.all(servers.map(async server => { await server.stop() }))
  })

  it('reads what another one announced there, and looks for the next reader in its memory', async () => {
    const { cid, bytes } = await blockOf('announced')
    await holder.store.put(cid, bytes)
    await holder.contentRouting.announce([cid])

    expect(await reader.contentRouting.retrieve(cid)).toEqual(bytes)
    const story = String(reader.contentRouting.explain(cid))
    expect(story).toContain('dht named 1 provider')
    expect(story).toContain(holder.libp2p.peerId.toString())
    expect(reader.discovery?.stats()).toMatchObject({ records: 1, lookups: { lookups: 1, hits: 0 } })
    expect(reader.discovery?.stats().peers).toBeGreaterThan(0)
    await reader.stop()
    expect(reader.discovery).toBeUndefined()
  })
})
