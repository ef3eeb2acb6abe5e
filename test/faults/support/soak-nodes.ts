import { identify } from '@libp2p/identify'
import { noise } from '@libp2p/noise'
import { ping } from '@libp2p/ping'
import { tcp } from '@libp2p/tcp'
import { yamux } from '@libp2p/yamux'
import { createLibp2p } from 'libp2p'
import { CID } from 'multiformats/cid'
import { sha256 } from 'multiformats/hashes/sha2'
import type { Identify } from '@libp2p/identify'
import type { Libp2p, PrivateKey } from '@libp2p/interface'
import type { Ping } from '@libp2p/ping'

export interface SoakBlock {
  readonly cid: CID
  readonly bytes: Uint8Array
}

/** From the process that is measured to the one around it */
export type ToWorld = { readonly type: 'visit', readonly address: string } | { readonly type: 'hold', readonly n: number, readonly by: 'gateway' | 'peer' } | { readonly type: 'end' }

/** And back */
export type FromWorld = { readonly type: 'ready', readonly gateway: string, readonly peer: string } | { readonly type: 'held', readonly n: number } | { readonly type: 'ended', readonly visits: number }

const BLOCK = 4_096

/** Both processes can make it of its number */
export async function soakBlock (n: number): Promise<SoakBlock> {
  const bytes = new Uint8Array(BLOCK)
  new DataView(bytes.buffer).setFloat64(0, n)
  return { bytes, cid: CID.createV1(0x55, await sha256.digest(bytes)) }
}

export async function soakNode (privateKey?: PrivateKey): Promise<Libp2p<{ identify: Identify, ping: Ping }>> {
  return createLibp2p({
    ...(privateKey == null ? {} : { privateKey }),
    addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    services: { identify: identify(), ping: ping({ maxInboundStreams: 64 }) },
    connectionMonitor: { enabled: false },
    connectionManager: { inboundConnectionThreshold: Infinity }
  })
}
