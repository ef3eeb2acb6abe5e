import { Queue } from './queue.ts'
import type { Cache, Trace } from './trace.ts'

/**
 * SIEVE (Zhang et al., NSDI 2024): a queue in the order of arrival and a hand that walks
 * from the oldest to the newest, spares what was asked for since it last passed, and takes the first that was not.
 */
export function sieve ({ sizes }: Trace, capacity: number): Cache {
  const queue = new Queue(sizes)
  const visited = new Uint8Array(sizes.length)
  let hand = -1

  function evict (): void {
    let object = hand === -1 ? queue.oldest : hand

    while (visited[object] === 1) {
      visited[object] = 0
      const newer = queue.newer(object)
      object = newer === -1 ? queue.oldest : newer
    }

    hand = queue.newer(object)
    queue.remove(object)
  }

  return {
    request (object) {
      if (queue.has(object)) {
        visited[object] = 1
        return true
      }

      const size = sizes[object] ?? 1

      if (size <= capacity) {
        while (queue.bytes + size > capacity) {
          evict()
        }

        visited[object] = 0
        queue.push(object)
      }

      return false
    }
  }
}
