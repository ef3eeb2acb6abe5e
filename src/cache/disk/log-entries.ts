import type { CacheFile } from './files.ts'
import type { Segment } from './segment.ts'

/** Called as soon as the operating system has it, in the order of the log */
export type Placed = (segment: Segment, offset: number) => void

/** What is to be written as one piece */
export interface Append {
  readonly type: 'append'
  readonly buffers: readonly Uint8Array[]
  readonly bytes: number
  readonly placed: Placed
  readonly resolve: () => void
  readonly reject: (err: unknown) => void
}

interface Turn {
  readonly type: 'turn'
  readonly run: () => void
}

/** Something may have been left behind the end of a segment */
interface Cut {
  readonly type: 'cut'
  readonly segment: Segment
  readonly file: CacheFile
  /** Of the records that may have been left, one after the other */
  readonly lengths: readonly number[]
}

/** All of it but its head, which is written last: without one there is no record */
export interface Begun {
  readonly type: 'begun'
  readonly segment: Segment
  readonly file: CacheFile
  readonly bytes: number
  /** With what went wrong, if anything did */
  readonly written: Promise<unknown>
  /** Undefined when it is no record after all */
  readonly decided: Promise<Head | undefined>
  readonly over: () => void
}

export interface Head {
  readonly bytes: Uint8Array
  readonly placed: Placed
  readonly reject: (err: unknown) => void
}

/** What waits for its turn in the log */
export type Entry = Append | Turn | Cut | Begun
