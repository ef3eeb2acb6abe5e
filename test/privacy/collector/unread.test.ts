import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { promisify } from 'node:util'
import { describe, expect, it, onTestFinished } from 'vitest'
import { collectorMetrics } from '../../../src/privacy/collector/collector-metrics.ts'
import { listeningAddress } from '../../../src/privacy/collector/listening-address.ts'
import { MetadataCollector } from '../../../src/privacy/collector/metadata-collector.ts'
import { node, until, watched } from './support/nodes.ts'
import type { HeldStreams } from './support/held-streams.ts'
import type { TestLibp2p } from './support/nodes.ts'
import type { Stream } from '@libp2p/interface'

const UNREAD = '/portolan/test/unread/1.0.0'

/** Streams that come to a node, which does not read them */
async function unreadStreams (libp2p: TestLibp2p): Promise<{ next (): Promise<Stream> }> {
  const streams: Stream[] = []
  let taken = 0
  await libp2p.handle(UNREAD, stream => { streams.push(stream) })
  return {
    async next () {
      await until('the stream has come', () => streams.length > taken)
      return streams[taken++] ?? expect.fail()
    }
  }
}

function read (stream: Stream): () => number {
  let bytes = 0
  stream.addEventListener('message', ({ data }) => { bytes += data.byteLength })
  return () => bytes
}

describe.each(['none', 'wrap', 'metrics', 'sampled'] as const)('streams that are over, with bytes that nobody read: %s', way => {
  it('are not held while their connection goes on', { timeout: 120_000 }, async () => {
    const { stdout } = await promisify(execFile)(process.execPath, ['--expose-gc', new URL('support/held-streams.ts', import.meta.url).pathname, way], { timeout: 110_000 })
    const { over, held, open, bytesReceived, totalStreams } = JSON.parse(stdout) as HeldStreams
    // reset and closed there, reset before they were given to who opened them, and reset before a protocol was agreed
    expect({ over, held, open }).toEqual({ over: 4 * 20, held: 0, open: 1 })

    if (way === 'wrap' || way === 'metrics') {
      expect({ bytesReceived, totalStreams }, 'each is counted, with all that had come').toEqual({ bytesReceived: 3 * 20 * 5_000, totalStreams: 3 * 20 + 1 })
    }
  })
})

describe.each(['wrap', 'metrics'] as const)('what nobody read of a stream, seen by %s', way => {
  const options = way === 'metrics' ? { metrics: collectorMetrics() } : {}
  const init = way === 'wrap' ? { streams: 'wrap' } as const : {}

  it.each(['reset', 'closed'] as const)('is counted once, when it is %s, by all who watch, and not again when it is read', async end => {
    const [a, b] = await Promise.all([node({ ...options, services: {} as never }), node({ services: {} as never })])
    const collectors = [watched(a, init), watched(a, init)]
    const counted = (): unknown[] => collectors.map(collector => collector.getStatistics().bytesReceived)
    const streams = await unreadStreams(a)
    const connection = await b.dial(listeningAddress(a))

    const near = await connection.newStream(UNREAD)
    const far = await streams.next()
    near.send(new Uint8Array(5_000))
    await until('it has come', () => far.readBufferLength === 5_000)
    expect(counted()).toEqual([0, 0])

    if (end === 'reset') {
      near.abort(new Error('that was all'))
    } else {
      await Promise.all([near.close(), far.close()])
    }
    await until('it is over', () => far.status === end)
    expect(far.readBufferLength).toBe(5_000)
    expect(counted()).toEqual([5_000, 5_000])

    const late = read(far)
    await until('it has been read', () => late() === 5_000)
    expect(counted()).toEqual([5_000, 5_000])
    await connection.close()
    await until('the connection is closed', () => collectors.every(collector => collector.getStatistics().openConnections === 0))
    expect(counted()).toEqual([5_000, 5_000])
    expect(collectors[0]?.observations().connections[0]).toMatchObject({ bytesReceived: 5_000 })
  })

  it('is counted once where the connection is lost with the stream open', async () => {
    const [a, b] = await Promise.all([node({ ...options, services: {} as never }), node({ services: {} as never })])
    const collector = watched(a, init)
    const streams = await unreadStreams(a)
    const connection = await b.dial(listeningAddress(a))
    const near = await connection.newStream(UNREAD)
    const far = await streams.next()
    near.send(new Uint8Array(5_000))
    await until('it has come', () => far.readBufferLength === 5_000)
    const { maConn } = connection as unknown as { maConn: { abort (err: Error): void } }
    maConn.abort(new Error('the cable'))
    await until('the connection is closed', () => collector.getStatistics().openConnections === 0)
    expect(collector.getStatistics()).toMatchObject({ bytesReceived: 5_000, totalConnections: 1 })
  })
})

it('counts a stream that is over before it is given to who opened it, and what it had brought', async () => {
  const [a, b] = await Promise.all([node({ services: {} as never }), node({ services: {} as never })])
  const collector = watched(a, { streams: 'wrap' })
  await b.handle(UNREAD, stream => { stream.send(new Uint8Array(5_000)) })
  await a.use(UNREAD, async (stream, connection, next) => {
    await until('it has come', () => stream.readBufferLength === 5_000)
    const closed = once(stream, 'close')
    b.getConnections()[0]?.streams.forEach(far => { far.abort(new Error('that was all')) })
    await closed
    next(stream, connection)
  })
  const stream = await (await a.dial(listeningAddress(b))).newStream(UNREAD)
  expect(stream.status).toBe('reset')
  expect(collector.getStatistics()).toMatchObject({ totalStreams: 1, bytesReceived: 5_000 })
  expect(Object.hasOwn(stream, 'send')).toBe(false)
  const late = read(stream)
  await until('it has been read', () => late() === 5_000)
  expect(collector.getStatistics()).toMatchObject({ totalStreams: 1, bytesReceived: 5_000 })
})

it.each(['send', 'dispatchEvent', 'unshift', 'push'] as const)('counts every byte once after another collector left and somebody had wrapped %s', async method => {
  const [a, b] = await Promise.all([node({ services: {} as never }), node({ services: {} as never })])
  const streams = await unreadStreams(a)
  const first = new MetadataCollector(a, { streams: 'wrap' })
  const near = await (await b.dial(listeningAddress(a))).newStream(UNREAD)
  const far = await streams.next()
  // as tracing does, and stays
  const wrapped = far[method].bind(far) as (argument: unknown) => unknown
  Object.assign(far, { [method]: (argument: unknown) => wrapped(argument) })
  first.detach()
  const second = new MetadataCollector(a, { streams: 'wrap' })
  onTestFinished(() => { second.detach() })

  const bytes = read(far)
  near.send(new Uint8Array(3_000))
  await until('it has come', () => bytes() === 3_000)
  far.unshift(new Uint8Array(1_000))
  far.push(new Uint8Array(1_000))
  await until('it has come again', () => bytes() === 5_000)
  near.send(new Uint8Array(5_000))
  await until('more has come', () => bytes() === 10_000)
  far.send(new Uint8Array(700))
  expect(second.getStatistics()).toMatchObject({ bytesReceived: 8_000, bytesSent: 700 })
  expect(first.getStatistics()).toMatchObject({ bytesReceived: 0, bytesSent: 0 })
})
