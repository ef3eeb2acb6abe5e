import { anySignal } from 'any-signal'
import { Pace } from '../clock/pace.ts'
import { raceSignal } from '../clock/race-signal.ts'
import { LookupPlaces } from './lookup-places.ts'
import { SourceBook } from './source-book.ts'
import type { LatencyWindow } from './latency-window.ts'
import type { RoutingRequest } from './request.ts'
import type { Timeline } from './timeline.ts'
import type { Clock } from '../interface/clock.ts'
import type { BlockKey, Provider, ProviderSource } from '../interface/provider.ts'
import type { CID } from 'multiformats/cid'

/** The only limits of a lookup: sources and their routers have none of their own */
export interface LookupParams {
  /** Providers taken from one lookup. A quarter of them is sure to each router and source, beyond the limit too. */
  readonly maxProviders: number
  /** Longest a lookup may take, in ms; shorter when the read's deadline is near */
  readonly timeout: number
  /** After the block came, the lookup goes on this long for the sake of the next reads */
  readonly linger: number
}

/**
 * Three times what a DHT lookup stops at (k = 20): delegated routers list stale
 * peers first. The p99 of a DHT provider walk is below ten seconds, and half of
 * a read's usual time remains for the transfer.
 */
export const DEFAULT_LOOKUP: LookupParams = { maxProviders: 64, timeout: 15_000, linger: 1_000 }

/** What is left of the read's time when its lookups must have ended */
const DEADLINE_SHARE = 0.8

/** Milliseconds after which the others have had their time: a DHT walk has named its first providers by then */
const HOLD = 2_000

/** How many of the answers of ordinary sources came in the time that later ones wait */
const USUAL = 0.9
/** Milliseconds, while there is no experience: a delegated router answers in half of that */
const DEFAULT_WAIT = 500
/** Milliseconds: below it no time is won, beyond it a reader waits for the sake of a router that is slow today */
const WAIT = { least: 50, most: 2_000 }

/** One for all: every lookup ends with an abort, and an exception's stack is dear */
const ENDED = new DOMException('The lookup has ended', 'AbortError')

export interface LookupInit {
  readonly clock: Clock
  readonly sources: readonly ProviderSource[]
  readonly want: { cid: CID, key: BlockKey }
  /** Its signal ends the lookup */
  readonly request: RoutingRequest
  readonly timeline: Timeline
  readonly params: LookupParams
  /** How long ordinary sources took to name their first provider, or to end: shared by all lookups */
  readonly answers?: LatencyWindow
  /** What they said and what it was worth, over all lookups. @default not counted */
  readonly book?: SourceBook
  onProvider (provider: Provider): void
  onError (source: string, error: Error): void
}

/** Not an error of its own kind for anybody else: what is told is its message */
class LateError extends Error {}

/**
 * Asks every source at once, but those that are for later. Each has a deadline
 * inside the read's own, one that fails or floods hides none of the others, and a
 * source that does not end is left behind. Returns how many failed.
 */
export async function lookup (init: LookupInit): Promise<number> {
  const { clock, request, params, book = new SourceBook() } = init
  const tally = book.tally()
  const budget = Math.min(params.timeout, Math.max(0, request.deadline - clock.now()) * DEADLINE_SHARE)
  const deadline = clock.now() + budget
  const places = new LookupPlaces(params.maxProviders)
  let failed = 0

  const take = (provider: Provider, source: string): void => {
    init.timeline.found.set(provider.id, source)
    init.onProvider(provider)
  }
  const open = (): void => {
    for (const { provider, source } of places.open()) {
      take(provider, source)
    }
  }
  const cancelOpening = clock.schedule(HOLD, open)

  const ask = async (source: ProviderSource): Promise<number> => {
    const started = clock.now()
    let named = 0
    let skipped = 0
    let answered = false
    const tell = (how: string): void => {
      const more = skipped === 0 ? '' : ` (and ${skipped} more that nobody needs)`
      const warning = named === 0 ? undefined : book.warning(source.name)
      init.timeline.add('discovery', `${source.name} named ${named} provider${named === 1 ? '' : 's'}${more} ${how} ${Math.round(clock.now() - started)} ms${warning == null ? '' : `; ${warning}`}`)
    }
    const answer = (): void => {
      if (!answered && source.later !== true) {
        init.answers?.add(clock.now() - started)
      }
      answered = true
    }
    book.began(source.name)

    try {
      await consume(source, init, deadline, provider => {
        const place = places.offer({ provider, source: source.name })
        answer()

        if (named + skipped === 0) {
          book.first(source.name, clock.now() - started)
        }

        if (place === 'taken') {
          take(provider, source.name)
        }
        if (place !== 'surplus') {
          tally.named(provider.id, provider.source)
        }

        named += place === 'surplus' ? 0 : 1
        skipped += place === 'surplus' ? 1 : 0
        return place !== 'surplus'
      })
      answer()
      book.ended(source.name, clock.now() - started)
      tell('in')
    } catch (err) {
      if (request.signal.aborted) {
        return named
      }

      if (err instanceof LateError) {
        book.late(source.name)
      }

      if (err instanceof LateError && named > 0) {
        tell('and was left after')
        return named
      }

      failed++
      book.failed(source.name)
      init.timeline.add('discovery', `${source.name} failed: ${(err as Error).message}`)
      init.onError(source.name, err as Error)
    }
    return named
  }

  const first = init.sources.filter(({ later }) => later !== true)
  const rest = init.sources.filter(({ later }) => later === true)
  const asked = first.map(ask)

  if (rest.length > 0 && await theirTurn(init, asked)) {
    asked.push(...rest.map(ask))
  }
  await Promise.all(asked)

  cancelOpening()
  tally.end()

  if (!request.signal.aborted) {
    open()
  }

  return failed
}

/** Whether the sources for later are asked at all: not when the block came first */
async function theirTurn ({ clock, request, answers }: LookupInit, asked: ReadonlyArray<Promise<number>>): Promise<boolean> {
  const usual = answers?.quantile(USUAL) ?? DEFAULT_WAIT
  const nobody = Promise.all(asked).then(async named => named.some(count => count > 0) ? new Promise<never>(() => {}) : undefined)

  if (asked.length > 0) {
    const over = new AbortController()
    const signal = anySignal([request.signal, over.signal])
    try {
      await Promise.race([nobody, clock.sleep(Math.min(Math.max(usual, WAIT.least), WAIT.most), { signal })])
    } catch (err) {
      if (!request.signal.aborted) {
        throw err
      }
    } finally {
      over.abort()
      signal.clear()
    }
  }
  return !request.signal.aborted
}

/** Pulls from one source until it ends, times out or is aborted; never waits for its clean-up */
async function consume (source: ProviderSource, init: LookupInit, deadline: number, offer: (provider: Provider) => boolean): Promise<void> {
  const { clock, request } = init
  const budget = Math.max(0, deadline - clock.now())
  const over = new AbortController()
  const onAbort = (): void => { over.abort(request.signal.reason) }
  let iterator: AsyncIterator<Provider> | undefined

  request.signal.throwIfAborted()
  request.signal.addEventListener('abort', onAbort, { once: true })
  const cancelTimer = clock.schedule(budget, () => { over.abort(new LateError(`no answer within ${Math.round(budget)} ms`)) })

  try {
    const pace = new Pace(clock)
    iterator = source.find(init.want, request.with({ key: init.want.key, signal: over.signal, deadline: () => deadline, note: what => { init.timeline.add('discovery', `${source.name}: ${what}`) } }))[Symbol.asyncIterator]()

    while (true) {
      const next = await raceSignal(Promise.resolve(iterator.next()), over.signal)

      if (next.done === true) {
        iterator = undefined
        return
      }

      if (!offer(next.value)) {
        await pace.step(over.signal)
      }
    }
  } finally {
    cancelTimer()
    request.signal.removeEventListener('abort', onAbort)
    over.abort(ENDED)
    // a source that hangs hangs in here too: nobody waits for it
    void leave(iterator).catch((err: unknown) => { init.onError(source.name, err as Error) })
  }
}

/** Foreign iterators may throw where they should reject */
async function leave (iterator: AsyncIterator<Provider> | undefined): Promise<void> {
  await iterator?.return?.()
}
