import { createLibp2p } from 'libp2p'
import { onTestFinished } from 'vitest'
import { MemoryNetwork } from '../../../src/testing/memory/memory-network.ts'
import { VirtualClock } from '../../../src/testing/virtual-clock.ts'
import type { MemoryNetworkInit, MemoryTransportOptions } from '../../../src/testing/memory/memory-network.ts'
import type { Libp2p, Stream } from '@libp2p/interface'
import type { Libp2pOptions } from 'libp2p'

export const PROTOCOL = '/portolan/test/memory/1.0.0'

export interface Place {
  readonly clock: VirtualClock
  readonly network: MemoryNetwork
  /** A node that is stopped when the test ends */
  node (listen?: string, options?: MemoryTransportOptions & Partial<Libp2pOptions>): Promise<Libp2p>
}

/** A network on a virtual clock; every way takes 50 ms unless told otherwise */
export function place (init: MemoryNetworkInit = {}): Place {
  const clock = new VirtualClock()
  const network = new MemoryNetwork({ clock, minDelay: 50, maxDelay: 50, ...init })

  return {
    clock,
    network,
    async node (listen, { position, ...options } = {}) {
      const libp2p = await createLibp2p({
        addresses: { listen: listen == null ? [] : [listen] },
        transports: [network.transport(position == null ? {} : { position })],
        connectionMonitor: { enabled: false },
        ...options
      })
      onTestFinished(async () => { await libp2p.stop() })
      return libp2p
    }
  }
}

/** A server that hands over every stream opened to it */
export async function streamsOf (node: Libp2p): Promise<Stream[]> {
  const streams: Stream[] = []
  await node.handle(PROTOCOL, stream => { streams.push(stream) }, { maxInboundStreams: 100, maxOutboundStreams: 100 })
  return streams
}

/** A stream between two nodes of the place, both ends */
export async function streamBetween ({ clock, network }: Place, client: Libp2p, server: Libp2p): Promise<[Stream, Stream]> {
  const streams = await streamsOf(server)
  const connection = await clock.run(client.dial(server.getMultiaddrs()))
  const near = await clock.run(connection.newStream(PROTOCOL))
  await clock.advance(network.maxDelay)
  const [far] = streams

  if (far == null) {
    throw new Error('The stream was not handed over')
  }

  return [near, far]
}

/** What arrives at a stream, with the time of its arrival */
export function arrivals (clock: VirtualClock, stream: Stream): Array<{ at: number, bytes: number }> {
  const seen: Array<{ at: number, bytes: number }> = []
  stream.addEventListener('message', ({ data }) => { seen.push({ at: clock.now(), bytes: data.byteLength }) })
  return seen
}
