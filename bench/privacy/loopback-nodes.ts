import { identify } from '@libp2p/identify'
import { noise } from '@libp2p/noise'
import { tcp } from '@libp2p/tcp'
import { yamux } from '@libp2p/yamux'
import { createLibp2p } from 'libp2p'
import type { Libp2p } from '@libp2p/interface'

export const ECHO = '/portolan/bench/echo/1.0.0'

/** A libp2p node on loopback that knows nobody and sends back what it is sent */
export async function echoNode (): Promise<Libp2p> {
  const libp2p = await createLibp2p({
    addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    services: { identify: identify() },
    connectionManager: { inboundConnectionThreshold: Infinity }
  })
  await libp2p.handle(ECHO, async stream => {
    for await (const chunk of stream) {
      stream.send(chunk)
    }
    await stream.close()
  })
  return libp2p
}
