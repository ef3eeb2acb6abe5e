import { RouterFailedError } from '../../interface/errors.ts'
import { judgeAnswer } from './delegated-answer.ts'
import { readDocument, readLines } from './delegated-body.ts'
import { askRouter } from './delegated-egress.ts'
import { entityTag, freshness } from './delegated-freshness.ts'
import { readRecord } from './delegated-records.ts'
import type { KeptAnswer } from './delegated-answers.ts'
import type { AnswerLimits } from './delegated-body.ts'
import type { DelegatedCounts } from './delegated-counts.ts'
import type { RecordFilter } from './delegated-records.ts'
import type { Clock } from '../../interface/clock.ts'
import type { Disclosure } from '../../interface/disclosure.ts'
import type { HttpTransport } from '../../interface/http-transport.ts'
import type { Provider } from '../../interface/provider.ts'
import type { AddressPolicy } from '../../provider/address.ts'

export interface DelegatedLookup {
  readonly router: string
  readonly transport: HttpTransport
  readonly clock: Clock
  readonly counts: DelegatedCounts
  readonly filter: RecordFilter
  readonly policy: AddressPolicy
  readonly limits: AnswerLimits
  readonly url: URL
  /** Ends the request on the wire */
  readonly signal: AbortSignal
  /** What it said before */
  readonly known?: KeptAnswer
  /** The peer whose addresses are sought; absent where providers are */
  readonly peer?: string
  disclose (): Disclosure
  /** The head is there */
  onHead (): void
  /** It said something of use */
  onProvider (): void
}

/** An answer that may be used again, one that must not be kept; undefined when it was not heard to its end */
export type HeardAnswer = KeptAnswer | 'not-kept' | undefined

const HEADERS: Record<string, string> = {
  accept: 'application/x-ndjson, application/json;q=0.9',
  // a packed answer would cost a second limit, and a bomb would have somewhere to go off
  'accept-encoding': 'identity'
}

/** One request to a router. An answer that breaks off after a record ends, and is counted; one that gave none is an error. */
export async function * delegatedLookup (init: DelegatedLookup): AsyncGenerator<Provider, HeardAnswer, undefined> {
  const { router, clock, counts, known, limits, peer, url, signal } = init
  const response = await askRouter(init.transport, {
    url,
    headers: known?.tag == null ? HEADERS : { ...HEADERS, 'if-none-match': known.tag },
    signal,
    onConnected: () => {}
  }, () => {
    counts.requests++
    return init.disclose()
  })
  const head = judgeAnswer(response, { router, wall: clock.wall(), conditional: known?.tag != null })
  init.onHead()

  const heard = (providers: readonly Provider[], tag = entityTag(response.headers.get('etag'))): HeardAnswer => {
    const lasting = freshness(response.headers, providers.length === 0)
    return lasting == null ? 'not-kept' : { providers, tag, at: clock.now(), freshness: lasting }
  }

  if (head.kind === 'failure') {
    response.discard()
    throw head.error
  }
  if (head.kind === 'nobody') {
    response.discard()
    return heard([], undefined)
  }
  if (head.kind === 'unchanged') {
    response.discard()
    counts.notModified++
    yield * known?.providers ?? []
    // a server should say again how long, and some do not
    return response.headers.get('cache-control') == null && known != null
      ? { ...known, at: clock.now() }
      : heard(known?.providers ?? [], known?.tag)
  }

  const body = { router, counts, limits }
  const values = head.kind === 'lines' ? readLines(response.body, body) : readDocument(response.body, peer == null ? 'Providers' : 'Peers', body)
  const providers: Provider[] = []

  try {
    while (true) {
      const next = await values.next()

      if (next.done === true) {
        return next.value ? heard(providers) : undefined
      }

      const provider = readRecord(next.value, { source: router, filter: init.filter, policy: init.policy, counts, peer })

      if (provider != null) {
        counts.records++
        providers.push(provider)
        init.onProvider()
        yield provider
      }
    }
  } catch (err) {
    // a stream that lasts for ever ends as one that breaks off does
    if (providers.length === 0 || (signal.aborted && !(err instanceof RouterFailedError))) {
      throw err
    }
    counts.broken++
    return undefined
  } finally {
    await values.return(false)
  }
}
