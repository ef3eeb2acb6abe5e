import type { Counter, CounterGroup, Gauge, Histogram, Metrics } from '../interface/metrics.ts'

/** Label values kept per metric: label sets are closed, so more is a mistake that must not grow for ever */
const MAX_LABELS = 256
/** Metrics kept at all */
const MAX_METRICS = 1024
/** Seconds: from a store hit to the total deadline of a read */
const DEFAULT_BUCKETS = [0.001, 0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60]

type Kind = 'counter' | 'gauge' | 'histogram'

interface MetricOptions {
  label?: string
  help?: string
}

interface Sample {
  readonly suffix: string
  readonly labels: string
  readonly value: number
}

interface Family {
  readonly kind: Kind
  readonly help: string
  readonly instrument: unknown
  samples (): Iterable<Sample>
}

function escapeLabel (value: string): string {
  return value.replace(/[\\"\n]/g, char => char === '\n' ? '\\n' : `\\${char}`)
}

function number (value: number): string {
  return value === Infinity ? '+Inf' : value === -Infinity ? '-Inf' : String(value)
}

/** Collects metrics and writes them in Prometheus' text format, version 0.0.4 */
export class MetricRegistry implements Metrics {
  readonly #families = new Map<string, Family>()

  registerCounter (name: string, options: MetricOptions = {}): Counter {
    return this.#register(name, 'counter', options.help, () => {
      let total = 0
      return {
        instrument: { increment: (value = 1) => { total += Math.max(0, value) } } satisfies Counter,
        samples: () => [{ suffix: '', labels: '', value: total }]
      }
    })
  }

  /** A family whose labels and values are read when the page is */
  registerMetricGroup (name: string, options: MetricOptions & { calculate: () => Record<string, number> }): void {
    const { label = 'kind', help, calculate } = options

    this.#register(name, name.endsWith('_total') ? 'counter' : 'gauge', help, () => ({
      instrument: undefined,
      samples: () => Object.entries(calculate()).slice(0, MAX_LABELS).map(([key, value]) => ({ suffix: '', labels: `{${label}="${escapeLabel(key)}"}`, value }))
    }))
  }

  registerCounterGroup (name: string, options: MetricOptions = {}): CounterGroup {
    const label = options.label ?? 'kind'

    return this.#register(name, 'counter', options.help, () => {
      const totals = new Map<string, number>()
      return {
        instrument: {
          increment: values => {
            for (const [key, value] of Object.entries(values)) {
              const kept = totals.has(key) || totals.size < MAX_LABELS ? key : 'other'
              totals.set(kept, (totals.get(kept) ?? 0) + (value === true ? 1 : Math.max(0, value)))
            }
          }
        } satisfies CounterGroup,
        samples: () => Array.from(totals, ([key, value]) => ({ suffix: '', labels: `{${label}="${escapeLabel(key)}"}`, value }))
      }
    })
  }

  registerMetric (name: string, options: MetricOptions & { calculate?: () => number } = {}): Gauge {
    const { calculate } = options
    if (calculate != null) {
      this.calculate(name, options.help, calculate)
      return { update () {} }
    }
    return this.#register(name, 'gauge', options.help, () => {
      let current = 0
      return {
        instrument: { update: (value: number) => { current = value } } satisfies Gauge,
        samples: () => [{ suffix: '', labels: '', value: current }]
      }
    })
  }

  registerHistogram (name: string, options: MetricOptions & { buckets?: number[] } = {}): Histogram {
    return this.#register(name, 'histogram', options.help, () => {
      const bounds = [...options.buckets ?? DEFAULT_BUCKETS].sort((a, b) => a - b)
      const counts = bounds.map(() => 0)
      let sum = 0
      let count = 0
      return {
        instrument: {
          observe: (value: number) => {
            sum += value
            count++
            bounds.forEach((bound, i) => { counts[i] = (counts[i] ?? 0) + (value <= bound ? 1 : 0) })
          }
        } satisfies Histogram,
        samples: () => [
          ...bounds.map((bound, i) => ({ suffix: '_bucket', labels: `{le="${bound}"}`, value: counts[i] ?? 0 })),
          { suffix: '_bucket', labels: '{le="+Inf"}', value: count },
          { suffix: '_sum', labels: '', value: sum },
          { suffix: '_count', labels: '', value: count }
        ]
      }
    })
  }

  /** A value that is read when the page is; a name that ends in `_total` only grows */
  calculate (name: string, help: string | undefined, read: () => number | undefined): void {
    this.#register(name, name.endsWith('_total') ? 'counter' : 'gauge', help, () => ({
      instrument: undefined,
      samples: () => {
        const value = read()
        return value == null || Number.isNaN(value) ? [] : [{ suffix: '', labels: '', value }]
      }
    }))
  }

  /** Helia wraps its routing in this: nothing is traced here */
  traceFunction<F> (_name: string, fn: F): F {
    return fn
  }

  createTrace (): undefined {}

  /** The names that are registered, sorted */
  names (): string[] {
    return [...this.#families.keys()].sort()
  }

  /** The page that Prometheus reads */
  toString (): string {
    const lines: string[] = []

    for (const [name, family] of [...this.#families].sort(([a], [b]) => a < b ? -1 : 1)) {
      lines.push(`# HELP ${name} ${family.help.replace(/[\\\n]/g, char => char === '\n' ? '\\n' : '\\\\')}`, `# TYPE ${name} ${family.kind}`)
      for (const { suffix, labels, value } of family.samples()) {
        lines.push(`${name}${suffix}${labels} ${number(value)}`)
      }
    }
    return `${lines.join('\n')}\n`
  }

  #register<T> (name: string, kind: Kind, help: string | undefined, make: () => { instrument: T, samples: () => Iterable<Sample> }): T {
    const valid = name.replace(/[^a-zA-Z0-9_:]/g, '_').replace(/^(?=\d)/, '_')
    const known = this.#families.get(valid)

    // a component that starts again goes on counting where it was
    if (known?.kind === kind) {
      return known.instrument as T
    }
    const { instrument, samples } = make()
    if (known == null && this.#families.size < MAX_METRICS) {
      this.#families.set(valid, { kind, help: help ?? valid, instrument, samples })
    }
    return instrument
  }
}
