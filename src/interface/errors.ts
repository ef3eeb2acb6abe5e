import type { Outcome } from './outcome.ts'
import type { ProviderId } from './provider.ts'

/** An option is missing, of the wrong type or out of range; the message names option, range and value */
export class InvalidOptionError extends Error {
  static override name = 'InvalidOptionError'
  override name = 'InvalidOptionError'
}

/** What was passed is not a CID */
export class InvalidCIDError extends Error {
  static override name = 'InvalidCIDError'
  override name = 'InvalidCIDError'
}

/** The CID's hash is unknown, too weak or too short to trust bytes by */
export class UnacceptableHashError extends Error {
  static override name = 'UnacceptableHashError'
  override name = 'UnacceptableHashError'
}

/** A block is larger than allowed */
export class BlockTooLargeError extends Error {
  static override name = 'BlockTooLargeError'
  override name = 'BlockTooLargeError'
}

/** Bytes do not hash to their CID */
export class HashMismatchError extends Error {
  static override name = 'HashMismatchError'
  override name = 'HashMismatchError'
}

/** An address that nobody named and that points into a private network, or cannot be used */
export class AddressRefusedError extends Error {
  static override name = 'AddressRefusedError'
  override name = 'AddressRefusedError'
}

/** A hint that is neither a URL, a multiaddr nor a peer id */
export class InvalidProviderError extends Error {
  static override name = 'InvalidProviderError'
  override name = 'InvalidProviderError'
}

export interface FetchErrorInit extends ErrorOptions {
  provider?: ProviderId
  /** When the provider asked us to come back, in ms */
  retryAfter?: number
}

/** One provider was asked and did not deliver; `outcome` says in which way */
export class FetchError extends Error {
  static override name = 'FetchError'
  override name = 'FetchError'
  readonly outcome: Exclude<Outcome, 'delivered'>
  readonly provider?: ProviderId
  readonly retryAfter?: number

  constructor (outcome: Exclude<Outcome, 'delivered'>, message: string, init: FetchErrorInit = {}) {
    super(message, init)
    this.outcome = outcome
    this.provider = init.provider
    this.retryAfter = init.retryAfter
  }
}

/**
 * Why a router gave no answer: it could not be reached or broke, is overloaded, refused, answered with something
 * else, or not in time; too many wait for it; it is left alone for a while
 */
export type RouterFailureKind = 'unreachable' | 'overloaded' | 'refused' | 'invalid' | 'late' | 'busy' | 'resting'

export interface RouterFailedErrorInit extends ErrorOptions {
  /** Of the answer, where there was one */
  status?: number
  /** When the router asked us to come back, in ms */
  retryAfter?: number
}

/** A router was asked who has a block, and did not answer; `kind` says in which way */
export class RouterFailedError extends Error {
  static override name = 'RouterFailedError'
  override name = 'RouterFailedError'
  readonly router: string
  readonly kind: RouterFailureKind
  readonly status?: number
  readonly retryAfter?: number

  constructor (router: string, kind: RouterFailureKind, message: string, init: RouterFailedErrorInit = {}) {
    super(message, init)
    this.router = router
    this.kind = kind
    this.status = init.status
    this.retryAfter = init.retryAfter
  }
}

/** Tells what was done about a CID; printed whole in a terminal, serialised whole in JSON */
export interface Story {
  toString (): string
  toJSON (): unknown
}

/** Nobody delivered. `errors` has one entry per attempt, `story` the whole timeline. */
export class RetrievalFailedError extends AggregateError {
  static override name = 'RetrievalFailedError'
  override name = 'RetrievalFailedError'
  readonly story?: Story

  constructor (errors: Iterable<Error>, message: string, story?: Story) {
    super(errors, message)
    this.story = story
  }
}

/** No provider is known, or every known one said it does not have the block */
export class NotFoundError extends RetrievalFailedError {
  static override name = 'NotFoundError'
  override name = 'NotFoundError'
}

/** The deadline passed first */
export class RetrievalTimeoutError extends RetrievalFailedError {
  static override name = 'RetrievalTimeoutError'
  override name = 'RetrievalTimeoutError'
}

/** The block is not local and the caller asked not to use the network */
export class OfflineError extends Error {
  static override name = 'OfflineError'
  override name = 'OfflineError'
}

/** The component was used before start or after stop */
export class NotRunningError extends Error {
  static override name = 'NotRunningError'
  override name = 'NotRunningError'
}

/** A Helia seam that this package builds on has moved: the versions do not fit together */
export class UnsupportedHeliaError extends Error {
  static override name = 'UnsupportedHeliaError'
  override name = 'UnsupportedHeliaError'
}

/** A UnixFS path or node cannot be read: it does not exist, is of the wrong type or lies about itself */
export class UnixFSError extends Error {
  static override name = 'UnixFSError'
  override name = 'UnixFSError'
  readonly code: 'not-found' | 'not-a-file' | 'not-a-directory' | 'malformed' | 'too-large' | 'unsupported'

  constructor (code: UnixFSError['code'], message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}

/** A file cannot be added: the encoder that its nodes are written by writes sizes of 2 to 4 GiB wrongly */
export class FileSizeEncodingError extends Error {
  static override name = 'FileSizeEncodingError'
  override name = 'FileSizeEncodingError'
}

/** There is no room for a block that the user put: what is pinned and authored fills the cache */
export class CacheFullError extends Error {
  static override name = 'CacheFullError'
  override name = 'CacheFullError'
}

/** Another process has the directory of the cache open */
export class CacheLockedError extends Error {
  static override name = 'CacheLockedError'
  override name = 'CacheLockedError'
}

/** The directory is not a cache, or one of a version that is not understood; nothing in it was changed */
export class CacheFormatError extends Error {
  static override name = 'CacheFormatError'
  override name = 'CacheFormatError'
}

/** What the disk gave is not what was written; such bytes are never served */
export class DamagedBlockError extends Error {
  static override name = 'DamagedBlockError'
  override name = 'DamagedBlockError'
}

/** The disk under a cache did not do what it was told; `cause` is the error of the system */
export class CacheDiskError extends Error {
  static override name = 'CacheDiskError'
  override name = 'CacheDiskError'
}

/** The cache was closed, or is not open yet */
export class CacheClosedError extends Error {
  static override name = 'CacheClosedError'
  override name = 'CacheClosedError'
}

/** An optional package is not installed, and an option that needs it is set */
export class MissingDependencyError extends Error {
  static override name = 'MissingDependencyError'
  override name = 'MissingDependencyError'
}

/** A libp2p node that is asked for an address listens on none */
export class NotListeningError extends Error {
  static override name = 'NotListeningError'
  override name = 'NotListeningError'
}
