import { multiaddr } from '@multiformats/multiaddr'
import { expect, it } from 'vitest'
import { collectorParams } from '../../../src/privacy/collector/collector-params.ts'
import { Seen } from '../../../src/privacy/collector/seen.ts'
import { node, watched } from './support/nodes.ts'
import type { TestLibp2p } from './support/nodes.ts'
import type { Connection } from '@libp2p/interface'

const address = multiaddr('/ip4/198.51.100.1/tcp/4001')

/** A connection as libp2p tells of it. @returns closes it */
function connect (libp2p: TestLibp2p, peer: string, protocols: readonly string[] = []): () => void {
  const connection = {
    id: `c-${peer}`,
    direction: 'inbound',
    remotePeer: { toString: () => peer },
    remoteAddr: address,
    timeline: { open: 0 },
    status: 'open',
    streams: protocols.map(protocol => Object.assign(new EventTarget(), { protocol, status: 'open', readBufferLength: 0, send () {}, push () {}, unshift () {} })),
    newStream: () => {}
  }
  libp2p.dispatchEvent(new CustomEvent('connection:open', { detail: connection as never }))
  return () => { libp2p.dispatchEvent(new CustomEvent('connection:close', { detail: connection as never })) }
}

it('forgets nobody who is connected for thousands who come and go, and counts whom it forgets', async () => {
  const libp2p = await node({ start: false })
  const collector = watched(libp2p, { streams: 'wrap' })
  const connected = Array.from({ length: 300 }, (_, i) => `here-${i}`)
  connected.forEach(peer => { connect(libp2p, peer, ['/x']) })
  for (let i = 0; i < 5_000; i++) {
    connect(libp2p, `sybil-${i}`)()
  }

  expect(connected.every(peer => collector.peers.has(peer))).toBe(true)
  expect(collector.peers.has('sybil-4999')).toBe(true)
  expect(collector.getStatistics()).toMatchObject({ uniquePeers: 1_000, totalConnections: 5_300, openConnections: 300, evictedPeers: 4_300 })
  const { events, connections } = collector.observations()
  expect(events.filter(({ peer, kind }) => peer.startsWith('here') && kind === 'stream')).toHaveLength(300)
  expect(connections.filter(({ peer }) => peer.startsWith('here'))).toHaveLength(300)
})

it('forgets nobody who is named, however small it is to be', async () => {
  const libp2p = await node({ start: false })
  const named = Array.from({ length: 20 }, (_, i) => `named-${i}`)
  const collector = watched(libp2p, { maxPeers: 3, peerAllowlist: named })
  for (const peer of [...named, ...named.map(peer => `not-${peer}`)]) {
    connect(libp2p, peer)()
  }
  expect([...collector.peers.keys()]).toEqual(named)
  expect(collector.getStatistics()).toMatchObject({ uniquePeers: 20, evictedPeers: 0, totalConnections: 20 })
})

it('stays small with a hundred thousand protocols', async () => {
  const libp2p = await node({ start: false })
  const collector = watched(libp2p, { streams: 'wrap', maxEvents: 1_000 })
  for (let i = 0; i < 100; i++) {
    connect(libp2p, `p${i % 10}`, Array.from({ length: 1_000 }, (_, k) => `/${i}/${k}/${'x'.repeat(200)}`))()
  }
  const statistics = collector.getStatistics()
  expect(statistics.totalStreams).toBe(100_000)
  expect(Object.keys(statistics.protocols).length).toBeLessThanOrEqual(257)
  expect(Object.values(statistics.protocols).reduce((sum, n) => sum + n, 0)).toBe(100_000)
  expect([...collector.peers.values()].every(({ protocols }) => protocols.length === 64)).toBe(true)
  const observed = collector.observations()
  expect(observed.events).toHaveLength(1_000)
  expect(JSON.stringify(observed).length).toBeLessThan(1_500_000)
})

it('keeps the events of others where a peer that was forgotten goes on over its connection', () => {
  const seen = new Seen(collectorParams({ maxPeers: 2, maxEvents: 64, streams: 'wrap' }))
  const connection = (peer: string): Connection => ({ id: peer, remotePeer: { toString: () => peer }, remoteAddr: address, direction: 'inbound', timeline: { open: 0 }, streams: [] }) as unknown as Connection
  const [forgotten, kept, newest] = [connection('forgotten'), connection('kept'), connection('newest')]
  for (const each of [forgotten, kept, newest]) {
    seen.opened(each)
  }
  seen.carried(kept, 'sent', 1, '/x')
  for (let i = 0; i < 1_000; i++) {
    seen.carried(forgotten, 'sent', 1, '/x')
  }
  expect([...seen.peers.keys()]).toEqual(['kept', 'newest'])
  expect(seen.observations(true).events.map(({ peer, kind }) => [peer, kind])).toEqual([['kept', 'open'], ['newest', 'open'], ['kept', 'sent']])
  expect(seen.statistics(true)).toMatchObject({ bytesSent: 1_001, openConnections: 3 })
})
