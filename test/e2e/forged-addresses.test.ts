import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { generateKeyPair } from '@libp2p/crypto/keys'
import { expect, describe, it } from 'vitest'
import { blockKey } from '../../src/block/key.ts'
import { sampleFile } from '../../src/testing/sample-file.ts'
import { VirtualClock } from '../../src/testing/virtual-clock.ts'
import { failure, gateway, idOf, wrappedNode } from './node.ts'
import type { LoopbackProvider } from '../../src/testing/loopback-provider.ts'
import type { CID } from 'multiformats/cid'

const file = await sampleFile({ size: 60 * 4096, chunkSize: 4096 })
const leaves = file.others as CID[]
const peer = peerIdFromPrivateKey(await generateKeyPair('Ed25519')).toString()

/** The address of a gateway as a record gives it that says who is there */
const claim = (provider: LoopbackProvider, who = peer): string => `/ip4/127.0.0.1/tcp/${new URL(provider.url).port}/http/p2p/${who}`

describe('an address that somebody else forged into the record of a good peer', () => {
  it.each([
    ['rate-limited', { kind: 'rate-limited', retryAfter: 600_000 }],
    ['html', { kind: 'html' }],
    ['garbage', { kind: 'garbage' }],
    ['refusing', { kind: 'refusing' }],
    ['error', { kind: 'error' }]
  ] as const)('is left alone when it is %s, and the peer is asked at its own as ever', async (_kind, behaviour) => {
    const forged = await gateway(file.blocks, behaviour)
    const own = await gateway(file.blocks)
    const { helia } = await wrappedNode({ clock: new VirtualClock() })
    for (const leaf of leaves) {
      await helia.contentRouting.retrieve(leaf, { providers: [claim(forged), claim(own)] })
    }
    expect(own.requests).toHaveLength(leaves.length)
    expect(own.requests.every(({ outcome }) => outcome === 'served')).toBe(true)
    const known = helia.contentRouting.stats().providers
    expect(known.map(({ id }) => id)).not.toContain(`p2p:${peer}`)
    expect(known.find(({ id }) => id === idOf(own))).toMatchObject({ conduct: leaves.length, breaker: 'closed', reliability: expect.closeTo(1, 1) as number })
  })

  it('cannot say in its name that it has nothing', async () => {
    const forged = await gateway(new Map())
    const own = await gateway(file.blocks)
    const { helia } = await wrappedNode({ clock: new VirtualClock() })
    for (const leaf of leaves) {
      expect(await helia.contentRouting.retrieve(leaf, { providers: [claim(forged), claim(own)] })).toEqual(file.blocks.get(blockKey(leaf)))
    }
    expect(forged.requests.length).toBeGreaterThan(0)
  })

  it('does not make a read wait for its silence', async () => {
    const forged = await gateway(file.blocks, 'silent')
    const own = await gateway(file.blocks)
    const { helia } = await wrappedNode()
    for (const leaf of leaves.slice(0, 10)) {
      await helia.contentRouting.retrieve(leaf, { providers: [claim(forged), claim(own)], timeout: 5_000 })
    }
    expect(own.requests.filter(({ outcome }) => outcome === 'served')).toHaveLength(10)
    expect(helia.contentRouting.stats().providers.find(({ id }) => id === idOf(own))).toMatchObject({ breaker: 'closed' })
  })
})

it('a server is asked once for a block, by however many names it goes', async () => {
  const server = await gateway(new Map())
  const { helia } = await wrappedNode({ clock: new VirtualClock() })
  const names = await Promise.all(Array.from({ length: 12 }, async () => peerIdFromPrivateKey(await generateKeyPair('Ed25519')).toString()))
  expect((await failure(helia.contentRouting.retrieve(leaves[0] as CID, { providers: [server.url, ...names.map(name => claim(server, name))] }))).name).toBe('NotFoundError')
  expect(server.requests).toHaveLength(1)
})
