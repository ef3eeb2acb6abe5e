import type { DisclosureEntry } from '../interface/disclosure.ts'
import type { Outcome } from '../interface/outcome.ts'
import type { ProviderId, Transport } from '../interface/provider.ts'

export type Phase = 'cache' | 'purpose' | 'discovery' | 'attempt' | 'stream' | 'skip' | 'verify' | 'done' | 'failed'

/** One line of a story. Times are milliseconds since the retrieval began. */
export interface TimelineEvent {
  readonly at: number
  readonly phase: Phase
  readonly what: string
  readonly provider?: ProviderId
  readonly attempt?: number
  readonly outcome?: Outcome
  readonly bytes?: number
}

/** One provider being asked once, as the story tells it */
export interface AttemptSummary {
  readonly attempt: number
  readonly provider: ProviderId
  readonly transport: Transport
  readonly reason: 'first' | 'hedge' | 'next' | 'shadow'
  readonly because: string
  readonly startedAt: number
  connectedAt?: number
  firstByteAt?: number
  endedAt?: number
  outcome?: Outcome
  message?: string
  bytes: number
}

/** A story stays readable: what exceeds this many lines is counted, not kept */
export const MAX_EVENTS = 120

/** Parties that a story names; a look-up in a DHT tells some twenty */
export const MAX_DISCLOSED = 64

/** Records one retrieval as it happens */
export class Timeline {
  readonly cid: string
  readonly startedWall: number
  /** As the ledger calls it; absent where nobody was asked */
  readonly request?: string
  readonly #started: number
  readonly #now: () => number
  readonly events: TimelineEvent[] = []
  readonly attempts: AttemptSummary[] = []
  readonly found = new Map<ProviderId, string>()
  /** Who was told of it, oldest first; their state is that of now */
  readonly disclosed: DisclosureEntry[] = []
  disclosedMore = 0
  dropped = 0
  joined = 1
  endedAt?: number
  result: 'running' | 'cached' | 'delivered' | 'not-found' | 'timeout' | 'failed' | 'aborted' = 'running'

  constructor (cid: string, clock: { now (): number, wall (): number }, request?: string) {
    this.cid = cid
    this.request = request
    this.startedWall = clock.wall()
    this.#now = () => clock.now()
    this.#started = clock.now()
  }

  get elapsed (): number {
    return this.#now() - this.#started
  }

  add (phase: Phase, what: string, detail: Omit<TimelineEvent, 'at' | 'phase' | 'what'> = {}): void {
    if (this.events.length >= MAX_EVENTS) {
      this.dropped++
      return
    }

    this.events.push({ at: this.elapsed, phase, what, ...detail })
  }

  disclose (entry: DisclosureEntry): void {
    if (this.disclosed.length < MAX_DISCLOSED) {
      this.disclosed.push(entry)
    } else {
      this.disclosedMore++
    }
  }

  end (result: Timeline['result'], what: string): void {
    if (this.endedAt != null) {
      return
    }

    this.result = result
    this.endedAt = this.elapsed
    this.add(result === 'delivered' || result === 'cached' ? 'done' : 'failed', what)
  }
}
