/** Names as small numbers, each kept for as long as somebody holds its number. 0 is the empty name. */
export class NameTable {
  readonly #numbers = new Map<string, number>()
  readonly #names: string[] = ['']
  readonly #holders: number[] = [0]
  readonly #free: number[] = []

  get size (): number {
    return this.#numbers.size
  }

  take (name: string): number {
    if (name === '') {
      return 0
    }

    let number = this.#numbers.get(name)

    if (number == null) {
      number = this.#free.pop() ?? this.#names.length
      this.#numbers.set(name, number)
      this.#names[number] = name
      this.#holders[number] = 0
    }

    this.#holders[number] = (this.#holders[number] ?? 0) + 1
    return number
  }

  release (number: number): void {
    if (number === 0) {
      return
    }

    const left = (this.#holders[number] ?? 0) - 1
    this.#holders[number] = left

    if (left === 0) {
      this.#numbers.delete(this.name(number))
      this.#names[number] = ''
      this.#free.push(number)
    }
  }

  /** How many hold a number */
  holders (number: number = 0): number {
    return this.#holders[number] ?? 0
  }

  name (number: number): string {
    return this.#names[number] ?? ''
  }

  clear (): void {
    this.#numbers.clear()
    this.#names.length = 1
    this.#holders.length = 1
    this.#free.length = 0
  }
}
