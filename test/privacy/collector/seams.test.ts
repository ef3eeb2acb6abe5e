import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it, onTestFinished } from 'vitest'
import { collectorMetrics } from '../../../src/privacy/collector/collector-metrics.ts'
import { listeningAddress } from '../../../src/privacy/collector/listening-address.ts'
import { MetadataCollector } from '../../../src/privacy/collector/metadata-collector.ts'
import { nullMetrics } from '../../../src/privacy/collector/null-metrics.ts'
import { ECHO, exchange, node, until } from './support/nodes.ts'
import type { Clock } from '../../../src/interface/clock.ts'
import type { Connection, Metrics, Stream } from '@libp2p/interface'

/** What the collector builds on in libp2p: when one of these fails, an upgrade has moved it */
describe('libp2p', () => {
  it('tells of a connection before it can carry anything, and of its end once', async () => {
    const [a, b] = await Promise.all([node(), node()])
    const said: string[] = []
    b.addEventListener('connection:open', ({ detail }) => { said.push(`open ${detail.status} ${detail.streams.every(({ protocol }) => protocol === '').toString()}`) })
    b.addEventListener('connection:close', ({ detail }) => { said.push(`close ${detail.remotePeer.toString() === a.peerId.toString()}`) })
    const connection = await a.dial(listeningAddress(b))
    await exchange(connection, 10)
    await connection.close()
    await until('it is closed', () => said.length === 2)
    expect(said).toEqual(['open open true', 'close true'])
  })

  it('says when a connection was opened by the wall clock', async () => {
    const [a, b] = await Promise.all([node(), node()])
    const before = Date.now()
    const { timeline } = await a.dial(listeningAddress(b))
    expect(timeline.open).toBeGreaterThanOrEqual(before)
    expect(timeline.open).toBeLessThanOrEqual(Date.now())
  })

  it('shows the muxer of a connection, which tells of streams before their protocol is agreed', async () => {
    const [a, b] = await Promise.all([node(), node()])
    const streams: Array<[Stream, string]> = []
    b.addEventListener('connection:open', ({ detail }) => {
      (detail as Connection & { muxer: EventTarget }).muxer.addEventListener('stream', event => {
        const { detail } = event as CustomEvent<Stream>
        streams.push([detail, detail.protocol])
      })
    })
    const connection = await a.dial(listeningAddress(b))
    await exchange(connection, 10)
    expect(streams.map(([, protocol]) => protocol)).toEqual(['', ''])
    expect(streams.map(([stream]) => stream.protocol).sort()).toEqual(['/ipfs/id/1.0.0', ECHO])
  })

  it('keeps the protocol of a stream, and what opens streams of a connection, as plain fields of their own', async () => {
    const [a, b] = await Promise.all([node(), node()])
    const connection = await a.dial(listeningAddress(b))
    const stream = await connection.newStream(ECHO)
    expect(Object.getOwnPropertyDescriptor(stream, 'protocol')).toMatchObject({ value: ECHO, writable: true, configurable: true })
    expect(Object.getOwnPropertyDescriptor(connection, 'newStream')).toMatchObject({ writable: true, configurable: true })

    for (const method of ['send', 'dispatchEvent', 'unshift', 'push'] as const) {
      expect(Object.hasOwn(stream, method), method).toBe(false)
    }
    await stream.close()
  })

  it('sends and dispatches by those methods, whoever replaced them', async () => {
    const [a, b] = await Promise.all([node(), node()])
    const stream = await (await a.dial(listeningAddress(b))).newStream(ECHO)
    const { send, dispatchEvent } = stream
    let sent = 0
    const types: string[] = []
    stream.send = data => { sent += data.byteLength; return send.call(stream, data) }
    stream.dispatchEvent = event => { types.push(event.type); return dispatchEvent.call(stream, event) }
    const back = (async () => { let n = 0; for await (const { byteLength } of stream) { n += byteLength } return n })()
    stream.send(new Uint8Array(40))
    await stream.close()
    expect([await back, sent]).toEqual([40, 40])
    expect(types.filter(type => type === 'message')).toHaveLength(1)
    expect(types).toEqual(expect.arrayContaining(['end', 'close']))
  })

  it('gives the data of a stream to the first listener for messages, which is why there is none', async () => {
    const [a, b] = await Promise.all([node(), node()])
    const stream = await (await a.dial(listeningAddress(b))).newStream(ECHO)
    let stolen = 0
    stream.addEventListener('message', ({ data }) => { stolen += data.byteLength })
    stream.send(new Uint8Array(40))
    await until('somebody has it', () => stolen === 40)
    let left = 0
    const reading = (async () => { for await (const { byteLength } of stream) { left += byteLength } })()
    await stream.close()
    await reading
    expect(left).toBe(0)
  })

  it('has metrics track a stream once, when its protocol is agreed and its connection lists it', async () => {
    const tracked: Array<[string, boolean]> = []
    const metrics = (components: { connectionManager: { getConnections (): Connection[] } }): Metrics => ({
      ...nullMetrics(),
      trackProtocolStream: stream => { tracked.push([stream.protocol, components.connectionManager.getConnections().some(({ streams }) => streams.includes(stream))]) }
    })
    // the type of its components is libp2p's own
    const [a, b] = await Promise.all([node({ metrics: metrics as unknown as ReturnType<typeof collectorMetrics> }), node()])
    const connection = await a.dial(listeningAddress(b))
    await exchange(connection, 10)
    await until('identify is done', () => connection.streams.length === 0)
    expect(tracked).toHaveLength(3)
    expect(tracked).toEqual(expect.arrayContaining([['/ipfs/id/1.0.0', true], [ECHO, true]]))
  })

  it('shows the metrics that it was made with', async () => {
    let made: Metrics | undefined
    const a = await node({ metrics: () => (made = nullMetrics()) })
    expect(a.metrics).toBe(made)
  })
})

describe('a collector that leaves', () => {
  it.each(['wrap', 'metrics', 'sampled'] as const)('leaves no listener, no wrapper and no timer: %s', async way => {
    const metrics = collectorMetrics()
    const [a, b] = await Promise.all([node(way === 'metrics' ? { metrics } : {}), node()])
    const listeners = (): number[] => ['connection:open', 'connection:close', 'peer:identify', 'self:peer:update', 'peer:update'].map(name => (a as unknown as { listenerCount (name: string): number }).listenerCount(name))
    const none = listeners()
    const early = await a.dial(listeningAddress(b))
    await until('identify is done', () => early.streams.length === 0)
    const bare = look(early)

    const timers = new Set<object>()
    const clock = countedTimers(timers)
    const collectors = [1, 2].map(() => new MetadataCollector(a, { clock, streams: way === 'wrap' ? 'wrap' : 'auto' }))
    const [first, second] = collectors
    const stream = await early.newStream(ECHO)
    const bareStream = Object.keys(Object.getOwnPropertyDescriptors(stream)).filter(name => !['send', 'dispatchEvent', 'unshift', 'push'].includes(name))
    stream.send(new Uint8Array(10))
    const late = await a.dial(listeningAddress(b), { force: true })
    await exchange(late, 10)
    await until('identify is done', () => late.streams.length === 0)
    expect(collectors.map(collector => collector.getStatistics().totalStreams).every(count => count > 0)).toBe(true)
    expect(timers.size > 0).toBe(way === 'sampled')

    // in the order in which they came, which is the harder one
    first?.detach()
    const seen = second?.getStatistics().totalStreams ?? 0
    await exchange(early, 10)
    expect(second?.getStatistics().totalStreams).toBe(seen + (way === 'sampled' ? 0 : 1))
    second?.detach()

    expect(listeners()).toEqual(none)
    expect(look(early)).toEqual(bare)
    expect(Object.keys(Object.getOwnPropertyDescriptors(stream))).toEqual(bareStream)
    expect(Object.getOwnPropertyDescriptor(stream, 'protocol')).toMatchObject({ value: ECHO, writable: true })
    expect(timers.size).toBe(0)
    await stream.close()
  })

  it('gives back a stream whose protocol is not agreed yet', async () => {
    const [a, b] = await Promise.all([node(), node()])
    const connection = await a.dial(listeningAddress(b)) as Connection & { muxer: { createStream (): Promise<Stream> } }
    const collector = new MetadataCollector(b, { streams: 'wrap' })
    onTestFinished(() => { collector.detach() })
    const raw = await connection.muxer.createStream()
    await until('it has come', () => b.getConnections()[0]?.streams.some(({ protocol }) => protocol === '') === true)
    const far = b.getConnections()[0]?.streams.find(({ protocol }) => protocol === '') ?? expect.fail()
    expect(Object.getOwnPropertyDescriptor(far, 'protocol')).toHaveProperty('set')
    collector.detach()
    expect(Object.getOwnPropertyDescriptor(far, 'protocol')).toMatchObject({ value: '', writable: true, configurable: true })
    raw.abort(new Error('that was all'))
    await sleep(0)
  })
})

function look (connection: Connection): unknown[] {
  const { muxer } = connection as Connection & { muxer: { listenerCount (name: string): number } }
  return [Object.getOwnPropertyDescriptor(connection, 'newStream')?.value, muxer.listenerCount('stream'), (connection as unknown as { listenerCount (name: string): number }).listenerCount('close')]
}

function countedTimers (timers: Set<object>): Clock {
  return {
    now: () => performance.now(),
    wall: () => Date.now(),
    schedule (ms: number, fn: () => void) {
      const timer = setTimeout(() => { timers.delete(timer); fn() }, ms)
      timers.add(timer)
      return () => { clearTimeout(timer); timers.delete(timer) }
    },
    sleep: async () => {},
    timeout: () => { throw new Error('not used') }
  }
}
