import { withLibp2pLight } from '@helia/libp2p'
import { unixfs } from '@helia/unixfs'
import { createHeliaLight } from 'helia'
import { afterEach, describe, expect, it } from 'vitest'
import { bitswapSpy } from '../../bench/exchange/bitswap-spy.ts'
import { withContentRouting } from '../../src/index.ts'
import { createPortolan } from '../../src/portolan.ts'
import { sampleFile } from '../../src/testing/sample-file.ts'
import { loopbackLibp2p } from '../helia/loopback-libp2p.ts'
import { block } from '../helia/own-routing.ts'
import { bytesFrom, told } from './node.ts'
import type { BitswapSpy } from '../../bench/exchange/bitswap-spy.ts'
import type { Portolan, PortolanInit } from '../../src/portolan.ts'
import type { HeliaWithLibp2p } from '@helia/libp2p'

const LOOPBACK = ['/ip4/127.0.0.1/tcp/0']
const open: Array<{ stop (): Promise<unknown> }> = []

afterEach(async () => {
  await Promise.all(open.splice(0).map(async node => node.stop()))
})

async function portolan (init: PortolanInit = {}): Promise<Portolan> {
  const node = await createPortolan({ allowAddresses: ['127.0.0.1'], ...init })
  open.push(node)
  return node
}

/** Peers that say of everything that they have it not */
async function spies (count: number): Promise<BitswapSpy[]> {
  const made = await Promise.all(Array.from({ length: count }, async () => bitswapSpy({
    answer: wants => wants.every(({ cancel }) => cancel) ? undefined : { presences: wants.filter(({ cancel }) => !cancel).map(({ cid }) => ({ cid, type: 'dont-have' as const })) }
  })))
  open.push(...made)
  return made
}

async function dialAll (node: Pick<Portolan, 'libp2p'>, peers: ReadonlyArray<Pick<BitswapSpy, 'libp2p'>>): Promise<void> {
  for (const { libp2p } of peers) {
    await node.libp2p.dial(libp2p.getMultiaddrs())
    // identified: who is not has said nothing of bitswap
    while ((await node.libp2p.peerStore.get(libp2p.peerId)).protocols.length === 0) {
      await new Promise(resolve => setImmediate(resolve))
    }
  }
}

describe('connected peers', () => {
  it('are asked whether they have a block, as many as was said, and who has it delivers the file; the others see one question', async () => {
    const file = await sampleFile({ size: 3_000_000 })
    const one = await createPortolan({ listen: LOOPBACK, serve: 'everyone' })
    open.push(one)
    const root = await unixfs(one.helia).addBytes(file.bytes)
    const two = await portolan({ mode: 'open', askConnected: 11 })
    const others = await spies(10)
    await dialAll(two, [one, ...others])

    expect(Buffer.from(await bytesFrom(two.contentRouting.retrieveContent(root)))).toEqual(Buffer.from(file.bytes))
    const story = told(two.contentRouting.explain(root))
    expect(story.attempts).toMatchObject([{ provider: `p2p:${one.libp2p.peerId.toString()}`, outcome: 'delivered' }])
    expect(story.found).toEqual([{ provider: `p2p:${one.libp2p.peerId.toString()}`, source: 'asked' }])

    for (const spy of others) {
      expect(spy.wants.map(({ cid, type }) => ({ cid: cid.toString(), type }))).toEqual([{ cid: root.toString(), type: 'have' }])
    }
  })

  it('are asked no more than was said, and others see nothing', async () => {
    const node = await portolan({ mode: 'open', askConnected: 3 })
    const all = await spies(8)
    await dialAll(node, all)
    const { cid } = await block('nowhere')
    await expect(node.contentRouting.retrieve(cid, { timeout: 2_000 })).rejects.toMatchObject({ name: 'NotFoundError' })

    const haves = all.filter(({ wants }) => wants.some(({ type }) => type === 'have'))
    expect(haves).toHaveLength(3)
    // who said no is not asked again as a last resort
    expect(haves.flatMap(({ wants }) => wants.map(({ type }) => type))).toEqual(['have', 'have', 'have'])
    await Promise.all(haves.map(async spy => spy.until(({ cancels }) => cancels.length === 1)))
  })

  it.each<[string, PortolanInit, object]>([
    ['by default', { mode: 'open' }, {}],
    ['when it is said to be off', { mode: 'open', askConnected: false }, {}],
    ['by a read in a stricter mode', { mode: 'open', askConnected: true }, { mode: 'balanced' }]
  ])('see no WANT-HAVE %s', async (_, init, options) => {
    const node = await portolan(init)
    const all = await spies(3)
    await dialAll(node, all)
    await expect(node.contentRouting.retrieve((await block('nowhere')).cid, { timeout: 2_000, ...options })).rejects.toMatchObject({ name: 'NotFoundError' })
    expect(all.flatMap(({ wants }) => wants.filter(({ type }) => type === 'have'))).toEqual([])
  })

  it('that came a moment ago by themselves see nothing, though they came before the read', async () => {
    const asking = await portolan({ mode: 'open', listen: LOOPBACK, askConnected: true })
    const [dialled, newcomer] = await spies(2) as [BitswapSpy, BitswapSpy]
    await dialAll(asking, [dialled])
    await newcomer.libp2p.dial(asking.libp2p.getMultiaddrs())
    await expect(asking.contentRouting.retrieve((await block('nowhere')).cid, { timeout: 2_000 })).rejects.toMatchObject({ name: 'NotFoundError' })
    expect(dialled.wants.map(({ type }) => type)).toEqual(['have'])
    expect(newcomer.wants.filter(({ type }) => type === 'have')).toEqual([])
  })

  it('of a wrapped node are asked too', async () => {
    const one = await createPortolan({ listen: LOOPBACK, serve: 'everyone' })
    open.push(one)
    const { cid, bytes } = await block('small enough to come at once')
    await one.helia.blockstore.put(cid, bytes)
    const helia = withContentRouting(withLibp2pLight(createHeliaLight(), loopbackLibp2p()) as unknown as HeliaWithLibp2p, { allowAddresses: ['127.0.0.1'], askConnected: true })
    open.push(helia)
    await helia.start()
    await helia.libp2p.dial(one.libp2p.getMultiaddrs())
    // without identify it is not known to speak bitswap, and is asked only as a last resort
    expect(Buffer.from(await helia.contentRouting.retrieve(cid))).toEqual(Buffer.from(bytes))
    expect(one.contentRouting.stats().exchange?.bitswap?.serving).toMatchObject({ haves: 0, blocks: 1 })
  })

  it.each<[PortolanInit, RegExp]>([
    [{ askConnected: true }, /^askConnected tells peers .* mode "open" does, and mode is "balanced": leave one of the two out$/],
    [{ mode: 'strict', askConnected: 2 }, /mode is "strict"/],
    [{ mode: 'open', bitswap: 'off', askConnected: 2 }, /^askConnected is for our own bitswap, and bitswap is "off"/],
    [{ mode: 'open', askConnected: 65 }, /^askConnected must be true, false or a number of peers from 0 to 64, got 65$/],
    [{ mode: 'open', askConnected: 1.5 }, /^askConnected must be/],
    [{ mode: 'open', askConnected: 'all' as never }, /^askConnected must be .* got "all"$/]
  ])('are not asked with %j: it is refused', async (init, message) => {
    await expect(portolan(init)).rejects.toMatchObject({ name: 'InvalidOptionError', message: expect.stringMatching(message) as string })
  })
})
