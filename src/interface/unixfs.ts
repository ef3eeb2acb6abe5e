import type { CID } from 'multiformats/cid'

/** Loads one block: verified, from wherever it is. `size` is the expected size, for choosing a provider. */
export type BlockLoader = (cid: CID, options?: { signal?: AbortSignal, size?: number }) => Promise<Uint8Array>

export interface ReadOptions {
  /** @default 0 */
  offset?: number
  /** @default to the end */
  length?: number
  signal?: AbortSignal
}

/** Reads the bytes of a file: a CID, or a path `/ipfs/CID/a/b` or `CID/a/b` */
export type ContentReader = (target: CID | string, load: BlockLoader, options?: ReadOptions) => AsyncGenerator<Uint8Array, void, undefined>
