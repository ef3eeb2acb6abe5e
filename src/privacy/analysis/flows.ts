import type { View } from './view.ts'
import type { TrafficEvent } from '../../interface/privacy.ts'

/** When something went on with one party */
export interface Flow {
  readonly id: string
  /** In ms, in order */
  readonly times: Float64Array
}

/** Fewer events than this are an anecdote: no test of a flow is run on them */
export const MIN_EVENTS = 20

/** Newest events that a flow is judged by: enough to be sure, and what is over is over */
export const MAX_FLOW_EVENTS = 400

/** Flows that are looked at one by one: those in which most went on */
export const MAX_FLOWS = 256

/** What each node of libp2p does by itself, with everybody and at all times: it tells nothing about this one */
const HOUSEKEEPING = /^\/(?:ipfs\/(?:ping|id|id\/push)|libp2p\/(?:autonat|dcutr|circuit\/relay))(?:\/|$)/

/** A stream that is opened, a request in it and its answer are one event: within this share of the usual distance between two of them, and this many ms */
const EXCHANGE_SHARE = 0.1
const MAX_EXCHANGE_MS = 100

/**
 * The flows with enough events, busiest first, and how many there are with too few. Parties that were told something
 * over connections that nobody watched (gateways, routers) are flows by what they were told.
 */
export function flowsOf (view: View): { readonly flows: readonly Flow[], readonly sparse: number, readonly most: number } {
  const byPeer = new Map<string, TrafficEvent[]>()

  for (const event of view.events) {
    if (event.kind === 'close' || (event.protocol != null && HOUSEKEEPING.test(event.protocol))) {
      continue
    }
    const list = byPeer.get(event.peer)

    if (list == null) {
      byPeer.set(event.peer, [event])
    } else {
      list.push(event)
    }
  }

  const times = new Map<string, number[]>([...byPeer].map(([peer, list]) => [peer, exchanges(list)]))

  for (const { observer, at } of view.exposures) {
    const id = observer.startsWith('p2p:') ? observer.slice('p2p:'.length) : observer

    if (!byPeer.has(id)) {
      const list = times.get(id)

      if (list == null) {
        times.set(id, [at])
      } else {
        list.push(at)
      }
    }
  }

  const { focus } = view
  const enough = [...times].filter(([, list]) => list.length >= MIN_EVENTS)
    .sort(([a, m], [b, n]) => Number(b === focus) - Number(a === focus) || n.length - m.length || (a < b ? -1 : 1))

  return {
    flows: enough.slice(0, MAX_FLOWS).map(([id, list]) => ({ id, times: Float64Array.from(list.slice(-MAX_FLOW_EVENTS)) })),
    sparse: times.size - enough.length,
    most: focus == null ? [...times.values()].reduce((most, list) => Math.max(most, list.length), 0) : times.get(focus)?.length ?? 0
  }
}

/** To remember which kinds there were already */
const KIND_BITS: Readonly<Record<TrafficEvent['kind'], number>> = { open: 1, close: 2, stream: 4, sent: 8, received: 16 }

/** How many exchanges there are at least: as many as events of the kind that is there most often */
function ofOneKind (events: readonly TrafficEvent[]): number {
  const counts: Record<string, number> = {}
  let most = 1

  for (const { kind } of events) {
    const count = (counts[kind] ?? 0) + 1
    counts[kind] = count
    most = Math.max(most, count)
  }
  return most
}

/** Events of different kinds that follow each other at once are one; of the same kind each is its own */
function exchanges (events: readonly TrafficEvent[]): number[] {
  const first = events[0]?.at ?? 0
  const gap = Math.min(MAX_EXCHANGE_MS, EXCHANGE_SHARE * ((events.at(-1)?.at ?? first) - first) / ofOneKind(events))
  const times: number[] = []
  let kinds = 0
  let last = -Infinity

  for (const { at, kind } of events) {
    const bit = KIND_BITS[kind] ?? 0

    if (at - last > gap || (kinds & bit) !== 0) {
      times.push(at)
      kinds = 0
    }
    kinds |= bit
    last = at
  }

  return times
}
