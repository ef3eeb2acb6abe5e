import type { CalculatedMetrics } from '../interface/metrics.ts'

/** A `Registry` of prom-client, as far as it is needed: it takes whole metrics, where libp2p's take names */
interface PromClientRegistry {
  registerMetric (metric: PromClientMetric): void
}

interface PromClientMetric {
  readonly name: string
  readonly help: string
  readonly type: 'gauge'
  /** Read when it is scraped */
  get (): Promise<object>
  reset (): void
}

/** Metrics that are read when they are scraped, in whichever kind of registry they are shown */
export function calculatedMetrics (registry: object): CalculatedMetrics {
  return isPromClient(registry) ? ofPromClient(registry) : registry as CalculatedMetrics
}

function isPromClient (registry: object): registry is PromClientRegistry {
  return typeof (registry as { getSingleMetric?: unknown }).getSingleMetric === 'function'
}

function ofPromClient (registry: PromClientRegistry): CalculatedMetrics {
  const add = registry.registerMetric.bind(registry)
  const register = (name: string, help: string, samples: () => ReadonlyArray<{ value: number, labels: Record<string, string> }>): void => {
    const type = 'gauge'
    add({
      name,
      help,
      type,
      get: async () => ({ name, help, type, aggregator: 'first', values: samples().filter(({ value }) => !Number.isNaN(value)) }),
      // nothing is kept
      reset () {}
    })
  }

  return {
    registerMetric: (name, { help, calculate }) => { register(name, help, () => [{ value: calculate(), labels: {} }]) },
    registerMetricGroup: (name, { label, help, calculate }) => { register(name, help, () => Object.entries(calculate()).map(([key, value]) => ({ value, labels: { [label]: key } }))) }
  }
}
