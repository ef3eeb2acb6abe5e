import { PrivacyAnalyzer } from '../../src/privacy/analysis/analyzer.ts'
import { traffic } from './cases.ts'
import type { Cell } from './cases.ts'
import type { SyntheticTraffic } from '../../src/testing/traffic/synthetic-traffic.ts'

export const DETECTORS = ['periodic', 'bursty', 'correlated'] as const
export type DetectorName = typeof DETECTORS[number]

const KINDS: Readonly<Record<string, DetectorName>> = { 'periodic-traffic': 'periodic', 'burst-traffic': 'bursty', 'timing-correlation': 'correlated' }

/** Of each detector: labelled flows (or pairs) that it found, that it missed, and others that it named */
export type Tally = Record<DetectorName, { found: number, missed: number, wrong: number }>

export function emptyTally (): Tally {
  return { periodic: { found: 0, missed: 0, wrong: 0 }, bursty: { found: 0, missed: 0, wrong: 0 }, correlated: { found: 0, missed: 0, wrong: 0 } }
}

/** Analyses one case and adds what came out; says whether anything was named that is not there */
export function judge (cell: Cell & { readonly events?: number }, seed: number, tally: Tally): boolean {
  const source = traffic(cell, seed)
  const named = namedBy(source, seed)
  const labels: Record<DetectorName, ReadonlySet<string>> = {
    periodic: new Set(source.labels.periodic),
    bursty: new Set(source.labels.bursty),
    correlated: new Set(source.labels.correlated.map(pair => [...pair].sort().join()))
  }
  let alarm = false

  for (const detector of DETECTORS) {
    const found = [...labels[detector]].filter(label => named[detector].has(label)).length
    const wrong = named[detector].size - found
    tally[detector].found += found
    tally[detector].missed += labels[detector].size - found
    tally[detector].wrong += wrong
    alarm ||= wrong > 0
  }

  return alarm
}

function namedBy (source: SyntheticTraffic, seed: number): Record<DetectorName, ReadonlySet<string>> {
  const named: Record<DetectorName, Set<string>> = { periodic: new Set(), bursty: new Set(), correlated: new Set() }

  for (const { kind, subjects } of new PrivacyAnalyzer(source, {}, { seed }).analyze().risks) {
    const detector = KINDS[kind]

    if (detector != null) {
      named[detector].add([...subjects].sort().join())
    }
  }
  return named
}
