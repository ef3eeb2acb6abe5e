import { base58btc } from 'multiformats/bases/base58'
import { peerKey } from '../../../../src/discovery/kad/kad-key.ts'
import type { KadPeer } from '../../../../src/discovery/kad/kad-client.ts'
import type { Random } from '../../../../src/interface/clock.ts'

/** A peer whose id is the SHA-256 of a key that nobody has */
export function madeUpPeer (random: Random, addresses: readonly string[] = ['/ip4/192.0.2.1/tcp/4001']): KadPeer {
  const id = base58btc.baseEncode(Uint8Array.from([0x12, 0x20, ...Array.from({ length: 32 }, () => Math.floor(random.next() * 256))]))
  return { id, key: peerKey(id), addresses }
}
