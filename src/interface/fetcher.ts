import type { PrivacyMode } from './disclosure.ts'
import type { BlockKey, Provider, Route, Transport } from './provider.ts'
import type { Attempt, Want } from './request.ts'
import type { CID } from 'multiformats/cid'

export interface Block {
  readonly cid: CID
  readonly bytes: Uint8Array
}

/** A DAG, or the part of a file in it, wanted as one stream */
export interface DagWant {
  readonly cid: CID
  readonly key: BlockKey
  /** `entity`: the file or directory at the root; `all`: everything below it */
  readonly scope: 'entity' | 'all'
  /** First byte of the file. @default 0 */
  readonly from?: number
  /** Last byte of the file, itself included. @default its end */
  readonly to?: number
  /** Largest block accepted, in bytes */
  readonly maxBytes: number
}

/**
 * Brings blocks over one transport. It obeys: which provider, when and for how
 * long is decided by the caller.
 */
export interface BlockFetcher {
  readonly name: string
  readonly transport: Transport
  /** The ways this fetcher can reach the provider; empty when it cannot. Pure and cheap. */
  routes (provider: Provider): readonly Route[]
  /** Resolves with the bytes (the caller verifies them), throws a FetchError that carries the outcome */
  fetch (want: Want, route: Route, attempt: Attempt): Promise<Uint8Array>
  /**
   * A whole DAG in one answer, depth first, parents before children. Nothing of
   * it is verified: the caller hashes each block and knows which it asked for.
   * Pulls from the wire only as fast as it is read, leaving the loop ends it.
   * Throws a FetchError; `not-here` also when the provider does not do this.
   */
  stream? (dag: DagWant, route: Route, attempt: Attempt): AsyncIterable<Block>
  /** Whether `stream` has worked on this route lately; undefined while that is not known, when nobody should wait to find out. @default true */
  streams? (route: Route): boolean | undefined
  /**
   * Whether any place that is dialled for this route has shown to be the provider's.
   * Where it is false, only hearsay was followed: that nobody is there says nothing
   * about the provider. @default true
   */
  proven? (route: Route): boolean
  /** Adopted code that the operator trusts in every mode. @default false */
  readonly trusted?: boolean
  /** Why nobody is asked by this route in a mode of privacy; undefined where he may be. Pure and cheap. @default he may be */
  refuses? (route: Route, mode: PrivacyMode): string | undefined
  /** Why this fetcher cannot use a provider it would otherwise know how to ask (a refused address), for the story */
  unusable? (provider: Provider): string | undefined
  /** Providers that stand for this fetcher itself (an adopted broker finds its own): always candidates */
  standing? (): readonly Provider[]
  /** Tell the transport a block is now local. Must be quick and never throw. */
  announce? (cid: CID): Promise<void>
  stop? (): Promise<void>
}
