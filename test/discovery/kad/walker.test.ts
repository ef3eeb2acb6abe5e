import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { CID } from 'multiformats/cid'
import { sha256 } from 'multiformats/hashes/sha2'
import { recordedRequest } from '../recorded-request.ts'
import { kadNet, walkerOf } from './support/kad-net.ts'
import { compareDistance, kadKey } from '../../../src/discovery/kad/kad-key.ts'
import type { KadNode, WalkingNode } from './support/kad-net.ts'
import type { KadPeer } from '../../../src/discovery/kad/kad-client.ts'

async function cidOf (text: string): Promise<CID> {
  return CID.createV1(0x55, await sha256.digest(new TextEncoder().encode(text)))
}

describe('walker in a net of kad-dht servers', () => {
  let nodes: KadNode[]
  let ours: WalkingNode

  beforeAll(async () => {
    nodes = await kadNet(16)
    ours = await walkerOf(nodes[0] as KadNode)
  }, 60_000)

  afterAll(async () => {
    ours.stop()
    await Promise.all(nodes.map(async node => { await node.stop() }))
  })

  it('finds who provides, and discloses each message', async () => {
    const cid = await cidOf('one')
    const provider = nodes[5] as KadNode
    await provider.libp2p.contentRouting.provide(cid)
    const { request, entries, controller } = recordedRequest()
    const found: KadPeer[] = []

    for await (const peer of ours.walker.findProviders(cid, { request, signal: controller.signal })) {
      found.push(peer)
    }

    expect(found.map(({ id }) => id)).toEqual([provider.id])
    expect(found[0]?.addresses.length).toBeGreaterThan(0)
    expect(entries.map(({ observer }) => observer).sort()).toEqual(nodes.slice(1).map(({ id }) => `p2p:${id}`).sort())
    expect(new Set(entries.map(({ state }) => state))).toEqual(new Set(['sent']))
  })

  it('finds the nearest', async () => {
    const preimage = new TextEncoder().encode('anything')
    const { closest, end } = await ours.walker.findClosest(preimage, { signal: AbortSignal.timeout(5_000) })
    const target = kadKey(preimage)
    const expected = nodes.slice(1).map(node => node.asPeer()).sort((a, b) => compareDistance(target, a.key, b.key))

    expect(end).toBe('exhausted')
    expect(closest.map(({ id }) => id)).toEqual(expected.map(({ id }) => id))
  })
})
