/** One for all: every file that is read ends with an abort, and an exception's stack is dear */
const ENDED = new DOMException('The reader has left', 'AbortError')

/**
 * Runs a generator under a signal of its own, aborted as soon as the reader
 * leaves: when the generator ends or fails, and when `return` or `throw` is
 * called even though a `next` is still pending, as `ReadableStream.cancel` does
 * (a plain async generator would first wait for that block to arrive).
 */
export function withOwnSignal<T> (start: (signal: AbortSignal) => AsyncGenerator<T, void, undefined>, outer?: AbortSignal): AsyncGenerator<T, void, undefined> {
  const controller = new AbortController()
  let left = false

  async function * run (): AsyncGenerator<T, void, undefined> {
    const onAbort = (): void => { controller.abort(outer?.reason) }

    outer?.throwIfAborted()
    outer?.addEventListener('abort', onAbort, { once: true })

    try {
      yield * start(controller.signal)
    } catch (err) {
      // The pending `next` of a reader who left ends as the generator does: done
      if (!left) {
        throw err
      }
    } finally {
      outer?.removeEventListener('abort', onAbort)
      controller.abort(ENDED)
    }
  }

  const values = run()

  function leave (): void {
    left = true
    controller.abort(ENDED)
  }

  return {
    next: async () => values.next(),
    return: async (value) => {
      leave()
      return values.return(value)
    },
    throw: async (err) => {
      controller.abort(err)
      return values.throw(err)
    },
    async [Symbol.asyncDispose] () {
      leave()
      await values.return()
    },
    [Symbol.asyncIterator] () {
      return this
    }
  }
}
