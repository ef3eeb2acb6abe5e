import { quote } from '../interface/quote.ts'
import { UsageError } from './exit-code.ts'
import type { OwnFlags } from './command.ts'

/** The value of a flag that is a whole number of such a range; undefined where it is not given */
export function wholeNumber (flags: OwnFlags, name: string, min: number, max: number): number | undefined {
  const text = flags[name]
  const value = typeof text === 'string' && /^\d{1,9}$/.test(text) ? Number(text) : NaN

  if (text == null) {
    return undefined
  }
  if (!(value >= min && value <= max)) {
    throw new UsageError(`--${name} must be a whole number from ${min} to ${max}, got ${quote(text, 40)}`)
  }
  return value
}

/** Milliseconds of a flag that is a number of hours, or of a part of one */
export function hours (flags: OwnFlags, name: string, min: number, max: number): number | undefined {
  const text = flags[name]
  const value = typeof text === 'string' && /^\d{1,6}(?:\.\d{1,6})?$/.test(text) ? Math.round(Number(text) * 3_600_000) : NaN

  if (text == null) {
    return undefined
  }
  if (!(value >= min && value <= max)) {
    throw new UsageError(`--${name} must be a number of hours, from a minute (0.0167) to a year (8784), got ${quote(text, 40)}`)
  }
  return value
}
