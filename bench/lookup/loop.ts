import { monitorEventLoopDelay, performance } from 'node:perf_hooks'

/** How busy the process was with running code: where it is more than half, the scheduler is measured and not the network */
export interface LoopLoad {
  /** Share of the time that the event loop was not waiting */
  readonly utilisation: number
  /** Milliseconds that one in a hundred timers was late */
  readonly lateness: number
}

export function watchLoop (): () => LoopLoad {
  const before = performance.eventLoopUtilization()
  const delays = monitorEventLoopDelay({ resolution: 5 })
  delays.enable()

  return () => {
    delays.disable()
    return {
      utilisation: performance.eventLoopUtilization(before).utilization,
      lateness: Math.max(0, delays.percentile(99) / 1e6 - 5)
    }
  }
}
