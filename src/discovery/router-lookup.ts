import { anySignal } from 'any-signal'
import { Pace } from '../clock/pace.ts'
import { raceSignal } from '../clock/race-signal.ts'
import { InvalidProviderError } from '../interface/errors.ts'
import { quote } from '../interface/quote.ts'
import { providerFromRecord } from '../provider/provider.ts'
import type { Clock } from '../interface/clock.ts'
import type { Disclosure } from '../interface/disclosure.ts'
import type { Logger } from '../interface/logger.ts'
import type { Provider } from '../interface/provider.ts'
import type { Request } from '../interface/request.ts'
import type { ProviderRecord, ProviderRecordInit } from '../provider/provider.ts'

export interface RouterLookup {
  readonly log: Logger
  readonly clock: Clock
  readonly request: Request
  readonly disclosure: Disclosure
  readonly record: ProviderRecordInit
  /** Whether it is certain that nobody was asked, once it has ended. @default no */
  isSilent? (): boolean
  /** Starts the foreign lookup: only called when the first provider is wanted */
  find (signal: AbortSignal): AsyncIterable<ProviderRecord>
}

/** What Helia and libp2p throw where a node has no router at all */
const NOBODY_THERE: ReadonlySet<string> = new Set(['NoRoutersAvailableError', 'NoContentRoutersError'])

/** Whether an error of the node's routing says that there was nobody to ask */
export function isNobodyThere (error: unknown): boolean {
  return NOBODY_THERE.has((error as Error | undefined)?.name ?? '')
}

/** Some routers of a node have failed, whoever else found somebody: `errors` has one for each, with its name */
export class RoutersFailedError extends AggregateError {
  static override name = 'RoutersFailedError'
  override name = 'RoutersFailedError'
}

/** Routers of which the errors are told: a node has a few */
const MAX_FAILURES = 16
/** Characters of what each of them said */
const MAX_MESSAGE = 200

/** What became of one lookup at several routers */
export class RouterReports {
  readonly #errors = new Map<string, Error>()
  #asked = 0

  /** How many were asked, of those that are watched */
  get count (): number {
    return this.#asked
  }

  readonly asked = (): void => {
    this.#asked++
  }

  readonly spared = (): void => {
    this.#asked--
  }

  readonly failed = (router: string, error: Error): void => {
    if (this.#errors.size < MAX_FAILURES) {
      this.#errors.set(router, error)
    }
  }

  throwIfAny (): void {
    if (this.#errors.size > 0) {
      const all = [...this.#errors]
      const told = all.map(([router, error]) => `${router}: ${quote(String((error as Error | undefined)?.message), MAX_MESSAGE)}`)
      throw new RoutersFailedError(all.map(([, error]) => error), told.join('; '))
    }
  }
}

/**
 * Streams what a foreign router finds. Ends when the request's signal aborts
 * although the router's iterator may hang; an error of the router is thrown
 * when it found nobody, and logged otherwise. How many are taken and how long
 * it may last is decided by whoever made the request.
 */
export async function * routerLookup (lookup: RouterLookup): AsyncGenerator<Provider, void, undefined> {
  const { clock, request, disclosure, log } = lookup
  if (request.signal.aborted) {
    disclosure.notSent()
    return
  }

  const over = new AbortController()
  const signal = anySignal([request.signal, over.signal])
  const pace = new Pace(clock)
  let iterator: AsyncIterator<ProviderRecord> | undefined
  let found = 0

  try {
    iterator = lookup.find(signal)[Symbol.asyncIterator]()

    while (true) {
      const next = await raceSignal(iterator.next(), signal)
      if (next.done === true) {
        iterator = undefined
        if (lookup.isSilent?.() === true) {
          disclosure.notSent()
        } else {
          disclosure.sent()
        }
        return
      }
      disclosure.sent()

      const provider = toProvider(next.value, lookup.record, log)
      if (provider != null) {
        found++
        yield provider
      } else {
        await pace.step(signal)
      }
    }
  } catch (err) {
    if (isNobodyThere(err)) {
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
      throw err
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
