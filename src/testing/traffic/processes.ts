import { normal } from '../../clock/random.ts'
import type { Random } from '../../interface/clock.ts'

/** Mean distance between events, in ms: all processes have about the same rate, so that only their rhythm tells them apart */
export const MEAN_INTERVAL = 1_000

/** How independent events come */
export type IndependentModel = 'poisson' | 'tides' | 'lognormal' | 'pareto' | 'ramp'
/** How a timer runs: on a grid (`clock`), or anew after each event (`timer`); jitter is even within ± its share, or normal with it as standard deviation */
export type PeriodicModel = 'clock' | 'timer' | 'clock-normal' | 'timer-normal'
/** How bursts are made: pages of about equal size with paced requests, or a source that is switched on and off by chance */
export type BurstModel = 'pages' | 'on-off'
/**
 * How two flows come to agree, where a share r of what happens is of one cause:
 *
 * - `shared`: that share of the events of both are the same events, each seen with a jitter of its own
 * - `reply`: that share of the events of one flow is answered by the other, after a delay of its own
 * - `slots`: time has slots, one for each event on average; that share of the expected count of a slot is common to both flows, and where in
 *   the slot events are is chance
 *
 * In each, Pearson's r of the counts in bins that are wide beside jitter, delay or slot is r in expectation.
 */
export type CorrelatedModel = 'shared' | 'reply' | 'slots'

function exponential (random: Random, mean: number): number {
  return -mean * Math.log(1 - random.next())
}

/** Event times of a process with independent intervals, in order */
function renewal (n: number, interval: () => number): number[] {
  let at = 0
  return Array.from({ length: n }, () => {
    at += interval()
    return at
  })
}

/** n events whose rate over time is `rate`, within [0, 1] at every share of the time */
function inhomogeneous (random: Random, n: number, rate: (share: number) => number): number[] {
  const times: number[] = []

  while (times.length < n) {
    const share = random.next()

    if (random.next() < rate(share)) {
      times.push(share * n * MEAN_INTERVAL)
    }
  }
  return times.sort((a, b) => a - b)
}

/** Tides have three times the rate of the ebb at the flood, two of them in the time that is watched, at any phase */
const TIDE = 0.5
const TIDES = 2

/** Tails: a lognormal with a standard deviation of 1 in the logarithm, a Pareto with a shape of 1.5, whose variance is infinite */
const PARETO_SHAPE = 1.5

export function independentTimes (random: Random, n: number, model: IndependentModel): number[] {
  switch (model) {
    case 'poisson':
      return renewal(n, () => exponential(random, MEAN_INTERVAL))
    case 'lognormal':
      return renewal(n, () => MEAN_INTERVAL * Math.exp(normal(random) - 0.5))
    case 'pareto':
      return renewal(n, () => MEAN_INTERVAL * (1 - 1 / PARETO_SHAPE) * (1 - random.next()) ** (-1 / PARETO_SHAPE))
    case 'ramp':
      return inhomogeneous(random, n, share => (1 + share) / 2)
    case 'tides': {
      const phase = random.next()
      return inhomogeneous(random, n, share => (1 + TIDE * Math.sin(2 * Math.PI * (phase + TIDES * share))) / (1 + TIDE))
    }
  }
}

export function periodicTimes (random: Random, n: number, model: PeriodicModel, jitter: number): number[] {
  const off = (): number => model.endsWith('normal') ? normal(random) * jitter : (2 * random.next() - 1) * jitter

  return model.startsWith('clock')
    ? Array.from({ length: n }, (_, i) => (i + 1 + off()) * MEAN_INTERVAL).sort((a, b) => a - b)
    // a timer never runs for less than nothing
    : renewal(n, () => Math.max(0, 1 + off()) * MEAN_INTERVAL)
}

/** How long pages are read: lognormal, the standard deviation in the logarithm */
const READING = 0.7

/** `ratio`: how many times longer it takes between bursts than within, on average; `size`: events of a burst, on average */
export function burstTimes (random: Random, n: number, model: BurstModel, size: number, ratio: number): number[] {
  // so long that the flow has the rate of all the others
  const pause = MEAN_INTERVAL * size / (1 + (size - 1) / ratio)
  const within = pause / ratio
  const times: number[] = []
  let at = 0

  while (times.length < n) {
    at += model === 'pages' ? pause * Math.exp(READING * normal(random) - READING * READING / 2) : exponential(random, pause)
    const events = model === 'pages'
      ? Math.max(3, Math.round(size * (0.75 + 0.5 * random.next())))
      // two at least: one event is no burst
      : 2 + Math.floor(Math.log(1 - random.next()) / Math.log(1 - 1 / Math.max(1.5, size - 1)))

    for (let i = 0; i < events && times.length < n; i++) {
      times.push(at)
      at += model === 'pages' ? within * (0.5 + random.next()) : exponential(random, within)
    }
  }
  return times
}

/** Between the same event as two flows see it: 20 ms of jitter each, and replies after 20 to 200 ms */
const JITTER = 20
const REPLY = 60

export function correlatedTimes (random: Random, n: number, model: CorrelatedModel, r: number): [number[], number[]] {
  const length = n * MEAN_INTERVAL
  const anywhere = (count: number): number[] => Array.from({ length: count }, () => random.next() * length)
  const ordered = (times: number[]): number[] => times.sort((a, b) => a - b)

  if (model === 'slots') {
    const flows: [number[], number[]] = [[], []]

    for (let slot = 0; slot < n; slot++) {
      const both = poisson(random, r)

      for (const flow of flows) {
        for (let left = both + poisson(random, 1 - r); left > 0; left--) {
          flow.push((slot + random.next()) * MEAN_INTERVAL)
        }
      }
    }
    return [ordered(flows[0]), ordered(flows[1])]
  }

  const common = anywhere(Math.round(r * n))
  const own = n - common.length
  const seen = (): number[] => common.map(at => at + normal(random) * JITTER)
  const answered = (): number[] => common.map(at => at + REPLY * Math.exp(normal(random) * 0.4))

  return model === 'shared'
    ? [ordered([...seen(), ...anywhere(own)]), ordered([...seen(), ...anywhere(own)])]
    : [ordered([...common, ...anywhere(own)]), ordered([...answered(), ...anywhere(own)])]
}

/** A count with this mean (Knuth): means are below 2 here */
function poisson (random: Random, mean: number): number {
  const limit = Math.exp(-mean)
  let count = 0

  for (let product = random.next(); product > limit; product *= random.next()) {
    count++
  }
  return count
}
