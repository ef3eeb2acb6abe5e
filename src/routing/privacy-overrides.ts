import { InvalidOptionError } from '../interface/errors.ts'
import { quote } from '../interface/quote.ts'
import type { PrivacyOverrides } from '../interface/privacy-preset.ts'

/** Half a minute is as long as a read has in all */
const MAX_LOOKUP_DELAY = 30_000

const CHECKS: { readonly [K in keyof Required<PrivacyOverrides>]: readonly [allows: (value: unknown) => boolean, what: string] } = {
  hedges: [isBoolean, 'true or false'],
  lookupIdentity: [value => value === 'node' || value === 'separate', 'node or separate'],
  lookupDelay: [value => Number.isSafeInteger(value) && (value as number) >= 0 && (value as number) <= MAX_LOOKUP_DELAY, `a whole number of milliseconds from 0 to ${MAX_LOOKUP_DELAY}`],
  agent: [value => value === 'common' || value === 'full', 'common or full'],
  privateAddresses: [isBoolean, 'true or false']
}

/** Throws an `InvalidOptionError` that names the switch, what it takes and what it got */
export function checkOverrides (value: unknown = {}): PrivacyOverrides {
  if (value === null || typeof value !== 'object') {
    throw new InvalidOptionError(`Expected privacy to be an object of switches, got ${quote(value)}`)
  }

  for (const [name, given] of Object.entries(value)) {
    if (!Object.hasOwn(CHECKS, name)) {
      throw new InvalidOptionError(`privacy has no switch ${quote(name)} that can be set by itself, it has ${Object.keys(CHECKS).join(', ')}`)
    }
    const [allows, what] = CHECKS[name as keyof PrivacyOverrides]

    if (given !== undefined && !allows(given)) {
      throw new InvalidOptionError(`privacy.${name} must be ${what}, got ${quote(given)}`)
    }
  }
  return value
}

function isBoolean (value: unknown): boolean {
  return typeof value === 'boolean'
}
