import { FetchError } from '../../interface/errors.ts'
import type { Outcome } from '../../interface/outcome.ts'

type Failure = Exclude<Outcome, 'delivered'>

const NOT_HERE_NAMES = new Set([
  'NotFoundError', 'BlockNotFoundWhileOfflineError', 'InsufficientProvidersError', 'NoRoutersAvailableError', 'NoContentRoutersError'
])
const INVALID_NAMES = new Set(['HashMismatchError', 'InvalidMultihashError', 'BlockTooLargeError'])
const STALLED_NAMES = new Set(['AbortError', 'TimeoutError'])

// brokers speak in sentences: these are the ones of @helia/trustless-gateway-client and @helia/bitswap
const NOT_HERE = /not found|no providers?|did not have|does not have|from any gateway|received (404|410)\b/i
const OVERLOADED = /received (429|502|503|504)\b/i
const INVALID = /is greater than the limit/i

/**
 * What a broker's error means. A broker stands for many providers, so one liar
 * among them that it dealt with itself is not held against it: only what it
 * lets through is `invalid`.
 */
export function brokerOutcome (err: unknown): Failure {
  if (!(err instanceof Error)) {
    return 'unreachable'
  }
  if (err instanceof FetchError) {
    return err.outcome
  }
  if (err instanceof AggregateError && err.errors.length > 0) {
    return together(err.errors.map(brokerOutcome))
  }
  if (INVALID_NAMES.has(err.name) || INVALID.test(err.message)) {
    return 'invalid'
  }
  if (STALLED_NAMES.has(err.name)) {
    return 'stalled'
  }
  if (OVERLOADED.test(err.message)) {
    return 'overloaded'
  }
  if (NOT_HERE_NAMES.has(err.name) || NOT_HERE.test(err.message)) {
    return 'not-here'
  }
  return 'unreachable'
}

/** All say no: no. Otherwise it is worth coming back, later if somebody was busy. */
function together (outcomes: readonly Failure[]): Failure {
  if (outcomes.every(outcome => outcome === 'not-here')) {
    return 'not-here'
  }
  return outcomes.includes('overloaded') ? 'overloaded' : 'unreachable'
}
