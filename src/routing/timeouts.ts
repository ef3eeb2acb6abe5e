import type { ProviderView } from '../interface/reputation.ts'

export interface TimeoutParams {
  /** Shortest first-byte timeout in ms: below the minimum RTO of TCP a lost packet would look like silence */
  readonly floor: number
  /** Longest: a provider that needs more is as good as gone while others exist */
  readonly ceiling: number
  /** First-byte timeout of a route without samples: the failover time that worked in the field */
  readonly unknown: number
  /** Connect timeout: one lost SYN (1 s) and one lost handshake packet fit */
  readonly connect: number
  /** No bytes for this long in the middle of a transfer is a stall */
  readonly stall: number
}

export const DEFAULT_TIMEOUTS: TimeoutParams = {
  floor: 200,
  ceiling: 10_000,
  unknown: 2_500,
  connect: 3_000,
  stall: 1_500
}

export interface AttemptTimeouts {
  readonly connect: number
  readonly firstByte: number
  readonly stall: number
}

/**
 * How long to wait for one attempt: RTT mean and deviation as in RFC 6298, capped
 * by what attempts take in general (a few stragglers inflate a deviation for
 * long), but never below three times this route's own mean: a slow provider is
 * not a silent one.
 *
 * @param cap - a high quantile over the recent attempts at all providers, when there is one
 */
export function attemptTimeouts (view: Pick<ProviderView, 'rtt' | 'patience'>, cap: number | undefined, params: TimeoutParams = DEFAULT_TIMEOUTS): AttemptTimeouts {
  const { rtt } = view
  // a route that never answered is judged by what is usual, with room for one that is far away
  let firstByte = cap == null ? params.unknown : Math.min(params.unknown, Math.max(2 * params.floor, cap))

  if (rtt != null) {
    firstByte = rtt.mean + 4 * rtt.deviation

    if (cap != null) {
      firstByte = Math.min(firstByte, Math.max(cap, 3 * rtt.mean))
    }
  }

  return {
    connect: Math.min(params.connect, params.ceiling),
    firstByte: Math.min(params.ceiling, Math.max(params.floor, firstByte) * view.patience),
    stall: Math.min(params.stall, params.ceiling)
  }
}
