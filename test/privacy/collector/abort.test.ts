import { expect, it } from 'vitest'
import { listeningAddress } from '../../../src/privacy/collector/listening-address.ts'
import { ECHO, node, until, watched } from './support/nodes.ts'

it('has counted what had passed when a muxer is aborted amid streams, and holds nothing of them', async () => {
  const [a, b] = await Promise.all([node(), node()])
  const [near, far] = [watched(a, { streams: 'wrap' }), watched(b, { streams: 'wrap' })]
  const connection = await a.dial(listeningAddress(b))
  await until('identify is done', () => connection.streams.length === 0 && b.getConnections()[0]?.streams.length === 0)
  const before = [near, far].map(collector => collector.getStatistics())
  const streams = await Promise.all([1, 2, 3].map(async () => connection.newStream(ECHO)))
  streams.forEach(stream => { stream.send(new Uint8Array(1_000)) })
  await until('it has come', () => (far.getStatistics().bytesReceived ?? 0) - (before[1]?.bytesReceived ?? 0) === 3_000)

  const { muxer } = connection as unknown as { muxer: { abort (err: Error): void } }
  muxer.abort(new Error('that was all'))
  connection.abort(new Error('that was all'))
  await until('both ends know', () => [near, far].every(collector => collector.getStatistics().openConnections === 0))
  expect((near.getStatistics().bytesSent ?? 0) - (before[0]?.bytesSent ?? 0)).toBe(3_000)
  expect((far.getStatistics().bytesReceived ?? 0) - (before[1]?.bytesReceived ?? 0)).toBe(3_000)
  expect(near.getStatistics()).toMatchObject({ totalStreams: (before[0]?.totalStreams ?? 0) + 3, protocols: { [ECHO]: 3 } })
  expect(streams.every(stream => !Object.hasOwn(stream, 'protocol') || stream.protocol === ECHO)).toBe(true)
})

it('is not told of a protocol with a name of a megabyte: libp2p takes none that is longer than a kilobyte', async () => {
  const [a, b] = await Promise.all([node(), node()])
  const collectors = [a, b].map(each => watched(each, { streams: 'wrap' }))
  const connection = await a.dial(listeningAddress(b))
  await until('identify is done', () => connection.streams.length === 0 && b.getConnections()[0]?.streams.length === 0)
  const before = collectors.map(collector => collector.getStatistics().totalStreams)

  await expect(connection.newStream(`/${'x'.repeat(1_000_000)}`, { signal: AbortSignal.timeout(10_000) })).rejects.toThrow(/stream closed/)
  await until('the far end has closed it', () => b.getConnections().every(({ streams }) => streams.length === 0))
  expect(collectors.map(collector => collector.getStatistics().totalStreams)).toEqual(before)
  expect(collectors.map(collector => JSON.stringify(collector.observations()).length < 20_000)).toEqual([true, true])
})
