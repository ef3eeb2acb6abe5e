import { seededRandom } from '../../src/clock/random.ts'
import { SyntheticTraffic } from '../../src/testing/traffic/synthetic-traffic.ts'
import type { Random } from '../../src/interface/clock.ts'
import type { BurstModel, CorrelatedModel, IndependentModel, PeriodicModel } from '../../src/testing/traffic/processes.ts'
import type { TrafficFlow } from '../../src/testing/traffic/synthetic-traffic.ts'

/** The detectors were tuned on the first of each class, mended for `pareto` and `ramp`, and are measured on all */
export const INDEPENDENT: readonly IndependentModel[] = ['poisson', 'tides', 'ramp', 'lognormal', 'pareto']
export const PERIODIC: readonly PeriodicModel[] = ['clock', 'timer', 'clock-normal', 'timer-normal']
export const BURSTY: readonly BurstModel[] = ['pages', 'on-off']
export const CORRELATED: readonly CorrelatedModel[] = ['shared', 'reply', 'slots']

/** Flows beside the one that is labelled: four parties at once, or two and a pair */
const OTHERS = 3

export type Cell =
  | { readonly kind: 'independent', readonly model: IndependentModel }
  | { readonly kind: 'periodic', readonly model: PeriodicModel, readonly jitter?: number }
  | { readonly kind: 'bursty', readonly model: BurstModel }
  | { readonly kind: 'correlated', readonly model: CorrelatedModel, readonly r?: number }

/** One report's worth of traffic: what is not fixed is anywhere within what the detectors are made for */
export function traffic (cell: Cell & { readonly events?: number }, seed: number): SyntheticTraffic {
  const random = seededRandom(seed)
  const events = cell.events ?? between(random, 20, 200, true)
  const others = Array.from({ length: OTHERS }, (): TrafficFlow => ({
    kind: 'independent',
    events: between(random, 20, 200, true),
    model: cell.kind === 'independent' ? cell.model : 'poisson'
  }))

  return new SyntheticTraffic({ seed: seed ^ 0x5eed, flows: [flowOf(cell, events, random), ...others] })
}

function flowOf (cell: Cell, events: number, random: Random): TrafficFlow {
  switch (cell.kind) {
    case 'independent':
      return { kind: 'independent', events, model: cell.model }
    case 'periodic':
      return { kind: 'periodic', events, model: cell.model, jitter: cell.jitter ?? between(random, 0, 0.3) }
    case 'bursty':
      return { kind: 'bursty', events, model: cell.model, size: between(random, 4, Math.max(5, Math.min(10, events / 6)), true), ratio: 10 ** between(random, 1.7, 3) }
    case 'correlated':
      return { kind: 'correlated', events, model: cell.model, r: cell.r ?? between(random, 0.5, 0.9) }
  }
}

function between (random: Random, low: number, high: number, whole = false): number {
  return whole ? low + Math.floor(random.next() * (high - low + 1)) : low + random.next() * (high - low)
}
