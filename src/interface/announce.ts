import type { Request } from './request.ts'
import type { CID } from 'multiformats/cid'
import type { ProgressEvent, ProgressOptions } from 'progress-events'

/** What became of one block that was announced */
export interface AnnouncedCID {
  readonly cid: CID
  /** Peers that took the record: 20, or all there are, when nothing failed. 0 when nobody did. */
  readonly holders: number
  readonly error?: Error
}

/** One region of the keyspace is done */
export interface AnnounceProgress {
  readonly swept: readonly AnnouncedCID[]
  /** Lookups made so far */
  readonly lookups: number
}

/** `region`: what lies in a part of the keyspace is announced */
export type AnnounceProgressEvents = ProgressEvent<'portolan:announce:region', AnnounceProgress>

export interface AnnounceOptions extends ProgressOptions<AnnounceProgressEvents> {
  signal?: AbortSignal
}

export interface AnnounceResult {
  /** Each block once */
  readonly swept: readonly AnnouncedCID[]
  /** Lookups that it took */
  readonly lookups: number
}

/**
 * What is announced without being asked for, as long as it is stored:
 *
 * - `none`: nothing
 * - `roots`: the roots of pins
 * - `pinned`: every block that is pinned, so all of the DAGs behind the roots, as deep as they are pinned
 * - `all`: these, and every block that was put here and not merely fetched
 */
export type AnnounceStrategy = 'none' | 'roots' | 'pinned' | 'all'

/** Hears of what a strategy names, and does not name any more, since it was read */
export interface AnnounceWatcher {
  added (cid: CID): void
  removed (cid: CID): void
}

/** A strategy, as discovery takes it */
export interface AnnounceSource {
  /** All that is named; may be long */
  source (options: { signal: AbortSignal }): AsyncIterable<CID>
  /** @returns ends it */
  watch (watcher: AnnounceWatcher): () => void
}

/** Announces many blocks together; each peer that is asked or told about one is a disclosure of its request */
export interface AnnouncesMany {
  announce (cids: Iterable<CID> | AsyncIterable<CID>, options?: AnnounceOptions & { request? (cid: CID): Pick<Request, 'disclose'> }): Promise<AnnounceResult>
  /** These are not announced again. @returns how many would have been */
  cancel (cids: Iterable<CID>): number
}
