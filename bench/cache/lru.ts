import { LRUCache } from 'lru-cache'
import type { Cache, Trace } from './trace.ts'

/** The library that our memory tier uses; what is larger than the room does not enter */
export function lru ({ sizes }: Trace, capacity: number): Cache {
  const cache = new LRUCache<number, true>({ maxSize: capacity, sizeCalculation: (_, object) => sizes[object] ?? 1 })

  return {
    request (object) {
      if (cache.get(object) != null) {
        return true
      }

      cache.set(object, true)
      return false
    }
  }
}
