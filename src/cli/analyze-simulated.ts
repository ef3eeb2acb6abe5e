import { SyntheticTraffic } from '../testing/traffic/synthetic-traffic.ts'
import type { ObservationSource } from '../interface/privacy.ts'

/** One of each: what a report looks like where there is something to find, and flows beside it that have nothing in common */
const FLOWS: ConstructorParameters<typeof SyntheticTraffic>[0]['flows'] = [
  { kind: 'correlated', events: 120, r: 0.9 },
  { kind: 'periodic', events: 60, jitter: 0.1 },
  { kind: 'bursty', events: 100 },
  { kind: 'independent', events: 100 },
  { kind: 'independent', events: 100 },
  { kind: 'independent', events: 100 }
]

/** Traffic that was made up, the same each time, and that ends now */
export function simulatedTraffic (now: number): ObservationSource {
  const { from, to } = new SyntheticTraffic({ flows: FLOWS }).observations()
  return new SyntheticTraffic({ flows: FLOWS, start: Math.round(now - (to - from)) })
}
