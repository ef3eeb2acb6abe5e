import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { CID } from 'multiformats/cid'
import { sha256 } from 'multiformats/hashes/sha2'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { createPortolan } from '../../src/portolan.ts'
import type { Portolan, PortolanInit } from '../../src/portolan.ts'

const WAIT = { timeout: 20_000, interval: 20 }
const NETWORK: PortolanInit = { dhtProtocol: '/portolan-test/private/kad/1.0.0', allowAddresses: ['127.0.0.1'] }
const SERVER: PortolanInit = { ...NETWORK, dhtServer: true, listen: ['/ip4/127.0.0.1/tcp/0'], serve: 'everyone' }
const running = new Set<Portolan>()

async function start (init: PortolanInit): Promise<Portolan> {
  const node = await createPortolan(init)
  running.add(node)
  return node
}

async function stop (node: Portolan): Promise<void> {
  running.delete(node)
  await node.stop()
}

const addressesOf = (node: Portolan): string[] => node.libp2p.getMultiaddrs().map(String)
const peersOf = (node: Portolan): number => node.discovery?.stats().peers ?? 0

async function announced (node: Portolan, text: string): Promise<{ cid: CID, bytes: Uint8Array }> {
  const bytes = new TextEncoder().encode(text)
  const cid = CID.createV1(0x55, await sha256.digest(bytes))
  await node.store.put(cid, bytes)
  await node.discovery?.announce([cid])
  return { cid, bytes }
}

afterEach(async () => {
  await Promise.all([...running].map(stop))
})

describe('a private network of nodes of ours', () => {
  it('needs nobody else, and outlives the node that all joined through, for those who were there before', async () => {
    const first = await start(SERVER)
    const bootstrap = addressesOf(first)
    const servers = await Promise.all([1, 2, 3].map(async () => start({ ...SERVER, bootstrap })))
    const [holder] = servers as [Portolan]
    await vi.waitFor(() => { expect(servers.map(peersOf)).toEqual([3, 3, 3]) }, WAIT)

    const store = await mkdtemp(join(tmpdir(), 'portolan-private-'))
    try {
      const one = await announced(holder, 'while all are there')
      const reader = await start({ ...NETWORK, store, bootstrap })
      expect(await reader.contentRouting.retrieve(one.cid)).toEqual(one.bytes)
      await vi.waitFor(() => { expect(reader.discovery?.stats().joining.remembered).toBe(4) }, WAIT)
      await stop(reader)
      await stop(first)

      const two = await announced(holder, 'when the first one is gone')
      const again = await start({ ...NETWORK, store, bootstrap })
      expect(await again.contentRouting.retrieve(two.cid)).toEqual(two.bytes)
      expect(again.libp2p.getPeers().map(String)).not.toContain(first.libp2p.peerId.toString())
      await stop(again)

      // who was never there finds nobody, and somebody who speaks another protocol neither
      const stranger = await start({ ...NETWORK, bootstrap })
      await expect(stranger.contentRouting.retrieve(two.cid, { timeout: 2_000 })).rejects.toThrow()
      const foreign = await start({ ...NETWORK, dhtProtocol: '/ipfs/kad/1.0.0', bootstrap: addressesOf(servers[1] as Portolan) })
      await vi.waitFor(() => { expect(foreign.discovery?.stats().joining.failed).toBeGreaterThan(0) }, WAIT)
      expect(peersOf(foreign)).toBe(0)
      await stop(stranger)
      await stop(foreign)
    } finally {
      await rm(store, { recursive: true, force: true, maxRetries: 3 })
    }
  })
})
