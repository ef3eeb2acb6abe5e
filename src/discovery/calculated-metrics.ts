import { oneReading } from '../clock/one-reading.ts'
import { systemClock } from '../clock/system-clock.ts'
import type { CalculatedMetrics, Metrics } from '../interface/metrics.ts'

interface Registers<T> {
  gauge (name: string, help: string, pick: (now: T) => number): void
  group (name: string, label: string, help: string, pick: (now: T) => Record<string, number>): void
}

/**
 * Registers what is read when it is scraped.
 *
 * @param current - undefined while there is nothing: what it said last stays
 */
export function calculatedMetrics<T> (metrics: Metrics, current: () => T | undefined): Registers<T> {
  const registry = metrics as unknown as CalculatedMetrics
  let last: T | undefined
  const read = oneReading(() => systemClock.now(), () => {
    last = current() ?? last
    return last
  })

  return {
    gauge: (name, help, pick) => {
      registry.registerMetric(name, {
        help,
        calculate: () => {
          const now = read()
          return now == null ? NaN : pick(now)
        }
      })
    },
    group: (name, label, help, pick) => {
      registry.registerMetricGroup(name, {
        label,
        help,
        calculate: () => {
          const now = read()
          return now == null ? {} : pick(now)
        }
      })
    }
  }
}
