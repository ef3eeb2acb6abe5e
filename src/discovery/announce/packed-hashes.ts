import { concat } from 'uint8arrays/concat'

/** Multihashes, sorted and one behind the other for each length: 34 bytes each, where a `Set` of strings takes 80 */
export class PackedHashes {
  readonly #byLength = new Map<number, Uint8Array>()
  #size = 0

  /** All at once, each of them once */
  static of (hashes: readonly Uint8Array[]): PackedHashes {
    const result = new PackedHashes()

    for (const length of new Set(hashes.map(hash => hash.byteLength))) {
      const sorted = hashes.filter(hash => hash.byteLength === length).sort((a, b) => compareAt(a, 0, b))
      const once = sorted.filter((hash, i) => i === 0 || compareAt(sorted[i - 1] as Uint8Array, 0, hash) !== 0)
      result.#byLength.set(length, concat(once))
      result.#size += once.length
    }
    return result
  }

  get size (): number {
    return this.#size
  }

  has (hash: Uint8Array): boolean {
    return this.#find(hash).found
  }

  /** @returns false when it was there */
  add (hash: Uint8Array): boolean {
    const { packed, at, found } = this.#find(hash)

    if (found) {
      return false
    }
    const grown = new Uint8Array(packed.byteLength + hash.byteLength)
    grown.set(packed.subarray(0, at))
    grown.set(hash, at)
    grown.set(packed.subarray(at), at + hash.byteLength)
    this.#byLength.set(hash.byteLength, grown)
    this.#size++
    return true
  }

  /** @returns false when it was not there */
  delete (hash: Uint8Array): boolean {
    const { packed, at, found } = this.#find(hash)

    if (!found) {
      return false
    }
    const shrunk = new Uint8Array(packed.byteLength - hash.byteLength)
    shrunk.set(packed.subarray(0, at))
    shrunk.set(packed.subarray(at + hash.byteLength), at)
    this.#byLength.set(hash.byteLength, shrunk)
    this.#size--
    return true
  }

  * [Symbol.iterator] (): Generator<Uint8Array, void, undefined> {
    for (const [length, packed] of this.#byLength) {
      for (let at = 0; at < packed.byteLength; at += length) {
        yield packed.slice(at, at + length)
      }
    }
  }

  #find (hash: Uint8Array): { packed: Uint8Array, at: number, found: boolean } {
    const length = hash.byteLength
    const packed = this.#byLength.get(length) ?? new Uint8Array(0)
    let low = 0
    let high = packed.byteLength / length

    while (low < high) {
      const middle = (low + high) >>> 1
      const order = compareAt(packed, middle * length, hash)

      if (order === 0) {
        return { packed, at: middle * length, found: true }
      }
      if (order < 0) {
        low = middle + 1
      } else {
        high = middle
      }
    }
    return { packed, at: low * length, found: false }
  }
}

function compareAt (packed: Uint8Array, at: number, hash: Uint8Array): number {
  for (let i = 0; i < hash.byteLength; i++) {
    const difference = (packed[at + i] as number) - (hash[i] as number)

    if (difference !== 0) {
      return difference
    }
  }
  return 0
}
