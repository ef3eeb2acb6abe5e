import { generateKeyPairFromSeed } from '@libp2p/crypto/keys'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { keyOf } from './kad-distance.ts'
import type { Random } from '../../interface/clock.ts'
import type { PeerId, PrivateKey } from '@libp2p/interface'

/** Who somebody is in the network, before there is a node: what tables hold */
export interface DhtIdentity {
  readonly privateKey: PrivateKey
  readonly peerId: PeerId
  /** Where it is in the keyspace */
  readonly key: Uint8Array
  /** Undefined for one that does not listen */
  readonly address: string | undefined
}

/** The same dice make the same identities */
export async function dhtIdentity (random: Random, address?: string): Promise<DhtIdentity> {
  const secret = Uint8Array.from({ length: 32 }, () => Math.floor(random.next() * 256))
  const privateKey = await generateKeyPairFromSeed('Ed25519', secret)
  const peerId = peerIdFromPrivateKey(privateKey)
  return { privateKey, peerId, key: keyOf(peerId.toMultihash().bytes), address }
}

/** Public to look at, each in a /24 of its own; nothing in memory reaches it */
export function publicAddress (index: number): string {
  return `/ip4/45.${index >> 8}.${index & 255}.7/tcp/4001`
}
