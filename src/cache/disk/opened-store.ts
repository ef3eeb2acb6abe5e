import type { AppendLog } from './append-log.ts'
import type { BlockIndex } from './block-index.ts'
import type { Clock } from '../../interface/clock.ts'
import type { Logger } from '../../interface/logger.ts'
import type { CacheFiles } from './files.ts'
import type { PromptReads } from './prompt-reads.ts'
import type { RecordPlace } from './record.ts'
import type { Reserve } from './reserve.ts'
import type { Segment } from './segment.ts'
import type { Segments } from './segments.ts'
import type { StoredBlocks } from './stored-blocks.ts'

/** What the parts of an open store share */
export interface OpenedStore {
  readonly path: string
  readonly files: CacheFiles
  readonly clock: Clock
  readonly logger: Logger
  /** Secret of this store, in each of its records */
  readonly nonce: Uint8Array
  /** What each record begins with */
  readonly mark: Uint8Array
  readonly blocks: StoredBlocks
  readonly index: BlockIndex
  readonly segments: Segments
  readonly log: AppendLog
  readonly promptReads: PromptReads
  readonly reserve: Reserve
}

export function placeOf (index: BlockIndex, slot: number): RecordPlace {
  return { segment: index.segment(slot), offset: index.offset(slot) }
}

export function placeKey ({ segment, offset }: RecordPlace): string {
  return `${segment}:${offset}`
}

export function segmentOf ({ blocks, index }: Pick<OpenedStore, 'blocks' | 'index'>, slot: number): Segment {
  const segment = blocks.segments.get(index.segment(slot))
  if (segment == null) {
    throw new RangeError(`There is no block in slot ${slot}`)
  }
  return segment
}
