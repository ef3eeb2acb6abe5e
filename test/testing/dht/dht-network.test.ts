import { CID } from 'multiformats/cid'
import { sha256 } from 'multiformats/hashes/sha2'
import { describe, expect, it, onTestFinished } from 'vitest'
import { dhtNetwork } from '../../../src/testing/dht/dht-network.ts'
import type { DhtNetwork, DhtNetworkInit } from '../../../src/testing/dht/dht-network.ts'
import type { DhtNode } from '../../../src/testing/dht/dht-node.ts'

/** Ways of a few milliseconds: what is asked here has no time in it */
const NEAR = { minDelay: 1, maxDelay: 4 }

async function network (init: DhtNetworkInit = {}): Promise<DhtNetwork> {
  const started = await dhtNetwork({ nodes: 60, memory: NEAR, ...init })
  onTestFinished(async () => { await started.stop() })
  return started
}

async function cid (text: string): Promise<CID> {
  return CID.createV1(0x55, await sha256.digest(new TextEncoder().encode(text)))
}

async function closestTo (node: DhtNode, key: Uint8Array): Promise<string[]> {
  const found: string[] = []

  for await (const event of node.libp2p.services.dht.getClosestPeers(key)) {
    if (event.name === 'FINAL_PEER') {
      found.push(event.peer.id.toString())
    }
  }

  return found
}

describe('a network of kad-dhts', () => {
  it('starts with settled tables and nobody connected', async () => {
    const { servers } = await network({ nodes: 30 })
    expect(servers).toHaveLength(30)

    for (const server of servers) {
      expect(server.tableSize()).toBeGreaterThan(20)
      expect(server.libp2p.getConnections()).toEqual([])
      expect(server.libp2p.services.dht.getMode()).toBe('server')
    }
  })

  it('is the same for the same seed', async () => {
    const [a, b, other] = [await network({ nodes: 5 }), await network({ nodes: 5 }), await network({ nodes: 5, seed: 2 })]
    const ids = ({ servers }: DhtNetwork): string[] => servers.map(({ id }) => id)
    expect(ids(a)).toEqual(ids(b))
    expect(ids(a)).not.toEqual(ids(other))
    expect(a.memory.delayBetween(ids(a)[0] ?? '', ids(a)[1] ?? '')).toBe(b.memory.delayBetween(ids(b)[0] ?? '', ids(b)[1] ?? ''))
  })

  it('leads a lookup to the true closest of the living', async () => {
    const net = await network()
    const client = await net.add()

    for (let i = 0; i < 5; i++) {
      const { multihash } = await cid(`block ${i}`)
      const truth = net.closest(multihash.bytes).map(({ id }) => id)
      expect(truth).toHaveLength(20)
      expect((await closestTo(client, multihash.bytes)).sort()).toEqual(truth.sort())
    }
  })

  it('keeps what kad-dht provides on those closest, and finds it there', async () => {
    const net = await network()
    const [provider, client] = [await net.add({ listen: true }), await net.add()]
    const block = await cid('provided')
    const holders: string[] = []

    for await (const event of provider.libp2p.services.dht.provide(block)) {
      if (event.name === 'PEER_RESPONSE' && event.messageName === 'ADD_PROVIDER') {
        holders.push(event.from.toString())
      }
    }

    expect(holders.sort()).toEqual(net.closest(block.multihash.bytes).map(({ id }) => id).sort())
    const found = new Set<string>()

    for await (const event of client.libp2p.services.dht.findProviders(block)) {
      if (event.name === 'PROVIDER') {
        event.providers.forEach(({ id }) => { found.add(id.toString()) })
      }
    }

    expect([...found]).toEqual([provider.id])
  })

  it('gives twins the same table and the same delays', async () => {
    const net = await network({ nodes: 30, memory: { minDelay: 1, maxDelay: 100 } })
    const one = await net.add()
    const two = await net.add({ twin: one })
    const tableOf = async ({ libp2p }: DhtNode): Promise<string[]> =>
      (await libp2p.peerStore.all()).filter(({ tags }) => tags.has('kad-peer')).map(({ id }) => id.toString()).sort()
    expect(await tableOf(two)).toEqual(await tableOf(one))
    expect(one.id).not.toBe(two.id)

    for (const server of net.servers) {
      expect(net.memory.delayBetween(two.id, server.id)).toBe(net.memory.delayBetween(one.id, server.id))
    }
  })

  it('takes a share of its servers away: half gone, half mute, still in the tables', async () => {
    const net = await network({ nodes: 40, dead: 0.2 })
    const modes = (): Record<string, number> => {
      const counts: Record<string, number> = {}
      for (const { id } of net.servers) {
        const mode = net.memory.mode(id)
        counts[mode] = (counts[mode] ?? 0) + 1
      }
      return counts
    }
    expect(modes()).toEqual({ live: 32, gone: 4, mute: 4 })
    expect(net.kill(0.1, { mute: 0 })).toHaveLength(4)
    expect(modes()).toEqual({ live: 28, gone: 8, mute: 4 })
    const { multihash } = await cid('x')
    expect(net.closest(multihash.bytes, { count: 100 })).toHaveLength(28)
    expect(net.closest(multihash.bytes, { count: 100, dead: true })).toHaveLength(40)
  })

  it('takes services and options of a node', async () => {
    const net = await network({ nodes: 3 })
    const node = await net.add({ libp2p: { services: { extra: () => ({ seven: 7 }) } } })
    expect((node.libp2p.services as unknown as { extra: { seven: number } }).extra.seven).toBe(7)
  })

  it.each([0, 1.5, 70_000])('has no %s nodes', async nodes => {
    await expect(dhtNetwork({ nodes })).rejects.toMatchObject({ name: 'InvalidOptionError' })
  })

  it.each([[-0.1, 0.5], [1.1, 0.5], [0.5, 2]])('kills no share of %s with %s of them mute', async (share, mute) => {
    const net = await network({ nodes: 2 })
    expect(() => { net.kill(share, { mute }) }).toThrow(expect.objectContaining({ name: 'InvalidOptionError' }))
  })
})
