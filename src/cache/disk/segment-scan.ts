import { BlockList } from './block-list.ts'
import { readFully } from './files.ts'
import { MAX_HEADER_BYTES, RECORD_ALIGNMENT, isIntact, readHeader, readPlaces, recordMark } from './record.ts'
import type { CacheFile } from './files.ts'
import type { RecordHeader } from './record.ts'
import type { SegmentNotes } from './segment.ts'

/** Read at once: small blocks come by the thousand */
const WINDOW_BYTES = 1_048_576

export interface SegmentScan extends SegmentNotes {
  /** In the order of their offsets */
  readonly blocks: BlockList
  /** Where the last whole record ends */
  readonly end: number
  /** Stretches before that end that hold no record that can be read */
  readonly damaged: ReadonlyArray<{ readonly from: number, readonly to: number }>
}

/**
 * Finds the records of a segment without its sidecar. Payloads of blocks are not
 * read, a block is checked when it is; what damage hides is one record, or the
 * stretch up to the next one that is whole.
 */
export async function scanSegment (file: CacheFile, from: number, size: number, nonce: Uint8Array): Promise<SegmentScan> {
  const window = new Window(file, size)
  const mark = recordMark(nonce)
  const blocks = new BlockList()
  const notes: SegmentNotes = { removals: [], kinds: [] }
  const damaged: Array<{ from: number, to: number }> = []
  let at = from
  let end = from

  while (at < size) {
    const header = await headerAt(window, at, mark)

    if (header == null || at + header.recordBytes > size || !(await keep(window, at, header, nonce, blocks, notes))) {
      at = await nextMark(window, at + RECORD_ALIGNMENT, mark)
      continue
    }
    if (end < at) {
      damaged.push({ from: end, to: at })
    }
    at += header.recordBytes
    end = at
  }
  return { blocks, ...notes, end, damaged }
}

async function headerAt (window: Window, at: number, mark: Uint8Array): Promise<RecordHeader | undefined> {
  const bytes = await window.at(at, MAX_HEADER_BYTES)
  return readHeader(bytes, 0, mark)
}

/** @returns whether the record can be used */
async function keep (window: Window, at: number, header: RecordHeader, nonce: Uint8Array, blocks: BlockList, notes: SegmentNotes): Promise<boolean> {
  const { type, kind, payloadBytes } = header

  if (type === 'block') {
    blocks.push(header.multihash, at, payloadBytes, kind)
    return true
  }
  // the window moves on, the header is a view of it
  const multihash = Uint8Array.from(header.multihash)
  const payload = (await window.at(at + header.headerBytes, payloadBytes)).subarray(0, payloadBytes)
  if (!isIntact(nonce, { ...header, multihash }, payload)) {
    return false
  }
  for (const place of readPlaces(payload)) {
    if (type === 'removal') {
      notes.removals.push(place)
    } else {
      notes.kinds.push({ ...place, multihash, kind })
    }
  }
  return true
}

/** Where something begins that looks like a record of this store; the size of the file when nothing does */
async function nextMark (window: Window, from: number, mark: Uint8Array): Promise<number> {
  let at = from

  while (at + mark.byteLength <= window.size) {
    const bytes = await window.at(at, mark.byteLength)
    const found = bytes.indexOf(mark)

    if (found === -1) {
      // it may begin in the last bytes of the window
      at += Math.max(bytes.byteLength - mark.byteLength + 1, 1)
    } else if ((at + found) % RECORD_ALIGNMENT === 0) {
      return at + found
    } else {
      at += found + 1
    }
  }
  return window.size
}

/** A stretch of a file in memory, moved on as it is read */
class Window {
  readonly size: number
  readonly #file: CacheFile
  #bytes = Buffer.alloc(0)
  #start = 0

  constructor (file: CacheFile, size: number) {
    this.#file = file
    this.size = size
  }

  /** What is there from `at`: `least` bytes, unless the file ends before, and as many more as were read at once */
  async at (at: number, least: number): Promise<Buffer> {
    const wanted = Math.min(least, this.size - at)

    if (at < this.#start || at + wanted > this.#start + this.#bytes.byteLength) {
      const bytes = Buffer.allocUnsafeSlow(Math.min(Math.max(wanted, WINDOW_BYTES), this.size - at))
      this.#bytes = bytes.subarray(0, await readFully(this.#file, bytes, at))
      this.#start = at
    }
    return this.#bytes.subarray(at - this.#start)
  }
}
