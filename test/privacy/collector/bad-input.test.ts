import { EventEmitter } from 'node:events'
import { multiaddr } from '@multiformats/multiaddr'
import { peerIdFromString } from '@libp2p/peer-id'
import { describe, expect, it } from 'vitest'
import { InvalidOptionError, NotListeningError } from '../../../src/interface/errors.ts'
import { listeningAddress } from '../../../src/privacy/collector/listening-address.ts'
import { MetadataCollector } from '../../../src/privacy/collector/metadata-collector.ts'
import { VirtualClock } from '../../../src/testing/virtual-clock.ts'
import { exchange, node, until, watched } from './support/nodes.ts'
import type { MetadataCollectorInit } from '../../../src/privacy/collector/collector-params.ts'

const HOSTILE = ['<script>alert(1)</script>', '\u001b[2J\u0007\u0000', '__proto__', '', '💥'.repeat(10), '\ud800']
const MEGABYTE = 1_000_000

describe('options', () => {
  it.each<[keyof MetadataCollectorInit, unknown]>([
    ['maxPeers', 0], ['maxPeers', -1], ['maxPeers', 1.5], ['maxPeers', NaN], ['maxPeers', '10'], ['maxPeers', Infinity], ['maxEvents', 1e9],
    ['maxConnections', 0], ['retention', 0], ['retention', Infinity], ['sampleInterval', 0], ['sampleInterval', 2 ** 31],
    ['streams', 'use'], ['streams', true], ['peerAllowlist', 'abc'], ['peerAllowlist', [{}]], ['peerAllowlist', [null]]
  ])('%s: %s is refused by name, and nothing is attached', async (option, value) => {
    const libp2p = await node({ start: false })
    const count = (): number => (libp2p as unknown as { listenerCount (name: string): number }).listenerCount('connection:open')
    const before = count()
    expect(() => new MetadataCollector(libp2p, { [option]: value })).toThrow(InvalidOptionError)
    expect(() => new MetadataCollector(libp2p, { [option]: value })).toThrow(option)
    expect(count()).toBe(before)
  })
})

describe('a hostile peer', () => {
  it('is kept short, whatever it says of itself', async () => {
    const [a, b] = await Promise.all([node(), node()])
    const collector = watched(b, { streams: 'wrap' })
    const connection = await a.dial(listeningAddress(b))
    await until('identify is done', () => collector.peers.get(a.peerId)?.agent != null)
    const far = b.getConnections()[0] ?? expect.fail()

    for (const text of [...HOSTILE, ...HOSTILE.map(text => (text === '' ? 'x' : text).repeat(MEGABYTE))]) {
      b.dispatchEvent(new CustomEvent('peer:identify', { detail: { peerId: a.peerId, agentVersion: text, protocols: Array(1_000).fill(text), listenAddrs: [], connection: far } }))
      const peer = collector.peers.get(a.peerId) ?? expect.fail()
      expect(peer.agent?.length).toBeLessThanOrEqual(256)
      expect(text.toWellFormed().startsWith(peer.agent?.slice(0, 4).toWellFormed() ?? expect.fail())).toBe(true)
      expect(peer.supported).toHaveLength(64)
      expect(JSON.stringify(collector.observations()).length).toBeLessThan(200_000)
      expect(JSON.parse(JSON.stringify(collector.observations())).peers).toHaveLength(1)
    }
    await exchange(connection, 10)
  })

  it('that nobody is connected to says nothing', async () => {
    const b = await node()
    const collector = watched(b)
    const peerId = peerIdFromString('12D3KooWMngW9yiYAKyeiKmaPHPLNbvzD2uqr5yYpHLVGZDtNmJk')
    b.dispatchEvent(new CustomEvent('peer:identify', { detail: { peerId, agentVersion: 'x', protocols: [], listenAddrs: [], connection: undefined } }))
    expect(collector.peers.size).toBe(0)
  })

  it('may be known by a very long address and a protocol of a megabyte', async () => {
    const [a, b] = await Promise.all([node(), node()])
    const collector = watched(b, { streams: 'wrap' })
    const protocol = `/<b>${'x'.repeat(MEGABYTE)}`
    const fake = new EventEmitter()
    const connection = {
      id: 'c',
      direction: 'inbound',
      remotePeer: a.peerId,
      remoteAddr: multiaddr(`/dns4/${'y'.repeat(60_000)}/tcp/1`),
      encryption: protocol,
      multiplexer: undefined,
      timeline: { open: Infinity },
      status: 'open',
      streams: [{ protocol, send () {}, dispatchEvent () {}, unshift () {}, push () {}, addEventListener: fake.on.bind(fake), removeEventListener: fake.off.bind(fake), status: 'open', readBufferLength: 0 }],
      newStream: () => {}
    }
    b.dispatchEvent(new CustomEvent('connection:open', { detail: connection as never }))
    expect(JSON.stringify(collector.observations()).length).toBeLessThan(10_000)
    expect(JSON.stringify(collector.getStatistics()).length).toBeLessThan(1_000)
    expect(collector.observations().connections[0]).toMatchObject({ transport: 'tcp', streams: 1 })
    b.dispatchEvent(new CustomEvent('connection:close', { detail: connection as never }))
    expect(collector.getStatistics()).toMatchObject({ openConnections: 0, totalConnections: 1 })
  })
})

describe('time', () => {
  it('that goes back moves no event before another, and closes nothing before it opened', async () => {
    let wall = 1_000_000_000_000
    const clock = new VirtualClock()
    clock.wall = () => wall
    const [a, b] = await Promise.all([node(), node()])
    const collector = watched(b, { clock, streams: 'wrap' })

    for (let i = 0; i < 4; i++) {
      const connection = await a.dial(listeningAddress(b))
      await until('identify is done', () => connection.streams.length === 0)
      wall -= 3_600_000
      await exchange(connection, 10)
      wall -= 86_400_000
      await connection.close()
      await until('both ends are closed', () => b.getConnections().length === 0)
    }

    const { events, connections, peers, from, to } = collector.observations()
    expect(events.map(({ at }) => at)).toEqual(events.map(({ at }) => at).sort((x, y) => x - y))
    expect(connections).toHaveLength(4)
    expect(connections.every(({ openedAt, closedAt }) => (closedAt ?? 0) >= openedAt && openedAt >= from && (closedAt ?? 0) <= to)).toBe(true)
    expect(peers.every(({ firstSeen, lastSeen }) => lastSeen >= firstSeen)).toBe(true)
  })

  it('lets what is old go, and not what is open', async () => {
    const clock = new VirtualClock()
    const [a, b, c] = await Promise.all([node(), node(), node()])
    const collector = watched(b, { clock, streams: 'wrap' })
    await exchange(await a.dial(listeningAddress(b)), 10)
    const other = await c.dial(listeningAddress(b))
    await exchange(other, 10)
    await other.close()
    await until('it is closed', () => collector.getStatistics().openConnections === 1)
    await clock.advance(3_600_000)
    expect(collector.observations()).toMatchObject({ peers: { length: 2 }, connections: { length: 2 } })
    await clock.advance(1)
    const { peers, connections, events } = collector.observations()
    expect(peers.map(({ id }) => id)).toEqual([a.peerId.toString()])
    expect(connections).toHaveLength(1)
    expect(events).toEqual([])
    expect(collector.getStatistics()).toMatchObject({ uniquePeers: 1, totalConnections: 2, openConnections: 1, evictedPeers: 1, evictedConnections: 1 })
  })

  it('bounds peers and connections by number', async () => {
    const [a, b, c, d] = await Promise.all([node(), node(), node(), node()])
    const collector = watched(b, { maxPeers: 2, maxConnections: 2, maxEvents: 3 })

    for (const other of [a, c, d]) {
      const connection = await other.dial(listeningAddress(b))
      await until('it is open', () => collector.getStatistics().openConnections === 1)
      await connection.close()
      await until('it is closed', () => collector.getStatistics().openConnections === 0)
    }

    const observed = collector.observations()
    expect([...collector.peers.keys()]).toEqual([c, d].map(({ peerId }) => peerId.toString()))
    expect(observed.connections.map(({ peer }) => peer)).toEqual([c, d].map(({ peerId }) => peerId.toString()))
    expect(observed.events.length).toBeLessThanOrEqual(3)
    expect(collector.getStatistics()).toMatchObject({ uniquePeers: 2, totalConnections: 3, evictedPeers: 1, evictedConnections: 1 })
  })
})

describe('the address to be dialled at', () => {
  it('is complete', async () => {
    const [a, b] = await Promise.all([node(), node()])
    const address = listeningAddress(b)
    expect(address.toString()).toMatch(new RegExp(`^/ip4/127\\.0\\.0\\.1/tcp/[0-9]+/p2p/${b.peerId.toString()}$`))
    expect((await a.dial(address)).remotePeer.equals(b.peerId)).toBe(true)
  })

  it('is its own before one over a relay, and gets the peer id where it lacks', () => {
    const peerId = peerIdFromString('12D3KooWMngW9yiYAKyeiKmaPHPLNbvzD2uqr5yYpHLVGZDtNmJk')
    const relayed = multiaddr(`/ip4/127.0.0.1/tcp/1/p2p/12D3KooWFzagq74B2XXDRcEXtM3sadPMCowmwcteYRwJ5MSm4Z5N/p2p-circuit/p2p/${peerId.toString()}`)
    expect(listeningAddress({ peerId, getMultiaddrs: () => [relayed, multiaddr('/ip4/127.0.0.1/tcp/2')] }).toString()).toBe(`/ip4/127.0.0.1/tcp/2/p2p/${peerId.toString()}`)
    expect(listeningAddress({ peerId, getMultiaddrs: () => [relayed] })).toBe(relayed)
  })

  it('is refused by name where there is none', async () => {
    const started = await node({ addresses: { listen: [] } })
    const stopped = await node({ start: false })
    expect(() => listeningAddress(started)).toThrow(NotListeningError)
    expect(() => listeningAddress(stopped)).toThrow(NotListeningError)
  })
})
