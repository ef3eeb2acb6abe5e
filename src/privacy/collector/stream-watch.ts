import type { Connection, Stream } from '@libp2p/interface'

/** Tells of streams, each once, when their protocol is agreed */
export interface StreamWatch {
  /** Whether no stream goes unseen */
  readonly exact: boolean
  opened (connection: Connection): void
  closed (connection: Connection): void
  /** Looks again at what is open */
  look (): void
  stop (): void
}

export type SeenStream = (connection: Connection, stream: Stream) => void
