/**
 * What came of an attempt. Outcomes decide consequences:
 *
 * - `delivered`: the block came and hashed to the CID
 * - `not-here`: an honest no; no fault, forget this pair for a while
 * - `unreachable`: could not connect, or the provider broke (500, reset); backs off
 * - `overloaded`: 429, 502, 503, 504; backs off, obeys Retry-After
 * - `refused`: 401, 403, 410, 451: an answer; only repeated refusals count as conduct
 * - `stalled`: silence for longer than this route ever takes; backs off
 * - `invalid`: wrong, empty, truncated or oversized bytes: a conduct fault
 * - `cancelled`: we lost interest; never held against anyone, but a censored latency sample
 */
export type Outcome = 'delivered' | 'not-here' | 'unreachable' | 'overloaded' | 'refused' | 'stalled' | 'invalid' | 'cancelled'
