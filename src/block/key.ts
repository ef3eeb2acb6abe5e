import { toString } from 'uint8arrays/to-string'
import type { BlockKey } from '../interface/provider.ts'
import type { CID } from 'multiformats/cid'

/** The key of a block: its multihash, whatever codec or CID version it was asked by */
export function blockKey (cid: CID): BlockKey {
  return toString(cid.multihash.bytes, 'base64url')
}
