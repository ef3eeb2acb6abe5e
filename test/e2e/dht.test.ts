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

  it('announces together, and kad-dht does not do it again by itself', async () => {
    const { cid, bytes } = await blockOf('kept')
    const { cid: old } = await blockOf('of an earlier version')
    const { dht } = holder.libp2p.services as unknown as { dht: { providers: { getProviders (cid: CID): Promise<unknown[]>, writeProviderEntry (cid: CID, peer: unknown, options: { time: Date }): Promise<void> }, reprovider: { processRecords (): Promise<void>, reprovideQueue: { size: number, running: number } } } }
    await holder.store.put(cid, bytes)
    let holders = 0
    await holder.contentRouting.announce([cid], { onProgress: ({ detail }) => { holders += detail.swept[0]?.holders ?? 0 } })
    expect(holders).toBe(6)
    expect(holder.contentRouting.stats().announced).toMatchObject({ done: 1, failed: 0, pending: 0 })
    expect(holder.discovery?.stats().announcements).toMatchObject({ announced: 1, records: 6 })
    expect(await dht.providers.getProviders(cid)).toEqual([])

    // a record of kad-dht's own that has expired, which it would announce at once
    await dht.providers.writeProviderEntry(old, holder.libp2p.peerId, { time: new Date(0) })
    await dht.reprovider.processRecords()
    expect([dht.reprovider.reprovideQueue.size, dht.reprovider.reprovideQueue.running]).toEqual([0, 0])
  })

  it('announces nothing where nobody is served', async () => {
    const { cid } = await blockOf('of no use')
    await expect(reader.contentRouting.announce([cid])).rejects.toThrow(expect.objectContaining({ name: 'AnnounceRefusedError', reason: 'serves-nobody' }))
  })

  it('reads what another one announced there, and looks for the next reader in its memory', async () => {
    const { cid, bytes } = await blockOf('announced')
    await holder.store.put(cid, bytes)
    await holder.contentRouting.announce([cid])

    expect(await reader.contentRouting.retrieve(cid)).toEqual(bytes)
    const story = String(reader.contentRouting.explain(cid))
    expect(story).toContain('dht named 1 provider')
    expect(story).toContain(holder.libp2p.peerId.toString())
    // and the lookup hears what came of it
    expect(reader.discovery?.stats()).toMatchObject({ records: 1, lookups: { lookups: 1, hits: 0, retrievals: 1, successfulRetrievals: 1 }, walks: { begun: 1, providers: 1 } })
    expect(reader.contentRouting.stats().discovery.sources).toContainEqual(expect.objectContaining({ name: 'dht', lookups: 1, named: 1, successfulRetrievals: 1, kept: 1 }))
    expect(reader.discovery?.stats().peers).toBeGreaterThan(0)
    await reader.stop()
    expect(reader.discovery).toBeUndefined()
  })
})
