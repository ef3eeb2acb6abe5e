import { InvalidOptionError } from '../interface/errors.ts'
import { quote } from '../interface/quote.ts'

export function wholeNumber (option: string, value: number, min: number = 0): number {
  if (!Number.isSafeInteger(value) || value < min) {
    throw new InvalidOptionError(`${option} must be a whole number from ${min} to ${Number.MAX_SAFE_INTEGER}, got ${quote(value)}`)
  }

  return value
}
