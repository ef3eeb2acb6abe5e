import { BURSTY, CORRELATED, INDEPENDENT, PERIODIC } from './detection/cases.ts'
import { DETECTORS, emptyTally, judge } from './detection/tally.ts'
import type { Cell } from './detection/cases.ts'
import type { DetectorName, Tally } from './detection/tally.ts'
import type { BenchOptions, BenchResult } from './types.ts'

export const description = 'what the detectors of the privacy analysis find in labelled synthetic traffic, and what they make up'

/** Reports for each model: with 500 of each class and more, a share of 1 % is known within less than another one */
const CASES = 500
const CELL_CASES = 100

/** Where the power is told apart */
const EVENTS = [20, 50, 100, 200]
const CORRELATIONS = [0.5, 0.7, 0.9]
const JITTERS = [0.1, 0.2, 0.3]

export const bars = {
  precision: { min: 0.95 },
  recall: { min: 0.95 },
  falseAlarms: { max: 0.01 },
  precisionPeriodic: { min: 0.95 },
  recallPeriodic: { min: 0.95 },
  precisionBursty: { min: 0.95 },
  recallBursty: { min: 0.95 },
  precisionCorrelated: { min: 0.95 },
  recallCorrelated: { min: 0.95 }
}

export async function run ({ seed, short, log }: BenchOptions): Promise<BenchResult> {
  const cases = short ? CASES / 10 : CASES
  const perCell = short ? CELL_CASES / 10 : CELL_CASES
  let next = seed * 1_000_003
  const seeds = (n: number): number[] => Array.from({ length: n }, () => (next += 7_919) >>> 0)
  const alarms = (cell: Cell, tally: Tally): number => seeds(cases).filter(seed => judge(cell, seed, tally)).length

  const all = emptyTally()
  const slots = emptyTally()
  const models: Array<Record<string, unknown>> = []
  let falseAlarms = 0

  for (const model of INDEPENDENT) {
    const wrong = alarms({ kind: 'independent', model }, all)
    falseAlarms += wrong
    models.push({ traffic: 'independent', model, cases, 'with a false alarm': wrong / cases })
  }

  log(`independent: ${falseAlarms} of ${cases * INDEPENDENT.length} reports with a false alarm`)

  const labelled: readonly Cell[] = [
    ...PERIODIC.map(model => ({ kind: 'periodic', model }) as const),
    ...BURSTY.map(model => ({ kind: 'bursty', model }) as const),
    ...CORRELATED.map(model => ({ kind: 'correlated', model }) as const)
  ]

  for (const cell of labelled) {
    const own = emptyTally()
    const wrong = alarms(cell, own)
    // of counts that agree by slots the limit is not the detector's: told apart, and all that was made up counts
    const bounded = cell.kind === 'correlated' && cell.model === 'slots'
    add(bounded ? slots : all, own)
    models.push({ traffic: cell.kind, model: cell.model, cases, recall: recall(own, cell.kind as DetectorName), 'with a false alarm': wrong / cases })
    log(`${cell.kind}, ${cell.model}: recall ${recall(own, cell.kind as DetectorName).toFixed(3)}`)
  }

  const precisions = Object.fromEntries(DETECTORS.map(name => [`precision${title(name)}`, precision(all, slots, name)]))
  const recalls = Object.fromEntries(DETECTORS.map(name => [`recall${title(name)}`, recall(all, name)]))

  return {
    ratios: {
      precision: Math.min(...Object.values(precisions)),
      recall: Math.min(...Object.values(recalls)),
      falseAlarms: falseAlarms / (cases * INDEPENDENT.length),
      ...precisions,
      ...recalls,
      recallSlots: recall(slots, 'correlated')
    },
    absolute: {
      models,
      correlated: correlatedCells(n => seeds(n), perCell),
      periodic: periodicCells(n => seeds(n), perCell)
    },
    bars
  }
}

/** How often a pair is found, by events and correlation */
function correlatedCells (seeds: (n: number) => number[], cases: number): Array<Record<string, unknown>> {
  return EVENTS.flatMap(events => CORRELATIONS.map(r => {
    const found = Object.fromEntries(CORRELATED.map(model => [model, share({ kind: 'correlated', model, r, events }, 'correlated', seeds(cases))]))
    return { events, r, ...found, 'slots, at best': knownSlots(events, r) }
  }))
}

function periodicCells (seeds: (n: number) => number[], cases: number): Array<Record<string, unknown>> {
  return EVENTS.flatMap(events => JITTERS.map(jitter => {
    const found = Object.fromEntries(PERIODIC.map(model => [model, share({ kind: 'periodic', model, jitter, events }, 'periodic', seeds(cases))]))
    return { events, jitter, ...found }
  }))
}

function share (cell: Cell & { readonly events: number }, detector: DetectorName, seeds: readonly number[]): number {
  const tally = emptyTally()

  for (const seed of seeds) {
    judge(cell, seed, tally)
  }
  return recall(tally, detector)
}

/**
 * Power of the test of one pair at p < 0.01 by whoever knows the slots and that there is no lag: Fisher's z of the counts
 * in them is normal with a variance of 1 / (n - 3), and no test of these counts has more where they are normal
 */
function knownSlots (events: number, r: number): number {
  return below(Math.atanh(r) * Math.sqrt(events - 3) - 2.576)
}

/** Share of a normal distribution below z (a logistic approximation, good to 0.01) */
function below (z: number): number {
  return 1 / (1 + Math.exp(-1.5976 * z - 0.07056 * z ** 3))
}

function recall (tally: Tally, name: DetectorName): number {
  const { found, missed } = tally[name]
  return found / (found + missed)
}

function precision (all: Tally, slots: Tally, name: DetectorName): number {
  const found = all[name].found + slots[name].found
  return found / (found + all[name].wrong + slots[name].wrong)
}

function add (to: Tally, tally: Tally): void {
  for (const name of DETECTORS) {
    to[name].found += tally[name].found
    to[name].missed += tally[name].missed
    to[name].wrong += tally[name].wrong
  }
}

function title (name: string): string {
  return `${name.charAt(0).toUpperCase()}${name.slice(1)}`
}
