/**
 * One wrapper per object, whoever watches it: the first to come makes it, the last
 * to leave takes it away, in whatever order they leave.
 */
export class SharedTaps<T extends object, Observer> {
  readonly #make: (target: T, observers: ReadonlySet<Observer>) => () => void
  readonly #taps = new WeakMap<T, { readonly observers: Set<Observer>, readonly release: () => void }>()

  /** @param make - wraps the object and returns what unwraps it */
  constructor (make: (target: T, observers: ReadonlySet<Observer>) => () => void) {
    this.#make = make
  }

  /** @returns takes the observer away again */
  add (target: T, observer: Observer): () => void {
    let tap = this.#taps.get(target)

    if (tap == null) {
      const observers = new Set<Observer>()
      tap = { observers, release: this.#make(target, observers) }
      this.#taps.set(target, tap)
    }

    const { observers, release } = tap
    observers.add(observer)

    return () => {
      if (observers.delete(observer) && observers.size === 0) {
        this.#taps.delete(target)
        release()
      }
    }
  }
}

/**
 * Replaces a method of one object, until the returned function is called. Where
 * somebody else has wrapped it meanwhile it stays, and the wrapper has nobody to tell.
 */
export function wrap<T extends object, K extends keyof T> (target: T, name: K, wrapper: (original: T[K]) => T[K]): () => void {
  const own = Object.getOwnPropertyDescriptor(target, name)
  const method = target[name]
  const wrapped = wrapper(typeof method === 'function' ? method.bind(target) as T[K] : method)
  target[name] = wrapped

  return () => {
    if (target[name] === wrapped) {
      if (own == null) {
        Reflect.deleteProperty(target, name)
      } else {
        Object.defineProperty(target, name, own)
      }
    }
  }
}
