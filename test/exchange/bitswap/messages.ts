import fc from 'fast-check'
import { CID } from 'multiformats/cid'
import * as Digest from 'multiformats/hashes/digest'
import type { OutgoingMessage } from '../../../src/exchange/bitswap/message.ts'

export { fc }

const DAG_PB = 0x70
const SHA2_256 = 0x12

function cids (): fc.Arbitrary<CID> {
  const digests = fc.uint8Array({ minLength: 32, maxLength: 32 })
  return fc.oneof(
    digests.map(digest => CID.createV0(Digest.create(SHA2_256, digest))),
    fc.tuple(fc.constantFrom(0x55, DAG_PB, 0x71, 0x0129), fc.constantFrom(SHA2_256, 0x1e, 0xb220), fc.uint8Array({ maxLength: 128 }))
      .map(([code, hash, digest]) => CID.createV1(code, Digest.create(hash, digest)))
  )
}

/** Messages of all kinds, negative priorities and empty blocks included */
export function outgoingMessages (): fc.Arbitrary<OutgoingMessage> {
  return fc.record({
    wants: fc.array(fc.record({
      cid: cids(),
      type: fc.constantFrom('block' as const, 'have' as const),
      priority: fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }),
      cancel: fc.boolean(),
      sendDontHave: fc.boolean()
    }), { maxLength: 6 }),
    full: fc.boolean(),
    blocks: fc.array(fc.record({ cid: cids(), bytes: fc.uint8Array({ maxLength: 300 }) }), { maxLength: 4 }),
    presences: fc.array(fc.record({ cid: cids(), type: fc.constantFrom('have' as const, 'dont-have' as const) }), { maxLength: 6 }),
    pendingBytes: fc.nat(2 ** 31 - 1)
  }, { requiredKeys: [] })
}
