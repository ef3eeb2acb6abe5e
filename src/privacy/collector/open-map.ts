/**
 * A map for objects that come and go all the time, in the order in which they came. It has no table of its keys that is ever
 * replaced: a weak map knows places, which are numbers, and a place that is free is used again. It was made to lower what survives
 * young collections; the memory that a process ends up with has not been shown to be less by it.
 */
export class OpenMap<K extends object, V> {
  readonly #places = new WeakMap<K, number>()
  readonly #keys: Array<K | undefined> = []
  readonly #values: Array<V | undefined> = []
  /** Which came first */
  readonly #order: number[] = []
  readonly #free: number[] = []
  #next = 0

  get size (): number {
    return this.#keys.length - this.#free.length
  }

  get (key: K): V | undefined {
    const place = this.#places.get(key)
    return place == null ? undefined : this.#values[place]
  }

  has (key: K): boolean {
    return this.#places.has(key)
  }

  set (key: K, value: V): void {
    const known = this.#places.get(key)
    const place = known ?? this.#free.pop() ?? this.#keys.length

    if (known == null) {
      this.#places.set(key, place)
      this.#keys[place] = key
      this.#order[place] = this.#next++
    }
    this.#values[place] = value
  }

  delete (key: K): boolean {
    const place = this.#places.get(key)

    if (place == null) {
      return false
    }
    this.#places.delete(key)
    this.#keys[place] = undefined
    this.#values[place] = undefined
    this.#free.push(place)
    return true
  }

  /** As of now: what comes and goes meanwhile changes nothing */
  entries (): Array<[K, V]> {
    const places = [...this.#keys.keys()].filter(place => this.#keys[place] != null)
    return places.sort((a, b) => (this.#order[a] ?? 0) - (this.#order[b] ?? 0)).map(place => [this.#keys[place] as K, this.#values[place] as V])
  }

  keys (): K[] {
    return this.entries().map(([key]) => key)
  }

  values (): V[] {
    return this.entries().map(([, value]) => value)
  }

  /** One of those keys, in no order; asked for each stream, so nothing is copied */
  findKey (test: (key: K) => boolean): K | undefined {
    return this.#keys.find(key => key != null && test(key))
  }

  clear (): void {
    for (const key of this.#keys) {
      if (key != null) {
        this.#places.delete(key)
      }
    }
    this.#keys.length = 0
    this.#values.length = 0
    this.#order.length = 0
    this.#free.length = 0
  }
}
