import { DEFAULT_MAX_BLOCK_SIZE } from '../block/verify.ts'
import { wholeNumber } from '../block/whole-number.ts'
import { InvalidOptionError } from '../interface/errors.ts'
import { quote } from '../interface/quote.ts'
import type { CacheKind } from '../interface/cache.ts'

/**
 * 10 GiB: a day's reading of one person, or the hot set of a small gateway, and what package managers and browsers
 * take for theirs without being asked
 */
export const DEFAULT_MAX_BYTES = 10_737_418_240

/** Below this not one block of 1 MiB, which files are cut into by default, would find room beside what the cache itself needs */
export const MIN_MAX_BYTES = 2 * DEFAULT_MAX_BLOCK_SIZE

/** 64 MiB: sixty large blocks, or all inner nodes of some terabytes; the page cache of the system holds the next level */
export const DEFAULT_MEMORY_BYTES = 67_108_864

/** 64 MiB: what a line of 100 Mbit/s brings in the seconds for which a declined block is held */
const DEFAULT_TRANSIT_BYTES = 67_108_864

/** Of the whole cache, when that is small: what is in transit must not crowd out what is kept */
const TRANSIT_SHARE = 1 / 16

/** Of the whole cache that is kept free of what stays: records that are gone but not given back yet, and the cache's own files */
const SLACK_SHARE = 0.1

/** One read of disk in a thousand is hashed again: 0.1 % of its cost, and a block read all day is looked at several times */
const DEFAULT_VERIFY_RATE = 0.001

export interface CacheSizes {
  /** Everything on disk, in bytes. @default 10 GiB */
  maxBytes?: number
  /** Blocks in memory, overhead included, in bytes; 0: none. @default 64 MiB */
  memoryBytes?: number
  /** Blocks in memory that were not kept, for the seconds in which they must be readable. @default 64 MiB, a sixteenth of `maxBytes` at most */
  transitBytes?: number
}

export interface CacheParams {
  readonly maxBytes: number
  readonly memoryBytes: number
  readonly transitBytes: number
  /** For what stays */
  readonly capacity: number
  readonly puts: CacheKind
  readonly verifyRate: number
  readonly maxShare?: number
}

export interface CacheParamsInit extends CacheSizes {
  /**
   * What a block is that is put and that nobody marked as fetched: the user's, which stays until it is deleted, or one
   * that may go when room is needed. For a cache under a node without content routing, whose fetched blocks are put like the user's. @default 'authored'
   */
  puts?: CacheKind
  /** Share of reads from disk, in [0, 1], that are hashed although the block was hashed since the cache was opened. @default 0.001 */
  verifyRate?: number
  /** `maxShare`, in (0, 1]: of the bytes of fetched blocks, what one client may own. @default no client has less than all */
  shares?: { readonly maxShare: number }
}

/** Checks all options; throws an `InvalidOptionError` that names option, range and value */
export function cacheParams (init: CacheParamsInit): CacheParams {
  const { puts = 'authored', verifyRate = DEFAULT_VERIFY_RATE, shares } = init
  const maxBytes = wholeNumber('maxBytes', init.maxBytes ?? DEFAULT_MAX_BYTES, MIN_MAX_BYTES)
  const memoryBytes = wholeNumber('memoryBytes', init.memoryBytes ?? DEFAULT_MEMORY_BYTES)
  const transitBytes = wholeNumber('transitBytes', init.transitBytes ?? Math.min(DEFAULT_TRANSIT_BYTES, Math.floor(maxBytes * TRANSIT_SHARE)))

  if (transitBytes > maxBytes / 2) {
    throw new InvalidOptionError(`transitBytes must be at most half of maxBytes, ${Math.floor(maxBytes / 2)}, got ${transitBytes}`)
  }
  if (puts !== 'authored' && puts !== 'fetched') {
    throw new InvalidOptionError(`puts must be "authored" or "fetched", got ${quote(puts)}`)
  }
  share('verifyRate', verifyRate, 0)
  if (shares != null) {
    const unknown = typeof shares === 'object' ? Object.keys(shares).find(name => name !== 'maxShare') : undefined
    if (typeof shares !== 'object' || unknown != null) {
      throw new InvalidOptionError(`shares must be an object with maxShare alone, got ${quote(unknown ?? shares)}`)
    }
    share('shares.maxShare', shares.maxShare, Number.MIN_VALUE)
  }

  return {
    maxBytes,
    memoryBytes,
    transitBytes,
    capacity: Math.floor(maxBytes * (1 - SLACK_SHARE)) - transitBytes,
    puts,
    verifyRate,
    maxShare: shares?.maxShare
  }
}

function share (option: string, value: number, min: number): void {
  if (typeof value !== 'number' || !(value >= min && value <= 1)) {
    throw new InvalidOptionError(`${option} must be a number ${min === 0 ? 'from 0' : 'above 0 and up'} to 1, got ${quote(value)}`)
  }
}
