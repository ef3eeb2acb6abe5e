import type { CounterGroup, Histogram, Metric, Metrics } from '@libp2p/interface'

const nothing = (): void => {}
const stopTimer = (): (() => void) => nothing

const single: Metric & Histogram = { update: nothing, increment: nothing, decrement: nothing, reset: nothing, timer: stopTimer, observe: nothing }
const group: CounterGroup & Record<'update' | 'decrement' | 'observe', () => void> & { timer (): () => void } = {
  update: nothing, increment: nothing, decrement: nothing, reset: nothing, timer: stopTimer, observe: nothing
}

/** Metrics that nobody reads */
export function nullMetrics (): Metrics {
  return {
    trackMultiaddrConnection: nothing,
    trackProtocolStream: nothing,
    registerMetric: () => single,
    registerMetricGroup: () => group,
    registerCounter: () => single,
    registerCounterGroup: () => group,
    registerHistogram: () => single,
    registerHistogramGroup: () => group,
    registerSummary: () => single,
    registerSummaryGroup: () => group,
    traceFunction: <F>(_name: string, fn: F): F => fn,
    createTrace: nothing
  }
}
