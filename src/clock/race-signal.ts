/**
 * Settles with the promise, or rejects with the signal's reason as soon as it
 * aborts: for foreign code that may ignore the signal it was given. What the
 * promise does afterwards is its own affair and never an unhandled rejection.
 */
export async function raceSignal<T> (promise: Promise<T>, signal?: AbortSignal): Promise<T> {
  if (signal == null) {
    return promise
  }

  return new Promise<T>((resolve, reject) => {
    const onAbort = (): void => { reject(signal.reason as Error) }
    const done = (): void => { signal.removeEventListener('abort', onAbort) }

    promise.then(value => {
      done()
      resolve(value)
    }, (err: Error) => {
      done()
      reject(err)
    })

    if (signal.aborted) {
      onAbort()
    } else {
      signal.addEventListener('abort', onAbort, { once: true })
    }
  })
}
