/**
 * What is held of streams that are over while their connection goes on: run with --expose-gc and `none`, `wrap`, `metrics` or `sampled`,
 * prints it as JSON. Each of them ends with bytes that nobody has read, as a stranger can make them end. A process of its own, since
 * only there everything that can be collected is.
 */
import { once } from 'node:events'
import { noise } from '@libp2p/noise'
import { tcp } from '@libp2p/tcp'
import { yamux } from '@libp2p/yamux'
import { createLibp2p } from 'libp2p'
import { collectorMetrics } from '../../../../src/privacy/collector/collector-metrics.ts'
import { MetadataCollector } from '../../../../src/privacy/collector/metadata-collector.ts'
import type { Connection, Libp2p, Stream } from '@libp2p/interface'

export interface HeldStreams {
  /** Streams that were opened and are over, and how many of them are held */
  readonly over: number
  readonly held: number
  /** A stream that is open is held, whoever looks */
  readonly open: number
  readonly bytesReceived?: number
  readonly totalStreams?: number
}

const UNREAD = '/portolan/test/unread/1.0.0'
const CLOSED = '/portolan/test/closed/1.0.0'
const LATE = '/portolan/test/late/1.0.0'
/** Of each kind */
const STREAMS = 20
const BYTES = 5_000
/** Collections, one after the other, until nothing is held that should not be */
const ROUNDS = 500

const way = process.argv[2]

async function node (isWatched: boolean): Promise<Libp2p> {
  return createLibp2p({
    addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    connectionMonitor: { enabled: false },
    ...(isWatched && way === 'metrics' ? { metrics: collectorMetrics() } : {})
  })
}

const [watched, stranger] = await Promise.all([node(true), node(false)])
const collector = way === 'none' ? undefined : new MetadataCollector(watched, { streams: way === 'wrap' ? 'wrap' : 'auto' })
const over: Array<WeakRef<Stream>> = []
const open: Array<WeakRef<Stream>> = []
let arrivals = Promise.withResolvers<Stream>()

await watched.handle(UNREAD, stream => { arrivals.resolve(stream) }, { maxInboundStreams: 100 })
await watched.handle(CLOSED, async stream => {
  arrivals.resolve(stream)
  await stream.close()
})
let answering = Promise.withResolvers<Stream>()
await stranger.handle(LATE, stream => {
  stream.send(new Uint8Array(BYTES))
  answering.resolve(stream)
})
// who opens one is given it when it is over
await watched.use(LATE, async (stream, connection, next) => {
  await hasCome(stream)
  const answer = await answering.promise
  answering = Promise.withResolvers()
  answer.abort(new Error('that was all'))
  await isOver(stream)
  next(stream, connection)
})

async function opened (connection: Connection, protocol: string): Promise<{ near: Stream, far: Stream }> {
  arrivals = Promise.withResolvers()
  const near = await connection.newStream(protocol)
  near.send(new Uint8Array(BYTES))
  const far = await arrivals.promise
  await hasCome(far)
  return { near, far }
}

async function hasCome (stream: Stream): Promise<void> {
  while (stream.readBufferLength < BYTES) {
    await turn()
  }
}

async function turn (): Promise<void> {
  await new Promise(resolve => { setTimeout(resolve, 1) })
}

async function isOver (stream: Stream): Promise<void> {
  while (stream.status === 'open' || stream.status === 'closing') {
    await turn()
  }
  over.push(new WeakRef(stream))
}

async function openAndLeave (connection: Connection, back: Connection): Promise<void> {
  const reset = await opened(connection, UNREAD)
  reset.near.abort(new Error('that was all'))
  await isOver(reset.far)

  const closed = await opened(connection, CLOSED)
  await closed.near.close()
  await isOver(closed.far)

  await back.newStream(LATE)

  // no protocol is ever agreed
  const { muxer } = back as unknown as { muxer: EventTarget }
  const arrived = once(muxer, 'stream') as Promise<[CustomEvent<Stream>]>
  const { muxer: nearMuxer } = connection as unknown as { muxer: { createStream (): Promise<Stream> } }
  const unnamed = await nearMuxer.createStream()
  unnamed.send(new Uint8Array(1))
  const [{ detail }] = await arrived
  unnamed.abort(new Error('that was all'))
  await isOver(detail)
}

const connection = await stranger.dial(watched.getMultiaddrs())
open.push(new WeakRef((await opened(connection, UNREAD)).far))

for (let i = 0; i < STREAMS; i++) {
  await openAndLeave(connection, watched.getConnections()[0] as Connection)
}
arrivals = Promise.withResolvers()

function held (refs: Array<WeakRef<Stream>>): number {
  return refs.filter(ref => ref.deref() != null).length
}

for (let round = 0; round < ROUNDS && held(over) > 0; round++) {
  // what was dereferenced is held to the end of a turn
  await turn()
  globalThis.gc?.()
}

const { bytesReceived, totalStreams } = collector?.getStatistics() ?? {}
const report: HeldStreams = { over: over.length, held: held(over), open: held(open), bytesReceived, totalStreams }
console.log(JSON.stringify(report))
collector?.detach()
await Promise.all([watched.stop(), stranger.stop()])
