import { multiaddr } from '@multiformats/multiaddr'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { bitswapSpy } from '../../../bench/exchange/bitswap-spy.ts'
import { systemClock } from '../../../src/clock/system-clock.ts'
import { Libp2pBitswapNetwork } from '../../../src/exchange/bitswap/libp2p-network.ts'
import { silentLogger } from '../../../src/testing/silent-logger.ts'
import { attempt, failure, routeTo, sample, wantOf } from './attempt.ts'
import { client } from './nodes.ts'
import type { Client } from './nodes.ts'
import type { BitswapSpy, BitswapSpyInit } from '../../../bench/exchange/bitswap-spy.ts'
import type { WantEntry } from '../../../src/exchange/bitswap/message.ts'
import type { Sample } from './attempt.ts'

const toStop: Array<{ stop (): Promise<void> }> = []

afterEach(async () => {
  await Promise.all(toStop.splice(0).map(async node => { await node.stop() }))
})

async function us (init?: Parameters<typeof client>[0]): Promise<Client> {
  const node = await client(init)
  toStop.push(node)
  return node
}

async function spy (init?: BitswapSpyInit): Promise<BitswapSpy> {
  const peer = await bitswapSpy(init)
  toStop.push(peer)
  return peer
}

async function pair (init?: BitswapSpyInit, ours?: Parameters<typeof client>[0]): Promise<{ node: Client, peer: BitswapSpy }> {
  const [node, peer] = await Promise.all([us(ours), spy(init)])
  await connect(node, peer)
  return { node, peer }
}

async function connect (node: Client, peer: BitswapSpy): Promise<void> {
  await node.libp2p.dial(peer.multiaddrs.map(address => multiaddr(address)))
}

/** Sends what it has, and says of the rest that it has it not */
function having (blocks: readonly Sample[]): BitswapSpyInit['answer'] {
  const known = new Map(blocks.map(block => [block.cid.toString(), block]))
  return wants => {
    const asked = wants.filter(({ cancel }) => !cancel)
    const found = asked.map(({ cid }) => known.get(cid.toString())).filter(block => block != null)
    const missing = asked.filter(({ cid }) => !known.has(cid.toString()))
    return found.length + missing.length === 0
      ? undefined
      : { blocks: found, presences: missing.map(({ cid }) => ({ cid, type: 'dont-have' as const })) }
  }
}

const names = (entries: readonly WantEntry[]): string[] => entries.map(({ cid }) => cid.toString())

describe('a block', () => {
  it('comes from the peer that was asked, is hashed once and disclosed once', async () => {
    const block = await sample(1, 200_000)
    const { node, peer } = await pair({ answer: having([block]) })
    const recorded = attempt(4)
    const bytes = await node.fetcher.fetch(wantOf(block), routeTo(peer.peer), recorded)

    expect(Buffer.compare(bytes, block.bytes)).toBe(0)
    await node.verifier.verify(block.cid, bytes)
    expect(node.verifier.hashed).toBe(1)
    expect(recorded.events).toEqual(['connected', 'bytes'])
    expect(recorded.arrived).toBe(200_000)
    expect(recorded.entries.map(({ observer, state, cancelled, audience, form }) => ({ observer, state, cancelled, audience, form })))
      .toEqual([{ observer: `p2p:${peer.peer}`, state: 'sent', cancelled: false, audience: 'one', form: 'cid' }])
    expect(peer.lines).toMatchObject([{ type: 'block', cancel: false, sendDontHave: true }])
    expect(node.leases).toMatchObject({ held: 0, excess: 0 })
    expect(node.fetcher.size.wants).toBe(0)
  })

  it('that is not there is an honest no, and the peer is told to forget it', async () => {
    const [block] = [await sample(1)]
    const { node, peer } = await pair({ answer: having([]) })
    const recorded = attempt()

    expect(await failure(node.fetcher.fetch(wantOf(block), routeTo(peer.peer), recorded))).toMatchObject({ outcome: 'not-here', provider: `p2p:${peer.peer}` })
    await peer.until(({ cancels }) => cancels.length === 1)
    await vi.waitFor(() => { expect(recorded.entries).toMatchObject([{ state: 'sent', cancelled: true }]) })
    expect(node.faults).toEqual([])
  })

  it.each(['/ipfs/bitswap/1.1.0', '/ipfs/bitswap/1.0.0'] as const)('comes over %s too', async protocol => {
    const block = await sample(1, 1_000)
    const { node, peer } = await pair({ protocols: [protocol], answer: having([block]) })

    for (let i = 0; i < 2; i++) {
      expect(await node.fetcher.fetch(wantOf(block), routeTo(peer.peer), attempt())).toEqual(block.bytes)
    }
    expect(peer.lines).toMatchObject([{ sendDontHave: false }, { sendDontHave: false }])
    expect(peer.streams.map(stream => stream.protocol)).toEqual([protocol])
  })

  it('that is empty comes too', async () => {
    const { CID } = await import('multiformats/cid')
    const { sha256 } = await import('multiformats/hashes/sha2')
    const block = { bytes: new Uint8Array(0), cid: CID.createV1(0x55, await sha256.digest(new Uint8Array(0))) }
    const { node, peer } = await pair({ answer: having([block]) })
    expect(await node.fetcher.fetch(wantOf(block), routeTo(peer.peer), attempt())).toEqual(block.bytes)
  })
})

describe('wants', () => {
  it('of one turn go in one message over one stream', async () => {
    const blocks = await Promise.all(Array.from({ length: 100 }, async (_, i) => sample(i)))
    const { node, peer } = await pair({ answer: having(blocks) })
    const fetched = await Promise.all(blocks.map(async block => node.fetcher.fetch(wantOf(block), routeTo(peer.peer), attempt())))

    expect(fetched.map(bytes => [...bytes])).toEqual(blocks.map(({ bytes }) => [...bytes]))
    expect(peer.messages).toBe(1)
    expect(peer.streams).toHaveLength(1)
    expect(node.verifier.hashed).toBe(100)
  })

  it('are asked for in order: each is a little less urgent than the one before, whole steps of priority count more', async () => {
    const blocks = await Promise.all(Array.from({ length: 20 }, async (_, i) => sample(i)))
    const { node, peer } = await pair({ answer: having(blocks) })
    await Promise.all(blocks.map(async (block, i) => node.fetcher.fetch(wantOf(block), routeTo(peer.peer), attempt(i < 10 ? 0 : 1))))

    const priorities = peer.wants.map(({ priority }) => priority)
    const sorted = [...priorities].sort((a, b) => b - a)
    expect(sorted).toEqual([...priorities.slice(10), ...priorities.slice(0, 10)])
    expect(new Set(priorities).size).toBe(20)
    expect(Math.min(...priorities)).toBeGreaterThan(0)
  })

  it('that are withdrawn within the turn are never seen', async () => {
    const [kept, dropped] = [await sample(1), await sample(2)]
    const { node, peer } = await pair({ answer: having([kept]) })
    const withdrawn = attempt()
    const fetching = failure(node.fetcher.fetch(wantOf(dropped), routeTo(peer.peer), withdrawn))
    const other = node.fetcher.fetch(wantOf(kept), routeTo(peer.peer), attempt())
    withdrawn.abort()

    expect(await fetching).toMatchObject({ outcome: 'cancelled' })
    await other
    expect(names(peer.lines)).toEqual([kept.cid.toString()])
    expect(withdrawn.entries).toMatchObject([{ state: 'not-sent', cancelled: false }])
  })

  it('for the same block at the same peer are one, cancelled when the last leaves', async () => {
    const block = await sample(1)
    const { node, peer } = await pair()
    const [first, second] = [attempt(), attempt()]
    const fetching = [first, second].map(async recorded => failure(node.fetcher.fetch(wantOf(block), routeTo(peer.peer), recorded)))
    await peer.until(({ wants }) => wants.length === 1)

    first.abort()
    expect(await fetching[0]).toMatchObject({ outcome: 'cancelled' })
    second.abort()
    await peer.until(({ cancels }) => cancels.length === 1)
    expect(peer.lines).toHaveLength(2)
    await vi.waitFor(() => { expect([...first.entries, ...second.entries]).toMatchObject([{ state: 'sent', cancelled: true }, { state: 'sent', cancelled: true }]) })
  })

  it('every one of 500 that was written and aborted is cancelled on the wire, and only those', async () => {
    const blocks = await Promise.all(Array.from({ length: 500 }, async (_, i) => sample(i)))
    const extra = await sample(10_000)
    const { node, peer } = await pair({ answer: wants => wants.some(({ cid }) => cid.equals(extra.cid)) ? { blocks: [extra] } : undefined })
    const attempts = blocks.map(() => attempt())
    const fetching = blocks.map(async (block, i) => failure(node.fetcher.fetch(wantOf(block), routeTo(peer.peer), attempts[i] ?? attempt())))
    await peer.until(({ wants }) => wants.length === 500)

    // in three waves, so that cancels are coalesced and yet more than one message
    for (let wave = 0; wave < 3; wave++) {
      attempts.filter((_, i) => i % 3 === wave).forEach(recorded => { recorded.abort() })
      await peer.until(({ cancels }) => cancels.length >= blocks.filter((_, i) => i % 3 <= wave).length)
    }
    await Promise.all(fetching)
    expect(await node.fetcher.fetch(wantOf(extra), routeTo(peer.peer), attempt())).toEqual(extra.bytes)

    expect(names(peer.cancels).sort()).toEqual(blocks.map(({ cid }) => cid.toString()).sort())
    expect(attempts.every(({ entries }) => entries[0]?.cancelled)).toBe(true)
    expect(node.leases.held).toBe(0)
  })

  it('are seen by nobody but the peer that was chosen', async () => {
    const block = await sample(1)
    const { node, peer } = await pair({ answer: having([block]) })
    const others = await Promise.all(Array.from({ length: 10 }, async () => spy()))
    await Promise.all(others.map(async other => { await connect(node, other) }))
    const lost = attempt()
    const waiting = failure(node.fetcher.fetch(wantOf(await sample(2)), routeTo(others[0]?.peer ?? ''), lost))
    await others[0]?.until(({ wants }) => wants.length === 1)

    // whoever comes while something is wanted learns nothing either
    const late = await spy()
    await connect(node, late)
    await node.fetcher.fetch(wantOf(block), routeTo(peer.peer), attempt())
    lost.abort()
    await waiting

    expect([...others.slice(1), late].map(({ lines }) => lines.length)).toEqual(new Array(10).fill(0))
    expect(names(others[0]?.wants ?? [])).toEqual([(await sample(2)).cid.toString()])
  })
})

describe('a stream that breaks', () => {
  it('is opened again, once, and what was wanted is wanted again', async () => {
    const block = await sample(1)
    const { node, peer } = await pair()
    const recorded = attempt()
    const fetching = node.fetcher.fetch(wantOf(block), routeTo(peer.peer), recorded)
    await peer.until(({ wants }) => wants.length === 1)
    peer.streams[0]?.abort(new Error('reset by the test'))
    await peer.until(({ wants }) => wants.length === 2)
    await peer.say({ blocks: [block] })

    expect(await fetching).toEqual(block.bytes)
    expect(peer.streams).toHaveLength(2)
    // it was asked twice, and answered once
    expect(recorded.entries).toMatchObject([{ observer: `p2p:${peer.peer}` }, { observer: `p2p:${peer.peer}`, state: 'sent' }])
  })

  it('twice is unreachable', async () => {
    const block = await sample(1)
    const { node, peer } = await pair()
    const fetching = failure(node.fetcher.fetch(wantOf(block), routeTo(peer.peer), attempt()))
    await peer.until(({ wants }) => wants.length === 1)
    peer.streams[0]?.abort(new Error('reset by the test'))
    await peer.until(({ wants }) => wants.length === 2)
    peer.streams[1]?.abort(new Error('reset by the test'))

    expect(await fetching).toMatchObject({ outcome: 'unreachable' })
    // the connection stands, so the peer hears that it may forget
    await peer.until(({ cancels }) => cancels.length === 1)
    expect(node.leases.held).toBe(0)
  })

  it('with its connection fails everything that was wanted of the peer', async () => {
    const blocks = await Promise.all([1, 2, 3].map(async i => sample(i)))
    const { node, peer } = await pair()
    const fetching = blocks.map(async block => failure(node.fetcher.fetch(wantOf(block), routeTo(peer.peer), attempt())))
    await peer.until(({ wants }) => wants.length === 3)
    await peer.libp2p.stop()

    expect((await Promise.all(fetching)).map(({ outcome }) => outcome)).toEqual(['unreachable', 'unreachable', 'unreachable'])
    expect(node.leases.held).toBe(0)
  })

  it('is not there at a peer that does not speak bitswap', async () => {
    const { node, peer } = await pair({ protocols: [] })
    const recorded = attempt()
    expect(await failure(node.fetcher.fetch(wantOf(await sample(1)), routeTo(peer.peer), recorded))).toMatchObject({ outcome: 'unreachable' })
    expect(recorded.entries).toMatchObject([{ state: 'not-sent' }])
  })

  it('does not open to somebody who cannot be reached', async () => {
    const { node, peer } = await pair()
    await peer.libp2p.stop()
    const recorded = attempt()
    expect(await failure(node.fetcher.fetch(wantOf(await sample(1)), routeTo(peer.peer), recorded))).toMatchObject({ outcome: 'unreachable' })
    expect(recorded.entries).toMatchObject([{ state: 'not-sent' }])
  })
})

describe('a stop', () => {
  it('fails and cancels what is wanted, and leaves nothing', async () => {
    const blocks = await Promise.all([1, 2, 3].map(async i => sample(i)))
    const { node, peer } = await pair()
    const attempts = blocks.map(() => attempt())
    const fetching = blocks.map(async (block, i) => failure(node.fetcher.fetch(wantOf(block), routeTo(peer.peer), attempts[i] ?? attempt())))
    await peer.until(({ wants }) => wants.length === 3)
    await node.fetcher.stop()

    expect((await Promise.all(fetching)).map(({ outcome }) => outcome)).toEqual(['cancelled', 'cancelled', 'cancelled'])
    await peer.until(({ cancels }) => cancels.length === 3)
    expect(node.fetcher.size).toEqual({ wants: 0, peers: 0 })
    expect(node.leases.held).toBe(0)
    await node.network.stop()
    expect(node.network.size).toEqual({ incoming: 0, outgoing: 0, peers: 0 })
    expect(await failure(node.fetcher.fetch(wantOf(blocks[0] as Sample), routeTo(peer.peer), attempt()))).toMatchObject({ outcome: 'cancelled' })
  })

  it('is followed by a start that works, and both may be repeated', async () => {
    const block = await sample(1)
    const { node, peer } = await pair({ answer: having([block]) })

    for (let i = 0; i < 2; i++) {
      await node.fetcher.stop()
      await node.fetcher.stop()
      await node.network.stop()
      await node.network.stop()
      await node.network.start()
      await node.network.start()
      node.fetcher.start()
      expect(await node.fetcher.fetch(wantOf(block), routeTo(peer.peer), attempt())).toEqual(block.bytes)
    }
  })
})

describe('a start', () => {
  it('fails where somebody else speaks bitswap already, and works once they have left', async () => {
    const node = await us()
    const components = { libp2p: node.libp2p as never, clock: systemClock, logger: silentLogger }
    const second = new Libp2pBitswapNetwork(components)
    await expect(second.start()).rejects.toMatchObject({ name: 'DuplicateProtocolHandlerError' })

    await node.network.stop()
    await second.start()
    await second.stop()
  })
})

describe('routes', () => {
  const common = { source: 'hint', fallback: false, domains: [] }
  const address = '/ip4/127.0.0.1/tcp/4001/p2p/12D3KooWJ3ys9P1s8TQkCPWiWrkBAuXLtVd1C6Fn2CkXRnbfAvLn'
  const id = 'p2p:12D3KooWJ3ys9P1s8TQkCPWiWrkBAuXLtVd1C6Fn2CkXRnbfAvLn' as const

  it('are one for each peer that may speak bitswap, and none for others', async () => {
    const node = await us()
    const routes = (addresses: string[], protocols: string[], who: typeof id | 'http:gateway' = id): number => node.fetcher.routes({ ...common, id: who, addresses, protocols }).length

    expect(routes([address, `${address}/x`], [])).toBe(1)
    expect(routes([], [])).toBe(1)
    expect(routes([address], ['transport-bitswap'])).toBe(1)
    expect(routes([address, 'https://gateway.example'], ['transport-bitswap', 'transport-ipfs-gateway-http'])).toBe(1)
    expect(routes([address], ['transport-ipfs-gateway-http'])).toBe(0)
    expect(routes(['https://gateway.example'], [])).toBe(0)
    expect(routes(['http://gateway'], [], 'http:gateway')).toBe(0)
  })

  it('lead to the addresses that the provider had', async () => {
    const block = await sample(1)
    const [node, peer] = await Promise.all([us(), spy({ answer: having([block]) })])
    const [route] = node.fetcher.routes({ ...common, id: `p2p:${peer.peer}`, addresses: peer.multiaddrs, protocols: [] })

    expect(await node.fetcher.fetch(wantOf(block), route ?? routeTo(''), attempt())).toEqual(block.bytes)
  })
})
