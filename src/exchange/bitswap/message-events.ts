import type { BlockPayload, BlockPrefix } from './message.ts'

/** What is done about blocks while their message is still arriving */
export interface MessageEvents {
  /** Is such a block wanted? Of one that is not, no byte is kept. @default yes */
  accept? (prefix: BlockPrefix, length: number): boolean
  /** Bytes of an accepted block have arrived */
  progress? (bytes: number): void
  /** An accepted block is complete. It is then not in the message as well. */
  block? (payload: BlockPayload): void
  /** Is another line of a want-list read? It is skipped otherwise. @default yes */
  want? (): boolean
  /** Is another presence read? It is skipped otherwise. @default yes */
  presence? (): boolean
}
