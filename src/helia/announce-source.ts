import { Key } from 'interface-datastore/key'
import { base36 } from 'multiformats/bases/base36'
import { CID } from 'multiformats/cid'
import * as raw from 'multiformats/codecs/raw'
import { decode } from 'multiformats/hashes/digest'
import { InvalidOptionError, UnsupportedHeliaError } from '../interface/errors.ts'
import { quote } from '../interface/quote.ts'
import { override } from '../provider/override.ts'
import { heliaSeams } from './seams.ts'
import type { Override } from '../provider/override.ts'
import type { AnnounceSource, AnnounceStrategy, AnnounceWatcher } from '../interface/announce.ts'
import type { BlockCache } from '../interface/cache.ts'
import type { Helia, Pins } from '@helia/interface'
import type { Blockstore } from 'interface-blockstore'

/** Where Helia notes each block that is pinned, whatever pins it: a list of all, without a block being read */
export const PINNED_BLOCKS = '/pinned-block/'

const STRATEGIES: readonly AnnounceStrategy[] = ['none', 'roots', 'pinned', 'all']

interface SourceOptions {
  readonly signal: AbortSignal
}

/** Throws an `InvalidOptionError` for what is no strategy */
export function checkAnnounceStrategy (strategy: unknown = 'none'): AnnounceStrategy {
  const known = STRATEGIES.find(name => name === strategy)

  if (known == null) {
    throw new InvalidOptionError(`announce must be one of ${STRATEGIES.join(', ')}, got ${quote(strategy)}`)
  }
  return known
}

/**
 * What a Helia node announces without being asked for it, for
 * `enhancedDHTDiscovery({ announce: announceSource(() => helia, 'roots') })`. Reads
 * no block, and nothing from the network. `all` needs a store that tells what was
 * put from what was fetched (`openBlockCache`).
 *
 * @param getHelia - called when discovery starts and later: the node may be made after its libp2p options
 *
 * @example
 *
 * ```ts
 * import { announceSource, enhancedDHTDiscovery } from 'portolan'
 * import type { Helia } from '@helia/interface'
 *
 * function discoveryOf (helia: () => Helia): ReturnType<typeof enhancedDHTDiscovery> {
 *   return enhancedDHTDiscovery({ announce: announceSource(helia, 'roots') })
 * }
 * ```
 */
export function announceSource (getHelia: () => Helia, strategy: Exclude<AnnounceStrategy, 'none'>): AnnounceSource {
  if (checkAnnounceStrategy(strategy) as string === 'none') {
    throw new InvalidOptionError('there is no source of what is announced where announce is "none": leave it out')
  }
  return {
    async * source (options) {
      const helia = getHelia()
      yield * rootsOf(helia, options)

      if (strategy !== 'roots') {
        yield * pinnedBlocksOf(helia, options)
      }
      if (strategy === 'all') {
        yield * authoredIn(cacheOf(helia), options)
      }
    },

    watch (watcher) {
      const helia = getHelia()
      const overrides = [...watchedPins(helia.pins, strategy, watcher), ...strategy === 'all' ? watchedPuts(heliaSeams(helia).networked, watcher) : []]
      overrides.forEach(override => { override.install() })
      return () => { overrides.forEach(override => { override.restore() }) }
    }
  }
}

async function * rootsOf ({ pins }: Helia, { signal }: SourceOptions): AsyncGenerator<CID, void, undefined> {
  for await (const { cid } of pins.ls({ signal })) {
    yield cid
  }
}

async function * pinnedBlocksOf ({ datastore, pins, info }: Helia, { signal }: SourceOptions): AsyncGenerator<CID, void, undefined> {
  let found = false

  for await (const key of datastore.queryKeys({ prefix: PINNED_BLOCKS }, { signal })) {
    found = true
    yield CID.createV1(raw.code, decode(base36.decode(new Key(key.toString()).name())))
  }
  if (!found && !(await pins.ls({ signal })[Symbol.asyncIterator]().next()).done) {
    throw new UnsupportedHeliaError(`${info.name} ${info.version} has pins, and does not note the blocks of one below ${PINNED_BLOCKS}: only their roots can be announced`)
  }
}

async function * authoredIn (cache: Pick<BlockCache, 'ls'>, { signal }: SourceOptions): AsyncGenerator<CID, void, undefined> {
  for await (const { cid, kind } of cache.ls({ signal })) {
    if (kind === 'authored') {
      yield cid
    }
  }
}

function cacheOf (helia: Helia): Pick<BlockCache, 'ls'> {
  const { cache } = heliaSeams(helia)

  if (cache == null || !('ls' in cache)) {
    throw new InvalidOptionError('announce is "all", and the store of this node does not tell what was put there from what was fetched: give it one that does (openBlockCache, or a directory), or announce "pinned"')
  }
  return cache as unknown as Pick<BlockCache, 'ls'>
}

function watchedPins (pins: Pins, strategy: AnnounceStrategy, { added, removed }: AnnounceWatcher): Override[] {
  const everyBlock = strategy !== 'roots'

  return [
    override(pins, 'add', previous => async function * (cid, options) {
      for await (const block of previous(cid, options)) {
        if (everyBlock) {
          added(block)
        }
        yield block
      }
      added(cid)
    }),
    override(pins, 'rm', previous => async function * (cid, options) {
      for await (const block of previous(cid, options)) {
        // what was put here goes on being announced, and whether it was is seen when everything is read
        if (strategy === 'pinned' && !await pins.isPinned(block)) {
          removed(block)
        }
        yield block
      }
      if (strategy === 'roots') {
        removed(cid)
      }
    })
  ]
}

/** What goes through Helia's own store is the user's */
function watchedPuts (networked: Pick<Blockstore, 'put' | 'putMany'>, { added }: AnnounceWatcher): Override[] {
  return [
    override(networked, 'put', previous => async (cid, bytes, options) => {
      const stored = await previous(cid, bytes, options)
      added(cid)
      return stored
    }),
    override(networked, 'putMany', previous => async function * (source, options) {
      for await (const cid of previous(source, options)) {
        added(cid)
        yield cid
      }
    })
  ]
}
