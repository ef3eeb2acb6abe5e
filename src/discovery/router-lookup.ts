import { anySignal } from 'any-signal'
import { raceSignal } from '../clock/race-signal.ts'
import { InvalidProviderError } from '../interface/errors.ts'
import { providerFromRecord } from '../provider/provider.ts'
import type { Clock } from '../interface/clock.ts'
import type { Disclosure } from '../interface/disclosure.ts'
import type { Logger } from '../interface/logger.ts'
import type { Provider } from '../interface/provider.ts'
import type { Request } from '../interface/request.ts'
import type { ProviderRecord, ProviderRecordInit } from '../provider/provider.ts'

export interface RouterLookupInit {
  /** Records taken from one lookup. @default 64 */
  maxProviders?: number
  /** Longest a lookup may take, in ms, inside the deadline of the read. @default 15_000 */
  timeout?: number
}

// three times what a DHT lookup stops at (k = 20): delegated routers list stale peers first
export const DEFAULT_MAX_PROVIDERS = 64
// p99 of a DHT provider walk is below ten seconds; half of the default deadline remains for the transfer
export const DEFAULT_LOOKUP_TIMEOUT = 15_000
// what is left of the read's time when its lookups must have ended
const DEADLINE_SHARE = 0.8

export interface RouterLookup extends Required<RouterLookupInit> {
  readonly log: Logger
  readonly clock: Clock
  readonly request: Request
  readonly disclosure: Disclosure
  readonly record: ProviderRecordInit
  /** Errors that say that there is nobody to ask */
  readonly nobody: ReadonlySet<string>
  /** Starts the foreign lookup: only called when the first provider is wanted */
  find (signal: AbortSignal): AsyncIterable<ProviderRecord>
}

/**
 * Streams what a foreign router finds. Ends when the request's signal aborts
 * although the router's iterator may hang, and when its own time is over; an
 * error of the router is thrown when it found nobody, and logged otherwise.
 */
export async function * routerLookup (lookup: RouterLookup): AsyncGenerator<Provider, void, undefined> {
  const { clock, request, disclosure, log } = lookup
  if (request.signal.aborted) {
    disclosure.notSent()
    return
  }

  const budget = Math.min(lookup.timeout, Math.max(0, request.deadline - clock.now()) * DEADLINE_SHARE)
  using timer = clock.timeout(budget)
  const over = new AbortController()
  const signal = anySignal([request.signal, timer.signal, over.signal])
  let iterator: AsyncIterator<ProviderRecord> | undefined
  let found = 0

  try {
    iterator = lookup.find(signal)[Symbol.asyncIterator]()

    while (found < lookup.maxProviders) {
      const next = await raceSignal(iterator.next(), signal)
      disclosure.sent()
      if (next.done === true) {
        iterator = undefined
        return
      }

      const provider = toProvider(next.value, lookup.record, log)
      if (provider != null) {
        found++
        yield provider
      }
    }
  } catch (err) {
    if (lookup.nobody.has((err as Error)?.name)) {
      disclosure.notSent()
      iterator = undefined
      return
    }
    disclosure.unknown()
    if (request.signal.aborted) {
      return
    }
    log.error('lookup failed after %d providers - %e', found, err)
    if (found === 0) {
      throw timer.signal.aborted ? new Error(`no answer within ${Math.round(budget)} ms`, { cause: err }) : err
    }
  } finally {
    disclosure.unknown()
    // also lets go of the request's signal
    over.abort()
    // a router that hangs hangs in here too: nobody waits for it
    iterator?.return?.().then(undefined, (err: unknown) => { log.error('router did not stop cleanly - %e', err) })
  }
}

/** One record that makes no sense hides none of the others */
function toProvider (record: ProviderRecord, init: ProviderRecordInit, log: Logger): Provider | undefined {
  try {
    return providerFromRecord(record, init)
  } catch (err) {
    if (!(err instanceof InvalidProviderError)) {
      throw err
    }
    log('ignoring a provider record - %e', err)
    return undefined
  }
}
