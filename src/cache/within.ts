import type { Clock } from '../interface/clock.ts'

/** Waits for what something comes to, but not for longer than `ms`: then for `late`, which may throw, while it goes on by itself */
export async function within<T, L = T> (clock: Clock, ms: number, promise: Promise<T>, late: () => L): Promise<T | L> {
  let cancel = (): void => {}
  const tooLate = new Promise<L>((resolve, reject) => {
    cancel = clock.schedule(ms, () => {
      try {
        resolve(late())
      } catch (err) {
        reject(err as Error)
      }
    })
  })

  try {
    return await Promise.race([promise, tooLate])
  } finally {
    cancel()
  }
}
