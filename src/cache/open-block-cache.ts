import { resolve } from 'node:path'
import { blockVerifier } from '../block/verify.ts'
import { systemRandom } from '../clock/random.ts'
import { systemClock } from '../clock/system-clock.ts'
import { CacheDiskError, InvalidOptionError } from '../interface/errors.ts'
import { checkOptionNames } from '../interface/option-names.ts'
import { quote } from '../interface/quote.ts'
import { cacheMetrics } from './cache-metrics.ts'
import { composeCache } from './compose-cache.ts'
import { describe } from './disk-health.ts'
import { errorCode } from './disk/files.ts'
import { diskTier } from './disk/segment-tier.ts'
import { endsInSha256, nativeSha256 } from './native-sha256.ts'
import { cacheParams } from './params.ts'
import type { CacheParamsInit } from './params.ts'
import type { DiskTier, OpenReport } from './disk/disk-tier.ts'
import type { CacheFiles } from './disk/files.ts'
import type { RequestFor, SharedTier, SharedTierFactory } from './shared/shared-tier.ts'
import type { BlockVerifier } from '../block/verify.ts'
import type { BlockCache } from '../interface/cache.ts'
import type { Clock, Random } from '../interface/clock.ts'
import type { ComponentLogger, Logger } from '../interface/logger.ts'
import type { Metrics } from '../interface/metrics.ts'

export interface BlockCacheOptions extends CacheParamsInit {
  /** A directory for the cache alone; made when it is missing */
  path: string
  /** Shared with whoever else hashes. @default one of its own */
  verifier?: BlockVerifier
  /** A second level that several nodes share. @default none */
  shared?: SharedTierFactory
  /** What its questions are disclosed by; without it nothing is asked. @default none */
  request?: RequestFor
  logger?: ComponentLogger
  /** What `stats()` says is registered on these. @default none */
  metrics?: Metrics
  clock?: Clock
  random?: Random
  /** The file operations, for tests of what a disk may do. @default the machine's */
  files?: CacheFiles
}

/** All, so that a mistyped one is not taken for one that was left out */
const OPTIONS: readonly string[] = ['path', 'maxBytes', 'memoryBytes', 'transitBytes', 'puts', 'verifyRate', 'shares', 'shared', 'verifier', 'logger', 'metrics', 'clock', 'random'] satisfies Array<keyof BlockCacheOptions>
/** For other callers than the package's users */
const INNER: readonly string[] = ['request', 'files'] satisfies Array<keyof BlockCacheOptions>

/** What `openBlockCache` of the package does, for whoever says how a shared level's questions are disclosed */
export async function openBlockCache (options: BlockCacheOptions): Promise<BlockCache> {
  checkCacheOptions(options)
  const { path, clock = systemClock, random = systemRandom, logger = silent, verifier = blockVerifier({ sha256: nativeSha256, endsInSha256 }) } = options

  if (typeof path !== 'string' || path === '') {
    throw new InvalidOptionError(`path must be a directory, got ${quote(path)}`)
  }
  const params = cacheParams(options)
  const log = logger.forComponent('portolan:cache')
  const disk = diskTier({ clock, log }, { path: resolve(path), maxBytes: params.maxBytes, files: options.files })
  const { blocks, repairs } = await opened(disk, path)
  let shared: SharedTier | undefined
  let cache: BlockCache | undefined

  try {
    for (const repair of repairs) {
      log.error('the cache in %s was repaired: %s', path, repair)
    }
    shared = await options.shared?.({ request: options.request ?? (() => undefined), verifier, logger, clock, random })
    cache = await composeCache({ disk, shared, verifier, clock, random, log }, params)

    if (options.metrics != null) {
      cacheMetrics(options.metrics, cache)
    }
    log('%d blocks are in the cache in %s', blocks, path)
    return cache
  } catch (err) {
    // what went wrong is what the caller is told, and not what that leads to
    await Promise.allSettled(cache == null ? [shared?.close(), disk.close()] : [cache.close()])
    throw err
  }
}

/** Throws an `InvalidOptionError` that names what is no option. @param also - those of the caller itself */
export function checkCacheOptions (options: unknown, also: readonly string[] = []): void {
  checkOptionNames('a cache', options, [...OPTIONS, ...also], { untold: INNER })
}

/** What the system says is said of the cache, and has its name and its `code` */
async function opened (disk: DiskTier, path: string): Promise<OpenReport> {
  try {
    return await disk.open()
  } catch (err) {
    const code = errorCode(err)
    throw code == null ? err : Object.assign(new CacheDiskError(`the cache in ${path} cannot be opened: ${describe(err)}`, { cause: err }), { code })
  }
}

const nothing: Logger = Object.assign(() => {}, { enabled: false, error () {}, trace () {} })
const silent: ComponentLogger = { forComponent: () => nothing }
