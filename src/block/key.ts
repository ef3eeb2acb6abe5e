import { toString } from 'uint8arrays/to-string'
import type { BlockKey } from '../interface/provider.ts'
import type { CID } from 'multiformats/cid'
import type { MultihashDigest } from 'multiformats/hashes/interface'

/** The key of a block: its multihash, whatever codec or CID version it was asked by */
export function blockKey (cid: CID): BlockKey {
  return multihashKey(cid.multihash)
}

export function multihashKey (multihash: Pick<MultihashDigest, 'bytes'>): BlockKey {
  return toString(multihash.bytes, 'base64url')
}
