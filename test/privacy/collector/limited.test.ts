import { tcp } from '@libp2p/tcp'
import { expect, it } from 'vitest'
import { listeningAddress } from '../../../src/privacy/collector/listening-address.ts'
import { node, until, watched } from './support/nodes.ts'
import type { Transport } from '@libp2p/interface'

/** TCP whose connections are bounded in time and bytes, as a relay's are: libp2p tells nobody else */
function limitedTcp (components: Parameters<ReturnType<typeof tcp>>[0]): Transport {
  const transport = tcp()(components) as Transport
  const dial = transport.dial.bind(transport)
  transport.dial = async (address, options) => dial(address, {
    ...options,
    upgrader: Object.assign(Object.create(options.upgrader) as typeof options.upgrader, {
      upgradeOutbound: (async (connection, init) => options.upgrader.upgradeOutbound(connection, { ...init, limits: { bytes: 1_000_000n, seconds: 60 } })) as typeof options.upgrader.upgradeOutbound
    })
  })
  return transport
}

it('says of a connection that is bounded that it is, and counts what goes over it', async () => {
  const [a, b] = await Promise.all([node({ transports: [limitedTcp] }), node()])
  const [near, far] = [watched(a, { streams: 'wrap' }), watched(b, { streams: 'wrap' })]
  const connection = await a.dial(listeningAddress(b))
  expect(connection.limits).toBeDefined()
  await until('identify is done', () => near.peers.get(b.peerId)?.agent != null && connection.streams.length === 0)
  expect(near.observations().connections).toMatchObject([{ limited: true, transport: 'tcp', direction: 'outbound' }])
  expect(near.getStatistics().totalStreams).toBeGreaterThan(0)
  expect(far.observations().connections).toMatchObject([{ limited: false, direction: 'inbound' }])
})
