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

/** Announces many blocks together; each peer that is asked or told about one is a disclosure of its request */
export interface AnnouncesMany {
  announce (cids: Iterable<CID> | AsyncIterable<CID>, options?: AnnounceOptions & { request? (cid: CID): Pick<Request, 'disclose'> }): Promise<AnnounceResult>
}
