/**
 * One wrapper per object, whoever watches it: the first to come makes it, the last
 * to leave takes it away, in whatever order they leave.
 */
export class SharedTaps<T extends object, Observer> {
  readonly #make: (target: T, observers: readonly Observer[]) => () => void
  readonly #taps = new WeakMap<T, { readonly observers: Observer[], readonly release: () => void }>()

  /** @param make - wraps the object and returns what unwraps it */
  constructor (make: (target: T, observers: readonly Observer[]) => () => void) {
    this.#make = make
  }

  /** @returns takes the observer away again; of a target that is over nothing is put back, there are many of them and it takes a KB each */
  add (target: T, observer: Observer): (isOver?: boolean) => void {
    let tap = this.#taps.get(target)

    if (tap == null) {
      // an array: mostly there is one, and there is a tap for each stream
      const observers: Observer[] = []
      tap = { observers, release: this.#make(target, observers) }
      this.#taps.set(target, tap)
    }

    const { observers, release } = tap
    observers.push(observer)

    return (isOver = false) => {
      const place = observers.indexOf(observer)

      if (place >= 0) {
        observers.splice(place, 1)
        if (observers.length === 0) {
          this.#taps.delete(target)
          if (!isOver) {
            release()
          }
        }
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
      restore(target, name, own)
    }
  }
}

/** @param own - what the object had itself under that name */
export function restore (target: object, name: PropertyKey, own: PropertyDescriptor | undefined): void {
  if (own == null) {
    Reflect.deleteProperty(target, name)
  } else {
    Object.defineProperty(target, name, own)
  }
}
