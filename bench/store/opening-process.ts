/** Fills a store with small blocks, or opens it and says what that took, with no modules but those of `portolan/cache`; through `opening` */
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import process from 'node:process'
import { CID } from 'multiformats/cid'
import { sha256 } from 'multiformats/hashes/sha2'
import { recordBytes } from '../../src/cache/disk/record.ts'
import { diskTier } from '../../src/cache/disk/segment-tier.ts'
import { MAX_SEGMENT_BYTES } from '../../src/cache/disk/segment.ts'
import { systemClock } from '../../src/clock/system-clock.ts'
import { openBlockCache } from '../../src/index.cache.ts'

const { do: what, path, blocks: count } = JSON.parse(process.argv[2] ?? '') as { do: 'fill' | 'open', path: string, blocks: number }

/** Entries, segments and limits are as many as in a store of 10 GB; the blocks and the segments are smaller, which no index is */
const MAX_BYTES = 10_000_000_000
const SEGMENTS = Math.floor(MAX_BYTES / MAX_SEGMENT_BYTES)
const BLOCK_BYTES = 32
const MIB = 1024 ** 2
const BATCH = 1_000

if (what === 'fill') {
  const segmentBytes = Math.ceil(count / SEGMENTS) * recordBytes((await cidOf(new Uint8Array(BLOCK_BYTES))).multihash.bytes.byteLength, BLOCK_BYTES)
  const tier = diskTier({ clock: systemClock, log: Object.assign(() => {}, { error () {}, trace () {} }) }, { path, maxBytes: MAX_BYTES, segmentBytes })
  const bytes = new Uint8Array(BATCH * BLOCK_BYTES)
  const view = new DataView(bytes.buffer)
  await tier.open()
  for (let i = 0; i < count; i += BATCH) {
    const batch = Array.from({ length: Math.min(BATCH, count - i) }, (_, k) => {
      view.setUint32(k * BLOCK_BYTES, i + k)
      return bytes.slice(k * BLOCK_BYTES, (k + 1) * BLOCK_BYTES)
    })
    await Promise.all(batch.map(async bytes => tier.write((await cidOf(bytes)).multihash.bytes, bytes, 'fetched')))
  }
  await tier.close()
}
// what is filled is opened as well: the policy leaves a note when it is closed
const before = process.memoryUsage.rss()
const started = performance.now()
const cache = await openBlockCache({ path, maxBytes: MAX_BYTES, memoryBytes: 16 * MIB, puts: 'fetched' })
if (what === 'open') {
  const seconds = (performance.now() - started) / 1_000
  const { blocks } = cache.stats()
  const segments = (await readdir(join(path, 'segments'))).filter(name => name.endsWith('.seg')).length
  process.send?.({ seconds, rssMiB: process.memoryUsage.rss() / MIB, rssBeforeMiB: before / MIB, blocks: blocks.authored + blocks.fetched, segments })
}
await cache.close()
process.disconnect()

async function cidOf (bytes: Uint8Array<ArrayBuffer>): Promise<CID> {
  return CID.createV1(0x55, await sha256.digest(bytes))
}
