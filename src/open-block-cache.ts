import { checkCacheOptions, openBlockCache as open } from './cache/open-block-cache.ts'
import { systemClock } from './clock/system-clock.ts'
import { LentLedger } from './lent-ledger.ts'
import { unroutedRequests } from './unrouted-requests.ts'
import type { BlockCacheOptions } from './cache/open-block-cache.ts'
import type { BlockCache } from './interface/cache.ts'
import type { Ledger } from './interface/disclosure.ts'

export interface OpenBlockCacheOptions extends Omit<BlockCacheOptions, 'request' | 'files'> {
  /** Where it is written down what a shared level was told. @default by the Helia node that the cache is given to, where it has content routing */
  ledger?: Ledger
}

/**
 * Opens a cache of blocks in a directory, for this process alone. It is a blockstore for Helia that stays within
 * `maxBytes`, survives a crash and a full disk, and hashes what it serves. What is `put` is the user's and stays until
 * it is deleted; what content routing has fetched may go when room is needed. Whoever opens it closes it.
 *
 * @example
 *
 * ```ts
 * import { createHeliaLight } from 'helia'
 * import { openBlockCache, withContentRouting } from 'portolan'
 *
 * const cache = await openBlockCache({ path: './cache', maxBytes: 10_000_000_000 })
 * const helia = await withContentRouting(createHeliaLight({ blockstore: cache }), { providers: [] }).start()
 *
 * await helia.stop()
 * await cache.close()
 * ```
 */
export async function openBlockCache (init: OpenBlockCacheOptions): Promise<BlockCache> {
  checkCacheOptions(init, ['ledger'])
  const lent = new LentLedger()
  const { ledger = lent, ...options } = init
  const cache = await open({ ...options, request: unroutedRequests({ clock: options.clock ?? systemClock, ledger }, 'open', 'cache') })
  lent.belongs(cache)
  return cache
}
