import { burstFlows, burstTraffic } from './bursts.ts'
import { flowsOf } from './flows.ts'
import { periodicFlows, periodicTraffic } from './periodicity.ts'
import { timingCorrelation } from './timing-correlation.ts'
import type { Finding } from './finding.ts'
import type { Flow } from './flows.ts'
import type { View } from './view.ts'
import type { PrivacyThresholds } from '../../interface/privacy.ts'

/** Below this many bursts there is no rhythm of them to speak of */
const MIN_STARTS = 10

/** Everything that is said of when things happen: rhythms, bursts (which may come in a rhythm, too), and what goes together */
export function rhythms (view: View, thresholds: PrivacyThresholds, seed: number): Finding {
  const { flows, most } = flowsOf(view)
  const { focus } = view
  const periodic = periodicFlows(flows)
  const bursts = burstFlows(flows)
  const beats: readonly Flow[] = bursts.flatMap(({ id, starts }) => starts.length < MIN_STARTS ? [] : [{ id, times: starts }])
  const regular = periodicFlows(beats)
  const mine = <T extends { readonly id: string }> (list: readonly T[]): readonly T[] => focus == null ? list : list.filter(({ id }) => id === focus)
  const findings = [
    timingCorrelation(flows, { periodic: [...periodic, ...regular], bursts }, thresholds, { seed, origin: view.from, most, ...focus == null ? {} : { focus } }),
    periodicTraffic(mine(flows), mine(periodic), most),
    burstTraffic(mine(flows), mine(bursts), regular, most)
  ]

  return { risks: findings.flatMap(({ risks }) => risks), insufficient: findings.flatMap(({ insufficient }) => insufficient) }
}
