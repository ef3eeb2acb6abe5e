import { existsSync } from 'node:fs'
import { rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { LevelBlockstore } from 'blockstore-level'
import { base32upper } from 'multiformats/bases/base32'
import { formatBytes } from '../gateway/html.ts'
import { StoreError } from './errors.ts'
import { openDatabase } from './open-database.ts'
import type { Clock } from '../interface/clock.ts'
import type { BlockCache } from '../interface/cache.ts'
import type { Logger } from '../interface/logger.ts'
import type { CID } from 'multiformats/cid'

/** What a block cannot be kept for, ever: it is not what its CID says, or nothing we trust */
const UNUSABLE: ReadonlySet<string> = new Set(['HashMismatchError', 'UnacceptableHashError', 'BlockTooLargeError'])

/** Blocks that are written at once */
const AT_ONCE = 16

/** How often progress is logged, in ms: whoever waits for a start sees that it goes on */
const TELL_INTERVAL = 5_000

export interface TakeOverInit {
  readonly directory: string
  readonly cache: BlockCache
  readonly clock: Clock
  readonly log: Logger
}

/**
 * Blocks of the database in which nodes kept them formerly. They are kept as the user's, because nobody knows any more
 * which of them are. The database is removed when every block of it is in the cache; a start that is interrupted
 * begins again.
 */
export async function takeOverBlocks ({ directory, cache, clock, log }: TakeOverInit): Promise<void> {
  const path = join(directory, 'blocks')
  const done = `${path}.taken-over`

  if (existsSync(join(path, 'CURRENT'))) {
    const former = new LevelBlockstore(path)
    // it opens itself in the next microtask, and would not say what is wrong
    await former.db.close()
    await openDatabase(directory, former)
    try {
      await copy(former, { directory, cache, clock, log })
    } finally {
      await former.close()
    }
    // so that a removal that is interrupted is not taken for a damaged database
    await rename(path, done)
  }
  await rm(done, { recursive: true, force: true })
}

async function copy (former: LevelBlockstore, { directory, cache, clock, log }: TakeOverInit): Promise<void> {
  const writing = new Set<Promise<void>>()
  const failures: unknown[] = []
  let told = clock.now()
  let blocks = 0
  let dropped = 0

  const put = async (cid: CID, bytes: Uint8Array): Promise<void> => {
    try {
      await cache.put(cid, bytes)
      blocks++
    } catch (err) {
      if (!UNUSABLE.has((err as Error).name)) {
        throw err
      }
      dropped++
      log.error('the block %c of the former store is dropped - %e', cid, err)
    }
  }

  log('the blocks of the former store in %s are taken over, %s of them', directory, formatBytes(await sizeFrom(former, FIRST)))
  try {
    for await (const { cid, bytes } of former.getAll()) {
      for await (const whole of bytes) {
        const task: Promise<void> = put(cid, whole).catch((err: unknown) => { failures.push(err) }).finally(() => { writing.delete(task) })
        writing.add(task)
      }
      if (writing.size >= AT_ONCE) {
        await Promise.race(writing)
      }
      if (failures.length > 0) {
        break
      }
      if (clock.now() - told > TELL_INTERVAL) {
        told = clock.now()
        log('%d blocks of the former store are taken over, about %s are left', blocks, formatBytes(await sizeFrom(former, `/${base32upper.encoder.encode(cid.multihash.bytes)}`)))
      }
    }
    await Promise.all(writing)
    if (failures.length > 0) {
      throw failures[0]
    }
  } catch (err) {
    await Promise.all(writing)
    throw new StoreError(`the blocks of the former store in ${join(directory, 'blocks')} could not all be taken over (${(err as Error).message}); nothing of it is lost${(err as Error).name === 'CacheFullError' ? ': give the cache more room with --cache-size' : ''}`, { cause: err })
  }
  log('%d blocks of the former store are taken over, %d were dropped', blocks, dropped)
}

/** Keys are a slash and the multihash in capitals */
const FIRST = '/'
const END = '0'

/** Bytes that the blocks from a key on take, roughly: the database knows it without looking at them */
async function sizeFrom ({ db }: LevelBlockstore, key: string): Promise<number> {
  // on Node.js it is always the one on disk; the type is of the one in browsers, too
  return (db as unknown as { approximateSize (from: string, to: string): Promise<number> }).approximateSize(key, END)
}
