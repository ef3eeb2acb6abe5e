import { raceSignal } from '../../clock/race-signal.ts'
import type { Provider } from '../../interface/provider.ts'

/** Someone who listens to a lookup, and is counted from the moment the seat was taken until it is left */
export interface Seat {
  /** All that was found from the beginning on. Ends, without an error, when the signal aborts */
  listen (signal: AbortSignal): AsyncGenerator<Provider, void, undefined>
  /** Idempotent */
  leave (): void
}

/** One lookup with any number of listeners */
export class SharedLookup {
  readonly #found: Provider[] = []
  readonly #onEmpty: () => void
  #seats = 0
  #over = false
  #failure: { readonly error: unknown } | undefined
  #changed = Promise.withResolvers<void>()

  /** @param onEmpty - nobody is left, and it has not ended */
  constructor (onEmpty: () => void) {
    this.#onEmpty = onEmpty
  }

  get found (): readonly Provider[] {
    return this.#found
  }

  add (provider: Provider): void {
    this.#found.push(provider)
    this.#wake()
  }

  end (): void {
    this.#over = true
    this.#wake()
  }

  fail (error: unknown): void {
    this.#failure = { error }
    this.end()
  }

  take (): Seat {
    let isTaken = true
    this.#seats++

    return {
      listen: signal => this.#listen(signal),
      leave: () => {
        if (isTaken) {
          isTaken = false
          if (--this.#seats === 0 && !this.#over) {
            this.#onEmpty()
          }
        }
      }
    }
  }

  async * #listen (signal: AbortSignal): AsyncGenerator<Provider, void, undefined> {
    for (let heard = 0; !signal.aborted;) {
      const { promise } = this.#changed

      while (heard < this.#found.length) {
        yield this.#found[heard++] as Provider
      }
      if (this.#over) {
        if (this.#failure != null) {
          throw this.#failure.error
        }
        return
      }
      await raceSignal(promise, signal).catch((err: unknown) => {
        if (!signal.aborted) {
          throw err
        }
      })
    }
  }

  #wake (): void {
    this.#changed.resolve()
    this.#changed = Promise.withResolvers()
  }
}
