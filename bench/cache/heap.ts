/** Objects by priority, the lowest first and among equals the one that was set first; a priority can be changed */
export class Heap {
  readonly #heap: number[] = []
  /** By object, where it is in the heap; -1 when it is not */
  readonly #places: Int32Array
  readonly #priorities: Float64Array
  readonly #turns: Float64Array
  #turn = 0

  constructor (objects: number) {
    this.#places = new Int32Array(objects).fill(-1)
    this.#priorities = new Float64Array(objects)
    this.#turns = new Float64Array(objects)
  }

  get size (): number {
    return this.#heap.length
  }

  has (object: number): boolean {
    return this.#places[object] !== -1
  }

  /** Of an object that is here */
  priority (object: number): number {
    return this.#priorities[object] ?? NaN
  }

  /** The lowest; -1 when there is none */
  peek (): number {
    return this.#heap[0] ?? -1
  }

  set (object: number, priority: number): void {
    this.#priorities[object] = priority
    this.#turns[object] = this.#turn++
    this.restore(object)
  }

  /** As it was when it was popped */
  restore (object: number): void {
    let place = this.#places[object] ?? -1

    if (place === -1) {
      place = this.#heap.length
      this.#heap.push(object)
    }

    this.#down(this.#up(place, object), object)
  }

  pop (): number {
    const lowest = this.peek()
    const last = this.#heap.pop()

    if (lowest !== -1) {
      this.#places[lowest] = -1
    }

    if (last != null && last !== lowest) {
      this.#down(0, last)
    }

    return lowest
  }

  #before (a: number, b: number): boolean {
    const difference = this.priority(a) - this.priority(b)
    return difference === 0 ? (this.#turns[a] ?? 0) < (this.#turns[b] ?? 0) : difference < 0
  }

  #put (place: number, object: number): void {
    this.#heap[place] = object
    this.#places[object] = place
  }

  #up (place: number, object: number): number {
    while (place > 0) {
      const above = (place - 1) >> 1
      const parent = this.#heap[above] ?? -1

      if (!this.#before(object, parent)) {
        break
      }

      this.#put(place, parent)
      place = above
    }

    this.#put(place, object)
    return place
  }

  #down (place: number, object: number): void {
    const size = this.#heap.length

    for (;;) {
      let below = 2 * place + 1

      if (below >= size) {
        break
      }

      if (below + 1 < size && this.#before(this.#heap[below + 1] ?? -1, this.#heap[below] ?? -1)) {
        below++
      }

      const child = this.#heap[below] ?? -1

      if (!this.#before(child, object)) {
        break
      }

      this.#put(place, child)
      place = below
    }

    this.#put(place, object)
  }
}
