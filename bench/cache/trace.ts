import { seededRandom } from '../../src/clock/random.ts'

/** Who was asked for, in order. Objects are numbers from 0; what the policies know of them is a hash and a size. */
export interface Trace {
  readonly name: string
  /** The object of each request */
  readonly requests: Int32Array
  /** By object: 32 bits of what its key hashes to */
  readonly hashes: Uint32Array
  /** By object, in bytes; all 1 when `sized` is false */
  readonly sizes: Float64Array
  readonly sized: boolean
}

export interface Outcome {
  readonly hits: number
  readonly bytes: number
}

/** An online policy: told of one request after the other, in bytes of room */
export interface Cache {
  /** @returns whether the object was there; when it was not, the cache has now seen it come */
  request (object: number): boolean
}

export function simulate (cache: Cache, { requests, sizes }: Trace): Outcome {
  let hits = 0
  let bytes = 0

  for (const object of requests) {
    if (cache.request(object)) {
      hits++
      bytes += sizes[object] ?? 0
    }
  }

  return { hits, bytes }
}

/** What all objects together take */
export function footprint ({ sizes }: Trace): number {
  return sizes.reduce((sum, size) => sum + size, 0)
}

export function requestedBytes ({ requests, sizes }: Trace): number {
  return requests.reduce((sum, object) => sum + (sizes[object] ?? 0), 0)
}

/** Room for a share of the footprint, never for nothing */
export function capacityFor (trace: Trace, share: number): number {
  return Math.max(1, Math.floor(footprint(trace) * share))
}

/** Its first requests, and of its objects those that they name */
export function prefix (trace: Trace, count: number): Trace {
  if (trace.requests.length <= count) {
    return trace
  }

  const requests = trace.requests.slice(0, count)
  const objects = requests.reduce((most, object) => Math.max(most, object), 0) + 1
  return { ...trace, requests, hashes: trace.hashes.slice(0, objects), sizes: trace.sizes.slice(0, objects) }
}

/** Names of objects to a trace: numbers are given out in the order of first requests */
export class TraceBuilder {
  readonly #numbers = new Map<string | number, number>()
  readonly #requests: number[] = []
  readonly #sizes: number[] = []

  get length (): number {
    return this.#requests.length
  }

  /** An object keeps the size it had first: a block of another size would be another block */
  add (key: string | number, size = 1): void {
    let number = this.#numbers.get(key)

    if (number == null) {
      number = this.#numbers.size
      this.#numbers.set(key, number)
      this.#sizes.push(size)
    }

    this.#requests.push(number)
  }

  /** Hashes are those that a hash function would give to the objects: without pattern, and others with another seed */
  build (name: string, { seed, sized = false }: { seed: number, sized?: boolean }): Trace {
    const random = seededRandom(seed ^ 0x6a5d39ea)

    return {
      name,
      requests: Int32Array.from(this.#requests),
      hashes: Uint32Array.from(this.#sizes, () => random.next() * 0x1_0000_0000),
      sizes: Float64Array.from(this.#sizes),
      sized
    }
  }
}
