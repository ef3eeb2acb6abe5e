import { peerIdFromMultihash } from '@libp2p/peer-id'
import { base58btc } from 'multiformats/bases/base58'
import { CID } from 'multiformats/cid'
import * as Digest from 'multiformats/hashes/digest'
import { toString } from 'uint8arrays/to-string'
import type { ProviderId } from '../interface/provider.ts'
import type { MultihashDigest } from 'multiformats/hashes/interface'

// multicodecs, see https://github.com/multiformats/multicodec/blob/master/table.csv
const LIBP2P_KEY_CODE = 0x72
const GATEWAY_CODE = 0x0920
const IDENTITY_CODE = 0x00
const SHA2_256_LENGTH = 32

/** What the id of a provider begins with that is a peer */
const PEER = 'p2p:'

/** Characters of a peer id: an RSA one as a base32 CID has 65, base58 is quadratic to decode */
const MAX_PEER_ID_LENGTH = 128

/** The base58 peer id that a text is: `12D3…`, `Qm…`, or a CID of a libp2p key in any base. Undefined for anything else. */
export function peerOfText (text: string): string | undefined {
  if (text.length > MAX_PEER_ID_LENGTH) {
    return undefined
  }

  try {
    return text.startsWith('1') || text.startsWith('Q')
      ? peerOfMultihash(Digest.decode(base58btc.decode(`z${text}`)))
      : peerOfCID(CID.parse(text))
  } catch {
    // "not a peer id" is one of the answers, whatever the decoder made of it
    return undefined
  }
}

/** The base58 peer id of a provider that is a peer */
export function peerOfProvider (id: ProviderId): string | undefined {
  return id.startsWith(PEER) ? id.slice(PEER.length) : undefined
}

/** The base58 peer id of a CID of a libp2p key */
export function peerOfCID (cid: CID): string | undefined {
  return cid.code === LIBP2P_KEY_CODE || cid.version === 0 ? peerOfMultihash(cid.multihash) : undefined
}

/** The URL by which Helia's routers identify a gateway that has no peer id */
export function gatewayURL (cid: CID): string | undefined {
  const mayBeURL = cid.code === GATEWAY_CODE || cid.code === LIBP2P_KEY_CODE

  if (!mayBeURL || cid.multihash.code !== IDENTITY_CODE) {
    return undefined
  }

  const text = toString(cid.multihash.digest)

  return /^https?:\/\//i.test(text) ? text : undefined
}

function peerOfMultihash (multihash: MultihashDigest): string | undefined {
  if (multihash.code !== IDENTITY_CODE && multihash.size !== SHA2_256_LENGTH) {
    return undefined
  }

  try {
    const peer = peerIdFromMultihash(multihash)
    return peer.type === 'url' ? undefined : peer.toString()
  } catch {
    // an identity digest that is no public key
    return undefined
  }
}
