import type { WantedPart } from './routing.ts'
import type { CID } from 'multiformats/cid'

export interface LoadOptions {
  signal?: AbortSignal
  /** The expected size, for choosing a provider */
  size?: number
  /** The file that the block belongs to, and which of its bytes are wanted from this block on */
  part?: WantedPart
  /** `prefetch`: wanted ahead of the reader, who may never come to it. @default 'read' */
  purpose?: 'read' | 'prefetch'
  /** Of a prefetch: resolves when the reader waits for the block, which makes it a read. It never rejects, and may never settle. */
  needed?: Promise<void>
}

/** Loads one block: verified, from wherever it is */
export type BlockLoader = (cid: CID, options?: LoadOptions) => Promise<Uint8Array>

export interface ReadOptions {
  /** Most bytes to load ahead of the reader. @default 16_777_216 */
  window?: number
  /** @default 0 */
  offset?: number
  /** @default to the end */
  length?: number
  signal?: AbortSignal
}

/** Reads the bytes of a file: a CID, or a path `/ipfs/CID/a/b` or `CID/a/b` */
export type ContentReader = (target: CID | string, load: BlockLoader, options?: ReadOptions) => AsyncGenerator<Uint8Array, void, undefined>

/** What a CID or a path leads to */
export interface UnixFSEntry {
  readonly cid: CID
  /** `raw` is a bare block, `other` a block of another codec, neither a file nor a directory */
  readonly type: 'file' | 'directory' | 'symlink' | 'raw' | 'other'
  /** Bytes of content, as the root node claims them; absent for directories */
  readonly size?: number
  /** Where a symlink points: whatever its author wrote, never followed */
  readonly target?: string
  readonly mode?: number
  readonly mtime?: { readonly secs: bigint, readonly nsecs?: number }
}

export interface DirectoryEntry {
  /** Exactly as the directory has it: may hold `..`, `/`, NUL or markup. Escape it before use. */
  readonly name: string
  readonly cid: CID
  /** Bytes of the whole DAG behind the entry, as its parent claims: for show and for guessing, not for trust */
  readonly size?: number
}

export interface ListOptions {
  signal?: AbortSignal
  /** Stop quietly after so many entries. @default all of them */
  limit?: number
}
