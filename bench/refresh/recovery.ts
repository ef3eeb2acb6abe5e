import { quantile } from '../lookup/figures.ts'
import type { ContestantName, Found } from './contestants.ts'

export interface Lookup extends Found {
  readonly name: ContestantName
  readonly at: number
}

/**
 * Milliseconds until the p90 of the last `window` lookups is below the bound
 * again: until the first of them has ended with which it is; undefined when it
 * never is. A lookup counts from where it began, and none from before.
 */
export function recoveredAfter (lookups: readonly Pick<Lookup, 'at' | 'took'>[], { leftAt, bound, window }: { leftAt: number, bound: number, window: number }): number | undefined {
  for (let i = window; i <= lookups.length; i++) {
    const last = lookups.slice(i - window, i)

    if (quantile(last.map(({ took }) => took), 0.9) < bound) {
      return Math.max(...last.map(({ at, took }) => at + took)) - leftAt
    }
  }
  return undefined
}
