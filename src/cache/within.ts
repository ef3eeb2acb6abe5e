import type { Clock } from '../interface/clock.ts'

/** Waits for the end of something, however that comes, but not for longer. @returns whether it is over */
export async function within (clock: Clock, ms: number, promise: Promise<unknown>): Promise<boolean> {
  let cancel = (): void => {}
  const late = new Promise<boolean>(resolve => {
    cancel = clock.schedule(ms, () => { resolve(false) })
  })

  try {
    return await Promise.race([promise.then(() => true, () => true), late])
  } finally {
    cancel()
  }
}
