import { exchanges } from './exchanges.ts'
import { sample } from './pairs.ts'
import type { Random } from '../../interface/clock.ts'
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

/** Flows that are looked at one by one: half of them those in which most went on, a quarter the oldest, and the others any, other ones in each analysis */
export const MAX_FLOWS = 256

/** What each node of libp2p does by itself, with everybody and at all times: it tells nothing about this one */
const HOUSEKEEPING = /^\/(?:ipfs\/(?:ping|id|id\/push)|libp2p\/(?:autonat|dcutr|circuit\/relay))(?:\/|$)/

/**
 * The flows with enough events, busiest first, and how many there are with too few. Parties that were told something
 * over connections that nobody watched (gateways, routers) are flows by what they were told.
 */
export function flowsOf (view: View, random: Random): { readonly flows: readonly Flow[], readonly sparse: number, readonly left: number, readonly most: number } {
  const byPeer = new Map<string, TrafficEvent[]>()
  let protocol = ''
  let housekeeping = false

  for (const event of view.events) {
    // neighbours mostly are of one protocol
    if (event.protocol != null && event.protocol !== protocol) {
      protocol = event.protocol
      housekeeping = HOUSEKEEPING.test(protocol)
    }
    if (event.kind === 'close' || (event.protocol != null && housekeeping)) {
      continue
    }
    const list = byPeer.get(event.peer)

    if (list == null) {
      byPeer.set(event.peer, [event])
    } else {
      list.push(event)
    }
  }

  const times = new Map<string, number[]>([...byPeer].map(([peer, list]) => [peer, [...exchanges(list)]]))

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

  const chosen = enough.length <= MAX_FLOWS ? enough : mixed(enough, random)

  return {
    flows: chosen.map(([id, list]) => ({ id, times: Float64Array.from(list.slice(-MAX_FLOW_EVENTS)) })),
    sparse: times.size - enough.length,
    left: enough.length - chosen.length,
    most: focus == null ? [...times.values()].reduce((most, list) => Math.max(most, list.length), 0) : times.get(focus)?.length ?? 0
  }
}

/** Whoever opens many busy flows has half of the places: who was there before has others, and chance has the rest */
function mixed<T extends readonly [string, readonly number[]]> (busiest: readonly T[], random: Random): readonly T[] {
  const busy = busiest.slice(0, MAX_FLOWS / 2)
  const oldest = busiest.slice(MAX_FLOWS / 2).sort(([, a], [, b]) => (a[0] ?? 0) - (b[0] ?? 0))
  const chosen = new Set([...busy, ...oldest.slice(0, MAX_FLOWS / 4), ...sample(oldest.slice(MAX_FLOWS / 4), MAX_FLOWS / 4, random)])
  return busiest.filter(flow => chosen.has(flow))
}
