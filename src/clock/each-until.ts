import { raceSignal } from './race-signal.ts'

/** What a source that may hang names, until the signal aborts. Nobody waits for it to end then. */
export async function * eachUntil<T> (values: Iterable<T> | AsyncIterable<T>, signal: AbortSignal): AsyncGenerator<T, void, undefined> {
  const iterator = Symbol.asyncIterator in values ? values[Symbol.asyncIterator]() : values[Symbol.iterator]()
  let open = true

  try {
    for (;;) {
      const next = await raceSignal(Promise.resolve(iterator.next()), signal)

      if (next.done === true) {
        open = false
        return
      }
      yield next.value
    }
  } finally {
    if (open) {
      // what it says to that is nobody's concern, also where it throws instead of rejecting
      (async () => iterator.return?.())().catch(() => {})
    }
  }
}
