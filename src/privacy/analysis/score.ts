import type { ObserverClass, Risk, RiskKind, Severity } from '../../interface/privacy.ts'

/** From these scores on. Reports are yellow from the first on and red from the second on, so that colour and word agree. */
const MEDIUM = 0.4
const HIGH = 0.7
/** Left for what strangers without number learn, or learn for ever */
const CRITICAL = 0.9

/**
 * How much of what is left open by the worst risk all others together may take: with a quarter, a score of 0.7 is not
 * reached by any number of risks that are medium each, and each further kind of risk still counts
 */
const OTHERS = 0.25

/** Within [0, 1], whatever the arithmetic before made of it */
export function clamp01 (value: number): number {
  return value >= 1 ? 1 : value > 0 ? value : 0
}

/** `low` below 0.4, `medium` below 0.7, `high` below 0.9, `critical` from there on */
export function severityOf (score: number): Severity {
  return score >= CRITICAL ? 'critical' : score >= HIGH ? 'high' : score >= MEDIUM ? 'medium' : 'low'
}

/**
 * How far away from the user, and how many, those are who learn: what the same finding weighs for each class of observers.
 *
 * `own` is the user's own process; a sibling is of one's own fleet; a provider has to be asked by somebody, and a gateway
 * keeps logs beside; a resolver, a router, servers of the DHT learn without delivering anything; whom foreign code
 * tells is not known at all.
 */
export const CLASS_WEIGHTS: Readonly<Record<ObserverClass | 'network', number>> = {
  own: 0,
  sibling: 0.2,
  'shared-cache': 0.3,
  network: 0.4,
  peer: 0.5,
  dns: 0.5,
  gateway: 0.6,
  router: 0.7,
  dht: 0.8,
  foreign: 0.9
}

/**
 * Of all risks, within [0, 1]: `m + (1 - m) * 0.25 * (1 - Π(1 - x))`, where each kind of risk counts by its worst
 * `score * confidence`, m is the worst of these, and x are the others.
 *
 * A further risk never makes it less, twenty findings of one kind weigh as the worst of them, and many small ones do not
 * look like a large one. 0 where nothing was found, which says nothing about what was not looked for.
 */
export function overallScore (risks: ReadonlyArray<Pick<Risk, 'kind' | 'score' | 'confidence'>>): number {
  const worst = new Map<RiskKind, number>()

  for (const { kind, score, confidence } of risks) {
    worst.set(kind, Math.max(worst.get(kind) ?? 0, clamp01(score * confidence)))
  }

  const [first = 0, ...others] = [...worst.values()].sort((a, b) => b - a)
  const none = others.reduce((product, x) => product * (1 - x), 1)

  return clamp01(first + (1 - first) * OTHERS * (1 - none))
}
