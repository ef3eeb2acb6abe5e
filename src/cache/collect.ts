import { raceSignal } from '../clock/race-signal.ts'
import { BlockTooLargeError, InvalidOptionError } from '../interface/errors.ts'
import { quote } from '../interface/quote.ts'
import type { CID } from 'multiformats/cid'

/** Encoders send one or two by mistake; more bring a block no nearer, and some who send them never end */
const MAX_EMPTY_CHUNKS = 1_024

type Chunks = Iterable<Uint8Array> | AsyncIterable<Uint8Array>
type Pieces = Iterator<Uint8Array> | AsyncIterator<Uint8Array>

/** The bytes of a block that is put in pieces; ends as soon as there are more than a block may have, or nobody waits any more */
export async function collect (cid: CID, chunks: Chunks, maxBlockSize: number, signal?: AbortSignal): Promise<Uint8Array> {
  const pieces = iterator(cid, chunks)
  let whole = new Uint8Array()
  let size = 0
  let empty = 0

  try {
    for (let next; !isDone(cid, next = await raceSignal((async () => pieces.next())(), signal));) {
      const chunk: unknown = next.value

      if (!(chunk instanceof Uint8Array)) {
        throw new InvalidOptionError(`a block is put in pieces that are Uint8Arrays, the block ${cid} has ${quote(chunk)}`)
      }
      if (chunk.byteLength === 0 && ++empty > MAX_EMPTY_CHUNKS) {
        throw new InvalidOptionError(`the block ${cid} is put in pieces of which more than ${MAX_EMPTY_CHUNKS} are empty`)
      }
      if (size + chunk.byteLength > maxBlockSize) {
        throw new BlockTooLargeError(`The block ${cid} has more than ${maxBlockSize} bytes`)
      }
      whole = withRoom(whole, size, chunk.byteLength)
      whole.set(chunk, size)
      size += chunk.byteLength
    }
  } catch (err) {
    leave(pieces)
    throw err
  }
  return whole.byteLength === size ? whole : whole.slice(0, size)
}

function iterator (cid: CID, chunks: Chunks): Pieces {
  const from = chunks as Partial<Iterable<Uint8Array> & AsyncIterable<Uint8Array>> | null | undefined
  const pieces = from?.[Symbol.asyncIterator]?.() ?? from?.[Symbol.iterator]?.()

  if (pieces == null) {
    throw new InvalidOptionError(`a block is a Uint8Array or something to iterate over, got ${quote(chunks)} for the block ${cid}`)
  }
  return pieces
}

function isDone (cid: CID, next: IteratorResult<Uint8Array> | null | undefined): boolean {
  if (typeof next !== 'object' || next === null) {
    throw new InvalidOptionError(`the block ${cid} is put in pieces by an iterator whose next() gives ${quote(next)}, and not { done, value }`)
  }
  return next.done === true
}

/** Pieces may be of one byte each: in one buffer they take no more than twice their bytes */
function withRoom (whole: Uint8Array<ArrayBuffer>, size: number, more: number): Uint8Array<ArrayBuffer> {
  if (size + more <= whole.byteLength) {
    return whole
  }
  const larger = new Uint8Array(size === 0 ? more : Math.max(size * 2, size + more))
  larger.set(whole.subarray(0, size))
  return larger
}

/** Tells that nothing more is wanted, and does not wait: what stalls would not answer this either */
function leave (pieces: Pieces): void {
  // how it takes that is its own affair: the caller hears what went wrong before
  (async () => pieces.return?.())().catch(() => {})
}

/** Begins to read when it is read */
export async function * lazily (read: () => Iterable<Uint8Array> | AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  yield * read()
}
