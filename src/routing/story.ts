import { learntBy, renderLearnt } from './learnt.ts'
import { NOBODY_ASKED } from './verdict.ts'
import type { LearntBy } from './learnt.ts'
import type { AttemptSummary, Timeline, TimelineEvent } from './timeline.ts'
import type { Story } from '../interface/errors.ts'

export interface StoryCost {
  readonly requests: number
  readonly bytes: number
  readonly wasted: number
  readonly callers: number
}

export interface RetrievalStory {
  readonly cid: string
  readonly startedAt: string
  readonly result: Timeline['result']
  /** Milliseconds */
  readonly took: number
  readonly phases: { readonly discovery?: number, readonly connecting?: number, readonly waiting?: number, readonly transfer?: number }
  readonly found: ReadonlyArray<{ provider: string, source: string }>
  readonly attempts: readonly AttemptSummary[]
  readonly events: readonly TimelineEvent[]
  readonly dropped: number
  /** As the ledger calls this retrieval; absent where nobody was asked */
  readonly request?: string
  /** Who was told of it, or may have been: of the block, or of the DAG in whose stream it came */
  readonly learnt: readonly LearntBy[]
  /** Told too, and too many to name */
  readonly learntMore: number
  readonly cost: StoryCost
}

/** What was done about one CID: `String(story)` for people, `JSON.stringify(story)` for programs */
export class Explanation implements Story {
  readonly #timeline: Timeline

  constructor (timeline: Timeline) {
    this.#timeline = timeline
  }

  get result (): Timeline['result'] {
    return this.#timeline.result
  }

  get attempts (): readonly AttemptSummary[] {
    return this.#timeline.attempts
  }

  get events (): readonly TimelineEvent[] {
    return this.#timeline.events
  }

  toJSON (): RetrievalStory {
    const timeline = this.#timeline
    const winner = timeline.attempts.find(({ outcome }) => outcome === 'delivered')
    const bytes = timeline.attempts.reduce((sum, attempt) => sum + attempt.bytes, 0)
    const useful = winner?.bytes ?? 0

    return {
      cid: timeline.cid,
      startedAt: new Date(timeline.startedWall).toISOString(),
      result: timeline.result,
      took: round(timeline.endedAt ?? timeline.elapsed),
      phases: phases(winner),
      found: [...timeline.found].map(([provider, source]) => ({ provider, source })),
      attempts: timeline.attempts.map(attempt => ({
        ...attempt,
        startedAt: round(attempt.startedAt),
        ...(attempt.connectedAt == null ? {} : { connectedAt: round(attempt.connectedAt) }),
        ...(attempt.firstByteAt == null ? {} : { firstByteAt: round(attempt.firstByteAt) }),
        ...(attempt.endedAt == null ? {} : { endedAt: round(attempt.endedAt) })
      })),
      events: timeline.events.map(event => ({ ...event, at: round(event.at) })),
      dropped: timeline.dropped,
      ...timeline.request == null ? {} : { request: timeline.request },
      learnt: timeline.disclosed.map(learntBy),
      learntMore: timeline.disclosedMore,
      cost: { requests: timeline.attempts.length, bytes, wasted: bytes - useful, callers: timeline.joined }
    }
  }

  toString (): string {
    return renderStory(this.toJSON())
  }

  [Symbol.for('nodejs.util.inspect.custom')] (): string {
    return this.toString()
  }
}

function phases (winner: AttemptSummary | undefined): RetrievalStory['phases'] {
  if (winner == null) {
    return {}
  }

  const connected = winner.connectedAt ?? winner.startedAt
  const firstByte = winner.firstByteAt ?? connected
  return {
    discovery: round(winner.startedAt),
    connecting: round(connected - winner.startedAt),
    waiting: round(firstByte - connected),
    transfer: round((winner.endedAt ?? firstByte) - firstByte)
  }
}

/** A timeline for a terminal: one line per thing that happened, times on the left */
export function renderStory (story: RetrievalStory): string {
  const lines: Array<{ at: number, text: string }> = story.events.map(event => ({
    at: event.at,
    text: `${event.phase.padEnd(9)}  ${event.provider == null ? '' : `${clean(event.provider)}: `}${clean(event.what)}`
  }))

  for (const attempt of story.attempts) {
    lines.push({
      at: attempt.startedAt,
      text: `ask #${attempt.attempt}`.padEnd(9) + `  ${clean(attempt.provider)} over ${attempt.transport} (${reasons[attempt.reason]}: ${clean(attempt.because)})`
    })

    if (attempt.endedAt != null) {
      lines.push({ at: attempt.endedAt, text: `end #${attempt.attempt}`.padEnd(9) + `  ${ending(attempt)}` })
    }
  }

  const { phases: p, cost } = story
  const split = p.discovery == null
    ? ''
    : ` (discovery ${ms(p.discovery)}, connecting ${ms(p.connecting ?? 0)}, waiting ${ms(p.waiting ?? 0)}, transfer ${ms(p.transfer ?? 0)})`

  return [
    `${story.cid}: ${asksNobody(story) ? 'not here, and nobody was asked,' : results[story.result]} after ${ms(story.took)}${split}`,
    ...lines.sort((a, b) => a.at - b.at).map(({ at, text }) => `${ms(at).padStart(10)}  ${text}`),
    ...(story.dropped > 0 ? [`${''.padStart(10)}  … and ${story.dropped} more lines`] : []),
    ...renderLearnt(story.learnt, story.learntMore, clean),
    `cost: ${cost.requests} request${cost.requests === 1 ? '' : 's'}, ${size(cost.bytes)}${cost.wasted > 0 ? ` of which ${size(cost.wasted)} not needed` : ''}${cost.callers > 1 ? `, shared by ${cost.callers} callers` : ''}`
  ].join('\n')
}

/** Nobody was there to ask: whether somebody has it is not known */
function asksNobody ({ result, events }: RetrievalStory): boolean {
  return result === 'not-found' && events.some(({ phase, what }) => phase === 'failed' && what === NOBODY_ASKED)
}

const reasons: Record<AttemptSummary['reason'], string> = {
  first: 'first choice',
  hedge: 'hedge',
  next: 'next choice',
  shadow: 'measurement'
}

const results: Record<RetrievalStory['result'], string> = {
  running: 'still running',
  cached: 'was here already',
  delivered: 'delivered',
  'not-found': 'nobody has it',
  timeout: 'out of time',
  failed: 'failed',
  aborted: 'given up by its callers'
}

function ending (attempt: AttemptSummary): string {
  const took = ms((attempt.endedAt ?? attempt.startedAt) - attempt.startedAt)

  if (attempt.outcome === 'delivered') {
    return `delivered ${size(attempt.bytes)} in ${took}, verified`
  }

  const message = attempt.message == null ? '' : `: ${clean(attempt.message)}`
  return `${attempt.outcome ?? 'ended'} after ${took}${message}`
}

/** Providers write some of these words: no control character of theirs reaches a terminal */
function clean (text: string): string {
  const printable = text.replace(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, '\ufffd')
  return printable.length > 300 ? `${printable.slice(0, 299)}…` : printable
}

function ms (value: number): string {
  return value < 10 ? `${value.toFixed(1)} ms` : value < 10_000 ? `${Math.round(value)} ms` : `${(value / 1000).toFixed(1)} s`
}

function size (bytes: number): string {
  return bytes < 1024 ? `${bytes} B` : bytes < 1_048_576 ? `${(bytes / 1024).toFixed(1)} KiB` : `${(bytes / 1_048_576).toFixed(1)} MiB`
}

function round (value: number): number {
  return Math.round(value * 100) / 100
}
