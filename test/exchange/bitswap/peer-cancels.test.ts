import { CID } from 'multiformats/cid'
import * as Digest from 'multiformats/hashes/digest'
import { expect, it } from 'vitest'
import { blockKey } from '../../../src/block/key.ts'
import { PeerCancels } from '../../../src/exchange/bitswap/peer-cancels.ts'
import { VirtualClock } from '../../../src/testing/virtual-clock.ts'
import type { WantedBlock } from '../../../src/exchange/bitswap/wanted-block.ts'

/** As many as wants may be out at one peer */
const MAX_IN_DOUBT = 1_024

function wanted (number: number): WantedBlock {
  const digest = new Uint8Array(32)
  new DataView(digest.buffer).setUint32(0, number)
  const cid = CID.createV1(0x55, Digest.create(0x12, digest))
  return { key: blockKey(cid), cid, kind: 'sha2-256', type: 'block', waiters: new Set(), told: [], lines: 1, again: false, believedUntil: 0 }
}

it('of cancels that were written the newest are remembered, so many and so long', async () => {
  const clock = new VirtualClock()
  const cancels = new PeerCancels(clock)
  const write = (count: number): void => {
    for (let i = 0; i < count; i++) {
      cancels.add(wanted(i), false)
    }
    expect(cancels.take(count, [])).toHaveLength(count)
  }

  write(MAX_IN_DOUBT + 500)
  cancels.rewind()
  expect(cancels.size).toBe(MAX_IN_DOUBT)
  expect([cancels.has(wanted(0).key), cancels.has(wanted(MAX_IN_DOUBT + 499).key)]).toEqual([false, true])

  cancels.clear()
  write(10)
  await clock.advance(10_000)
  cancels.rewind()
  expect(cancels.size).toBe(0)
})
