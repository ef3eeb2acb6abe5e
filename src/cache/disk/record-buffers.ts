import { COPY_BELOW, MAX_HEADER_BYTES, RECORD_ALIGNMENT } from './record.ts'

/** In bytes: the longest record that a block is copied into */
const BUFFER_BYTES = MAX_HEADER_BYTES + COPY_BELOW + RECORD_ALIGNMENT
/** 4 MiB, touched as far as records were long: more writes at a time than that have buffers of their own */
const MAX_BUFFERS = 16
/** Of shorter ones a new buffer, cut from Node's own, costs less */
const POOLED_FROM = 4_096

/** What records are copied into on their way to the disk: the system takes longer to give the pages of a new buffer (100 KiB: 180 us where that is slow) than a copy takes */
export class RecordBuffers {
  readonly #spare: Buffer[] = []
  #lent = 0

  /** Of at least as many bytes; undefined where a new one is as good. `giveBack` when the system has written it */
  lend (bytes: number): Buffer | undefined {
    if (bytes < POOLED_FROM || bytes > BUFFER_BYTES || this.#lent === MAX_BUFFERS) {
      return undefined
    }
    this.#lent++
    return this.#spare.pop() ?? Buffer.allocUnsafeSlow(BUFFER_BYTES)
  }

  giveBack (buffer: Buffer | undefined): void {
    if (buffer != null) {
      this.#lent--
      this.#spare.push(buffer)
    }
  }
}
