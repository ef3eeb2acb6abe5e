import type { TrafficEvent } from '../../interface/privacy.ts'

/** To remember which kinds there were already */
const KIND_BITS: Readonly<Record<TrafficEvent['kind'], number>> = { open: 1, close: 2, stream: 4, sent: 8, received: 16 }

/** What follows at once is of one exchange, on any line: within this share of the usual distance, and this many ms */
const AT_ONCE = { share: 0.1, ms: 100 }

/** What an answer takes on a slow line, where nearly everything is answered so: a request and its answer are one event then */
const ANSWERED = { share: 0.3, ms: 2_000 }

/** Share of what could be of an exchange that was begun, from which on it is taken to be: by chance it is a quarter */
const MOSTLY = 0.8

/** Exchanges that go on at once: enough for those that overlap, and a bound for what somebody makes up */
const MAX_OPEN = 8

interface Exchange {
  kinds: number
  last: number
}

/**
 * When the exchanges of one peer began: a stream that is opened, a request in it and its answer are one event. Each event
 * is of the oldest exchange that still waits for its kind, so that of two that overlap none is torn apart.
 */
export function exchanges (events: readonly TrafficEvent[]): readonly number[] {
  if (events.every(({ kind }) => kind === events[0]?.kind)) {
    return events.map(({ at }) => at)
  }

  const answered = grouped(events, ANSWERED)
  return answered.joined >= MOSTLY * answered.followers ? answered.starts : grouped(events, AT_ONCE).starts
}

function grouped (events: readonly TrafficEvent[], { share, ms }: typeof AT_ONCE): { readonly starts: readonly number[], readonly joined: number, readonly followers: number } {
  const first = events[0]?.at ?? 0
  const counts = new Map<string, number>()

  for (const { kind } of events) {
    counts.set(kind, (counts.get(kind) ?? 0) + 1)
  }

  const leading = Math.max(1, ...counts.values())
  const gap = Math.min(ms, share * ((events.at(-1)?.at ?? first) - first) / leading)
  const starts: number[] = []
  const open: Exchange[] = []

  for (const { at, kind } of events) {
    const bit = KIND_BITS[kind] ?? 0
    let waiting: Exchange | undefined

    for (let i = 0; i < open.length; i++) {
      const exchange = open[i]!

      if (at - exchange.last > gap) {
        open.splice(i--, 1)
      } else if (waiting == null && (exchange.kinds & bit) === 0) {
        waiting = exchange
      }
    }

    if (waiting == null) {
      starts.push(at)
      open.push({ kinds: bit, last: at })

      if (open.length > MAX_OPEN) {
        open.shift()
      }
    } else {
      waiting.kinds |= bit
      waiting.last = at
    }
  }

  return { starts, joined: events.length - starts.length, followers: events.length - leading }
}
