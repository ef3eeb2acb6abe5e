import { Heap } from './heap.ts'
import type { Outcome, Trace } from './trace.ts'

/** By request, the place of the next one for the same object; `requests.length` when there is none */
function nextUses ({ requests, sizes }: Trace): Int32Array {
  const next = new Int32Array(requests.length)
  const later = new Int32Array(sizes.length).fill(requests.length)

  for (let i = requests.length - 1; i >= 0; i--) {
    const object = requests[i] ?? 0
    next[i] = later[object] ?? requests.length
    later[object] = i
  }

  return next
}

/** Belady's MIN for objects of one size, which may decline an object, as we may: what is asked for last goes, be it the newcomer */
export function belady (trace: Trace, capacity: number): Outcome {
  const { requests, sizes } = trace
  const next = nextUses(trace)
  const heap = new Heap(sizes.length)
  let hits = 0

  for (let i = 0; i < requests.length; i++) {
    const object = requests[i] ?? 0
    const use = next[i] ?? requests.length

    if (heap.has(object)) {
      hits++
      heap.set(object, -use)
    } else if (use < requests.length && heap.size < capacity) {
      heap.set(object, -use)
    } else if (heap.priority(heap.peek()) < -use) {
      heap.pop()
      heap.set(object, -use)
    }
  }

  return { hits, bytes: hits }
}

/**
 * A bound that no policy can pass where objects have sizes, for which the optimum is NP-hard: PFOO-L (Berger, Beckmann and
 * Harchol-Balter, 2018). To hit the next request of an object is to hold its bytes until then. All of the room
 * and time there is is sold to the cheapest intervals, whether or not they fit beside each other, the last one in part.
 * Hits and bytes are bounded apart, each in its best order: no policy reaches both.
 */
export function sizedBound (trace: Trace, capacity: number): Outcome {
  const { requests, sizes } = trace
  const next = nextUses(trace)
  const intervals: number[] = []

  for (let i = 0; i < requests.length; i++) {
    if ((next[i] ?? 0) < requests.length && sizeAt(i) <= capacity) {
      intervals.push(i)
    }
  }

  function sizeAt (i: number): number {
    return sizes[requests[i] ?? 0] ?? 1
  }

  function lengthOf (i: number): number {
    return (next[i] ?? 0) - i
  }

  function sell (price: (i: number) => number, worth: (i: number) => number): number {
    let room = capacity * requests.length
    let sum = 0
    const prices = Float64Array.from(intervals, price)
    const order = Uint32Array.from(intervals.keys()).sort((a, b) => (prices[a] ?? 0) - (prices[b] ?? 0))

    for (const place of order) {
      const i = intervals[place] ?? 0
      const cost = sizeAt(i) * lengthOf(i)
      const part = Math.min(1, room / cost)
      sum += part * worth(i)
      room -= part * cost

      if (room <= 0) {
        break
      }
    }

    return sum
  }

  return {
    hits: sell(i => sizeAt(i) * lengthOf(i), () => 1),
    bytes: sell(lengthOf, sizeAt)
  }
}
