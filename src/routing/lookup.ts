import type { Timeline } from './timeline.ts'
import type { Clock } from '../interface/clock.ts'
import type { BlockKey, Provider, ProviderSource } from '../interface/provider.ts'
import type { Request } from '../interface/request.ts'
import type { CID } from 'multiformats/cid'

export interface LookupParams {
  /** Providers taken from one lookup: a router that never ends is cut off here */
  readonly maxProviders: number
  /** Longest a lookup may take, in ms; shorter when the read's deadline is near */
  readonly timeout: number
  /** After the block came, the lookup goes on this long for the sake of the next reads */
  readonly linger: number
}

export const DEFAULT_LOOKUP: LookupParams = { maxProviders: 64, timeout: 20_000, linger: 1_000 }

export interface LookupInit {
  readonly clock: Clock
  readonly sources: readonly ProviderSource[]
  readonly want: { cid: CID, key: BlockKey }
  /** Its signal ends the lookup */
  readonly request: Request
  readonly timeline: Timeline
  readonly params: LookupParams
  onProvider (provider: Provider): void
  onError (source: string, error: Error): void
}

export interface LookupResult {
  readonly found: number
  readonly failed: number
}

/**
 * Asks every source at once. Each has a deadline inside the read's own, one that
 * fails hides none of the others, and a source that does not end is left behind.
 */
export async function lookup (init: LookupInit): Promise<LookupResult> {
  const { clock, request, params } = init
  const budget = Math.min(params.timeout, Math.max(0, request.deadline - clock.now()) * 0.9)
  let found = 0
  let failed = 0

  await Promise.all(init.sources.map(async source => {
    const started = clock.now()
    let here = 0

    try {
      await consume(source, init, budget, provider => {
        here++
        found++
        init.timeline.found.set(provider.id, source.name)
        init.onProvider(provider)
        return found < params.maxProviders
      })
      init.timeline.add('discovery', `${source.name} named ${here} provider${here === 1 ? '' : 's'} in ${Math.round(clock.now() - started)} ms`)
    } catch (err) {
      if (request.signal.aborted) {
        return
      }

      failed++
      init.timeline.add('discovery', `${source.name} failed: ${(err as Error).message}`)
      init.onError(source.name, err as Error)
    }
  }))

  return { found, failed }
}

/** Pulls from one source until it ends, is cut off, times out or is aborted; never waits for its clean-up */
async function consume (source: ProviderSource, init: LookupInit, budget: number, take: (provider: Provider) => boolean): Promise<void> {
  const { clock, request } = init
  const { signal } = request
  signal.throwIfAborted()

  await new Promise<void>((resolve, reject) => {
    let iterator: AsyncIterator<Provider> | undefined
    let over = false

    const finish = (err?: unknown): void => {
      if (over) {
        return
      }

      over = true
      cancelTimer()
      signal.removeEventListener('abort', onAbort)
      // a source that hangs hangs in here too: nobody waits for it
      void leave(iterator).catch(cause => { init.onError(source.name, cause as Error) })

      if (err == null) {
        resolve()
      } else {
        reject(err as Error)
      }
    }
    const onAbort = (): void => { finish(signal.reason) }
    const cancelTimer = clock.schedule(budget, () => {
      finish(new Error(`no answer within ${Math.round(budget)} ms`))
    })
    signal.addEventListener('abort', onAbort, { once: true })

    const pull = async (): Promise<void> => {
      iterator = source.find(init.want, request)[Symbol.asyncIterator]()

      while (!over) {
        const next = await iterator.next()

        if (next.done === true || over) {
          iterator = next.done === true ? undefined : iterator
          break
        }

        if (!take(next.value)) {
          break
        }
      }
    }

    pull().then(() => { finish() }, finish)
  })
}

/** Foreign iterators may throw where they should reject */
async function leave (iterator: AsyncIterator<Provider> | undefined): Promise<void> {
  await iterator?.return?.()
}
