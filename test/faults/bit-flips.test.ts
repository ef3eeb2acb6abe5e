import { mkdtemp, open, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { seededRandom } from '../../src/clock/random.ts'
import { openBlockCache } from '../../src/index.ts'
import { faultBlock, isRight } from './support/fault-blocks.ts'
import type { FileHandle } from 'node:fs/promises'
import type { Random } from '../../src/interface/clock.ts'
import type { BlockCache } from '../../src/interface/cache.ts'

const FLIPS = Number(process.env.PORTOLAN_FLIPS ?? 10_000)
const SEED = Number(process.env.PORTOLAN_SEED ?? Date.now() % 100_000)
/** Flipped between two readings of everything: each may cost the one block that it hits, and no other */
const AT_ONCE = 25
const MIB = 1024 ** 2
const NUMBERS = Array.from({ length: 120 }, (_, i) => i).filter(number => number % 10 !== 9)
const INIT = { maxBytes: 64 * MIB, memoryBytes: 0, transitBytes: 0 }

/** Blocks and what finds them; LevelDB, which has the lock, checks its own files, and a flip there is a case of its own */
async function dataFiles (path: string): Promise<Array<{ name: string, size: number }>> {
  const names = await readdir(path, { recursive: true })
  const files: Array<{ name: string, size: number }> = []
  for (const name of names.filter(name => /\.(seg|idx)$/.test(name))) {
    const file = await openFile(join(path, name))
    const size = (await file?.stat())?.size ?? 0
    await file?.close()
    if (size > 0) {
      files.push({ name, size })
    }
  }
  return files
}

async function flip (path: string, random: Random, count: number): Promise<void> {
  const files = await dataFiles(path)
  const total = files.reduce((sum, { size }) => sum + size, 0)

  for (let flipped = 0; flipped < count;) {
    let at = Math.floor(random.next() * total)
    const file = files.find(({ size }) => at < size || (at -= size) < 0)
    if (file == null) {
      throw new Error('there is no file to damage')
    }
    const handle = await openFile(join(path, file.name))
    if (handle == null) {
      continue
    }
    try {
      const byte = Buffer.alloc(1)
      await handle.read(byte, 0, 1, at)
      byte[0] = (byte[0] ?? 0) ^ 1 << Math.floor(random.next() * 8)
      await handle.write(byte, 0, 1, at)
      flipped++
    } finally {
      await handle.close()
    }
  }
}

/** Undefined where the store has given the file back meanwhile, as it does with segments that hold little */
async function openFile (path: string): Promise<FileHandle | undefined> {
  try {
    return await open(path, 'r+')
  } catch (err) {
    if ((err as NodeJS.ErrnoException).code === 'ENOENT') {
      return undefined
    }
    throw err
  }
}

/** Reads everything; what is missing is put again */
async function readAll (cache: BlockCache): Promise<{ wrong: number, missing: number }> {
  const seen = { wrong: 0, missing: 0 }
  for (const number of NUMBERS) {
    const block = faultBlock(number)
    try {
      const chunks: Uint8Array[] = []
      for await (const chunk of cache.get(block.cid)) {
        chunks.push(chunk)
      }
      seen.wrong += isRight(block, Buffer.concat(chunks)) ? 0 : 1
    } catch (err) {
      expect((err as Error).name).toBe('NotFoundError')
      seen.missing++
      await cache.put(block.cid, block.bytes)
    }
  }
  return seen
}

for (const state of ['open', 'closed']) {
  it(`${FLIPS / 2} bits flipped on disk while the store is ${state}: every one is caught before it is served (seed ${SEED})`, async () => {
    const path = await mkdtemp(join(tmpdir(), 'portolan-flips-'))
    const random = seededRandom(SEED)
    let cache = await openBlockCache({ path, ...INIT })
    const caught = { wrong: 0, missing: 0 }

    try {
      expect(await readAll(cache)).toEqual({ wrong: 0, missing: NUMBERS.length })
      for (let flips = 0; flips < FLIPS / 2; flips += AT_ONCE) {
        if (state === 'closed') {
          await cache.close()
        }
        await flip(path, random, AT_ONCE)
        if (state === 'closed') {
          cache = await openBlockCache({ path, ...INIT })
        }
        const { wrong, missing } = await readAll(cache)
        expect({ flips, wrong }).toEqual({ flips, wrong: 0 })
        expect(missing).toBeLessThanOrEqual(AT_ONCE)
        caught.missing += missing
      }
      // a tenth at least hits a block that is there; the others what is dead, and what lies beside the blocks
      expect(caught.missing).toBeGreaterThan(FLIPS / 20)
    } finally {
      await cache.close()
      await rm(path, { recursive: true })
    }
  })
}
