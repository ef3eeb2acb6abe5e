import type { Clock, TimeoutSignal } from '../interface/clock.ts'

/** Timers must not keep a process alive: Node's have `unref`, a browser's are numbers */
function unref (timer: unknown): void {
  (timer as { unref?: () => void }).unref?.()
}

/** Longest that setTimeout counts: 32 bits; beyond that it fires at once (HTML standard, timer initialisation) */
const MAX_TIMER = 2 ** 31 - 1

function schedule (ms: number, fn: () => void): () => void {
  if (Number.isNaN(ms)) {
    throw new TypeError('A timer needs a number of milliseconds, got NaN')
  }

  let timer: ReturnType<typeof setTimeout>

  const wait = (left: number): void => {
    timer = setTimeout(() => {
      if (left > MAX_TIMER) {
        wait(left - MAX_TIMER)
      } else {
        fn()
      }
    }, Math.min(MAX_TIMER, left))
    unref(timer)
  }

  wait(ms)
  return () => { clearTimeout(timer) }
}

/** Builds the two waiting forms on top of `schedule`, for every clock alike */
export function waits (schedule: Clock['schedule']): Pick<Clock, 'sleep' | 'timeout'> {
  return {
    async sleep (ms, options = {}) {
      const { signal } = options
      signal?.throwIfAborted()

      await new Promise<void>((resolve, reject) => {
        const onAbort = (): void => {
          cancel()
          reject(signal?.reason as Error)
        }
        const cancel = schedule(ms, () => {
          signal?.removeEventListener('abort', onAbort)
          resolve()
        })
        signal?.addEventListener('abort', onAbort, { once: true })
      })
    },

    timeout (ms): TimeoutSignal {
      const controller = new AbortController()
      const cancel = schedule(ms, () => {
        controller.abort(new DOMException(`Timed out after ${ms} ms`, 'TimeoutError'))
      })
      return { signal: controller.signal, [Symbol.dispose]: cancel }
    }
  }
}

/** The machine's own time */
export const systemClock: Clock = {
  now: () => performance.now(),
  wall: () => Date.now(),
  schedule,
  ...waits(schedule)
}
