import { BitswapMessageError } from './message-error.ts'
import { MAX_MESSAGE_SIZE } from './message.ts'
import { DONT_HAVE, ENTRY, LENGTH_DELIMITED, MAX_VARINT, MESSAGE, PAYLOAD, PRESENCE, VARINT, WANTLIST, WANT_HAVE } from './wire.ts'
import type { BitswapProtocol, OutgoingMessage } from './message.ts'
import type { CID } from 'multiformats/cid'

type Want = NonNullable<OutgoingMessage['wants']>[number]
type Block = NonNullable<OutgoingMessage['blocks']>[number]
type PresenceOut = NonNullable<OutgoingMessage['presences']>[number]

/**
 * The message behind its length, as pieces to be written one after the other;
 * the bytes of blocks are among them as they are, not copied. What the protocol
 * has no words for is left out: before 1.2.0 there are no WANT-HAVEs and no
 * presences. Empty when nothing is left to be said.
 *
 * Throws a `BitswapMessageError` when it is larger than a peer accepts.
 */
export function encodeMessage (message: OutgoingMessage, protocol: BitswapProtocol): Uint8Array[] {
  const { wants, blocks, presences, full, pendingBytes } = speakable(message, protocol)

  if (wants.length === 0 && blocks.length === 0 && presences.length === 0 && !full && pendingBytes === 0) {
    return []
  }

  const lists = protocol === '/ipfs/bitswap/1.2.0'
  const wantlist = wantlistLength(wants, full, lists)
  const length = contentLength({ wants, blocks, presences, full, pendingBytes }, protocol)

  if (length > MAX_MESSAGE_SIZE) {
    throw new BitswapMessageError('too-large', `A message would have ${length} bytes, peers accept ${MAX_MESSAGE_SIZE}`)
  }

  const data = blocks.reduce((sum, { bytes }) => sum + bytes.byteLength, 0)
  const writer = new Writer(varintLength(length) + length - data)

  writer.varint(length)
  // always there, and first: readers of old took it for granted
  writer.field(MESSAGE.wantlist, wantlist)

  for (const want of wants) {
    writeWant(writer, want, lists)
  }

  if (full) {
    writer.number(WANTLIST.full, 1)
  }

  for (const block of blocks) {
    writeBlock(writer, block, protocol)
  }

  for (const { cid, type } of presences) {
    writer.field(MESSAGE.presences, presenceLength({ cid, type }))
    writer.bytes(PRESENCE.cid, cid.bytes)
    if (type === 'dont-have') {
      writer.number(PRESENCE.type, DONT_HAVE)
    }
  }

  if (pendingBytes > 0) {
    writer.number(MESSAGE.pendingBytes, pendingBytes)
  }

  return writer.finish()
}

/** Bytes that the message takes on the wire, without its length: to know when the next block goes into the next one */
export function messageLength (message: OutgoingMessage, protocol: BitswapProtocol): number {
  return contentLength(speakable(message, protocol), protocol)
}

interface Content {
  readonly wants: readonly Want[]
  readonly blocks: readonly Block[]
  readonly presences: readonly PresenceOut[]
  readonly full: boolean
  readonly pendingBytes: number
}

function speakable (message: OutgoingMessage, protocol: BitswapProtocol): Content {
  const modern = protocol === '/ipfs/bitswap/1.2.0'
  const wants = message.wants ?? []

  return {
    wants: modern ? wants : wants.filter(({ type, cancel }) => type === 'block' || cancel === true),
    blocks: message.blocks ?? [],
    presences: modern ? message.presences ?? [] : [],
    full: message.full ?? false,
    pendingBytes: modern ? message.pendingBytes ?? 0 : 0
  }
}

function contentLength ({ wants, blocks, presences, full, pendingBytes }: Content, protocol: BitswapProtocol): number {
  let length = delimited(wantlistLength(wants, full, protocol === '/ipfs/bitswap/1.2.0'))

  for (const block of blocks) {
    length += delimited(protocol === '/ipfs/bitswap/1.0.0' ? block.bytes.byteLength : payloadLength(block))
  }

  for (const presence of presences) {
    length += delimited(presenceLength(presence))
  }

  return length + (pendingBytes > 0 ? 1 + varintLength(pendingBytes) : 0)
}

function wantlistLength (wants: readonly Want[], full: boolean, modern: boolean): number {
  let length = full ? 2 : 0

  for (const want of wants) {
    length += delimited(wantLength(want, modern))
  }

  return length
}

function wantLength ({ cid, priority, cancel, type, sendDontHave }: Want, modern: boolean): number {
  return delimited(cid.bytes.byteLength) +
    (priority === 0 ? 0 : 1 + int32Length(priority)) +
    (cancel === true ? 2 : 0) +
    (modern && type === 'have' ? 2 : 0) +
    (modern && sendDontHave === true ? 2 : 0)
}

function writeWant (writer: Writer, want: Want, modern: boolean): void {
  writer.field(WANTLIST.entries, wantLength(want, modern))
  writer.bytes(ENTRY.block, want.cid.bytes)

  if (want.priority !== 0) {
    writer.int32(ENTRY.priority, want.priority)
  }

  if (want.cancel === true) {
    writer.number(ENTRY.cancel, 1)
  }

  if (modern && want.type === 'have') {
    writer.number(ENTRY.wantType, WANT_HAVE)
  }

  if (modern && want.sendDontHave === true) {
    writer.number(ENTRY.sendDontHave, 1)
  }
}

function writeBlock (writer: Writer, block: Block, protocol: BitswapProtocol): void {
  if (protocol === '/ipfs/bitswap/1.0.0') {
    writer.field(MESSAGE.blocks, block.bytes.byteLength)
    writer.borrow(block.bytes)
    return
  }

  const { cid } = block
  writer.field(MESSAGE.payload, payloadLength(block))
  writer.field(PAYLOAD.prefix, prefixLength(cid))
  writer.varint(cid.version)
  writer.varint(cid.code)
  writer.varint(cid.multihash.code)
  writer.varint(cid.multihash.digest.byteLength)
  writer.field(PAYLOAD.data, block.bytes.byteLength)
  writer.borrow(block.bytes)
}

function payloadLength ({ cid, bytes }: Block): number {
  return delimited(prefixLength(cid)) + delimited(bytes.byteLength)
}

function prefixLength ({ version, code, multihash }: CID): number {
  return varintLength(version) + varintLength(code) + varintLength(multihash.code) + varintLength(multihash.digest.byteLength)
}

function presenceLength ({ cid, type }: PresenceOut): number {
  return delimited(cid.bytes.byteLength) + (type === 'dont-have' ? 2 : 0)
}

/** A field of that many bytes, with its key (all numbers here are below 16: one byte) and its length */
function delimited (length: number): number {
  return 1 + varintLength(length) + length
}

function varintLength (value: number): number {
  let length = 1

  for (let rest = value; rest >= 0x80; rest = Math.floor(rest / 0x80)) {
    length++
  }

  return length
}

/** protobuf writes negative numbers with their 64 bits */
function int32Length (value: number): number {
  return value < 0 ? MAX_VARINT : varintLength(value)
}

/** Fills one buffer of known size, and cuts it where somebody else's bytes come in between */
class Writer {
  readonly #buffer: Uint8Array
  readonly #pieces: Uint8Array[] = []
  #start = 0
  #at = 0

  constructor (size: number) {
    this.#buffer = new Uint8Array(size)
  }

  varint (value: number): void {
    let rest = value

    while (rest >= 0x80) {
      this.#buffer[this.#at++] = (rest % 0x80) | 0x80
      rest = Math.floor(rest / 0x80)
    }

    this.#buffer[this.#at++] = rest
  }

  number (field: number, value: number): void {
    this.varint(field << 3 | VARINT)
    this.varint(value)
  }

  int32 (field: number, value: number): void {
    if (value >= 0) {
      this.number(field, value)
      return
    }

    this.varint(field << 3 | VARINT)

    // the sign fills the upper 32 of 64 bits: seven at a time, and one in the tenth byte
    for (let shift = 0; shift < 63; shift += 7) {
      this.#buffer[this.#at++] = (shift < 32 ? value >> shift : -1) & 0x7f | 0x80
    }

    this.#buffer[this.#at++] = 1
  }

  field (field: number, length: number): void {
    this.varint(field << 3 | LENGTH_DELIMITED)
    this.varint(length)
  }

  bytes (field: number, bytes: Uint8Array): void {
    this.field(field, bytes.byteLength)
    this.#buffer.set(bytes, this.#at)
    this.#at += bytes.byteLength
  }

  borrow (bytes: Uint8Array): void {
    if (bytes.byteLength === 0) {
      return
    }

    this.#cut()
    this.#pieces.push(bytes)
  }

  finish (): Uint8Array[] {
    this.#cut()
    return this.#pieces
  }

  #cut (): void {
    if (this.#at > this.#start) {
      this.#pieces.push(this.#buffer.subarray(this.#start, this.#at))
      this.#start = this.#at
    }
  }
}
