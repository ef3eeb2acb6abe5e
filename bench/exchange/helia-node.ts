import { withBitswap } from '@helia/bitswap'
import { withLibp2pLight } from '@helia/libp2p'
import { identify } from '@libp2p/identify'
import { noise } from '@libp2p/noise'
import { tcp } from '@libp2p/tcp'
import { tls } from '@libp2p/tls'
import { yamux } from '@libp2p/yamux'
import { LevelBlockstore } from 'blockstore-level'
import { createHeliaLight } from 'helia'
import type { TransferInit } from './transfer.ts'
import type { Helia } from '@helia/interface'
import type { HeliaWithLibp2p } from '@helia/libp2p'

/** Plain Helia with its own bitswap, blocks on disk, on loopback, knowing nobody */
export async function heliaNode (folder: string, security: TransferInit['security']): Promise<Helia & HeliaWithLibp2p> {
  const helia = withBitswap(withLibp2pLight(createHeliaLight({ blockstore: new LevelBlockstore(folder) }), {
    addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
    transports: [tcp()],
    connectionEncrypters: [security === 'tls' ? tls() : noise()],
    streamMuxers: [yamux()],
    services: { identify: identify() },
    connectionMonitor: { enabled: false }
  })) as unknown as Helia & HeliaWithLibp2p
  await helia.start()
  return helia
}
