/** Fills a store with small blocks, or opens it and says what that took, with no modules but those of `portolan/cache`; through `opening` */
import process from 'node:process'
import { CID } from 'multiformats/cid'
import { sha256 } from 'multiformats/hashes/sha2'
import { openBlockCache } from '../../src/index.cache.ts'

const { do: what, path, blocks: count } = JSON.parse(process.argv[2] ?? '') as { do: 'fill' | 'open', path: string, blocks: number }

/** As of a store of 10 GB: that many entries, segments and limits; the blocks are smaller, which no index is */
const MAX_BYTES = 10_000_000_000
const MIB = 1024 ** 2
const BATCH = 1_000

const cache = await (async () => {
  const before = process.memoryUsage.rss()
  const started = performance.now()
  const cache = await openBlockCache({ path, maxBytes: MAX_BYTES, memoryBytes: 16 * MIB, puts: 'fetched' })
  if (what === 'open') {
    const seconds = (performance.now() - started) / 1_000
    const { blocks } = cache.stats()
    process.send?.({ seconds, rssMiB: process.memoryUsage.rss() / MIB, rssBeforeMiB: before / MIB, blocks: blocks.authored + blocks.fetched })
  }
  return cache
})()

if (what === 'fill') {
  const bytes = new Uint8Array(BATCH * 32)
  const view = new DataView(bytes.buffer)
  for (let i = 0; i < count; i += BATCH) {
    const batch = Array.from({ length: Math.min(BATCH, count - i) }, (_, k) => {
      view.setUint32(k * 32, i + k)
      return bytes.slice(k * 32, k * 32 + 32)
    })
    await Promise.all(batch.map(async bytes => { await cache.put(CID.createV1(0x55, await sha256.digest(bytes)), bytes) }))
  }
}
await cache.close()
process.disconnect()
