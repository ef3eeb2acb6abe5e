import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createPortolan } from '../../src/portolan.ts'
import { kadNode } from '../discovery/kad/support/kad-net.ts'
import { cidOf } from './lookup-wire.ts'
import type { Portolan } from '../../src/portolan.ts'
import type { KadNode } from '../discovery/kad/support/kad-net.ts'
import type { CID } from 'multiformats/cid'

const GET_PROVIDERS = 'GET_PROVIDERS'

/** What servers of the DHT are asked about a block, message by message, as their kad-dht takes it in */
function asked (servers: readonly KadNode[], cid: CID): Array<{ server: string, by: string }> {
  const messages: Array<{ server: string, by: string }> = []

  for (const { libp2p, id } of servers) {
    const { rpc } = libp2p.services.dht as unknown as { rpc: { handleMessage (by: { toString (): string }, message: { type: string, key?: Uint8Array }): Promise<unknown> } }
    const handle = rpc.handleMessage.bind(rpc)
    rpc.handleMessage = async (by, message) => {
      if (message.type === GET_PROVIDERS && Buffer.from(cid.multihash.bytes).equals(message.key ?? new Uint8Array())) {
        messages.push({ server: id, by: by.toString() })
      }
      return handle(by, message)
    }
  }
  return messages
}

describe('repeated lookups of a whole node in a DHT', () => {
  let servers: KadNode[]
  let directory: string

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'portolan-warm-'))
    servers = await Promise.all(Array.from({ length: 6 }, async () => kadNode({ protocol: '/ipfs/kad/1.0.0' })))
    for (const [i, server] of servers.entries()) {
      await Promise.all(servers.slice(0, i).map(async other => server.libp2p.dial(other.libp2p.getMultiaddrs())))
    }
  }, 60_000)

  afterAll(async () => {
    await Promise.all(servers.map(async server => { await server.stop() }))
    await rm(directory, { recursive: true })
  })

  it('ask each server once per freshness window, whoever looks up, and nobody after a restart', async () => {
    const bootstrap = servers[1]?.libp2p.getMultiaddrs().map(String)
    const cid = await cidOf('kept')
    await servers[3]?.libp2p.contentRouting.provide(cid)
    const messages = asked(servers, cid)
    const open = async (): Promise<Portolan> => createPortolan({ store: directory, bootstrap, allowAddresses: ['127.0.0.1'] })
    const find = async ({ helia, libp2p }: Portolan): Promise<string[]> => {
      const found: string[] = []
      for await (const { id } of helia.routing.findProviders(cid)) {
        found.push(id.toString())
      }
      for await (const { id } of libp2p.contentRouting.findProviders(cid)) {
        found.push(id.toCID().toString())
      }
      return found
    }
    const holder = servers[3]?.libp2p.peerId.toCID().toString()

    const first = await open()
    expect(await find(first)).toEqual([holder, holder])
    const self = first.libp2p.peerId.toString()
    const ours = (): string[] => messages.filter(({ by }) => by === self).map(({ server }) => server)
    expect(ours().length).toBeGreaterThan(0)
    expect(new Set(ours()).size).toBe(ours().length)
    const before = ours().length
    expect(await find(first)).toEqual([holder, holder])
    expect(ours()).toHaveLength(before)
    await first.stop()

    const second = await open()
    expect(second.libp2p.peerId.toString()).toBe(self)
    expect(await find(second)).toEqual([holder, holder])
    expect(ours()).toHaveLength(before)
    await second.stop()
  })
})
