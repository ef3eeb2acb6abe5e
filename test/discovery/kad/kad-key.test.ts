import { generateKeyPair } from '@libp2p/crypto/keys'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import fc from 'fast-check'
import { sha256 } from 'multiformats/hashes/sha2'
import { describe, expect, it } from 'vitest'
import { commonPrefixLength, compareDistance, kadKey, peerBytes, peerKey } from '../../../src/discovery/kad/kad-key.ts'

const key = fc.uint8Array({ minLength: 32, maxLength: 32 })
const number = (bytes: Uint8Array): bigint => bytes.reduce((sum, byte) => sum * 256n + BigInt(byte), 0n)

describe('keys of the DHT', () => {
  it('are the SHA-256 of the bytes of a peer id', async () => {
    const peer = peerIdFromPrivateKey(await generateKeyPair('Ed25519'))

    expect(peerBytes(peer.toString())).toEqual(peer.toMultihash().bytes)
    expect(peerKey(peer.toString())).toEqual((await sha256.digest(peer.toMultihash().bytes)).digest)
    expect(peerKey(peer.toString())).toBe(peerKey(peer.toString()))
    expect(kadKey(peer.toMultihash().bytes)).toEqual(peerKey(peer.toString()))
  })

  it('are compared by XOR', () => {
    fc.assert(fc.property(key, key, key, (target, a, b) => {
      const [near, far] = [number(target) ^ number(a), number(target) ^ number(b)]
      expect(Math.sign(compareDistance(target, a, b))).toBe(near < far ? -1 : near > far ? 1 : 0)
    }))
  })

  it('share the bits before the first that differs', () => {
    fc.assert(fc.property(key, fc.integer({ min: 0, max: 255 }), (a, bit) => {
      const b = a.slice()
      b[bit >> 3] = (b[bit >> 3] as number) ^ (0x80 >> (bit & 7))

      expect(commonPrefixLength(a, b)).toBe(bit)
      expect(commonPrefixLength(a, a)).toBe(256)
    }))
  })
})
