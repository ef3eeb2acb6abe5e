import { gdsf } from './gdsf.ts'
import { lru } from './lru.ts'
import { belady, sizedBound } from './optimum.ts'
import { ours } from './ours.ts'
import { s3Fifo } from './s3-fifo.ts'
import { sieve } from './sieve.ts'
import { capacityFor, requestedBytes, simulate } from './trace.ts'
import type { Cache, Trace } from './trace.ts'

export const UNIT_SHARES = [0.02, 0.1, 0.3] as const
export const SIZED_SHARES = [0.01, 0.1] as const

const CACHES = { LRU: lru, SIEVE: sieve, 'S3-FIFO': s3Fifo, GDSF: gdsf, ours } as const

export type PolicyName = keyof typeof CACHES

/** Hit ratios in percent: a difference is in points */
export interface Comparison {
  readonly workload: string
  readonly sized: boolean
  /** Of the footprint that was there as room */
  readonly share: number
  readonly objects: Readonly<Record<PolicyName, number>>
  readonly bytes: Readonly<Record<PolicyName, number>>
  /** The offline optimum; where objects have sizes, a bound above it */
  readonly optimum: number
  readonly optimumBytes: number
}

/** Every policy once over a trace with room for a share of its footprint */
export function compare (trace: Trace, share: number, seed: number): Comparison {
  const capacity = capacityFor(trace, share)
  const all = requestedBytes(trace)
  const objectPercent = (hits: number): number => 100 * hits / trace.requests.length
  const bytePercent = (bytes: number): number => 100 * bytes / all
  const outcomes = Object.entries(CACHES).map(([name, make]: [string, (trace: Trace, capacity: number, seed: number) => Cache]) => {
    return [name, simulate(make(trace, capacity, seed), trace)] as const
  })
  const best = (trace.sized ? sizedBound : belady)(trace, capacity)

  return {
    workload: trace.name,
    sized: trace.sized,
    share,
    objects: Object.fromEntries(outcomes.map(([name, { hits }]) => [name, objectPercent(hits)])) as Record<PolicyName, number>,
    bytes: Object.fromEntries(outcomes.map(([name, { bytes }]) => [name, bytePercent(bytes)])) as Record<PolicyName, number>,
    optimum: objectPercent(best.hits),
    optimumBytes: bytePercent(best.bytes)
  }
}
