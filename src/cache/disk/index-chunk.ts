import { KEY_BYTES } from './block-key.ts'

/** Slots that are made at once: 0.4 MB */
export const CHUNK_BITS = 13
export const CHUNK_SLOTS = 1 << CHUNK_BITS
export const CHUNK_MASK = CHUNK_SLOTS - 1

/** For as many slots as are made at once */
export const MIN_TABLE = 2 * CHUNK_SLOTS

/**
 * 50 bytes a slot and 8 in the table, in typed arrays: a million objects would be four times as much, and all of them the
 * garbage collector's business. The hash of a key is computed when it is asked for: that takes a tenth of a microsecond.
 */
export class Chunk {
  readonly keys = new Uint8Array(CHUNK_SLOTS * KEY_BYTES)
  readonly segments = new Uint32Array(CHUNK_SLOTS)
  readonly offsets = new Uint32Array(CHUNK_SLOTS)
  readonly lengths = new Uint32Array(CHUNK_SLOTS)
  readonly flags = new Uint8Array(CHUNK_SLOTS)
  readonly multihashBytes = new Uint8Array(CHUNK_SLOTS)
  /** Made for the first promise about one of these: 8 bytes a slot that most of a large store never needs */
  promised?: Float64Array
}
