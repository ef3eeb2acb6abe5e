import { UnsupportedHeliaError } from '../interface/errors.ts'
import { findCache } from './cache-seam.ts'
import type { FetchedStore } from './cache-seam.ts'
import type { BlockBroker, Blocks, Helia } from '@helia/interface'
import type { Blockstore } from 'interface-blockstore'

// the one that the tests run against: nothing is known about those before it
const MIN_VERSION = [7, 1, 15] as const
const BELOW_MAJOR = 8

/** The versions of `helia` whose seams were measured and are held by a test */
export const SUPPORTED_HELIA = `>=${MIN_VERSION.join('.')} <${BELOW_MAJOR}`

/** What taking over a Helia node builds on and its types do not promise */
export interface HeliaSeams {
  /** The broker list that the node shares with its storage: changed in place, never replaced */
  readonly brokers: BlockBroker[]
  /** What fetches missing blocks and announces new ones, without Helia's gc lock */
  readonly networked: Blocks
  /** The user's store (behind identity CIDs): no network, no lock */
  readonly store: Blockstore
  /** The user's store itself, if it tells fetched blocks from those that were put */
  readonly cache?: FetchedStore
}

interface Unwrappable {
  unwrap? (): unknown
  blockBrokers?: unknown
}

/** Finds the seams, or says which one is missing */
export function heliaSeams (helia: Helia): HeliaSeams {
  const brokers = (helia as { blockBrokers?: unknown }).blockBrokers
  const networked = unwrap(helia.blockstore as Unwrappable, 'helia.blockstore.unwrap()')
  const store = unwrap(networked, 'helia.blockstore.unwrap().unwrap()')

  if (!Array.isArray(brokers)) {
    throw unsupported(helia, 'helia.blockBrokers is not a list')
  }
  if (networked.blockBrokers !== brokers) {
    throw unsupported(helia, 'the node does not share its list of block brokers with its blockstore')
  }
  for (const method of ['addMixin', 'addBlockBroker', 'hasBlockBroker', 'start', 'stop'] as const) {
    if (typeof helia[method] !== 'function') {
      throw unsupported(helia, `helia.${method} is not a function`)
    }
  }
  if (!('findProviders' in (helia.routing ?? {}))) {
    throw unsupported(helia, 'helia.routing has no findProviders')
  }
  if (typeof helia.events?.addEventListener !== 'function') {
    throw unsupported(helia, 'helia.events is not an event target')
  }
  if (typeof helia.blockstore.createSession !== 'function') {
    throw unsupported(helia, 'helia.blockstore.createSession is not a function')
  }

  return { brokers, networked: networked as Blocks, store: store as Blockstore, cache: findCache(store as Blockstore) }

  function unwrap (from: Unwrappable, path: string): Unwrappable {
    const inner = from?.unwrap?.()
    if (inner == null || typeof (inner as Blockstore).get !== 'function') {
      throw unsupported(helia, `${path} is not a blockstore`)
    }
    return inner
  }
}

/** False only when the node says it is a `helia` of another version; a renamed node says nothing about it */
export function isSupportedVersion (info: { name?: string, version?: string } | undefined): boolean {
  const match = /^(\d+)\.(\d+)\.(\d+)/.exec(info?.version ?? '')
  if (info?.name !== 'helia' || match == null) {
    return true
  }

  const version = match.slice(1).map(Number)
  const differing = MIN_VERSION.findIndex((part, i) => part !== version[i])
  const atLeast = differing === -1 || (version[differing] ?? 0) > (MIN_VERSION[differing] ?? 0)
  return atLeast && (version[0] ?? 0) < BELOW_MAJOR
}

function unsupported (helia: Helia, what: string): UnsupportedHeliaError {
  const { name, version } = helia.info ?? {}
  return new UnsupportedHeliaError(`Cannot wrap ${name ?? 'this node'} ${version ?? ''}: ${what}. helia ${SUPPORTED_HELIA} is supported.`.replace('  ', ' ').replace(' :', ':'))
}
