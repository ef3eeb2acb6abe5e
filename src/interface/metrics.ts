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
