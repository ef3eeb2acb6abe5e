import type { CID } from 'multiformats/cid'

/**
 * The part of a blockstore that retrieval uses: the raw store under Helia, never
 * `helia.blockstore` (it holds a process-wide lock through the fetch).
 */
export interface LocalStore {
  has (cid: CID, options?: { signal?: AbortSignal }): boolean | Promise<boolean>
  get (cid: CID, options?: { signal?: AbortSignal }): Generator<Uint8Array> | AsyncGenerator<Uint8Array>
  put (cid: CID, bytes: Uint8Array, options?: { signal?: AbortSignal }): CID | Promise<CID>
  /** A cache that tells fetched blocks from authored ones; may decline */
  admit? (cid: CID, bytes: Uint8Array, options: { origin: string }): Promise<void>
}
