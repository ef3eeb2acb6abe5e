/** Keys by a hash of theirs: all, or one in two, in four, in eight */
export class KeySample {
  #halved = 0

  /** Not all keys are in it */
  get partial (): boolean {
    return this.#halved > 0
  }

  /** Of all keys, those that are in it */
  get share (): number {
    return Math.pow(2, -this.#halved)
  }

  has (hash: number): boolean {
    return this.#halved === 0 || (Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d) >>> (32 - this.#halved)) === 0
  }

  /** Half of those that were in it still are */
  halve (): void {
    this.#halved++
  }
}
