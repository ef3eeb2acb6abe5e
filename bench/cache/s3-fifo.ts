import { Queue } from './queue.ts'
import type { Cache, Trace } from './trace.ts'

/** Of the room; the paper's choice, which generalised best over its traces */
const SMALL_SHARE = 0.1
const MAX_FREQUENCY = 3

/**
 * S3-FIFO (Yang et al., SOSP 2023, algorithm 1): a small queue for newcomers, a main one for what was asked for more
 * than once in it or came again soon after it had left, and the names of what left the small one: as many bytes of them as the main one holds.
 */
export function s3Fifo ({ sizes }: Trace, capacity: number): Cache {
  const small = new Queue(sizes)
  const main = new Queue(sizes)
  const ghost = new Queue(sizes)
  const frequency = new Uint8Array(sizes.length)
  const smallRoom = capacity * SMALL_SHARE
  const mainRoom = capacity - smallRoom

  function remember (object: number): void {
    ghost.push(object)

    while (ghost.bytes > mainRoom && ghost.oldest !== -1) {
      ghost.remove(ghost.oldest)
    }
  }

  function evictMain (): void {
    while (main.oldest !== -1) {
      const object = main.oldest
      main.remove(object)

      if (frequency[object] === 0) {
        return
      }

      frequency[object] = (frequency[object] ?? 0) - 1
      main.push(object)
    }
  }

  function evictSmall (): void {
    while (small.oldest !== -1) {
      const object = small.oldest
      small.remove(object)

      if ((frequency[object] ?? 0) <= 1) {
        remember(object)
        return
      }

      // its access bits are cleared during the move
      frequency[object] = 0
      main.push(object)

      if (main.bytes > mainRoom) {
        evictMain()
      }
    }
  }

  function insert (object: number, size: number): void {
    while (small.bytes + main.bytes + size > capacity) {
      if (small.oldest !== -1 && (small.bytes >= smallRoom || main.oldest === -1)) {
        evictSmall()
      } else {
        evictMain()
      }
    }

    frequency[object] = 0

    if (ghost.has(object)) {
      ghost.remove(object)
      main.push(object)
    } else {
      small.push(object)
    }
  }

  return {
    request (object) {
      if (small.has(object) || main.has(object)) {
        frequency[object] = Math.min((frequency[object] ?? 0) + 1, MAX_FREQUENCY)
        return true
      }

      const size = sizes[object] ?? 1

      if (size <= capacity) {
        insert(object, size)
      }

      return false
    }
  }
}
