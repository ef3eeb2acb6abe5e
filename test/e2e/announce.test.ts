import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { unixfs } from '@helia/unixfs'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { createPortolan } from '../../src/portolan.ts'
import { kadNode } from '../discovery/kad/support/kad-net.ts'
import { bytesFrom } from './node.ts'
import type { Portolan, PortolanInit } from '../../src/portolan.ts'
import type { KadNode } from '../discovery/kad/support/kad-net.ts'

describe('a node that announces by itself', () => {
  let servers: KadNode[]
  let reader: Portolan
  let directory: string
  let init: PortolanInit

  beforeAll(async () => {
    servers = await Promise.all(Array.from({ length: 6 }, async () => kadNode({ protocol: '/ipfs/kad/1.0.0' })))
    for (const [i, server] of servers.entries()) {
      await Promise.all(servers.slice(0, i).map(async other => server.libp2p.dial(other.libp2p.getMultiaddrs())))
    }
    const [first, second] = servers.map(({ libp2p }) => libp2p.getMultiaddrs().map(String)) as [string[], string[]]
    directory = await mkdtemp(join(tmpdir(), 'portolan-announce-'))
    init = { store: join(directory, 'store'), listen: ['/ip4/127.0.0.1/tcp/0'], bootstrap: first, serve: 'everyone', announce: 'roots' }
    reader = await createPortolan({ bootstrap: second, allowAddresses: ['127.0.0.1'] })
  }, 60_000)

  afterAll(async () => {
    await reader.stop()
    await Promise.all(servers.map(async server => { await server.stop() }))
    await rm(directory, { recursive: true })
  })

  /** All that the strategy names was announced */
  async function announced (node: Portolan, count: number): Promise<void> {
    await vi.waitFor(() => { expect(node.discovery?.stats().announcements).toMatchObject({ chosen: count, waiting: 0, pending: 0 }) }, { interval: 50, timeout: 90_000 })
  }

  it('is found by whoever looks for a directory that it pinned, announces it once, and no more when it is not pinned', async () => {
    const before = await createPortolan(init)
    const fs = unixfs(before.helia)
    const file = await fs.addBytes(new TextEncoder().encode('to be found'))
    const root = await fs.cp(file, await fs.addDirectory(), 'note.txt')
    for await (const cid of before.helia.pins.add(root)) {
      expect(cid).toBeDefined()
    }
    await announced(before, 1)
    expect(before.discovery?.stats().announcements).toMatchObject({ announced: 1, failed: 0, scheduled: 1, records: 6 })

    const text = await bytesFrom(reader.contentRouting.retrieveContent(`/ipfs/${root}/note.txt`))
    expect(new TextDecoder().decode(text)).toBe('to be found')
    expect(String(reader.contentRouting.explain(root))).toContain('dht named 1 provider')
    await before.stop()

    await using holder = await createPortolan(init)
    await announced(holder, 1)
    expect(holder.discovery?.stats().announcements).toMatchObject({ announced: 0, records: 0, scheduled: 1, overdue: 0 })
    for await (const cid of holder.helia.pins.rm(root)) {
      await holder.helia.blockstore.delete(cid)
    }
    expect(holder.discovery?.stats().announcements).toMatchObject({ chosen: 0, scheduled: 0 })
  }, 240_000)

  it('refuses what could never be announced, before anything is opened', async () => {
    const refused: Array<[PortolanInit, string]> = [
      [{ ...init, serve: 'none' }, 'announce is "roots", and whoever came for a block would get none, because serve is "none": say who is served, or leave announce out'],
      [{ ...init, bootstrap: [] }, 'there is no DHT to tell: name peers to join one through (bootstrap)'],
      [{ ...init, listen: [] }, 'nobody could come, because this node listens nowhere'],
      [{ ...init, store: 'memory', announce: 'all' }, 'a store in memory does not tell what was put there from what was fetched'],
      [{ ...init, announce: 'mfs' as 'all' }, 'announce must be one of none, roots, pinned, all, got "mfs"']
    ]
    for (const [wrong, message] of refused) {
      await expect(createPortolan(wrong)).rejects.toThrow(expect.objectContaining({ name: 'InvalidOptionError', message: expect.stringContaining(message) as string }))
    }
  })

  it('says how to be rid of an announcement that was asked for', async () => {
    await using holder = await createPortolan({ ...init, store: 'memory', announce: 'none' })
    const cid = await unixfs(holder.helia).addBytes(new TextEncoder().encode('asked for'))
    await holder.contentRouting.announce(cid)
    expect(holder.discovery?.stats().announcements).toMatchObject({ announced: 1, scheduled: 1, chosen: 0 })
    await holder.contentRouting.cancel(cid)
    expect(holder.discovery?.stats().announcements).toMatchObject({ scheduled: 0 })
    await expect(holder.contentRouting.cancel(['no' as never])).rejects.toMatchObject({ name: 'InvalidCIDError' })
  }, 60_000)
})
