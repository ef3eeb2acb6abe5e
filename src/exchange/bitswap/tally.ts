/** How many there are of each kind */
export class Tally {
  readonly #counts = new Map<string, number>()

  /** Is there any? */
  get any (): boolean {
    return this.#counts.size > 0
  }

  of (kind: string): number {
    return this.#counts.get(kind) ?? 0
  }

  add (kind: string): void {
    this.#counts.set(kind, this.of(kind) + 1)
  }

  remove (kind: string): void {
    const left = this.of(kind) - 1

    if (left > 0) {
      this.#counts.set(kind, left)
    } else {
      this.#counts.delete(kind)
    }
  }
}
