import { override } from '../provider/override.ts'
import type { HeliaSeams } from './seams.ts'
import type { LocalStore } from '../interface/cache.ts'
import type { Blocks, SessionBlockstore } from '@helia/interface'
import type { Blockstore, InputPair } from 'interface-blockstore'
import type { CID } from 'multiformats/cid'

/** A store that tells fetched blocks from those that a user put */
export type FetchedStore = LocalStore & Required<Pick<LocalStore, 'admit' | 'fetched'>>

/** Goes with the options of a user's put, through all of Helia's stores */
const OWN = Symbol('portolan:own-put')

/** How many stores may be wrapped round a cache: Helia has one, for identity CIDs */
const MAX_DEPTH = 4

type Bytes = Parameters<Blockstore['put']>[1]
type Put = (cid: CID, bytes: Bytes, options?: object) => CID | Promise<CID>

/** The cache that is under Helia's own stores, if there is one */
export function findCache (store: Blockstore): FetchedStore | undefined {
  let current: unknown = store

  for (let depth = 0; depth < MAX_DEPTH && typeof current === 'object' && current != null; depth++) {
    const { admit, fetched, child } = current as { admit?: unknown, fetched?: unknown, child?: unknown }

    if (typeof admit === 'function' && typeof fetched === 'function') {
      return current as FetchedStore
    }
    current = child
  }
  return undefined
}

/**
 * Tells the cache under Helia which puts are the user's. To a store a block that a user adds and one that Helia has
 * fetched look alike; but all that a user puts goes through `networked`, and what was fetched does not, whoever
 * fetched it and whether content routing is on or off. And of a block that is there already Helia passes on no put at
 * all: then the cache is asked to leave it to the user.
 */
export function tellPuts ({ networked, store }: Pick<HeliaSeams, 'networked' | 'store'>, cache: FetchedStore): void {
  override(store, 'put', previous => (cid, bytes, options) => {
    if (bytes instanceof Uint8Array && !isOwn(options)) {
      cache.fetched(bytes)
    }
    return previous(cid, bytes, options)
  }).install()

  own(networked)
  override(networked, 'createSession', previous => (root, options) => {
    const session = previous(root, options)
    own(session)
    return session
  }).install()

  /** What is put here is the user's */
  function own (to: Blocks | SessionBlockstore): void {
    override<Pick<Blockstore, 'put'>, 'put'>(to, 'put', previous => async (cid, bytes, options) => {
      const mine = { ...options, [OWN]: true }
      await previous(cid, bytes, mine)
      await claim(cid, bytes, mine)
      return cid
    }).install()
    override<Pick<Blockstore, 'putMany'>, 'putMany'>(to, 'putMany', previous => (source, options) => {
      const mine = { ...options, [OWN]: true }
      return previous(claimed(source, mine), mine)
    }).install()
  }

  async function * claimed (source: Iterable<InputPair> | AsyncIterable<InputPair>, options: object): AsyncGenerator<InputPair> {
    for await (const pair of source) {
      yield pair
      // whoever asks for the next one has put this one, or found that it is there
      await claim(pair.cid, pair.bytes, options)
    }
  }

  async function claim (cid: CID, bytes: Bytes, options: object): Promise<void> {
    if (cache.claim != null && !await cache.claim(cid, options)) {
      // it was there when Helia asked, and is no more
      await (store.put as Put)(cid, bytes, options)
    }
  }
}

function isOwn (options: object | undefined): boolean {
  return options != null && OWN in options
}
