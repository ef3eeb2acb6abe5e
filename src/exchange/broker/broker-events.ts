import { toString } from 'uint8arrays/to-string'
import type { Observer } from '../../interface/disclosure.ts'

const IDENTITY = 0x00

/**
 * Whom a broker's progress event names as having been asked for the block, when
 * it names anybody. A lower bound: brokers merge messages and run lookups of
 * their own.
 */
export function askedObserver (event: { type: string, detail?: unknown }): Observer | undefined {
  if (event.type === 'bitswap:send-wantlist') {
    return event.detail == null ? undefined : `p2p:${String(event.detail)}`
  }
  if (event.type === 'helia:block-broker:connect') {
    return gateway((event.detail as { provider?: GatewayPeer } | undefined)?.provider)
  }
  return undefined
}

interface GatewayPeer {
  multihash?: { code: number, digest: Uint8Array }
}

/** @helia/trustless-gateway-client names a gateway by a CID whose identity hash is its URL */
function gateway (peer: GatewayPeer | undefined): Observer | undefined {
  if (peer?.multihash?.code !== IDENTITY) {
    return undefined
  }

  const url = URL.parse(toString(peer.multihash.digest))
  if (url?.protocol === 'http:' || url?.protocol === 'https:') {
    return `${url.protocol === 'http:' ? 'http' : 'https'}:${url.host}`
  }
  return undefined
}
