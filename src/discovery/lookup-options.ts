import { InvalidOptionError } from '../interface/errors.ts'
import { quote } from '../interface/quote.ts'
import { DEFAULT_LOOKUP_TIMEOUT, DEFAULT_MAX_PROVIDERS } from './router-lookup.ts'
import type { RouterLookupInit } from './router-lookup.ts'

// a record is a few hundred bytes and each is a candidate: more than a thousand are never asked
const MAX_MAX_PROVIDERS = 1_000
// longer than any read is allowed to take
const MAX_TIMEOUT = 600_000

/** Fills in the defaults of a lookup and checks the ranges */
export function lookupOptions (init: RouterLookupInit): Required<RouterLookupInit> {
  return {
    maxProviders: inRange('maxProviders', init.maxProviders ?? DEFAULT_MAX_PROVIDERS, MAX_MAX_PROVIDERS),
    timeout: inRange('timeout', init.timeout ?? DEFAULT_LOOKUP_TIMEOUT, MAX_TIMEOUT)
  }
}

function inRange (name: string, value: number, max: number): number {
  if (!Number.isInteger(value) || value < 1 || value > max) {
    throw new InvalidOptionError(`${name} of a lookup must be a whole number from 1 to ${max}, got ${quote(value)}`)
  }
  return value
}
