/**
 * HalfSipHash-1-3, https://github.com/veorq/SipHash: a keyed hash of 32 bits. Whoever
 * names blocks does not know the key, so cannot choose ones that meet in one
 * place of the table.
 */
export class KeyHash {
  readonly #k0: number
  readonly #k1: number

  /** @param secret - 8 bytes, the same for as long as hashes are to be the same */
  constructor (secret: Uint8Array) {
    const view = new DataView(secret.buffer, secret.byteOffset, 8)
    this.#k0 = view.getInt32(0, true)
    this.#k1 = view.getInt32(4, true)
  }

  /** Of bytes from `at`, as many as `length`, which is a multiple of 4 */
  of (bytes: Uint8Array, at: number, length: number): number {
    let v0 = this.#k0
    let v1 = this.#k1
    let v2 = 0x6c796765 ^ this.#k0
    let v3 = 0x74656462 ^ this.#k1
    let word = 0

    // the last word is the length, then three rounds without any
    for (let i = 0; i <= length + 12; i += 4) {
      if (i < length) {
        const p = at + i
        word = (bytes[p] as number) | ((bytes[p + 1] as number) << 8) | ((bytes[p + 2] as number) << 16) | ((bytes[p + 3] as number) << 24)
      } else if (i === length) {
        word = length << 24
      } else {
        word = 0
        if (i === length + 4) {
          v2 ^= 0xff
        }
      }
      v3 ^= word
      v0 = (v0 + v1) | 0
      v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0
      v0 = (v0 << 16) | (v0 >>> 16)
      v2 = (v2 + v3) | 0
      v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2
      v0 = (v0 + v3) | 0
      v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0
      v2 = (v2 + v1) | 0
      v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2
      v2 = (v2 << 16) | (v2 >>> 16)
      v0 ^= word
    }
    return (v1 ^ v3) >>> 0
  }
}
