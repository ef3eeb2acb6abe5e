import { Heap } from './heap.ts'
import type { Cache, Trace } from './trace.ts'

/**
 * GDSF (Cherkasova, HP Labs 1998) with a cost of 1, which is for object hits: priority = clock + frequency / size,
 * renewed at each hit; the lowest go, and the clock becomes the priority of the last of them. A newcomer that would be
 * among the lowest is not kept, and then nothing else goes. Equal priorities: the least recently used.
 */
export function gdsf ({ sizes }: Trace, capacity: number): Cache {
  const heap = new Heap(sizes.length)
  const frequency = new Float64Array(sizes.length)
  let clock = 0
  let used = 0

  function insert (object: number, size: number): void {
    const priority = clock + 1 / size
    const victims: number[] = []
    let freed = 0

    while (used + size - freed > capacity && heap.priority(heap.peek()) <= priority) {
      const victim = heap.pop()
      victims.push(victim)
      freed += sizes[victim] ?? 0
    }

    if (used + size - freed > capacity) {
      for (const victim of victims) {
        heap.restore(victim)
      }
      return
    }

    clock = Math.max(clock, ...victims.slice(-1).map(victim => heap.priority(victim)))
    used += size - freed
    frequency[object] = 1
    heap.set(object, priority)
  }

  return {
    request (object) {
      const size = sizes[object] ?? 1

      if (heap.has(object)) {
        frequency[object] = (frequency[object] ?? 0) + 1
        heap.set(object, clock + (frequency[object] ?? 1) / size)
        return true
      }

      if (size <= capacity) {
        insert(object, size)
      }

      return false
    }
  }
}
