import { withBitswap } from '@helia/bitswap'
import { withLibp2pLight } from '@helia/libp2p'
import { createHeliaLight } from 'helia'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { heliaMixin } from '../../src/compose.ts'
import { undiciTransport } from '../../src/exchange/http/undici-egress.ts'
import { ProtocolSwitch } from '../../src/helia/protocol-switch.ts'
import { loopbackLibp2p } from './loopback-libp2p.ts'
import { block, brokersOf, gate, read } from './own-routing.ts'
import type { ContentRoutingOptions } from '../../src/compose.ts'
import type { HeliaContentRouting } from '../../src/helia/helia-routing.ts'
import type { ExchangeStats } from '../../src/interface/stats.ts'
import type { BlockBroker, Helia } from '@helia/interface'
import type { HeliaWithLibp2p } from '@helia/libp2p'

const BITSWAP = '/ipfs/bitswap/1.2.0'
const ours = heliaMixin(({ policy }) => undiciTransport({ policy }))
const nodes: Helia[] = []

type Wrapped = HeliaWithLibp2p & { contentRouting: HeliaContentRouting }

afterEach(async () => {
  await Promise.all(nodes.splice(0).map(async helia => helia.stop()))
})

function keep<H extends Helia> (helia: H): H {
  nodes.push(helia)
  return helia
}

const plain = (): HeliaWithLibp2p => keep(withBitswap(withLibp2pLight(createHeliaLight(), loopbackLibp2p())) as unknown as HeliaWithLibp2p)

const STEPS = {
  libp2p: (helia: Helia) => withLibp2pLight(helia, loopbackLibp2p()) as unknown as Helia,
  bitswap: (helia: Helia) => withBitswap(helia as never) as Helia
}

function compose (order: ReadonlyArray<keyof typeof STEPS | 'ours'>, options: ContentRoutingOptions = {}): Wrapped {
  let helia: Helia = createHeliaLight()
  for (const step of order) {
    helia = step === 'ours' ? ours(helia, { allowAddresses: ['127.0.0.1'], ...options }) : STEPS[step](helia)
  }
  return keep(helia) as Wrapped
}

interface Registered { handler: unknown, options: Record<string, unknown> }

/** Who handles the protocol, as the node itself has it */
function handlerOf (helia: HeliaWithLibp2p, protocol = BITSWAP): Registered | undefined {
  const { registrar } = (helia.libp2p as unknown as { components: { registrar: { getHandler (protocol: string): Registered } } }).components
  return helia.libp2p.getProtocols().includes(protocol) ? registrar.getHandler(protocol) : undefined
}

interface Mounted {
  bitswap: {
    network: { _onStream: unknown, running: boolean, sendMessage (...args: never[]): Promise<void> }
    getWantlist (): unknown[]
  }
  retrieve (...args: never[]): Promise<Uint8Array>
}

function mountedOf (helia: Wrapped): Mounted {
  const { enabled } = helia.contentRouting
  helia.contentRouting.disable()
  const found = brokersOf(helia).find(({ name }) => name === 'bitswap')
  if (enabled) {
    helia.contentRouting.enable()
  }
  return found as unknown as Mounted
}

const stats = (helia: Wrapped): ExchangeStats | undefined => helia.contentRouting.stats().exchange

describe('the seams of @helia/bitswap and libp2p that the switch is built on', () => {
  it('are there: a handler that can be found, a network that says what it sends, a list of what is wanted', async () => {
    const helia = await plain().start()
    const [mounted] = brokersOf(helia) as unknown as Mounted[]
    expect(ProtocolSwitch.supports(helia.libp2p as never)).toBe(true)
    expect(handlerOf(helia)?.handler).toBe(mounted?.bitswap.network._onStream)
    expect(mounted?.bitswap.getWantlist()).toEqual([])
    expect(mounted?.bitswap.network.sendMessage).toBeTypeOf('function')
    // handle with force replaces at once, before it waits for anything
    const handler = (): void => {}
    void helia.libp2p.handle(BITSWAP, handler, { force: true })
    expect(handlerOf(helia)?.handler).toBe(handler)
  })
})

describe('who owns the protocol', () => {
  it.each([
    [['ours', 'libp2p', 'bitswap']], [['libp2p', 'ours', 'bitswap']], [['libp2p', 'bitswap', 'ours']]
  ] as const)('is ours while content routing has the node, over three restarts: %o', async order => {
    const peer = await plain().start()
    const helia = compose(order)

    for (let round = 0; round < 3; round++) {
      const [routed, past, served, servedPast] = await Promise.all(['routed', 'past', 'served', 'served past'].map(async text => block(`${text} ${round}`))) as [Block, Block, Block, Block]
      await helia.start()
      await helia.libp2p.dial(peer.libp2p.getMultiaddrs())
      const mounted = mountedOf(helia)
      const asked = vi.spyOn(mounted, 'retrieve')
      expect(mounted.bitswap.network.running).toBe(true)
      expect(handlerOf(helia)?.handler).not.toBe(mounted.bitswap.network._onStream)
      expect(handlerOf(helia, '/ipfs/bitswap/1.0.0')).toBeDefined()

      await peer.blockstore.put(routed.cid, routed.bytes)
      expect(await read(helia.blockstore.get(routed.cid))).toBe(`routed ${round}`)
      expect(stats(helia)?.blocks.bitswap).toBe(round + 1)
      expect(asked).not.toHaveBeenCalled()
      await helia.blockstore.put(served.cid, served.bytes)
      expect(await read(peer.blockstore.get(served.cid))).toBe(`served ${round}`)
      expect(stats(helia)?.bitswap?.serving?.blocks).toBe(round + 1)

      helia.contentRouting.disable()
      expect(handlerOf(helia)?.handler).toBeTypeOf('function')
      await vi.waitFor(() => {
        expect(handlerOf(helia)?.handler).toBe(mounted.bitswap.network._onStream)
        expect(handlerOf(helia, '/ipfs/bitswap/1.0.0')).toBeUndefined()
      })
      await peer.blockstore.put(past.cid, past.bytes)
      expect(await read(helia.blockstore.get(past.cid))).toBe(`past ${round}`)
      expect(asked).toHaveBeenCalledTimes(1)
      await helia.blockstore.put(servedPast.cid, servedPast.bytes)
      expect(await read(peer.blockstore.get(servedPast.cid))).toBe(`served past ${round}`)
      expect(stats(helia)?.bitswap).toMatchObject({ running: false, serving: { blocks: round + 1 } })

      helia.contentRouting.enable()
      expect(handlerOf(helia)?.handler).not.toBe(mounted.bitswap.network._onStream)
      asked.mockRestore()
      await helia.stop()
      expect(brokersOf(helia).map(({ name }) => name)).toEqual(['bitswap'])
      expect(stats(helia)?.bitswap).toMatchObject({ running: false, wantsOpen: 0, connections: { peers: 0, leases: 0 } })
    }
  })

  it('is ours although another bitswap is added late, starts, and stops again', async () => {
    const [one, two] = [await block('one'), await block('two')]
    const peer = await plain().start()
    const helia = await compose(['libp2p', 'ours'], { serve: 'everyone' }).start()
    const own = handlerOf(helia)
    const BitswapBroker = brokersOf(peer)[0]?.constructor as new (helia: Helia) => BlockBroker & { start (): Promise<void>, stop (): Promise<void> }
    const late = new BitswapBroker(helia)
    await late.start()
    helia.addBlockBroker(late)

    expect(handlerOf(helia)).toBe(own)
    await helia.libp2p.dial(peer.libp2p.getMultiaddrs())
    await peer.blockstore.put(one.cid, one.bytes)
    const asked = vi.spyOn(late as unknown as Mounted, 'retrieve')
    expect(await read(helia.blockstore.get(one.cid))).toBe('one')
    expect(asked).not.toHaveBeenCalled()

    helia.contentRouting.disable()
    await vi.waitFor(() => { expect(handlerOf(helia)?.handler).toBe((late as unknown as Mounted).bitswap.network._onStream) })
    helia.contentRouting.enable()
    await late.stop()
    expect(handlerOf(helia)?.handler).toBeTypeOf('function')
    await peer.blockstore.put(two.cid, two.bytes)
    expect(await read(helia.blockstore.get(two.cid))).toBe('two')
  })

  it('is nobody\'s where there was none, when content routing leaves', async () => {
    const helia = await compose(['libp2p', 'ours']).start()
    expect(handlerOf(helia)).toBeDefined()
    helia.contentRouting.disable()
    await vi.waitFor(() => { expect(handlerOf(helia)).toBeUndefined() })
    helia.contentRouting.enable()
    expect(handlerOf(helia)).toBeDefined()
    await helia.stop()
    expect(stats(helia)?.bitswap).toMatchObject({ running: false })
  })

  it('stays with somebody who is no broker of the node', async () => {
    const handler = (): void => {}
    const helia = compose(['libp2p', 'ours'], { enabled: false })
    await helia.start()
    await helia.libp2p.handle(BITSWAP, handler)
    helia.contentRouting.enable()
    expect(handlerOf(helia)?.handler).toBe(handler)
    expect(stats(helia)?.bitswap).toMatchObject({ running: false })
  })

  it.each(['adopted', 'off'] as const)('stays with the mounted one with bitswap: %s', async bitswap => {
    const [one, two] = [await block('one'), await block('two')]
    const peer = await plain().start()
    const helia = await compose(['libp2p', 'bitswap', 'ours'], { bitswap, timeout: 2_000 }).start()
    const mounted = mountedOf(helia)
    const asked = vi.spyOn(mounted, 'retrieve')
    await helia.libp2p.dial(peer.libp2p.getMultiaddrs())
    await peer.blockstore.put(one.cid, one.bytes)

    expect(handlerOf(helia)?.handler).toBe(mounted.bitswap.network._onStream)
    expect(stats(helia)?.bitswap).toBeUndefined()
    if (bitswap === 'adopted') {
      expect(await read(helia.blockstore.get(one.cid))).toBe('one')
      expect(asked).toHaveBeenCalled()
    } else {
      await expect(read(helia.blockstore.get(one.cid))).rejects.toMatchObject({ name: 'LoadBlockFailedError' })
      expect(asked).not.toHaveBeenCalled()
    }
    // it serves as before
    const waiting = read(peer.blockstore.get(two.cid))
    await helia.blockstore.put(two.cid, two.bytes)
    expect(await waiting).toBe('two')
  })
})

describe('what is under way when the owner changes', () => {
  it('has its answer: a read of ours when the protocol goes back, one of the node\'s own when it is taken', async () => {
    const [one, two] = [await block('one'), await block('two')]
    const peer = await plain().start()
    const helia = await compose(['libp2p', 'bitswap', 'ours']).start()
    await helia.libp2p.dial(peer.libp2p.getMultiaddrs())

    // the peer does not answer before it is told to
    await peer.blockstore.put(one.cid, one.bytes)
    await peer.blockstore.put(two.cid, two.bytes)
    let answer = gate()
    const { has, get } = peer.blockstore
    peer.blockstore.has = async (...args) => {
      await answer.opened
      return has.apply(peer.blockstore, args)
    }
    peer.blockstore.get = async function * (...args) {
      await answer.opened
      yield * get.apply(peer.blockstore, args)
    }
    const first = read(helia.blockstore.get(one.cid, { providers: peer.libp2p.getMultiaddrs().slice(0, 1) }))
    await vi.waitFor(() => { expect(stats(helia)?.bitswap?.wants).toBe(1) })
    helia.contentRouting.disable()
    answer.open()
    expect(await first).toBe('one')

    answer = gate()
    const mounted = brokersOf(helia)[0] as unknown as Mounted
    const second = read(helia.blockstore.get(two.cid))
    await vi.waitFor(() => { expect(mounted.bitswap.getWantlist()).toHaveLength(1) })
    helia.contentRouting.enable()
    answer.open()
    expect(await second).toBe('two')
  })

  it('goes on past content routing, by the mounted one, although ours has the protocol', async () => {
    const one = await block('one')
    const peer = await plain().start()
    const helia = await compose(['libp2p', 'bitswap', 'ours']).start()
    await helia.libp2p.dial(peer.libp2p.getMultiaddrs())
    await peer.blockstore.put(one.cid, one.bytes)
    const past = { contentRouting: false, signal: AbortSignal.timeout(10_000) }
    expect(await read(helia.blockstore.get(one.cid, past))).toBe('one')
    expect(stats(helia)?.bitswap?.wants).toBe(0)
  })
})

describe('whom a node serves whose bitswap was replaced', () => {
  it('is whoever init says, also past the mounted one, until it is disabled', async () => {
    const one = await block('one')
    const helia = await compose(['libp2p', 'bitswap', 'ours'], { serve: 'none' }).start()
    const peer = await compose(['libp2p', 'ours']).start()
    await helia.blockstore.put(one.cid, one.bytes)
    const ask = async (): Promise<unknown> => peer.contentRouting.retrieve(one.cid, { providers: helia.libp2p.getMultiaddrs(), skipNegativeCache: true })

    await expect(ask()).rejects.toMatchObject({ name: 'NotFoundError' })
    expect(stats(helia)?.bitswap?.serving).toMatchObject({ policy: 'none', refused: 1, blocks: 0 })
    // what would let it serve is not asked either
    await expect(read(helia.blockstore.get((await block('two')).cid, { contentRouting: false } as object))).rejects.toThrow()

    helia.contentRouting.disable()
    await vi.waitFor(() => { expect(stats(helia)?.bitswap?.running).toBe(false) })
    expect(await ask()).toEqual(one.bytes)
  })
})

type Block = Awaited<ReturnType<typeof block>>
