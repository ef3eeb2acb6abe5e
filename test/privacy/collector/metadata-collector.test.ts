import { describe, expect, it } from 'vitest'
import { collectorMetrics } from '../../../src/privacy/collector/collector-metrics.ts'
import { listeningAddress } from '../../../src/privacy/collector/listening-address.ts'
import { MetadataCollector } from '../../../src/privacy/collector/metadata-collector.ts'
import { ECHO, OTHER, exchange, node, until, watched } from './support/nodes.ts'

const IDENTIFY = '/ipfs/id/1.0.0'

describe.each(['wrap', 'metrics'] as const)('streams seen by %s', way => {
  const options = way === 'metrics' ? { metrics: collectorMetrics() } : {}
  const init = way === 'wrap' ? { streams: 'wrap' } as const : {}

  it('are all there, with every byte, on both ends', async () => {
    const [a, b] = await Promise.all([node(options), node(options)])
    const collectors = [watched(a, init), watched(b, init)] as const
    const connection = await a.dial(listeningAddress(b))
    // each asks the other, and answers
    await until('both are identified', () => collectors.every(({ peers }) => [...peers.values()].every(({ agent }) => agent != null)))
    await until('identify is done', () => connection.streams.length === 0)
    const before = collectors.map(collector => collector.getStatistics())

    await exchange(connection, 100_000)
    await exchange(connection, 1)
    await exchange(connection, 70_000, OTHER)
    await until('the far ends are closed', () => b.getConnections().every(({ streams }) => streams.length === 0))

    for (const [i, collector] of collectors.entries()) {
      const { protocols, totalStreams, bytesSent, bytesReceived, streams } = collector.getStatistics()
      expect(streams).toBe('exact')
      expect(protocols).toEqual({ [IDENTIFY]: 2, [ECHO]: 2, [OTHER]: 1 })
      expect(totalStreams).toBe(5)
      expect((bytesSent ?? 0) - (before[i]?.bytesSent ?? 0)).toBe(170_001)
      expect((bytesReceived ?? 0) - (before[i]?.bytesReceived ?? 0)).toBe(170_001)
    }

    const [ofA, ofB] = collectors.map(collector => collector.observations())
    expect(ofA?.connections[0]).toMatchObject({ direction: 'outbound', streams: 5, protocols: [IDENTIFY, ECHO, OTHER], bytesSent: ofB?.connections[0]?.bytesReceived, bytesReceived: ofB?.connections[0]?.bytesSent })
    expect(ofB?.connections[0]).toMatchObject({ direction: 'inbound', streams: 5 })
    const sent = ofA?.events.filter(({ kind }) => kind === 'sent').reduce((sum, { bytes }) => sum + (bytes ?? 0), 0)
    expect(sent).toBe(ofA?.connections[0]?.bytesSent)
    expect(ofA?.events.filter(({ kind }) => kind === 'stream').map(({ protocol }) => protocol)).toEqual([IDENTIFY, IDENTIFY, ECHO, ECHO, OTHER])
  })

  it('are told apart when two are open at once', async () => {
    const [a, b] = await Promise.all([node(options), node(options)])
    const collector = watched(b, init)
    const connection = await a.dial(listeningAddress(b))
    await Promise.all([exchange(connection, 40_000), exchange(connection, 50_000, OTHER)])
    await until('the far ends are closed', () => b.getConnections().every(({ streams }) => streams.length === 0))
    expect(collector.getStatistics().protocols).toMatchObject({ [ECHO]: 1, [OTHER]: 1 })
    expect(collector.peers.get(a.peerId)?.protocols).toEqual(expect.arrayContaining([ECHO, OTHER]))
    const [seen] = collector.observations().connections
    expect(seen?.bytesSent).toBeGreaterThanOrEqual(90_000)
  })

  it('are counted from then on when it comes late', async () => {
    const [a, b] = await Promise.all([node(options), node(options)])
    const connection = await a.dial(listeningAddress(b))
    await exchange(connection, 30_000)
    const stream = await connection.newStream(ECHO)
    await until('the far end has the stream, and identify is done', () => b.getConnections()[0]?.streams.length === 1 && connection.streams.length === 1)

    const collector = watched(b, init)
    stream.send(new Uint8Array(500))
    await stream.close()
    await until('it is closed', () => b.getConnections()[0]?.streams.length === 0)
    expect(collector.getStatistics()).toMatchObject({ totalStreams: 1, bytesSent: 500, bytesReceived: 500, protocols: { [ECHO]: 1 } })
    expect(collector.observations().connections[0]).toMatchObject({ openedAt: b.getConnections()[0]?.timeline.open })
  })
})

describe('a collector without help', () => {
  it('counts connections and peers exactly, and says that streams are sampled', async () => {
    const [a, b] = await Promise.all([node(), node()])
    const collector = watched(b)
    const connection = await a.dial(listeningAddress(b))
    await until('it is there', () => collector.getStatistics().openConnections === 1)
    const stream = await connection.newStream(ECHO)
    await until('the far end has it', () => b.getConnections()[0]?.streams.some(({ protocol }) => protocol === ECHO) === true)

    const statistics = collector.getStatistics()
    expect(statistics).toMatchObject({ uniquePeers: 1, totalConnections: 1, inboundConnections: 1, outboundConnections: 0, transports: { tcp: 1 }, streams: 'sampled' })
    expect(statistics.protocols[ECHO]).toBe(1)
    expect(statistics).not.toHaveProperty('bytesSent')
    expect(collector.observations()).toMatchObject({ source: 'real', streams: 'sampled', self: { peer: b.peerId.toString() } })
    expect(collector.observations().connections[0]).not.toHaveProperty('bytesSent')
    await stream.close()
  })

  it('may come before the node has started, and after a restart needs nothing', async () => {
    const [a, b] = await Promise.all([node(), node({ start: false })])
    const collector = watched(b, { streams: 'wrap' })
    expect(collector.getStatistics()).toMatchObject({ uniquePeers: 0, totalConnections: 0 })

    for (const round of [1, 2]) {
      await b.start()
      await exchange(await a.dial(listeningAddress(b)), 1_000)
      expect(collector.getStatistics()).toMatchObject({ uniquePeers: 1, totalConnections: round, openConnections: 1 })
      await b.stop()
      expect(collector.getStatistics()).toMatchObject({ openConnections: 0 })
      await until('the other end knows', () => a.getConnections().length === 0)
    }
  })

  it('finds connections that are open, and what identify said before', async () => {
    const [a, b, c] = await Promise.all([node(), node(), node()])
    await a.dial(listeningAddress(b))
    await c.dial(listeningAddress(b))
    await until('both are known', () => b.getConnections().length === 2)
    await b.services.identify.identify(b.getConnections(a.peerId)[0] ?? expect.fail())

    const collector = watched(b)
    expect(collector.getStatistics()).toMatchObject({ uniquePeers: 2, totalConnections: 2, openConnections: 2 })
    await until('the agent is read', () => collector.peers.get(a.peerId)?.agent != null)
    expect(collector.peers.get(a.peerId)).toMatchObject({ firstSeen: b.getConnections(a.peerId)[0]?.timeline.open, connectionCount: 1 })
    expect(collector.peers.get(a.peerId)?.supported).toContain(ECHO)
    await until('its own agent too', () => collector.observations().self?.agent != null)
  })

  it('counts a peer that comes back once, and its connections all', async () => {
    const [a, b] = await Promise.all([node(), node()])
    const collector = watched(b)

    for (let i = 0; i < 5; i++) {
      const connection = await a.dial(listeningAddress(b))
      await until('it is open', () => collector.getStatistics().openConnections === 1)
      await connection.close()
      await until('it is closed', () => collector.getStatistics().openConnections === 0)
    }

    expect(collector.getStatistics()).toMatchObject({ uniquePeers: 1, totalConnections: 5, inboundConnections: 5 })
    expect(collector.peers.get(a.peerId.toString())).toMatchObject({ connectionCount: 5, openConnections: 0, inbound: 5, outbound: 0 })
    const { connections, events } = collector.observations()
    expect(connections.every(({ openedAt, closedAt }) => (closedAt ?? 0) >= openedAt)).toBe(true)
    expect(events.map(({ kind }) => kind).filter(kind => kind !== 'stream')).toEqual(Array(5).fill(['open', 'close']).flat())
  })

  it('keeps count while connections open and close as fast as they can', async () => {
    const [a, b] = await Promise.all([node(), node()])
    const [near, far] = [watched(a, { streams: 'wrap' }), watched(b, { streams: 'wrap' })]
    let opened = 0

    for (let round = 0; round < 10; round++) {
      const connections = await Promise.all(Array.from({ length: 4 }, () => a.dial(listeningAddress(b), { force: true })))
      opened += new Set(connections).size
      for (const connection of connections) {
        connection.abort(new Error('that was all'))
      }
    }

    await until('all are closed', () => near.getStatistics().openConnections === 0 && far.getStatistics().openConnections === 0)
    expect(near.getStatistics()).toMatchObject({ uniquePeers: 1, totalConnections: opened, outboundConnections: opened })
    await until('the other end has seen them', () => far.getStatistics().totalConnections === opened)
    expect(b.getConnections()).toEqual([])
  })

  it('counts no connection that failed', async () => {
    const [a, b, c] = await Promise.all([node(), node(), node()])
    const collector = watched(a)
    const gone = listeningAddress(b)
    await b.stop()
    await expect(a.dial(gone)).rejects.toThrow(/ECONNREFUSED/)
    const wrong = listeningAddress(c).decapsulate(`/p2p/${c.peerId.toString()}`).encapsulate(`/p2p/${b.peerId.toString()}`)
    await expect(a.dial(wrong), 'somebody else is there').rejects.toThrow(/key|peer/i)
    await expect(a.dial(listeningAddress(a))).rejects.toThrow(/self/)
    expect(collector.getStatistics()).toMatchObject({ uniquePeers: 0, totalConnections: 0, openConnections: 0 })
    expect(collector.observations()).toMatchObject({ peers: [], connections: [], events: [] })
  })

  it('has nothing to say of an empty network', async () => {
    const collector = watched(await node(), { streams: 'wrap' })
    expect(collector.peers.size).toBe(0)
    expect(collector.getStatistics()).toEqual({
      uniquePeers: 0,
      openConnections: 0,
      totalConnections: 0,
      inboundConnections: 0,
      outboundConnections: 0,
      totalStreams: 0,
      protocols: {},
      transports: {},
      bytesSent: 0,
      bytesReceived: 0,
      streams: 'exact',
      evictedPeers: 0,
      evictedConnections: 0
    })
  })

  it('looks only at peers that are named', async () => {
    const [a, b, c] = await Promise.all([node(), node(), node()])
    const collector = watched(b, { peerAllowlist: [a.peerId], streams: 'wrap' })
    await exchange(await a.dial(listeningAddress(b)), 100)
    await exchange(await c.dial(listeningAddress(b)), 100)
    expect(b.getConnections()).toHaveLength(2)
    expect([...collector.peers.keys()]).toEqual([a.peerId.toString()])
    expect(collector.getStatistics()).toMatchObject({ uniquePeers: 1, totalConnections: 1 })
    expect(collector.observations().events.every(({ peer }) => peer === a.peerId.toString())).toBe(true)
  })

  it('forgets everything when it is cleared, and finds what goes on', async () => {
    const [a, b] = await Promise.all([node(), node()])
    const collector = watched(b, { streams: 'wrap' })
    const connection = await a.dial(listeningAddress(b))
    await exchange(connection, 1_000)
    await until('all is quiet', () => connection.streams.length === 0 && b.getConnections()[0]?.streams.length === 0)
    collector.clear()
    expect(collector.peers.size).toBe(0)
    expect(collector.getStatistics()).toMatchObject({ uniquePeers: 0, totalConnections: 0, openConnections: 0, totalStreams: 0, bytesSent: 0 })
    expect(collector.observations()).toMatchObject({ peers: [], connections: [], events: [] })

    await exchange(connection, 2_000)
    await until('it is seen again', () => collector.getStatistics().bytesSent === 2_000)
    expect(collector.getStatistics()).toMatchObject({ uniquePeers: 1, totalConnections: 1, openConnections: 1, totalStreams: 1 })
    await connection.close()
    await until('it is closed', () => collector.getStatistics().openConnections === 0)
    expect(collector.peers.get(a.peerId)).toMatchObject({ openConnections: 0, connectionCount: 1 })
  })

  it('carries what a ledger has written down', async () => {
    const spans = [{ from: 1, to: 2, reason: 'off' }]
    const asked: unknown[] = []
    const ledger = { entries: (filter?: { since?: number }) => { asked.push(filter?.since); return [] }, unaccounted: () => spans }
    const collector = watched(await node(), { ledger })
    const { exposures, unaccounted, from } = collector.observations()
    expect(exposures).toEqual([])
    expect(unaccounted).toEqual(spans)
    expect(asked).toEqual([from])
    expect(watched(await node()).observations()).not.toHaveProperty('exposures')
  })
})

it('shows the same numbers after it was detached, whatever happens', async () => {
  const [a, b] = await Promise.all([node(), node()])
  const collector = new MetadataCollector(b, { streams: 'wrap' })
  const connection = await a.dial(listeningAddress(b))
  const stream = await connection.newStream(ECHO)
  stream.send(new Uint8Array(10))
  await until('it has come', () => (collector.peers.get(a.peerId)?.protocols.includes(ECHO)) === true && (collector.getStatistics().bytesReceived ?? 0) >= 10)
  await until('identify is done', () => connection.streams.length === 1)
  collector.detach()
  const before = [collector.getStatistics(), collector.observations().events.length]

  stream.send(new Uint8Array(10))
  await stream.close()
  await exchange(connection, 1_000)
  await connection.close()
  await a.dial(listeningAddress(b))
  await until('it is there', () => b.getConnections().length === 1)
  expect([collector.getStatistics(), collector.observations().events.length]).toEqual(before)
  collector.detach()
})
