/**
 * What several streams yield, as it comes. One that fails is told and hides none
 * of the others; all are left when the reader leaves, and none of them is waited for.
 */
export async function * merged<T> (streams: ReadonlyArray<AsyncIterable<T>>, onError: (index: number, error: Error) => void): AsyncGenerator<T, void, undefined> {
  const iterators = streams.map(stream => stream[Symbol.asyncIterator]())
  const pending = new Map<number, Promise<{ index: number, result: IteratorResult<T, unknown> }>>()

  const pull = (index: number): void => {
    const next = async (): Promise<{ index: number, result: IteratorResult<T, unknown> }> => {
      try {
        return { index, result: await (iterators[index] as AsyncIterator<T>).next() }
      } catch (err) {
        onError(index, err as Error)
        return { index, result: { done: true, value: undefined } }
      }
    }
    pending.set(index, next())
  }

  iterators.forEach((_, index) => { pull(index) })
  try {
    while (pending.size > 0) {
      const { index, result } = await Promise.race(pending.values())

      if (result.done === true) {
        pending.delete(index)
      } else {
        pull(index)
        yield result.value
      }
    }
  } finally {
    for (const index of pending.keys()) {
      iterators[index]?.return?.().then(undefined, (err: unknown) => { onError(index, err as Error) })
    }
  }
}
