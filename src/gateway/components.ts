import type { LocalStore } from '../interface/cache.ts'
import type { Clock } from '../interface/clock.ts'
import type { ComponentLogger } from '../interface/logger.ts'
import type { Metrics } from '../interface/metrics.ts'
import type { ContentRouting } from '../interface/routing.ts'
import type { BlockLoader, DirectoryEntry, ListOptions, ReadOptions } from '../interface/unixfs.ts'
import type { CID } from 'multiformats/cid'

/** What a path leads to */
export interface FileNode {
  readonly cid: CID
  readonly type: 'file' | 'directory'
  /** Bytes of a file */
  readonly size: number
}

/** UnixFS, as much of it as a gateway needs; the composition root hands it in */
export interface Files {
  /** Walks names from a root; throws UnixFSError */
  resolve (root: CID, names: readonly string[], load: BlockLoader, options: { signal: AbortSignal }): Promise<FileNode>
  /** The entries of a directory, as they are read */
  list (cid: CID, load: BlockLoader, options: ListOptions): AsyncIterable<DirectoryEntry>
  /** `window`: bytes to load ahead of the reader */
  read (cid: CID, load: BlockLoader, options: ReadOptions & { window?: number }): AsyncIterable<Uint8Array>
}

export interface GatewayComponents {
  contentRouting: ContentRouting
  files: Files
  /** Throws InvalidCIDError */
  parseCID: (text: string) => CID
  clock: Clock
  logger: ComponentLogger
  metrics?: Metrics
  /** The raw store: the welcome site is put there, never through `helia.blockstore` */
  store: Pick<LocalStore, 'put'>
}
