import { raceSignal } from '../../clock/race-signal.ts'

/** One for all: an exception's stack is dear */
const LEFT = new DOMException('Nobody waits for the answer any more', 'AbortError')

/**
 * One stream with any number of readers, each of whom gets all of it. It is read
 * as fast as the quickest of them reads, and ended when the last has left.
 */
export class SharedStream<T> {
  readonly #items: T[] = []
  readonly #controller = new AbortController()
  readonly #source: AsyncIterator<T, void, undefined>
  readonly #onOver: () => void
  #readers = 0
  #pulling?: Promise<void>
  #end?: { readonly error?: Error }

  /** @param onOver - it has ended, or nobody is left: whoever comes now comes too late */
  constructor (start: (signal: AbortSignal) => AsyncIterable<T, void, undefined>, onOver: () => void) {
    this.#source = start(this.#controller.signal)[Symbol.asyncIterator]()
    this.#onOver = onOver
  }

  /** Counts as a reader from the call on. Throws the signal's reason when it aborts, or the stream's error, which each reader gets. */
  read (signal: AbortSignal): AsyncGenerator<T, void, undefined> & { leave (): void } {
    let here = true
    const leave = (): void => {
      if (here) {
        here = false
        this.#leave()
      }
    }
    this.#readers++

    return Object.assign(this.#read(signal, leave), { leave })
  }

  async * #read (signal: AbortSignal, leave: () => void): AsyncGenerator<T, void, undefined> {
    try {
      for (let read = 0; ; read++) {
        while (read >= this.#items.length && this.#end == null) {
          await raceSignal(this.#pull(), signal)
        }

        const item = this.#items[read]

        if (item === undefined) {
          if (this.#end?.error != null) {
            throw this.#end.error
          }
          return
        }
        yield item
      }
    } finally {
      leave()
    }
  }

  /** Never rejects */
  async #pull (): Promise<void> {
    this.#pulling ??= this.#source.next().then(next => {
      if (next.done === true) {
        this.#finish({})
      } else {
        this.#items.push(next.value)
      }
    }, (error: Error) => {
      this.#finish({ error })
    }).finally(() => { this.#pulling = undefined })

    return this.#pulling
  }

  #finish (end: { readonly error?: Error }): void {
    if (this.#end == null) {
      this.#end = end
      this.#onOver()
    }
  }

  #leave (): void {
    if (--this.#readers === 0 && this.#end == null) {
      this.#finish({ error: LEFT })
      this.#controller.abort(LEFT)
      // what it throws on its way out has nobody to hear it: its reader left
      this.#source.return?.().then(undefined, () => undefined)
    }
  }
}
