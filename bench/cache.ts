import { mkdir, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { compare, SIZED_SHARES, UNIT_SHARES } from './cache/compare.ts'
import { plot } from './cache/plot.ts'
import { readTraces } from './cache/read-traces.ts'
import { prefix } from './cache/trace.ts'
import { workloads } from './cache/workloads.ts'
import type { Comparison } from './cache/compare.ts'
import type { Trace } from './cache/trace.ts'
import type { Workload } from './cache/workloads.ts'
import type { Bar, BenchOptions, BenchResult, OwnOption } from './types.ts'

export const description = 'Hit ratios of our eviction policy beside LRU, SIEVE, S3-FIFO, GDSF and the offline optimum'

export const options: readonly OwnOption[] = ['traces', 'plot']

const TRACES = fileURLToPath(new URL('../../shared/traces', import.meta.url))
/** The picture in docs/cache.md */
const PLOT = fileURLToPath(new URL('../docs/images/cache-hit-ratios.svg', import.meta.url))
const PLOT_SHARES = [0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5]
/** A smoke run: enough requests that no cache stays empty */
const SHORT_REQUESTS = 20_000
/** Points of hit ratio between LRU and the optimum below which a share of the gap says nothing */
const MIN_GAP = 3

export async function run ({ seed, short, save, traces: folder = TRACES, plot: file = save ? PLOT : undefined, log }: BenchOptions): Promise<BenchResult> {
  const { traces, absent } = await readTraces(folder, seed)

  if (absent != null) {
    log(`The traces are left out, and with them their ratios: ${absent}`)
  }

  const measured = (trace: Trace): Trace => short ? prefix(trace, SHORT_REQUESTS) : trace
  const all: Workload[] = [...traces.map(trace => ({ trace, plotted: true })), ...workloads(seed, short ? SHORT_REQUESTS : undefined)]
  const comparisons = all.flatMap(({ trace, shares = trace.sized ? SIZED_SHARES : UNIT_SHARES }) => {
    return shares.map(share => compare(measured(trace), share, seed))
  })

  if (file != null) {
    await mkdir(dirname(file), { recursive: true })
    await writeFile(file, plot(all.filter(({ plotted }) => plotted).map(({ trace }) => ({
      title: trace.name,
      curves: PLOT_SHARES.map(share => compare(measured(trace), share, seed))
    }))))
    log(`plotted to ${file}`)
  }

  return judge(comparisons)
}

/** From what was simulated to what is claimed of it */
export function judge (comparisons: readonly Comparison[]): BenchResult {
  const ratios: Record<string, number> = {}
  const bars: Record<string, Bar> = {}
  const gaps = comparisons.filter(({ sized, optimum, objects }) => !sized && optimum - objects.LRU > MIN_GAP)

  if (gaps.length > 0) {
    ratios.meanGap = gaps.reduce((sum, comparison) => sum + gapClosed(comparison), 0) / gaps.length
    bars.meanGap = { min: 0.45 }
  }

  ratios.worstVsLru = Math.max(...comparisons.map(({ objects }) => objects.LRU - objects.ours))
  bars.worstVsLru = { max: 2 }

  for (const { workload, share, objects, bytes } of comparisons.filter(({ sized }) => sized)) {
    const key = ratioKey(workload)
    const percent = share * 100
    ratios[`${key}${percent}`] = over(objects.ours, objects.GDSF)
    ratios[`${key}Bytes${percent}`] = over(bytes.ours, bytes.LRU)
    bars[`${key}${percent}`] = { min: 1 }
    bars[`${key}Bytes${percent}`] = { min: 0.98 }
  }

  return {
    ratios,
    bars,
    absolute: {
      comparedWithLru: comparisons.length,
      gapsOverThreePoints: gaps.length,
      hitPercent: comparisons.map(comparison => ({
        workload: comparison.workload,
        size: `${comparison.share * 100} %`,
        ...rounded({ ...comparison.objects, optimum: comparison.optimum }),
        'gap closed': comparison.optimum - comparison.objects.LRU > MIN_GAP ? round(gapClosed(comparison)) : undefined
      })),
      byteHitPercent: comparisons.filter(({ sized }) => sized).map(comparison => ({
        workload: comparison.workload,
        size: `${comparison.share * 100} %`,
        ...rounded({ ...comparison.bytes, optimum: comparison.optimumBytes })
      }))
    }
  }
}

function round (value: number): number {
  return Math.round(value * 100) / 100
}

function rounded (values: Readonly<Record<string, number>>): Record<string, number> {
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [name, round(value)]))
}

function gapClosed ({ objects, optimum }: Comparison): number {
  return (objects.ours - objects.LRU) / (optimum - objects.LRU)
}

/** Nothing is as good as nothing */
function over (a: number, b: number): number {
  return b === 0 ? 1 : a / b
}

/** `cdn-sized` is `cdn` */
function ratioKey (name: string): string {
  return name.replace(/-sized$/, '').replaceAll(/[^A-Za-z0-9]+(.)?/g, (_, next: string | undefined) => next?.toUpperCase() ?? '')
}
