const ROWS = 4
const MAX_COUNT = 15
const FIRST_WIDTH = 256
const SEEDS = [0x9e3779b1, 0x85ebca6b, 0xc2b2ae35, 0x27d4eb2f] as const

/**
 * Counters per row for each entry. With the doorkeeper holding back what was seen once, the
 * rows carry the entries that were seen again, of which there are about as many as residents.
 */
const WIDTH_PER_ENTRY = 2

/** Requests, in multiples of the entries, after which counts are halved: what Caffeine measured as the best trade */
const DEFAULT_SAMPLE_FACTOR = 10

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
  readonly #sampleFactor: number

  constructor (sampleFactor = DEFAULT_SAMPLE_FACTOR) {
    this.#sampleFactor = sampleFactor
  }

  /** Counts since the last halving */
  get additions (): number {
    return this.#additions
  }

  /**
   * So many entries have to be told apart. Widening copies every counter to the two places
   * that its keys are spread over, which keeps all estimates as they were.
   */
  fit (entries: number): void {
    this.#entries = Math.max(this.#entries, entries)

    while (this.#width < entries * WIDTH_PER_ENTRY) {
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

    if (this.#additions >= this.#sampleFactor * Math.max(this.#entries, FIRST_WIDTH / WIDTH_PER_ENTRY)) {
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
