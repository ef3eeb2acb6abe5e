/** When it is due; of those due at once whoever was set first comes first */
export interface Due {
  readonly at: number
  readonly order: number
}

export function before (a: Due, b: Due): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order)
}

/** The first of the heap is the next that is due */
export function push<T extends Due> (heap: T[], timer: T): void {
  let i = heap.length
  heap.push(timer)

  while (i > 0) {
    const parent = (i - 1) >> 1
    const above = heap[parent] as T

    if (!before(timer, above)) {
      break
    }

    heap[i] = above
    i = parent
  }

  heap[i] = timer
}

/** Takes the first away */
export function pop<T extends Due> (heap: T[]): T | undefined {
  const first = heap[0]
  const last = heap.pop()

  if (last == null || heap.length === 0) {
    return first
  }

  let i = 0

  for (;;) {
    let child = 2 * i + 1

    if (child >= heap.length) {
      break
    }

    if (child + 1 < heap.length && before(heap[child + 1] as T, heap[child] as T)) {
      child++
    }

    if (!before(heap[child] as T, last)) {
      break
    }

    heap[i] = heap[child] as T
    i = child
  }

  heap[i] = last
  return first
}
