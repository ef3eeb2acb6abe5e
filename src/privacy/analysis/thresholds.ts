import { InvalidOptionError } from '../../interface/errors.ts'
import { quote } from '../../interface/quote.ts'
import { didYouMean } from '../../interface/suggest.ts'
import type { PrivacyThresholds } from '../../interface/privacy.ts'

/** The floor of k-anonymity in practice: 5 inside one house, 10 where data is shared, 20 where it is published */
export const DEFAULT_ANONYMITY_SET_THRESHOLD = 5

/** Two flows that share a half of what happens in them: below it a matter of more data, above it visible to the eye */
export const DEFAULT_TIMING_CORRELATION_THRESHOLD = 0.5

/** More parties than any node has about it: whoever asks for more has mistaken a unit */
const MAX_ANONYMITY_SET_THRESHOLD = 1_000_000

export function anonymitySetThreshold (value: unknown): number {
  if (typeof value !== 'number' || !(value >= 1 && value <= MAX_ANONYMITY_SET_THRESHOLD)) {
    throw new InvalidOptionError(`ANONYMITY_SET_THRESHOLD must be a number from 1 to ${MAX_ANONYMITY_SET_THRESHOLD}, got ${quote(value)}`)
  }

  return value
}

export function timingCorrelationThreshold (value: unknown): number {
  if (typeof value !== 'number' || !(value > 0 && value <= 1)) {
    throw new InvalidOptionError(`TIMING_CORRELATION_THRESHOLD must be a number above 0 and up to 1, got ${quote(value)}`)
  }

  return value
}

const NAMES: readonly string[] = Object.keys({ ANONYMITY_SET_THRESHOLD: true, TIMING_CORRELATION_THRESHOLD: true } satisfies Record<keyof PrivacyThresholds, true>)

/** Throws an `InvalidOptionError` for what is out of range and for names that there are not */
export function privacyThresholds (init: Partial<PrivacyThresholds> = {}): PrivacyThresholds {
  if (typeof init !== 'object' || init == null) {
    throw new InvalidOptionError(`The thresholds must be an object, got ${quote(init)}`)
  }

  const strange = Object.keys(init).find(name => !NAMES.includes(name))

  if (strange != null) {
    throw new InvalidOptionError(`There is no threshold ${quote(strange)}, there are ${NAMES.join(' and ')}${didYouMean(strange, NAMES)}`)
  }

  return {
    ANONYMITY_SET_THRESHOLD: anonymitySetThreshold(init.ANONYMITY_SET_THRESHOLD ?? DEFAULT_ANONYMITY_SET_THRESHOLD),
    TIMING_CORRELATION_THRESHOLD: timingCorrelationThreshold(init.TIMING_CORRELATION_THRESHOLD ?? DEFAULT_TIMING_CORRELATION_THRESHOLD)
  }
}
