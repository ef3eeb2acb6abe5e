import { generateKeyPair } from '@libp2p/crypto/keys'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { multiaddr } from '@multiformats/multiaddr'
import all from 'it-all'
import { CID } from 'multiformats/cid'
import { describe, expect, it } from 'vitest'
import { blockKey } from '../../src/block/key.ts'
import { ASK_TIMEOUT, NEWCOMER, askedPeersSource } from '../../src/discovery/asked-peers.ts'
import { connectedPeersSource } from '../../src/discovery/connected-peers.ts'
import { addressPolicy } from '../../src/provider/address.ts'
import { silentLogger } from '../../src/testing/silent-logger.ts'
import { recordedRequest } from './recorded-request.ts'
import type { AskedPeers } from '../../src/discovery/asked-peers.ts'
import type { ConnectedLibp2p, PeerConnection } from '../../src/discovery/connected-libp2p.ts'
import type { RecordedRequest } from './recorded-request.ts'

const cid = CID.parse('bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy')
const want = { cid, key: blockKey(cid) }
const peers = await Promise.all(Array.from({ length: 20 }, async () => peerIdFromPrivateKey(await generateKeyPair('Ed25519'))))
const text = (i: number): string => String(peers[i])

type Answer = boolean | undefined

interface World extends RecordedRequest {
  readonly source: AskedPeers
  readonly node: ConnectedLibp2p
  /** Who was asked, in order */
  readonly asked: string[]
  readonly signals: AbortSignal[]
  answer (i: number, answer: Answer): void
}

interface WorldInit {
  readonly connections: ReadonlyArray<Partial<PeerConnection>>
  readonly count?: number
  readonly mode?: 'open' | 'balanced' | 'strict'
  readonly chosen?: readonly number[]
  readonly avoided?: readonly number[]
  protocols? (i: number): readonly string[]
}

/** Peers who came long ago, unless something else is said of them */
function world ({ connections, count = 8, mode = 'open', chosen = [], avoided = [], protocols = () => ['/ipfs/bitswap/1.2.0'] }: WorldInit): World {
  const recorded = recordedRequest({ mode })
  const asked: string[] = []
  const signals: AbortSignal[] = []
  const answers = peers.map(() => Promise.withResolvers<Answer>())
  const number = (peer: string): number => peers.findIndex(one => String(one) === peer)
  const node: ConnectedLibp2p = {
    getConnections: () => connections.map((fields, i) => ({
      remotePeer: peers[i] as PeerConnection['remotePeer'],
      remoteAddr: multiaddr(`/ip4/10.0.0.${i}/tcp/4001`),
      status: 'open',
      direction: 'inbound',
      timeline: { open: recorded.clock.wall() - NEWCOMER },
      rtt: i,
      ...fields
    })),
    peerStore: { get: async (peer: { toString (): string }) => ({ protocols: protocols(number(peer.toString())) }) }
  }
  const source = askedPeersSource(() => node, {
    logger: silentLogger,
    clock: recorded.clock,
    policy: addressPolicy(),
    chosen: peer => chosen.includes(number(peer)),
    avoided: peer => avoided.includes(number(peer)),
    ask: async (peer, { key }, { signal }) => {
      expect(key).toBe(want.key)
      asked.push(peer)
      signals.push(signal)
      return Promise.race([answers[number(peer)]?.promise, new Promise<Answer>(resolve => { signal.addEventListener('abort', () => { resolve(undefined) }, { once: true }) })])
    }
  }, count)

  return { ...recorded, source, node, asked, signals, answer: (i, answer) => { answers[i]?.resolve(answer) } }
}

describe('connected peers that are asked', () => {
  it('are the nearest, as many as was said, and those who have it are named as they say so', async () => {
    const { source, request, asked, answer, clock } = world({ connections: Array.from({ length: 12 }, () => ({})), count: 3 })
    const finding = source.find(want, request)[Symbol.asyncIterator]()
    const first = finding.next()
    answer(2, true)
    expect((await first).value).toMatchObject({ id: `p2p:${text(2)}`, source: 'asked', protocols: ['transport-bitswap'], fallback: false })
    answer(0, false)
    answer(1, true)
    expect((await finding.next()).value).toMatchObject({ id: `p2p:${text(1)}` })
    expect((await finding.next()).done).toBe(true)
    expect(asked).toEqual([text(0), text(1), text(2)])
    expect(source.denied(text(0), want.key)).toBe(true)
    expect([source.denied(text(1), want.key), source.denied(text(0), 'another')]).toEqual([false, false])
    expect(clock.pending).toBe(0)
  })

  it.each(['balanced', 'strict'] as const)('are none in mode %s', async mode => {
    const { source, request, asked } = world({ connections: [{}, {}], mode })
    expect(await all(source.find(want, request))).toEqual([])
    expect(asked).toEqual([])
  })

  it('did not come a moment ago, unless we dialled or named them', async () => {
    const now = recordedRequest().clock.wall()
    const recent = { timeline: { open: now - NEWCOMER + 1 } }
    const { source, request, asked, answer } = world({ connections: [recent, { ...recent, direction: 'outbound' }, recent, {}], chosen: [2] })
    peers.forEach((_, i) => { answer(i, false) })
    await all(source.find(want, request))
    expect(asked).toEqual([text(1), text(2), text(3)])
  })

  it('are open and unlimited, speak of blocks they have not sent, and are not left alone', async () => {
    const { source, request, asked, answer } = world({
      connections: [{ status: 'closing' }, { limits: {} }, {}, {}, {}, {}],
      avoided: [4],
      protocols: i => i === 2 ? ['/ipfs/bitswap/1.1.0', '/ipfs/bitswap'] : i === 3 ? [] : ['/ipfs/bitswap/1.2.0']
    })
    peers.forEach((_, i) => { answer(i, false) })
    await all(source.find(want, request))
    expect(asked).toEqual([text(5)])
  })

  it('are asked no longer than for a while, and nobody who says nothing has said no', async () => {
    const { source, request, clock, signals, answer } = world({ connections: [{}, {}] })
    const finding = all(source.find(want, request))
    answer(1, true)
    await clock.advance(ASK_TIMEOUT - 1)
    expect(signals.map(({ aborted }) => aborted)).toEqual([false, false])
    await clock.advance(1)
    expect(await finding).toMatchObject([{ id: `p2p:${text(1)}` }])
    expect(signals[0]?.aborted).toBe(true)
    expect(source.denied(text(0), want.key)).toBe(false)
    expect(clock.pending).toBe(0)
  })

  it('are not asked any longer when the read is over, or nobody wants more of them', async () => {
    const one = world({ connections: [{}, {}] })
    const finding = all(one.source.find(want, one.request))
    await one.clock.advance(1)
    one.controller.abort()
    expect(await finding).toEqual([])
    expect(one.signals.every(({ aborted }) => aborted)).toBe(true)

    const two = world({ connections: [{}, {}] })
    two.answer(0, true)
    const iterator = two.source.find(want, two.request)[Symbol.asyncIterator]()
    expect((await iterator.next()).value).toMatchObject({ id: `p2p:${text(0)}` })
    await iterator.return?.()
    expect(two.signals[1]?.aborted).toBe(true)
    expect([one.clock.pending, two.clock.pending]).toEqual([0, 0])
  })

  it('who said no are not asked again for a while, nor as a last resort', async () => {
    const { source, node, request, asked, answer, clock } = world({ connections: [{}, {}] })
    const lastResort = connectedPeersSource(() => node, { logger: silentLogger, denied: source.denied })
    answer(0, false)
    answer(1, true)
    await all(source.find(want, request))
    expect((await all(lastResort.find(want, request))).map(({ id }) => id)).toEqual([`p2p:${text(1)}`])
    await all(source.find(want, request))
    expect(asked).toEqual([text(0), text(1), text(1)])

    await clock.advance(30_000)
    await all(source.find(want, request))
    expect(asked.slice(3)).toEqual([text(0), text(1)])
    expect(await all(lastResort.find({ ...want, key: 'another' }, request))).toHaveLength(2)
  })

  it('are none before there is a node, and one that cannot be asked hides no other', async () => {
    const { source, request, node } = world({ connections: [{}, {}] })
    const failing = askedPeersSource(() => node, {
      logger: silentLogger,
      clock: recordedRequest().clock,
      chosen: () => false,
      avoided: () => false,
      ask: async peer => {
        if (peer === text(0)) {
          throw new Error('it is broken')
        }
        return true
      }
    }, 8)
    expect(source.name).toBe('asked')
    expect(source.lastResort).toBeUndefined()
    const early = askedPeersSource(() => { throw new Error('NotStarted') }, { logger: silentLogger, clock: recordedRequest().clock, chosen: () => false, avoided: () => false, ask: async () => true }, 8)
    expect(await all(early.find(want, request))).toEqual([])

    expect(await all(failing.find(want, request))).toMatchObject([{ id: `p2p:${text(1)}` }])
  })
})
