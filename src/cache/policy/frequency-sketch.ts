const ROWS = 4
const MAX_COUNT = 15
const FIRST_WIDTH = 1024
const SEEDS = [0x9e3779b1, 0x85ebca6b, 0xc2b2ae35, 0x27d4eb2f] as const

/**
 * Counters per row for each entry: thirty requests for each are counted, and of them many are for keys that are not
 * here. With two, a million blocks cost 5 MB, but half the keys pass the doorkeeper as seen before.
 */
const WIDTH_PER_ENTRY = 8
const MIN_WIDTH_PER_ENTRY = 2
/** Up to 65536 entries there is room for all that are wanted */
const AMPLE_WIDTH = 1 << 19
/** Below it there is nothing to save */
const MIN_ENTRIES = 128

/**
 * Requests, in multiples of the entries, after which counts are halved. Of 10, 30 and 100, thirty lost nothing on
 * skewed traffic that stays and little where it shifts.
 */
const SAMPLE_FACTOR = 30
/** And in multiples of the width, beyond which counters tell nothing */
const MAX_SAMPLE = 4
const HEADER_BYTES = 8

/**
 * How often a key was asked for of late, in about five bytes an entry: a count-min sketch of
 * 4-bit counters, before it a Bloom filter (the doorkeeper) that holds back whatever was
 * seen only once. All is halved from time to time, so that old fame fades.
 */
export class FrequencySketch {
  #width = FIRST_WIDTH
  /** Two counters a byte, row after row within a word of the width */
  #counters = new Uint8Array(FIRST_WIDTH * ROWS / 2)
  #seen = new Uint8Array(FIRST_WIDTH * ROWS / 8)
  #additions = 0
  #entries = 0

  /**
   * So many entries have to be told apart. Widening copies every counter to the two places
   * that its keys are spread over, which keeps all estimates as they were.
   */
  fit (entries: number): void {
    this.#entries = Math.max(this.#entries, entries)

    while (this.#width < Math.max(entries * MIN_WIDTH_PER_ENTRY, Math.min(entries * WIDTH_PER_ENTRY, AMPLE_WIDTH))) {
      this.#counters = doubled(this.#counters, ROWS)
      this.#seen = doubled(this.#seen, ROWS)
      this.#width *= 2
    }
  }

  add (hash: number): void {
    let fresh = false

    for (let row = 0; row < ROWS; row++) {
      const at = this.#bit(hash, row)
      const mask = 1 << (at & 7)
      const byte = this.#seen[at >>> 3] as number

      if ((byte & mask) === 0) {
        this.#seen[at >>> 3] = byte | mask
        fresh = true
      }
    }

    if (!fresh) {
      this.#increment(hash)
    }

    this.#additions++

    if (this.#additions >= Math.min(SAMPLE_FACTOR * Math.max(this.#entries, MIN_ENTRIES), MAX_SAMPLE * this.#width)) {
      this.#age()
    }
  }

  estimate (hash: number): number {
    let least = MAX_COUNT
    let seen = 1

    for (let row = 0; row < ROWS; row++) {
      const at = this.#bit(hash, row)
      const counter = ((this.#counters[at >>> 1] as number) >>> ((at & 1) * 4)) & 15

      if (counter < least) {
        least = counter
      }

      seen &= (this.#seen[at >>> 3] as number) >>> (at & 7)
    }

    return least + seen
  }

  save (): Uint8Array {
    const saved = new Uint8Array(HEADER_BYTES + this.#counters.length + this.#seen.length)
    const view = new DataView(saved.buffer)
    view.setUint32(0, this.#width)
    view.setUint32(4, this.#additions)
    saved.set(this.#counters, HEADER_BYTES)
    saved.set(this.#seen, HEADER_BYTES + this.#counters.length)
    return saved
  }

  /** @returns whether it was one of ours; what was counted until now is replaced */
  restore (saved: Uint8Array): boolean {
    if (saved.length < HEADER_BYTES) {
      return false
    }

    const view = new DataView(saved.buffer, saved.byteOffset, saved.byteLength)
    const width = view.getUint32(0)
    const counters = width * ROWS / 2

    if (width < this.#width || !Number.isInteger(Math.log2(width)) || saved.length !== HEADER_BYTES + counters + width * ROWS / 8) {
      return false
    }

    this.#width = width
    this.#additions = view.getUint32(4)
    this.#counters = saved.slice(HEADER_BYTES, HEADER_BYTES + counters)
    this.#seen = saved.slice(HEADER_BYTES + counters)
    this.#entries = Math.max(this.#entries, Math.floor(width / WIDTH_PER_ENTRY / 2))
    return true
  }

  /** Only the smallest counters grow: the others are too high already, from other keys */
  #increment (hash: number): void {
    let least = MAX_COUNT

    for (let row = 0; row < ROWS; row++) {
      const at = this.#bit(hash, row)
      least = Math.min(least, ((this.#counters[at >>> 1] as number) >>> ((at & 1) * 4)) & 15)
    }

    if (least === MAX_COUNT) {
      return
    }

    for (let row = 0; row < ROWS; row++) {
      const at = this.#bit(hash, row)
      const shift = (at & 1) * 4

      if ((((this.#counters[at >>> 1] as number) >>> shift) & 15) === least) {
        this.#counters[at >>> 1] = (this.#counters[at >>> 1] as number) + (1 << shift)
      }
    }
  }

  #age (): void {
    const counters = this.#counters

    for (let i = 0; i < counters.length; i++) {
      counters[i] = ((counters[i] as number) >>> 1) & 0x77
    }

    this.#seen.fill(0)
    this.#additions = Math.floor(this.#additions / 2)
  }

  /** The place of a key in a row, counted through all rows */
  #bit (hash: number, row: number): number {
    let h = Math.imul(hash ^ (hash >>> 16), SEEDS[row] as number)
    h = Math.imul(h ^ (h >>> 15), 0x2c1b3c6d)
    return row * this.#width + ((h ^ (h >>> 13)) & (this.#width - 1))
  }
}

function doubled (rows: Uint8Array<ArrayBuffer>, count: number): Uint8Array<ArrayBuffer> {
  const larger = new Uint8Array(rows.length * 2)
  const length = rows.length / count

  for (let row = 0; row < count; row++) {
    const part = rows.subarray(row * length, (row + 1) * length)
    larger.set(part, row * length * 2)
    larger.set(part, row * length * 2 + length)
  }

  return larger
}
