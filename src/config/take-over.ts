import { existsSync } from 'node:fs'
import { rename, rm } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { LevelBlockstore } from 'blockstore-level'
import { base32upper } from 'multiformats/bases/base32'
import { CID } from 'multiformats/cid'
import * as raw from 'multiformats/codecs/raw'
import * as Digest from 'multiformats/hashes/digest'
import { formatBytes } from '../gateway/html.ts'
import { quote } from '../interface/quote.ts'
import { StoreError } from './errors.ts'
import { openDatabase } from './open-database.ts'
import type { Clock } from '../interface/clock.ts'
import type { BlockCache } from '../interface/cache.ts'
import type { Logger } from '../interface/logger.ts'

/** What this configuration does not accept: the bytes may be right, and another configuration may take them */
const NOT_ACCEPTED: Readonly<Record<string, string>> = {
  BlockTooLargeError: 'for blocks that are too large allow larger ones (--max-block-size)',
  UnacceptableHashError: 'for blocks of git allow sha1 (--allow-sha1)'
}

/** Blocks that are written at once */
const AT_ONCE = 16

/** How often progress is logged, in ms: whoever waits for a start sees that it goes on */
const TELL_INTERVAL = 5_000

/** What stays behind is named in the log, a line each; of more only the number is told */
const MAX_NAMED = 64

export interface TakeOverInit {
  readonly directory: string
  readonly cache: BlockCache
  readonly clock: Clock
  readonly log: Logger
}

/** What came of it */
interface Result {
  taken: number
  /** Not what their CID says: nobody can want them */
  dropped: number
  /** Good for all that is known, and not in the cache; or not blocks at all */
  left: number
  /** What to do about those */
  readonly advice: Set<string>
}

/**
 * Blocks of the database in which nodes kept them formerly. They are kept as the user's, because nobody knows any more
 * which of them are. The database is removed when every block of it that is what its CID says is in the cache, and put
 * aside when some cannot be; a start that is interrupted begins again.
 */
export async function takeOverBlocks ({ directory, cache, clock, log }: TakeOverInit): Promise<void> {
  const path = join(directory, 'blocks')
  const done = `${path}.taken-over`

  if (existsSync(join(path, 'CURRENT'))) {
    const former = new LevelBlockstore(path)
    // it opens itself in the next microtask, and would not say what is wrong
    await former.db.close()
    await openDatabase(directory, former)
    let result: Result
    try {
      result = await copy(former, { directory, cache, clock, log })
    } finally {
      await former.close()
    }
    if (result.left === 0) {
      // so that a removal that is interrupted is not taken for a damaged database
      await rename(path, done)
    } else {
      const aside = freeName(`${path}.left`)
      await rename(path, aside)
      log.error('%d entries of the former store are not in the cache, so all of it is kept, as %s: %s', result.left, aside, advise(result, aside))
    }
  }
  await rm(done, { recursive: true, force: true })
}

function advise ({ advice }: Result, aside: string): string {
  const again = advice.size === 0 ? '' : `${[...advice].join(', ')}, rename it to blocks and start once more; `
  return `${again}when nothing of it is wanted any more remove ${basename(aside)}`
}

/** Nothing that was put aside before is written over */
function freeName (name: string): string {
  let free = name
  for (let i = 2; existsSync(free); i++) {
    free = `${name}-${i}`
  }
  return free
}

async function copy (former: LevelBlockstore, { directory, cache, clock, log }: TakeOverInit): Promise<Result> {
  const writing = new Set<Promise<void>>()
  const failures: unknown[] = []
  const result: Result = { taken: 0, dropped: 0, left: 0, advice: new Set() }
  let told = clock.now()

  const leave = (what: string, why: string): void => {
    if (result.left++ < MAX_NAMED) {
      log.error('%s of the former store is left there - %s', what, why)
    }
  }
  const put = async (cid: CID, bytes: Uint8Array): Promise<void> => {
    try {
      await cache.put(cid, bytes)
      result.taken++
    } catch (err) {
      const { name, message } = err as Error
      const advice = NOT_ACCEPTED[name]

      if (name === 'HashMismatchError') {
        result.dropped++
        log.error('the block %c of the former store is dropped - %e', cid, err)
      } else if (advice != null) {
        result.advice.add(advice)
        leave(`the block ${cid}`, message)
      } else {
        throw err
      }
    }
  }

  log('the blocks of the former store in %s are taken over, %s of them', directory, formatBytes(await sizeFrom(former, FIRST)))
  try {
    for await (const [key, bytes] of entries(former)) {
      const name = key.toString()
      const cid = cidOf(name)

      if (cid == null) {
        leave(`the entry ${quote(name)}`, 'its key is not that of a block')
        continue
      }
      const task: Promise<void> = put(cid, bytes).catch((err: unknown) => { failures.push(err) }).finally(() => { writing.delete(task) })
      writing.add(task)
      if (writing.size >= AT_ONCE) {
        await Promise.race(writing)
      }
      if (failures.length > 0) {
        break
      }
      if (clock.now() - told > TELL_INTERVAL) {
        told = clock.now()
        log('%d blocks of the former store are taken over, about %s are left', result.taken, formatBytes(await sizeFrom(former, name)))
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
  log('%d blocks of the former store are taken over, %d were dropped', result.taken, result.dropped)
  return result
}

/** As they are: the store itself throws at a key that is not of its own */
function entries ({ db }: LevelBlockstore): AsyncIterable<[Buffer, Uint8Array]> {
  // the type of this option is of the database that is opened with it
  return db.iterator({ keyEncoding: 'buffer', valueEncoding: 'view' } as object) as unknown as AsyncIterable<[Buffer, Uint8Array]>
}

/** Of a key, which is a slash and the multihash in capitals; undefined for any other */
function cidOf (key: string): CID | undefined {
  try {
    const cid = CID.createV1(raw.code, Digest.decode(base32upper.decoder.decode(key.slice(1))))
    return keyOf(cid) === key ? cid : undefined
  } catch {
    // what is no multihash is named by whoever asked
    return undefined
  }
}

function keyOf ({ multihash }: CID): string {
  return `/${base32upper.encoder.encode(multihash.bytes)}`
}

/** Keys are a slash and the multihash in capitals */
const FIRST = '/'
const END = '0'

/** Bytes that the blocks from a key on take, roughly: the database knows it without looking at them */
async function sizeFrom ({ db }: LevelBlockstore, key: string): Promise<number> {
  // on Node.js it is always the one on disk; the type is of the one in browsers, too
  return (db as unknown as { approximateSize (from: string, to: string): Promise<number> }).approximateSize(key, END)
}
