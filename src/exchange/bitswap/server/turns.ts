/** Whose turn it is: everybody in line once, the current one until it yields or leaves */
export class Turns<T> {
  readonly #line = new Set<T>()
  #current: T | undefined

  /** Those in line behind the current one */
  get behind (): number {
    return this.#line.size
  }

  get current (): T | undefined {
    if (this.#current === undefined) {
      const first = this.#line.values().next()

      if (first.done !== true) {
        this.#line.delete(first.value)
        this.#current = first.value
      }
    }

    return this.#current
  }

  enter (one: T): void {
    if (one !== this.#current) {
      this.#line.add(one)
    }
  }

  /** The current one goes to the end of the line */
  yield (): void {
    if (this.#current !== undefined) {
      this.#line.add(this.#current)
      this.#current = undefined
    }
  }

  leave (one: T): void {
    this.#line.delete(one)

    if (one === this.#current) {
      this.#current = undefined
    }
  }
}
