import { base58btc } from 'multiformats/bases/base58'

/** A peer id in the form that Ed25519 keys have: no key is behind it */
export function peerId (n: number): string {
  const bytes = new Uint8Array(38)
  bytes.set([0x00, 0x24, 0x08, 0x01, 0x12, 0x20])
  new DataView(bytes.buffer).setUint32(6, n)
  return base58btc.baseEncode(bytes)
}
