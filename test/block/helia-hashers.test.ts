import { createHeliaLight } from 'helia'
import all from 'it-all'
import { CID } from 'multiformats/cid'
import { sha256 } from 'multiformats/hashes/sha2'
import { describe, expect, it } from 'vitest'
import { blockVerifier } from '../../src/block/verify.ts'
import type { BlockBroker } from '@helia/interface'

/** The seam: Helia verifies what a broker returns with the hasher it was given, on the very object that the broker returned */
describe('the hashers, given to Helia', () => {
  it('make 25 concurrent reads of one block cost one hash', async () => {
    const verifier = blockVerifier()
    const block = new Uint8Array(100_000).fill(7)
    const cid = CID.createV1(0x55, await sha256.digest(block))
    const broker: BlockBroker = {
      name: 'verifying',
      async retrieve (cid) {
        await verifier.verify(cid, block)
        return block
      }
    }
    const helia = await createHeliaLight({ hashers: verifier.hashers(), blockBrokers: [broker] }).start()

    try {
      const reads = await Promise.all(Array.from({ length: 25 }, () => all(helia.blockstore.get(cid))))

      expect(reads.every(([bytes]) => bytes === block)).toBe(true)
      expect(verifier.hashed).toBe(1)
    } finally {
      await helia.stop()
    }
  })

  it('still refuse wrong bytes of a broker that does not verify', async () => {
    const verifier = blockVerifier()
    const cid = CID.createV1(0x55, await sha256.digest(new Uint8Array(10)))
    const helia = await createHeliaLight({ hashers: verifier.hashers(), blockBrokers: [{ name: 'lying', retrieve: async () => new Uint8Array(11) }] }).start()

    try {
      await expect(all(helia.blockstore.get(cid))).rejects.toThrow(expect.objectContaining({ name: 'LoadBlockFailedError' }))
      await expect(Promise.resolve(helia.blockstore.has(cid))).resolves.toBe(false)
    } finally {
      await helia.stop()
    }
  })

  it('read blocks by hash functions that Helia alone does not know', async () => {
    const verifier = blockVerifier()
    const block = Uint8Array.of(1, 2, 3)

    for (const hasher of verifier.hashers()) {
      const cid = CID.createV1(0x55, await hasher.digest(block))
      const helia = await createHeliaLight({ hashers: verifier.hashers(), blockBrokers: [{ name: 'honest', retrieve: async () => block }] }).start()

      try {
        await expect(all(helia.blockstore.get(cid))).resolves.toEqual([block])
      } finally {
        await helia.stop()
      }
    }
  })
})
