import { identify } from '@libp2p/identify'
import { noise } from '@libp2p/noise'
import { tcp } from '@libp2p/tcp'
import { tls } from '@libp2p/tls'
import { yamux } from '@libp2p/yamux'
import { createLibp2p } from 'libp2p'
import { blockVerifier } from '../../../src/block/verify.ts'
import { systemClock } from '../../../src/clock/system-clock.ts'
import { bitswapFetcher } from '../../../src/exchange/bitswap/bitswap-fetcher.ts'
import { Libp2pBitswapNetwork } from '../../../src/exchange/bitswap/libp2p-network.ts'
import { silentLogger } from '../../../src/testing/silent-logger.ts'
import { directLeases } from '../../support/direct-leases.ts'
import type { BitswapFetcher } from '../../../src/exchange/bitswap/bitswap-fetcher.ts'
import type { BitswapNetworkInit } from '../../../src/exchange/bitswap/libp2p-network.ts'
import type { BitswapFaultEvent } from '../../../src/exchange/bitswap/network.ts'
import type { BlockVerifier } from '../../../src/block/verify.ts'
import type { Clock } from '../../../src/interface/clock.ts'
import type { DirectLeases } from '../../support/direct-leases.ts'
import type { Libp2p } from '@libp2p/interface'

/** TCP, TLS and yamux on loopback, as users compose them */
export async function node (security: 'tls' | 'noise' = 'tls'): Promise<Libp2p> {
  return createLibp2p({
    addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
    transports: [tcp()],
    connectionEncrypters: [security === 'tls' ? tls() : noise()],
    streamMuxers: [yamux()],
    services: { identify: identify() },
    // a test that dials a dozen nodes is no attack
    connectionManager: { inboundConnectionThreshold: 1_000, maxConnections: 1_000 },
    connectionMonitor: { enabled: false }
  })
}

export interface Client {
  readonly libp2p: Libp2p
  readonly network: Libp2pBitswapNetwork
  readonly fetcher: BitswapFetcher
  readonly leases: DirectLeases
  readonly verifier: BlockVerifier
  readonly faults: BitswapFaultEvent[]
  stop (): Promise<void>
}

/** A node with our client on it */
export async function client (init: { clock?: Clock, verifier?: BlockVerifier, security?: 'tls' | 'noise', network?: BitswapNetworkInit } = {}): Promise<Client> {
  const libp2p = await node(init.security)
  const clock = init.clock ?? systemClock
  const faults: BitswapFaultEvent[] = []
  const network = new Libp2pBitswapNetwork({ libp2p: libp2p as never, clock, logger: silentLogger }, { onFault: event => { faults.push(event) }, ...init.network })
  const leases = directLeases(libp2p)
  const verifier = init.verifier ?? blockVerifier()
  const fetcher = bitswapFetcher({ network, leases, verifier, clock })
  await network.start()
  fetcher.start()

  return {
    libp2p,
    network,
    fetcher,
    leases,
    verifier,
    faults,
    async stop () {
      await fetcher.stop()
      await network.stop()
      await libp2p.stop()
    }
  }
}
