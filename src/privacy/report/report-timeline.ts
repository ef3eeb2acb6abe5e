import type { Observations } from '../../interface/privacy.ts'

/** What happened in one part of the window */
export interface TimelineBin {
  readonly opened: number
  readonly events: number
  readonly exposures: number
}

/** The window in equal parts: counts only, so that there is nobody in it to redact */
export interface ReportTimeline {
  readonly from: number
  readonly to: number
  readonly bins: readonly TimelineBin[]
}

/** As many as a chart of some 700 points shows as bars that can be told apart */
const DEFAULT_BINS = 60

/** Counts connections, traffic and exposures of a window in equal parts, for the chart of a report */
export function timelineOf (observations: Pick<Observations, 'from' | 'to' | 'connections' | 'events' | 'exposures'>, bins: number = DEFAULT_BINS): ReportTimeline {
  const { from, to } = observations
  const width = (to - from) / bins
  const counts = Array.from({ length: bins }, () => ({ opened: 0, events: 0, exposures: 0 }))
  const count = (at: number, what: keyof TimelineBin): void => {
    const bin = at >= from && at <= to ? counts[Math.min(bins - 1, width > 0 ? Math.floor((at - from) / width) : 0)] : undefined
    if (bin != null) {
      bin[what]++
    }
  }

  observations.connections.forEach(({ openedAt }) => { count(openedAt, 'opened') })
  observations.events.forEach(({ at }) => { count(at, 'events') })
  observations.exposures?.forEach(({ at, state }) => {
    if (state === 'sent' || state === 'unknown') {
      count(at, 'exposures')
    }
  })
  return { from: Math.floor(from), to: Math.ceil(to), bins: counts }
}
