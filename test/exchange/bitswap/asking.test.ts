import { multiaddr } from '@multiformats/multiaddr'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { bitswapSpy } from '../../../bench/exchange/bitswap-spy.ts'
import { attempt, failure, routeTo, sample, wantOf } from './attempt.ts'
import { client } from './nodes.ts'
import type { Client } from './nodes.ts'
import type { BitswapSpy, BitswapSpyInit } from '../../../bench/exchange/bitswap-spy.ts'
import type { Connection } from '@libp2p/interface'

const toStop: Array<{ stop (): Promise<void> }> = []

afterEach(async () => {
  await Promise.all(toStop.splice(0).map(async node => { await node.stop() }))
})

interface Pair {
  readonly node: Client
  readonly peer: BitswapSpy
  readonly to: { readonly peer: string, readonly connection: Connection }
}

async function pair (init?: BitswapSpyInit): Promise<Pair> {
  const [node, peer] = await Promise.all([client(), bitswapSpy(init)])
  toStop.push(node, peer)
  const connection = await node.libp2p.dial(peer.multiaddrs.map(address => multiaddr(address)))
  return { node, peer, to: { peer: peer.peer, connection } }
}

const small = await sample(1, 100)
const told = ({ entries }: ReturnType<typeof attempt>): unknown => entries.map(({ observer, form, transport, audience, state, cancelled }) => ({ observer, form, transport, audience, state, cancelled }))

describe('a peer that is asked whether it has a block', () => {
  it('says so: one WANT-HAVE, no CANCEL, disclosed', async () => {
    const { node, peer, to } = await pair({ answer: ([want]) => want == null ? undefined : { presences: [{ cid: want.cid, type: 'have' }] } })
    const asking = attempt(3)
    expect(await node.fetcher.ask(wantOf(small), to, asking)).toBe(true)
    expect(peer.lines).toMatchObject([{ cid: small.cid, type: 'have', sendDontHave: true, cancel: false }])
    expect(told(asking)).toEqual([{ observer: `p2p:${peer.peer}`, form: 'cid', transport: 'bitswap', audience: 'many', state: 'sent', cancelled: false }])
    expect(node.fetcher.size.wants).toBe(0)
    expect(node.faults).toEqual([])
  })

  it('that has it not is told to forget it', async () => {
    const { node, peer, to } = await pair({ answer: wants => wants.some(({ cancel }) => cancel) ? undefined : { presences: wants.map(({ cid }) => ({ cid, type: 'dont-have' as const })) } })
    const asking = attempt()
    expect(await node.fetcher.ask(wantOf(small), to, asking)).toBe(false)
    await peer.until(({ cancels }) => cancels.length === 1)
    await vi.waitFor(() => { expect(told(asking)).toMatchObject([{ state: 'sent', cancelled: true }]) })
  })

  it('and sends it at once is not asked for it again: the block is hashed once, and waits for whoever fetches it', async () => {
    const { node, peer, to } = await pair({ answer: () => ({ blocks: [small] }) })
    expect(await node.fetcher.ask(wantOf(small), to, attempt())).toBe(true)
    const fetching = attempt()
    const bytes = await node.fetcher.fetch(wantOf(small), routeTo(peer.peer), fetching)
    await node.verifier.verify(small.cid, bytes)

    expect(bytes).toEqual(small.bytes)
    expect(fetching.events).toEqual(['connected', 'bytes'])
    expect(fetching.entries).toEqual([])
    expect(node.verifier.hashed).toBe(1)
    expect(peer.lines).toHaveLength(1)
    expect(node.faults).toEqual([])

    // given once
    await node.fetcher.fetch(wantOf(small), routeTo(peer.peer), attempt())
    expect(peer.wants.map(({ type }) => type)).toEqual(['have', 'block'])
  })

  it('and sends another block instead has not answered, and that is on its record', async () => {
    const other = await sample(2, 100)
    const { node, to } = await pair({ answer: wants => wants.some(({ cancel }) => cancel) ? undefined : { blocks: [other] } })
    expect(await node.fetcher.ask(wantOf(small), to, attempt())).toBeUndefined()
    expect(node.faults).toMatchObject([{ fault: 'unsolicited' }])
  })

  it('and does not answer is told to forget it when nobody waits any longer', async () => {
    const { node, peer, to } = await pair()
    const asking = attempt()
    const answer = node.fetcher.ask(wantOf(small), to, asking)
    await peer.until(({ wants }) => wants.length === 1)
    asking.abort()
    expect(await answer).toBeUndefined()
    await peer.until(({ cancels }) => cancels.length === 1)
    await vi.waitFor(() => { expect(told(asking)).toMatchObject([{ state: 'sent', cancelled: true }]) })
    // whoever is cut short before the message left has told nobody
    const short = attempt()
    const withdrawn = node.fetcher.ask(wantOf(small), to, short)
    short.abort()
    expect(await withdrawn).toBeUndefined()
    expect(told(short)).toMatchObject([{ state: 'not-sent', cancelled: false }])
  })

  it('and speaks an older version is told nothing', async () => {
    const { node, peer, to } = await pair({ protocols: ['/ipfs/bitswap/1.1.0'] })
    const asking = attempt()
    expect(await node.fetcher.ask(wantOf(small), to, asking)).toBeUndefined()
    expect(told(asking)).toMatchObject([{ state: 'not-sent' }])
    expect(peer.lines).toEqual([])
  })

  it('for what it is asked to send already hears nothing more, and one that is then asked to send it gets one CANCEL', async () => {
    const { node, peer, to } = await pair()
    const [first, second, third] = [attempt(), attempt(), attempt()]
    const answer = node.fetcher.ask(wantOf(small), to, first)
    await peer.until(({ wants }) => wants.length === 1)
    const fetching = failure(node.fetcher.fetch(wantOf(small), routeTo(peer.peer), second))
    expect(await answer).toBeUndefined()
    await peer.until(({ wants }) => wants.length === 2)
    expect(await node.fetcher.ask(wantOf(small), to, third)).toBeUndefined()
    expect(third.entries).toEqual([])
    second.abort()
    await fetching
    await peer.until(({ cancels }) => cancels.length === 1)
    expect(peer.lines.map(({ type, cancel }) => cancel ? 'cancel' : type)).toEqual(['have', 'block', 'cancel'])
    await vi.waitFor(() => { expect([told(first), told(second)]).toMatchObject([[{ state: 'sent', cancelled: true }], [{ state: 'sent', cancelled: true }]]) })
  })

  it('ends with the connection, and with the fetcher', async () => {
    const one = await pair()
    const answer = one.node.fetcher.ask(wantOf(small), one.to, attempt())
    await one.peer.until(({ wants }) => wants.length === 1)
    await one.peer.libp2p.stop()
    expect(await answer).toBeUndefined()

    const two = await pair()
    const stopped = two.node.fetcher.ask(wantOf(small), two.to, attempt())
    await two.peer.until(({ wants }) => wants.length === 1)
    await two.node.fetcher.stop()
    expect(await stopped).toBeUndefined()
    await two.peer.until(({ cancels }) => cancels.length === 1)
    expect(await two.node.fetcher.ask(wantOf(small), two.to, attempt())).toBeUndefined()
  })
})

describe('a CANCEL', () => {
  it('whose stream is reset before anybody has read it is written again on the next stream', async () => {
    const { node, peer } = await pair()
    const fetching = attempt()
    const fetched = failure(node.fetcher.fetch(wantOf(small), routeTo(peer.peer), fetching))
    await peer.until(({ wants }) => wants.length === 1)
    // what is written from now on stays unread
    peer.streams[0]?.pause()
    fetching.abort()
    await fetched
    // the microtasks in which it is written
    await new Promise(resolve => setImmediate(resolve))
    await vi.waitFor(() => { expect(fetching.entries).toMatchObject([{ cancelled: true }]) })
    expect(peer.cancels).toEqual([])
    peer.streams[0]?.abort(new Error('reset by the test'))
    await peer.until(({ cancels }) => cancels.length === 1)

    // and not for ever
    peer.streams[1]?.abort(new Error('reset by the test'))
    const next = failure(node.fetcher.fetch(wantOf(await sample(2)), routeTo(peer.peer), attempt()))
    await peer.until(({ wants }) => wants.length === 2)
    await node.fetcher.stop()
    await next
    expect(peer.cancels.filter(({ cid }) => cid.equals(small.cid))).toHaveLength(1)
  })
})
