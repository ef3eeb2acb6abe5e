import type { ConnectionRecord } from './connection-record.ts'
import type { ConnectionObservation } from '../../interface/privacy.ts'

/** Texts of a few hundred connections; the longest that one can have (32 protocols, each character escaped) has a quarter of it */
const SEGMENT = 131_072
/** For a connection, on average: an address and a few protocols take 200 to 400 */
const CONNECTION_BYTES = 1_024
/** Length of the text, when it closed, number of the peer's record */
const HEADER = 4 + 8 + 8

const encoder = new TextEncoder()
const decoder = new TextDecoder()

interface Segment {
  readonly bytes: Uint8Array
  readonly view: DataView
  begin: number
  end: number
}

/** One that has closed, and the number of the record of its peer */
export interface ClosedConnection {
  readonly peer: number
  observation (id: string, bytes: boolean): ConnectionObservation
}

/**
 * Connections in the order in which they closed, as text in a few buffers. As objects in the heap, which live just long enough
 * to be promoted, they left a hundred megabytes of garbage behind when many came and went.
 */
export class ClosedConnections {
  readonly #maxBytes: number
  readonly #segments: Segment[] = []
  /** One that is empty again: where one is filled another one is emptied */
  #spare?: Segment
  #size = 0

  /** @param max - connections that are to be held; this bounds their texts, the number is bounded by whoever adds */
  constructor (max: number) {
    this.#maxBytes = Math.max(2 * SEGMENT, max * CONNECTION_BYTES)
  }

  get size (): number {
    return this.#size
  }

  /** Whether those that were added last do not fit beside the oldest */
  get isFull (): boolean {
    return this.#segments.length * SEGMENT > this.#maxBytes
  }

  add (record: ConnectionRecord, closedAt: number): void {
    const { id, direction, remoteAddr, transport, encryption = 0, multiplexer = 0, limited, openedAt, streams, protocols, bytesSent, bytesReceived } = record
    const text = JSON.stringify([id, direction, remoteAddr, transport, encryption, multiplexer, limited, openedAt, closedAt, streams, bytesSent, bytesReceived, ...protocols])
    let segment = this.#segments.at(-1) ?? this.#next()
    let written = write(text, segment)

    if (written == null) {
      segment = this.#next()
      written = write(text, segment) ?? 0
    }
    segment.view.setUint32(segment.end, written)
    segment.view.setFloat64(segment.end + 4, closedAt)
    segment.view.setFloat64(segment.end + 12, record.peer.number)
    segment.end += HEADER + written
    this.#size++
  }

  /** When the oldest closed; undefined where there is none */
  get oldest (): number | undefined {
    const [first] = this.#segments
    return this.#size === 0 ? undefined : first?.view.getFloat64(first.begin + 4)
  }

  /** Forgets the oldest */
  shift (): void {
    const [first] = this.#segments

    if (first == null || this.#size === 0) {
      return
    }
    first.begin += HEADER + first.view.getUint32(first.begin)
    this.#size--

    if (first.begin === first.end) {
      this.#segments.shift()
      this.#spare = first
      first.begin = 0
      first.end = 0
    }
  }

  /** In the order in which they closed */
  * [Symbol.iterator] (): Generator<ClosedConnection, void, undefined> {
    for (const { bytes, view, begin, end } of this.#segments) {
      for (let at = begin; at < end; at += HEADER + view.getUint32(at)) {
        const text = bytes.subarray(at + HEADER, at + HEADER + view.getUint32(at))
        yield { peer: view.getFloat64(at + 12), observation: (peer, isExact) => observation(text, peer, isExact) }
      }
    }
  }

  clear (): void {
    this.#segments.length = 0
    this.#spare = undefined
    this.#size = 0
  }

  #next (): Segment {
    const segment = this.#spare ?? newSegment()
    this.#spare = undefined
    this.#segments.push(segment)
    return segment
  }
}

/** @returns its bytes; undefined where there was no room for them */
function write (text: string, { bytes, end }: Segment): number | undefined {
  const { read, written } = encoder.encodeInto(text, bytes.subarray(Math.min(SEGMENT, end + HEADER)))
  return read === text.length ? written : undefined
}

type Text = [id: string, direction: ConnectionObservation['direction'], remoteAddr: string, transport: string, encryption: string | 0, multiplexer: string | 0, limited: boolean, openedAt: number, closedAt: number, streams: number, bytesSent: number, bytesReceived: number, ...protocols: string[]]

function observation (text: Uint8Array, peer: string, isExact: boolean): ConnectionObservation {
  const [id, direction, remoteAddr, transport, encryption, multiplexer, limited, openedAt, closedAt, streams, bytesSent, bytesReceived, ...protocols] = JSON.parse(decoder.decode(text)) as Text

  return {
    id,
    peer,
    direction,
    remoteAddr,
    transport,
    ...(encryption === 0 ? {} : { encryption }),
    ...(multiplexer === 0 ? {} : { multiplexer }),
    limited,
    openedAt,
    closedAt,
    streams,
    protocols,
    ...(isExact ? { bytesSent, bytesReceived } : {})
  }
}

function newSegment (): Segment {
  const bytes = new Uint8Array(SEGMENT)
  return { bytes, view: new DataView(bytes.buffer), begin: 0, end: 0 }
}
