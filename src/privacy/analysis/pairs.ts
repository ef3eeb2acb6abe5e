import type { Flow } from './flows.ts'
import type { Random } from '../../interface/clock.ts'

export type FlowPair = readonly [Flow, Flow]

/** 23 flows, each with each: what a report can take the time for */
export const MAX_PAIRS = 256
const MAX_FLOWS_OF_ALL_PAIRS = 23

/** Of more flows those are looked over that were chosen (4 560 pairs), and a flow may have so many of the places that are there */
const MAX_LOOKED_OVER = 96
const MAX_PLACES = 4

/** Places for the pairs that look most alike; the others are for any, other ones in each analysis */
const PLACES_BY_LOOK = 192

/** How close events of two flows are to each other, in shares of the mean interval */
const DISTANCES = [1 / 32, 1 / 8, 1 / 2] as const
const USUAL = [-Math.expm1(-1 / 16), -Math.expm1(-1 / 4), -Math.expm1(-1)] as const

export interface Choice {
  readonly pairs: readonly FlowPair[]
  /** Of which these were chosen, and chance has had its turn with all of them */
  readonly among: number
  /** Flows that none of them is of were not compared at all */
  readonly flows: number
}

/**
 * The pairs that are compared closely: all where they are few, of one peer its own. Of many flows all pairs are looked
 * over, and those that look most alike have their turn, a few of each flow at most, and some by chance: whoever opens many
 * busy flows, alike or not, takes the places of nobody else.
 */
export function choosePairs (flows: readonly Flow[], focus: string | undefined, random: Random): Choice {
  const [first] = flows

  if (focus != null) {
    const others = first?.id === focus ? flows.slice(1, 1 + MAX_PAIRS) : []
    return { pairs: others.map(other => [first as Flow, other]), among: others.length, flows: others.length + 1 }
  }

  const over = flows.length <= MAX_LOOKED_OVER ? flows : sample(flows, MAX_LOOKED_OVER, random)
  const all = over.flatMap((a, i) => over.slice(i + 1).map((b): FlowPair => [a, b]))

  if (flows.length <= MAX_FLOWS_OF_ALL_PAIRS) {
    return { pairs: all, among: all.length, flows: flows.length }
  }

  const chosen = alike(all)
  const rest = all.filter(pair => !chosen.has(pair))
  return { pairs: [...chosen, ...sample(rest, MAX_PAIRS - chosen.size, random)], among: all.length, flows: over.length }
}

/** Those that look most alike, at most so many of each flow */
function alike (pairs: readonly FlowPair[]): ReadonlySet<FlowPair> {
  const places = new Map<string, number>()
  const chosen = new Set<FlowPair>()
  const ranked = pairs.map(pair => ({ pair, likeness: likeness(pair) })).sort((x, y) => y.likeness - x.likeness)

  for (const { pair } of ranked) {
    const [a, b] = [places.get(pair[0].id) ?? 0, places.get(pair[1].id) ?? 0]

    if (a < MAX_PLACES && b < MAX_PLACES) {
      chosen.add(pair)
      places.set(pair[0].id, a + 1).set(pair[1].id, b + 1)
    }
    if (chosen.size >= PLACES_BY_LOOK) {
      break
    }
  }
  return chosen
}

/** How many events of one flow are close to one of the other, against what is usual, in standard deviations */
function likeness ([{ times: a }, { times: b }]: FlowPair): number {
  const [few, many] = a.length <= b.length ? [a, b] : [b, a]
  const [begin, end] = [many[0] ?? 0, many.at(-1) ?? 0]
  const mean = (end - begin) / (many.length - 1)
  const [least, less, most] = [mean * DISTANCES[0], mean * DISTANCES[1], mean * DISTANCES[2]]
  let [close, closer, closest] = [0, 0, 0]
  let seen = 0
  let next = 0

  for (let i = 0; i < few.length; i++) {
    const time = few[i]!

    if (time >= begin && time <= end) {
      while (many[next]! < time) {
        next++
      }
      const distance = Math.min(many[next]! - time, next === 0 ? Infinity : time - many[next - 1]!)
      close += distance <= most ? 1 : 0
      closer += distance <= less ? 1 : 0
      closest += distance <= least ? 1 : 0
      seen++
    }
  }

  return seen === 0 ? -Infinity : Math.max(above(close, seen, USUAL[2]), above(closer, seen, USUAL[1]), above(closest, seen, USUAL[0]))
}

function above (count: number, seen: number, usual: number): number {
  return (count - seen * usual) / Math.sqrt(seen * usual * (1 - usual))
}

/** So many, in the order that they have, each as likely as any other */
export function sample<T> (list: readonly T[], n: number, random: Random): readonly T[] {
  if (list.length <= n) {
    return list
  }

  const left = list.map((_, i) => i)

  for (let i = 0; i < n; i++) {
    const other = i + Math.floor(random.next() * (left.length - i))
    ;[left[i], left[other]] = [left[other]!, left[i]!]
  }
  return left.slice(0, n).sort((a, b) => a - b).map(i => list[i]!)
}
