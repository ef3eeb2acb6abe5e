import type { AnnounceOptions } from './announce.ts'
import type { PrivacyMode } from './disclosure.ts'
import type { Story } from './errors.ts'
import type { ProviderHint } from './provider.ts'
import type { ContentRoutingStats } from './stats.ts'
import type { CID } from 'multiformats/cid'
import type { ProgressOptions, ProgressEvent } from 'progress-events'

/** Every phase of a retrieval, as progress events: `portolan:retrieve:<phase>` */
export type RetrieveProgressEvents = ProgressEvent<`portolan:retrieve:${string}`, unknown>

/**
 * The file that a block is read for, and which of its bytes are still wanted from this block on, the last included;
 * or the DAG, of which all is wanted, and no bytes are counted
 */
export interface WantedPart {
  readonly cid: CID
  readonly from: number
  readonly to: number
  /** Where in the file the first window ends, when the reader knows the blocks in it and they are many: they can be asked for one by one meanwhile */
  readonly known?: number
  /** All that is below `cid`, whatever it is, in document order: `from` and `to` are 0 and Infinity */
  readonly whole?: true
  /** Of that, bytes that may wait for the reader. @default as many as of a file */
  readonly window?: number
}

export interface RetrieveOptions extends ProgressOptions<RetrieveProgressEvents> {
  signal?: AbortSignal
  /** Who is known to have it: URLs, multiaddrs, peer ids. Asked before discovery has answered. */
  providers?: readonly ProviderHint[]
  /** Milliseconds for the whole retrieval. @default 30_000 */
  timeout?: number
  /** @default the manager's mode */
  mode?: PrivacyMode
  /** Larger is sooner when queues form. @default 0 */
  priority?: number
  /** Fairness key: one client cannot crowd out another */
  client?: string
  /** Largest block accepted, in bytes. @default 2_097_152 */
  maxBlockSize?: number
  /** Only look into the local store. @default false */
  offline?: boolean
  /**
   * Whose content it is: an IPNS name, a domain with a DNSLink, a key, or any other
   * text of at most 256 characters. Who delivered other content of the same
   * publisher is asked first, also when nobody announced this; each who is asked
   * learns the CID. In mode `strict` nobody is asked for it.
   */
  publisher?: string
  /** Ask although a full miss was remembered. @default false */
  skipNegativeCache?: boolean
  /** `prefetch`: wanted ahead of a reader, who may never come to it. @default 'read' */
  purpose?: 'read' | 'prefetch'
  /** Of a prefetch: resolves when it has become a read. May never settle. */
  needed?: Promise<void>
  /** What the block is read for, in a session: the rest may then come as one stream, where a provider can */
  part?: WantedPart
  /** `false`: neither look into nor write to the local store (the caller does both). @default true */
  store?: boolean
}

export interface RetrieveContentOptions extends Omit<RetrieveOptions, 'store'> {
  /** First byte. @default 0 */
  offset?: number
  /** How many bytes at most. @default to the end */
  length?: number
}

export interface SessionOptions extends RetrieveOptions {
  /**
   * For those who walk a DAG themselves: what the blocks read so far link to is
   * wanted ahead, in document order, up to `window` bytes beyond the reader. Off
   * unless asked for, in every privacy mode: who follows one path must not fetch its
   * siblings, and providers learn of blocks that nobody may come to read.
   *
   * Behind a root that was not here, all of the DAG comes as one stream where its provider can.
   *
   * It stops when the session is closed, and pauses when the signal of the last
   * read aborts. What arrives is stored where the session stores, and waits in the
   * session otherwise. `window` is 16_777_216 bytes unless given.
   *
   * @default false
   */
  prefetch?: boolean | { window?: number }
}

/** Reads of one DAG: its providers are shared, its losers are kept */
export interface RetrievalSession {
  readonly root: CID
  retrieve (cid: CID, options?: RetrieveOptions): Promise<Uint8Array>
  /** One more provider for every later read of this session */
  addProvider (hint: ProviderHint): void
  /** Tell the session about a block that was found locally, so that its links are known as the root's */
  seen (cid: CID, bytes: Uint8Array, options?: { signal?: AbortSignal }): void
  /**
   * Resolves when what was read so far is in the store, or could not be put there.
   * Blocks of a file (`part`) may come before they are: call it when all of it was read.
   */
  stored? (): Promise<void>
  /** Aborts what is in flight; later reads throw */
  close (): void
}

/** What the facades, the gateway and the command line need of the manager */
export interface ContentRouting {
  retrieve (cid: CID, options?: RetrieveOptions): Promise<Uint8Array>
  retrieveContent (target: CID | string, options?: RetrieveContentOptions): AsyncGenerator<Uint8Array, void, undefined>
  createSession (root: CID, options?: SessionOptions): RetrievalSession
  announce (cids: CID | Iterable<CID> | AsyncIterable<CID>, options?: AnnounceOptions): Promise<void>
  /**
   * Ends announcing these again; the records that others keep expire within two days. What a strategy names is announced as
   * long as it names it: unpin or delete that.
   */
  cancel (cids: CID | Iterable<CID> | AsyncIterable<CID>, options?: { signal?: AbortSignal }): Promise<void>
  explain (cid: CID): Story | undefined
  stats (): ContentRoutingStats
}
