import type { CID } from 'multiformats/cid'

/** What a process with a node of ours can be told, over IPC: arguments and results are JSON */
export interface OwnCommands {
  /** Makes a file of `seededBytes` in its store */
  add (init: FileInit): { root: string, blocks: number }
  connect (init: { readonly multiaddr: string }): void
  /** Empties its store. Returns how many blocks it held. */
  clear (init: null): number
  /** Blocks in the store */
  count (init: null): number
  /** CIDs of all blocks in the store */
  keys (init: null): string[]
  read (init: ReadInit): OwnReading
  /** Of a file that is in the store, see `digestOf` */
  digest (init: { readonly root: string }): string
  usage (init: null): Usage
}

export interface FileInit {
  readonly seed: number
  readonly size: number
  readonly chunkSize: number
  /** Bytes after which the content repeats, for files that are quickly made. @default never */
  readonly period?: number
}

export interface ReadInit {
  readonly root: string
  /** Multiaddrs of those who have it */
  readonly providers: readonly string[]
  readonly offset?: number
  readonly length?: number
  /** Blocks that will be in the store at the end. The clock runs until they are. @default whatever is read */
  readonly blocks?: number
}

export interface OwnReading {
  readonly ms: number
  readonly firstByteMs: number
  readonly size: number
  /** Bytes that came over the sockets, with all framing and encryption */
  readonly received: number
  /** Blocks that were written to the store */
  readonly stored: number
  /** Of the processor, in ms, all threads together */
  readonly cpu: number
}

export interface Usage {
  readonly rss: number
  /** Of the processor, in ms */
  readonly cpu: number
  /** Blocks that were sent to others */
  readonly served: number
}

/** What a started process tells of itself */
export interface OwnIdentity {
  readonly peerId: string
  readonly multiaddrs: readonly string[]
}

/** Who has a file, and how it is told to be right */
export interface Serving {
  readonly name: string
  readonly peerId: string
  readonly multiaddr: string
  readonly root: CID
  readonly size: number
  readonly digest: string
  /** Leaves and nodes */
  readonly blocks: number
  stop (): Promise<void>
}
