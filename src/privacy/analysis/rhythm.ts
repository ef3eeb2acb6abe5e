import { seededRandom } from '../../clock/random.ts'
import { burstFlows, burstTraffic } from './bursts.ts'
import { flowsOf } from './flows.ts'
import { periodicFlows, periodicTraffic } from './periodicity.ts'
import { timingCorrelation } from './timing-correlation.ts'
import type { Finding } from './finding.ts'
import type { Flow } from './flows.ts'
import type { View } from './view.ts'
import type { Insufficient, PrivacyThresholds } from '../../interface/privacy.ts'

/** Below this many bursts there is no rhythm of them to speak of */
const MIN_STARTS = 10

/** Everything that is said of when things happen: rhythms, bursts (which may come in a rhythm, too), and what goes together */
export function rhythms (view: View, thresholds: PrivacyThresholds, seed: number): Finding {
  // chance is as of the moment: the same observations give the same report, and the next ones another choice of flows
  const random = seededRandom((seed ^ Math.floor(view.to)) >>> 0)
  const { flows, left, most } = flowsOf(view, random)
  const { focus } = view
  // a peer without a flow is compared with none: whatever rhythm the others have
  const judged = focus == null || flows[0]?.id === focus ? flows : []
  const periodic = periodicFlows(judged)
  const running = new Set(periodic.map(({ id }) => id))
  // a timer that paused twice does not come in bursts
  const bursts = burstFlows(judged).filter(({ id }) => !running.has(id))
  const beats: readonly Flow[] = bursts.flatMap(({ id, starts }) => starts.length < MIN_STARTS ? [] : [{ id, times: starts }])
  const regular = periodicFlows(beats)
  const mine = <T extends { readonly id: string }> (list: readonly T[]): readonly T[] => focus == null ? list : list.filter(({ id }) => id === focus)
  const findings = [
    timingCorrelation(flows, { periodic: [...periodic, ...regular], bursts }, thresholds, { random, origin: view.from, most, ...focus == null ? {} : { focus } }),
    periodicTraffic(mine(flows), mine(periodic), most),
    burstTraffic(mine(flows), mine(bursts), regular, most)
  ]

  const unseen = focus != null || left === 0
    ? []
    : (['periodic-traffic', 'burst-traffic'] as const).map((kind): Insufficient => ({
        kind, n: flows.length, needed: flows.length + left, reason: `Only ${flows.length} of ${flows.length + left} flows were looked at: the busiest, the oldest, and some by chance`
      }))

  return { risks: findings.flatMap(({ risks }) => risks), insufficient: [...findings.flatMap(({ insufficient }) => insufficient), ...unseen] }
}
