/** A doubly linked queue of objects, each in it at most once, in arrays by object */
export class Queue {
  /** What came first; -1 when there is none */
  oldest = -1
  newest = -1
  bytes = 0
  readonly #sizes: Float64Array
  readonly #newer: Int32Array
  readonly #older: Int32Array
  readonly #here: Uint8Array

  constructor (sizes: Float64Array) {
    this.#sizes = sizes
    this.#newer = new Int32Array(sizes.length).fill(-1)
    this.#older = new Int32Array(sizes.length).fill(-1)
    this.#here = new Uint8Array(sizes.length)
  }

  has (object: number): boolean {
    return this.#here[object] === 1
  }

  /** -1 behind the newest */
  newer (object: number): number {
    return this.#newer[object] ?? -1
  }

  push (object: number): void {
    this.#here[object] = 1
    this.#newer[object] = -1
    this.#older[object] = this.newest

    if (this.newest === -1) {
      this.oldest = object
    } else {
      this.#newer[this.newest] = object
    }

    this.newest = object
    this.bytes += this.#sizes[object] ?? 0
  }

  remove (object: number): void {
    const newer = this.#newer[object] ?? -1
    const older = this.#older[object] ?? -1

    if (newer === -1) {
      this.newest = older
    } else {
      this.#older[newer] = older
    }

    if (older === -1) {
      this.oldest = newer
    } else {
      this.#newer[older] = newer
    }

    this.#here[object] = 0
    this.bytes -= this.#sizes[object] ?? 0
  }
}
