import { DataField, TRUSTED_ALLOCATION, WANTED_ALLOCATION } from './data-field.ts'
import { ENTRY_BYTES, MAX_ENTRIES, MAX_LIST_BYTES, readPresence, readWantlist, tooMany } from './message-entries.ts'
import { BitswapMessageError } from './message-error.ts'
import { CID_V0_PREFIX, FIXED32, FIXED64, LENGTH_DELIMITED, MAX_PREFIX_BYTES, MAX_VARINT, MESSAGE, PAYLOAD, VARINT, Fields, checkField, decodePrefix, unknownType } from './wire.ts'
import type { WantlistRead } from './message-entries.ts'
import type { MessageEvents } from './message-events.ts'
import type { BitswapMessage, BlockPayload, BlockPrefix, Presence } from './message.ts'

type State = 'key' | 'value' | 'length'

/**
 * Reads one message of known length in whatever pieces it comes, and holds no
 * byte twice: a block is copied once, out of the pieces into memory of its own.
 */
export class MessageParser {
  readonly #events: MessageEvents
  readonly #list: WantlistRead = { wants: [], entries: 0, full: false }
  readonly #blocks: BlockPayload[] = []
  readonly #presences: Presence[] = []
  #blockCount = 0
  #pendingBytes = 0

  /** Bytes of the message, and of the payload that is being read (-1 outside of one), that are still to come */
  #left: number
  #inner = -1

  #state: State = 'key'
  #number = 0
  #numberLength = 0
  #field = 0
  #type = 0

  #data: DataField | undefined
  #isBlock = false

  #prefix: BlockPrefix | undefined
  #payload: Uint8Array | undefined
  #payloadSeen = false
  /** Its bytes came before its prefix, so nobody was asked about it yet */
  #unjudged = false

  constructor (length: number, events: MessageEvents = {}) {
    this.#left = length
    this.#events = events
  }

  /** Bytes of the message that are still to come */
  get left (): number {
    return this.#left
  }

  /** Bytes in memory, besides blocks that were accepted */
  get held (): number {
    const data = this.#isBlock && this.#prefix != null ? 0 : this.#data?.held ?? 0
    const payload = this.#unjudged ? this.#payload?.byteLength ?? 0 : 0
    return data + payload + ENTRY_BYTES * (this.#list.wants.length + this.#presences.length)
  }

  /** Forgets the accepted block that is being read; returns how many bytes of it are still to come */
  drop (): number {
    this.#payload = undefined
    return this.#isBlock ? this.#data?.drop() ?? 0 : 0
  }

  /** Takes what belongs to this message; returns where the rest begins */
  push (chunk: Uint8Array, offset: number): number {
    const end = Math.min(chunk.byteLength, offset + this.#left)

    while (offset < end) {
      if (this.#data != null) {
        offset += this.#take(this.#data, chunk, offset, end)
      } else {
        this.#advance(1)
        this.#digit(chunk[offset++] ?? 0)
      }
    }

    return offset
  }

  /** The message, when all of it has arrived */
  finish (): BitswapMessage {
    if (this.#left > 0 || this.#data != null || this.#state !== 'key' || this.#numberLength > 0) {
      throw new BitswapMessageError('truncated', 'The message ends in the middle of a field')
    }

    return { full: this.#list.full, wants: this.#list.wants, blocks: this.#blocks, presences: this.#presences, pendingBytes: this.#pendingBytes }
  }

  #advance (bytes: number): void {
    this.#left -= bytes

    if (this.#inner >= 0) {
      this.#inner -= bytes
    }
  }

  get #scope (): number {
    return this.#inner >= 0 ? this.#inner : this.#left
  }

  /** The next byte of a number */
  #digit (byte: number): void {
    if (this.#numberLength < 5) {
      this.#number = (this.#number | ((byte & 0x7f) << (7 * this.#numberLength))) >>> 0
    }

    this.#numberLength++
    if (byte >= 0x80) {
      if (this.#numberLength >= (this.#state === 'value' ? MAX_VARINT : 5)) {
        throw new BitswapMessageError('varint', `A number has more than ${this.#numberLength} bytes`)
      }

      if (this.#scope === 0) {
        throw new BitswapMessageError('truncated', 'A number ends before it is complete')
      }

      return
    }

    const value = this.#number
    this.#number = 0
    this.#numberLength = 0

    if (this.#state === 'key') {
      this.#open(value)
    } else if (this.#state === 'value') {
      this.#value(value)
    } else {
      this.#lengthOf(value)
    }
  }

  #open (key: number): void {
    this.#field = key >>> 3
    this.#type = key & 7

    checkField(this.#field, this.#type, this.#inner >= 0)

    switch (this.#type) {
      case VARINT:
        this.#state = 'value'
        break
      case LENGTH_DELIMITED:
        this.#state = 'length'
        break
      case FIXED64:
      case FIXED32:
        this.#gather(this.#type === FIXED64 ? 8 : 4, undefined)
        return
      default:
        throw unknownType(this.#field, this.#type)
    }

    if (this.#scope === 0) {
      throw new BitswapMessageError('truncated', 'The message ends in the middle of a field')
    }
  }

  #value (value: number): void {
    if (this.#inner < 0 && this.#field === MESSAGE.pendingBytes) {
      // negative ones are nonsense; nobody is hurt by taking them for nothing
      this.#pendingBytes = Math.max(0, value | 0)
    }

    this.#close()
  }

  #lengthOf (length: number): void {
    if (length > this.#scope) {
      throw new BitswapMessageError('truncated', `Field ${this.#field} claims ${length} bytes, ${this.#scope} are left`)
    }

    if (this.#inner >= 0) {
      this.#inPayload(length)
      return
    }

    switch (this.#field) {
      case MESSAGE.payload:
        this.#countBlock()
        this.#inner = length
        this.#prefix = undefined
        this.#payload = undefined
        this.#payloadSeen = false
        this.#close()
        break
      case MESSAGE.blocks:
        this.#countBlock()
        this.#prefix = CID_V0_PREFIX
        this.#startBlock(length)
        break
      case MESSAGE.wantlist:
      case MESSAGE.presences:
        if (length > MAX_LIST_BYTES) {
          throw new BitswapMessageError('too-large', `A list of ${length} bytes was announced, at most ${MAX_LIST_BYTES} are read`)
        }
        this.#gather(length, this.#field === MESSAGE.presences && this.#events.presence?.() === false ? undefined : TRUSTED_ALLOCATION)
        break
      default:
        this.#gather(length, undefined)
    }
  }

  #inPayload (length: number): void {
    if (this.#field === PAYLOAD.prefix) {
      if (this.#prefix != null) {
        throw new BitswapMessageError('field', 'A block has two prefixes')
      }

      if (length > MAX_PREFIX_BYTES) {
        throw new BitswapMessageError('prefix', `A block prefix has ${length} bytes, at most ${MAX_PREFIX_BYTES} are read`)
      }

      this.#gather(length, TRUSTED_ALLOCATION)
    } else if (this.#field === PAYLOAD.data) {
      if (this.#payloadSeen) {
        throw new BitswapMessageError('field', 'A block has its bytes twice')
      }

      this.#payloadSeen = true
      this.#startBlock(length)
    } else {
      this.#gather(length, undefined)
    }
  }

  #startBlock (length: number): void {
    this.#isBlock = true

    if (this.#prefix == null) {
      // what it is comes after it: kept, as it arrives, until that is known
      this.#unjudged = true
      this.#gather(length, TRUSTED_ALLOCATION)
    } else {
      this.#gather(length, this.#events.accept?.(this.#prefix, length) === false ? undefined : WANTED_ALLOCATION)
    }
  }

  /** Expects `length` bytes of data; without an allowance they are skipped */
  #gather (length: number, allowance: number | undefined): void {
    if (length > this.#scope) {
      throw new BitswapMessageError('truncated', `Field ${this.#field} needs ${length} bytes, ${this.#scope} are left`)
    }

    const data = new DataField(length, allowance, this.#isBlock)

    if (length === 0) {
      this.#complete(data.bytes)
    } else {
      this.#data = data
    }
  }

  #take (data: DataField, chunk: Uint8Array, offset: number, end: number): number {
    const taken = data.take(chunk, offset, end)
    this.#advance(taken)

    if (this.#isBlock && this.#prefix != null && data.bytes != null) {
      this.#events.progress?.(taken)
    }

    if (data.left === 0) {
      this.#data = undefined
      this.#complete(data.bytes)
    }

    return taken
  }

  #complete (data: Uint8Array | undefined): void {
    const field = this.#field
    const isBlock = this.#isBlock
    this.#isBlock = false

    if (isBlock) {
      this.#payload = data

      if (this.#inner < 0) {
        this.#deliver()
      }
    } else if (data != null) {
      this.#decode(field, data)
    }

    this.#close()
  }

  #decode (field: number, data: Uint8Array): void {
    if (this.#inner >= 0) {
      this.#prefix = decodePrefix(data)
    } else if (field === MESSAGE.wantlist) {
      readWantlist(new Fields(data), this.#list, this.#events.want)
    } else if (this.#presences.length < MAX_ENTRIES) {
      this.#presences.push(readPresence(new Fields(data)))
    } else {
      throw tooMany('presences')
    }
  }

  /** A field has ended; with it, perhaps, the payload that it was in */
  #close (): void {
    this.#state = 'key'

    if (this.#inner !== 0) {
      return
    }

    this.#inner = -1

    if (this.#prefix == null) {
      throw new BitswapMessageError('prefix', 'A block came without a prefix')
    }

    // an empty block's bytes are left out on the wire
    this.#payload ??= this.#payloadSeen ? undefined : new Uint8Array(0)

    if ((this.#unjudged || !this.#payloadSeen) && this.#events.accept?.(this.#prefix, this.#payload?.byteLength ?? 0) === false) {
      this.#payload = undefined
    }

    this.#deliver()
  }

  #deliver (): void {
    const bytes = this.#payload
    const prefix = this.#prefix
    this.#payload = undefined
    this.#prefix = undefined
    this.#unjudged = false

    if (bytes != null && prefix != null && this.#events.block == null) {
      this.#blocks.push({ prefix, bytes })
    } else if (bytes != null && prefix != null) {
      this.#events.block?.({ prefix, bytes })
    }
  }

  #countBlock (): void {
    if (++this.#blockCount > MAX_ENTRIES) {
      throw tooMany('blocks')
    }
  }
}
