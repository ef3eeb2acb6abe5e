import { readdirSync } from 'node:fs'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import type { MetricRegistry } from './metric-registry.ts'

const NANOSECONDS = 1e9

/** The process metrics that every Prometheus dashboard knows, under their usual names */
export function registerProcessMetrics (metrics: MetricRegistry): void {
  const delay = monitorEventLoopDelay({ resolution: 100 })
  delay.enable()

  metrics.calculate('process_cpu_seconds_total', 'Processor time used', () => (process.cpuUsage().user + process.cpuUsage().system) / 1e6)
  metrics.calculate('process_resident_memory_bytes', 'Memory that the process holds', () => process.memoryUsage.rss())
  metrics.calculate('process_uptime_seconds', 'Time since the process began', () => process.uptime())
  metrics.calculate('process_open_fds', 'Open files and sockets', openDescriptors)
  metrics.calculate('nodejs_heap_size_used_bytes', 'JavaScript heap in use', () => process.memoryUsage().heapUsed)
  metrics.calculate('nodejs_external_memory_bytes', 'Memory of buffers outside the heap', () => process.memoryUsage().external)
  metrics.calculate('nodejs_eventloop_lag_p99_seconds', 'How late timers fired since the last scrape, 99th percentile', () => {
    const lag = delay.percentile(99) / NANOSECONDS
    delay.reset()
    return lag
  })
}

function openDescriptors (): number | undefined {
  // only Linux tells
  return process.platform === 'linux' ? readdirSync('/proc/self/fd').length : undefined
}
