export type Many<T> = Iterable<T> | AsyncIterable<T>

/** One after the other, as far as somebody asks */
export async function * each<T, R> (source: Many<T>, work: (item: T) => R | Promise<R>): AsyncGenerator<R> {
  for await (const item of source) {
    yield await work(item)
  }
}
