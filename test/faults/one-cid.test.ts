import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { seededRandom } from '../../src/clock/random.ts'
import { openBlockCache } from '../../src/index.ts'
import { faultBlock } from './support/fault-blocks.ts'

/** Writes of each writer: hundreds of megabytes through a cache of 16 MiB in either case */
const ROUNDS = { small: 2_000, large: 300 }
const MIB = 1024 ** 2

for (const size of ['small', 'large'] as const) {
  it(`8 writers and 4 readers of one ${size} block: whole or not there, never a part`, async () => {
    const path = await mkdtemp(join(tmpdir(), 'portolan-one-'))
    const cache = await openBlockCache({ path, maxBytes: 16 * MIB, memoryBytes: 0, transitBytes: 0 })
    const block = faultBlock(size === 'small' ? 11 : 19)
    const random = seededRandom(1)
    const seen = { whole: 0, absent: 0, short: 0, wrong: 0 }
    let writing = 8

    async function write (writer: number): Promise<void> {
      for (let i = 0; i < ROUNDS[size]; i++) {
        if (random.next() < 0.3) {
          await cache.delete(block.cid)
        } else if (writer % 2 === 0) {
          await cache.put(block.cid, block.bytes.slice())
        } else {
          await cache.admit(block.cid, block.bytes.slice(), { origin: 'test' })
        }
      }
      writing--
    }

    async function read (): Promise<void> {
      while (writing > 0) {
        try {
          const chunks: Uint8Array[] = []
          for await (const chunk of cache.get(block.cid)) {
            chunks.push(chunk)
          }
          const bytes = Buffer.concat(chunks)
          seen[bytes.byteLength < block.bytes.byteLength ? 'short' : bytes.equals(block.bytes) ? 'whole' : 'wrong']++
        } catch (err) {
          expect((err as Error).name).toBe('NotFoundError')
          seen.absent++
        }
        await new Promise(resolve => setImmediate(resolve))
      }
    }

    try {
      await Promise.all([...Array.from({ length: 8 }, async (_, i) => { await write(i) }), ...Array.from({ length: 4 }, read)])
      expect(seen).toMatchObject({ short: 0, wrong: 0 })
      expect(seen.whole).toBeGreaterThan(50)
      expect(cache.stats().quarantined).toBe(0)
    } finally {
      await cache.close()
      await rm(path, { recursive: true })
    }
  })
}
