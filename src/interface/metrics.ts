/** The part of libp2p's and Helia's metrics that is used here; all of it optional */
export interface Counter {
  increment (value?: number): void
}

export interface CounterGroup {
  increment (values: Record<string, number | true>): void
}

export interface Gauge {
  update (value: number): void
}

export interface Histogram {
  observe (value: number): void
}

export interface Metrics {
  registerCounter (name: string, options?: { label?: string, help?: string }): Counter
  registerCounterGroup (name: string, options?: { label?: string, help?: string }): CounterGroup
  registerMetric (name: string, options?: { label?: string, help?: string }): Gauge
  registerHistogram? (name: string, options?: { label?: string, help?: string, buckets?: number[] }): Histogram
}

/**
 * Metrics that are read when they are scraped.
 *
 * What grows is registered with `registerMetric` too, although libp2p has calculated counters: they mean two things.
 * Its Prometheus registry adds what `calculate` returns at each scrape, its OpenTelemetry one takes it for the total,
 * except in groups. As a metric, a total is a total everywhere. Our own registry knows counters by `_total`.
 */
export interface CalculatedMetrics {
  registerMetric (name: string, options: { help: string, calculate (): number }): unknown
  registerMetricGroup (name: string, options: { label: string, help: string, calculate (): Record<string, number> }): unknown
}
