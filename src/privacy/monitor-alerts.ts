/** Why there is an alert: the score went above the threshold, rose further, or stayed there for long */
export type AlertReason = 'crossed' | 'risen' | 'still-above'

/** By so much a score must exceed the one that was told last to be news: below, it is the weather of the traffic */
export const RISE = 0.1

/** What is remembered between two checks: nothing while the score is not above the threshold */
export type AlertState = { readonly score: number, readonly at: number } | undefined

/** Whether a score is an alert, after those that were told before. A score that fell to the threshold is forgotten. */
export function decideAlert (state: AlertState, { score, now, riskThreshold, repeatMs }: { score: number, now: number, riskThreshold: number, repeatMs: number }): { state: AlertState, reason?: AlertReason } {
  if (!(score > riskThreshold)) {
    return { state: undefined }
  }
  const reason: AlertReason | undefined = state == null
    ? 'crossed'
    : score >= state.score + RISE ? 'risen' : now - state.at >= repeatMs ? 'still-above' : undefined
  return reason == null ? { state } : { state: { score, at: now }, reason }
}
