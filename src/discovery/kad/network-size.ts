import { LRUCache } from 'lru-cache'
import type { KadKey } from './kad-key.ts'

/** Lookups that the estimate is made of: the middle of 64 is off by 4 % */
const MAX_SAMPLES = 64
/** With fewer nobody is suspected. Of five the middle one is off by 13 %. */
const MIN_SAMPLES = 5
/** Peers of a lookup without which it says nothing */
const MIN_PEERS = 5
/** How many of the nearest are looked at: an eclipse needs all twenty, and not all of them need be equally near */
const COUNTED = [10, 15, 20]
/** Share of honest lookups that are called dense */
export const FALSE_ALARMS = 1e-4
/** Standard deviations that the estimate may be too low by before the rate of false alarms is more */
const MARGIN = 3
/** Of a middle one, times that of a mean */
const MEDIAN_SPREAD = Math.sqrt(Math.PI / 2)

interface Sample {
  /** Peers in the network, as this lookup has it */
  readonly size: number
  /** Peers that it was made of */
  readonly count: number
}

export interface RegionDensity {
  /** Peers where `expected` are to be expected: the combination that is least likely */
  readonly peers: number
  readonly expected: number
  /** How likely as many are by chance, in one lookup */
  readonly chance: number
}

/**
 * How many peers the DHT has, and whether somewhere there are too many of them.
 *
 * Keys are hashes, so that honest peers lie evenly: within the distance d of a
 * key (as a share of the keyspace) there are about d N of them, by Poisson, and
 * the distance of the k-th nearest, times N, is distributed as Gamma(k). Its
 * median is near k - 1/3, so each lookup makes an estimate; the middle of many
 * is not moved by those in whose region somebody has made up ids, as long as
 * they are fewer than half. Whoever wants to be all of the nearest to a key has
 * to be nearer to it than anybody honest, where nobody is to be expected.
 * (Sridhar et al., Content Censorship in the InterPlanetary File System, 2024,
 * compare the whole distribution; the few distances that an eclipse cannot do
 * without are enough, and have a false alarm rate that can be stated.)
 */
export class NetworkSize {
  /** One for each region of the keyspace: what is looked up again and again counts once */
  readonly #samples = new LRUCache<string, Sample>({ max: MAX_SAMPLES })

  /** Peers in the network; undefined until enough lookups were made */
  get estimate (): number | undefined {
    return this.#samples.size < MIN_SAMPLES ? undefined : median([...this.#samples.values()].map(({ size }) => size))
  }

  /** @param nearest - all of the nearest that answered a lookup, nearest first */
  add (target: KadKey, nearest: readonly KadKey[]): void {
    const farthest = nearest.at(-1)

    if (farthest == null || nearest.length < MIN_PEERS) {
      return
    }
    const size = (nearest.length - 1 / 3) / distance(target, farthest)

    if (Number.isFinite(size)) {
      this.#samples.set(String(target.subarray(0, 4)), { size, count: nearest.length })
    }
  }

  /**
   * Whether more peers are near the key than there are by chance in all but one
   * of 10 000 lookups; undefined when not, and while nothing is known.
   */
  dense (target: KadKey, nearest: readonly KadKey[]): RegionDensity | undefined {
    const size = this.estimate

    if (size == null) {
      return undefined
    }
    const most = size * (1 + MARGIN * this.#error())
    const counted = COUNTED.filter(count => count <= nearest.length)
    let least: RegionDensity | undefined

    for (const peers of counted) {
      const expected = most * distance(target, nearest[peers - 1] as KadKey)
      const chance = poissonTail(peers, expected)

      if (chance < FALSE_ALARMS / counted.length && (least == null || chance < least.chance)) {
        least = { peers, expected, chance }
      }
    }
    return least
  }

  /** Relative standard deviation of the estimate */
  #error (): number {
    const samples = [...this.#samples.values()]
    const variance = samples.reduce((sum, { count }) => sum + 1 / count, 0) / samples.length
    return MEDIAN_SPREAD * Math.sqrt(variance / samples.length)
  }
}

/** As a share of the keyspace. 48 bits tell apart whatever a network can have. */
export function distance (a: KadKey, b: KadKey): number {
  let result = 0

  for (let i = 5; i >= 0; i--) {
    result = (result + ((a[i] as number) ^ (b[i] as number))) / 256
  }
  return result
}

/** How likely at least so many are where `expected` are to be expected */
export function poissonTail (atLeast: number, expected: number): number {
  let term = Math.exp(-expected)
  let below = 0

  for (let i = 0; i < atLeast; i++) {
    below += term
    term *= expected / (i + 1)
  }
  // summed from there on, not subtracted from 1: of a small tail nothing would be left
  let tail = 0

  for (let i = atLeast; term > tail * 1e-12; i++) {
    tail += term
    term *= expected / (i + 1)
  }
  return below > 0.5 ? tail : 1 - below
}

function median (values: number[]): number {
  const sorted = values.sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle] as number : ((sorted[middle - 1] as number) + (sorted[middle] as number)) / 2
}
