import { noise } from '@libp2p/noise'
import { identify } from '@libp2p/identify'
import { tcp } from '@libp2p/tcp'
import { yamux } from '@libp2p/yamux'
import type { Libp2pOptions } from 'libp2p'

/** A libp2p node on loopback that knows nobody */
export function loopbackLibp2p (): Libp2pOptions & { services: { identify: ReturnType<typeof identify> } } {
  return {
    addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    services: { identify: identify({ protocolPrefix: 'portolan-test' }) },
    connectionMonitor: { enabled: false }
  }
}
