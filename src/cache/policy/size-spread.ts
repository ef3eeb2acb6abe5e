/** Arrivals after which one counts a third: enough not to be moved by one file */
const MEMORY = 2_000
/** Variances of the size's logarithm to the base 2: half a doubling up and down */
const WIDE = 0.25
/** A fifth of it before sizes count as equal again. Leaves of one size with a node for every 174 of them are in between, and stay what they were. */
const NARROW = 0.05

/** Whether blocks of late differ in size so much that it matters which are kept */
export class SizeSpread {
  #count = 0
  #mean = 0
  #variance = 0
  #wide = false

  get wide (): boolean {
    return this.#wide
  }

  add (size: number): void {
    this.#count = Math.min(MEMORY, this.#count + 1)
    const off = Math.log2(Math.max(1, size)) - this.#mean
    this.#mean += off / this.#count
    this.#variance += (off * off * (1 - 1 / this.#count) - this.#variance) / this.#count
    this.#wide = this.#variance > (this.#wide ? NARROW : WIDE)
  }
}
