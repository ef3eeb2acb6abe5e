import PQueue from 'p-queue'
import { commonPrefixLength, kadKey } from '../kad/kad-key.ts'
import { preimageIn } from '../kad/key-search.ts'
import { RegionMap, compareKeys } from './region-map.ts'
import type { AnnounceProgress, AnnouncedCID } from '../../interface/announce.ts'
import type { Random } from '../../interface/clock.ts'
import type { KadPeer } from '../kad/kad-client.ts'
import type { KadKey } from '../kad/kad-key.ts'
import type { WalkResult } from '../kad/walk-run.ts'
import type { CID } from 'multiformats/cid'

export interface SweepComponents {
  readonly random: Random
  /**
   * The k nearest to a preimage.
   *
   * @param cid - the preimage is its multihash, so whoever is asked learns of it
   */
  findClosest (preimage: Uint8Array, options: { signal: AbortSignal, cid?: CID }): Promise<Pick<WalkResult, 'end' | 'closest'>>
  /** Tells one peer that we have these. Resolves with those that it took, and does not reject but when the signal aborts. */
  tell (peer: KadPeer, cids: readonly CID[], options: { signal: AbortSignal }): Promise<Iterable<CID>>
}

export interface SweepOptions {
  readonly signal: AbortSignal
}

/** As many of the nearest keep a record */
const HOLDERS = 20
/** Peers that are told something at a time: a home router bears it */
const CONCURRENCY = 10
/** CIDs placed before the peers are told: about 200 KB in memory, and progress every few seconds */
const MAX_GROUP = 1_000
/** Regions with fewer are not explored: one lookup each costs no more */
const FEW = 3
/** Bits: a region that is so much larger than those that lookups make known is one where nobody is known yet */
const FAR = 3
/** Lookups for one region: more are those of a network that changes under them */
const MAX_EXPLORATION = 32
/** Lookups that fail one after the other: we are cut off */
const MAX_FAILURES = 5

interface Item {
  readonly cid: CID
  readonly key: KadKey
}

interface Placed extends Item {
  readonly holders: readonly KadPeer[]
}

/**
 * Announces many blocks in the order of their keys, region by region: who is
 * nearest to one is nearest to its neighbours as well, so a few lookups place
 * them all, and each peer gets its records in one go.
 */
export async function * sweep (cids: readonly CID[], components: SweepComponents, { signal }: SweepOptions): AsyncGenerator<AnnounceProgress, void, undefined> {
  const placing = new Placing(inOrder(cids), components, signal)

  while (!placing.done) {
    const { placed, failed } = await placing.group()
    const counts = await tellAll(placed, components, signal)
    signal.throwIfAborted()
    yield { swept: [...placed.map(({ cid }, i) => ({ cid, holders: counts[i] ?? 0 })), ...failed], lookups: placing.lookups }
  }
}

/** By key, each multihash once */
function inOrder (cids: readonly CID[]): Item[] {
  const items = new Map<string, Item>()

  for (const cid of cids) {
    const key = kadKey(cid.multihash.bytes)
    items.set(key.join(), { cid, key })
  }
  return [...items.values()].sort((a, b) => compareKeys(a.key, b.key))
}

/** Who keeps the records of what: lookups are made only where the map has a gap */
class Placing {
  readonly #items: readonly Item[]
  readonly #components: SweepComponents
  readonly #signal: AbortSignal
  readonly #map = new RegionMap(HOLDERS)
  #next = 0
  #failures = 0
  /** Of the region that the last lookup made known */
  #bits = Infinity
  lookups = 0

  constructor (items: readonly Item[], components: SweepComponents, signal: AbortSignal) {
    this.#items = items
    this.#components = components
    this.#signal = signal
  }

  get done (): boolean {
    return this.#next >= this.#items.length
  }

  /** Those that one exploration is enough for, or whose lookup failed */
  async group (): Promise<{ placed: Placed[], failed: AnnouncedCID[] }> {
    const placed: Placed[] = []
    const failed: AnnouncedCID[] = []

    for (let item; placed.length + failed.length < MAX_GROUP && (item = this.#items[this.#next]) != null;) {
      const answer = this.#map.nearest(item.key)

      if ('peers' in answer) {
        placed.push({ ...item, holders: answer.peers })
        this.#next++
        continue
      }
      if (placed.length > 0) {
        break
      }
      try {
        placed.push({ ...item, holders: await this.#look(item) })
        this.#failures = 0
      } catch (err) {
        this.#signal.throwIfAborted()
        if (++this.#failures >= MAX_FAILURES) {
          throw err
        }
        failed.push({ cid: item.cid, holders: 0, error: err as Error })
      }
      this.#next++
    }
    return { placed, failed }
  }

  async #look (item: Item): Promise<readonly KadPeer[]> {
    for (let i = 0; i < MAX_EXPLORATION; i++) {
      const answer = this.#map.nearest(item.key)

      if ('peers' in answer) {
        return answer.peers
      }
      const { key, bits } = answer.missing
      const preimage = this.#isWorthIt(item) ? preimageIn(key, bits, this.#components.random) : undefined

      if (preimage == null) {
        break
      }
      await this.#explore(preimage)
    }
    return this.#explore(item.cid.multihash.bytes, item.cid)
  }

  /** Its surroundings are known in part, and others that need the rest are still to come */
  #isWorthIt ({ key }: Item): boolean {
    const { bits } = this.#map.regionOf(key)
    const last = this.#items[this.#next + FEW - 1]
    return bits + FAR >= this.#bits && last != null && commonPrefixLength(key, last.key) >= bits
  }

  async #explore (preimage: Uint8Array, cid?: CID): Promise<readonly KadPeer[]> {
    this.lookups++
    const { closest, end } = await this.#components.findClosest(preimage, { signal: this.#signal, cid })

    // in a lookup that was cut short nearer ones may be missing: it is the best there is, and does for this one alone
    if (end !== 'spent' || cid == null) {
      this.#bits = this.#map.explored(kadKey(preimage), closest)
    }
    return closest
  }
}

/** Each peer everything that it should have. @returns how many took each */
async function tellAll (placed: readonly Placed[], { tell }: SweepComponents, signal: AbortSignal): Promise<number[]> {
  const counts = placed.map(() => 0)
  const indices = new Map(placed.map(({ cid }, i) => [cid, i]))
  const byPeer = new Map<string, { readonly peer: KadPeer, readonly cids: CID[] }>()
  const queue = new PQueue({ concurrency: CONCURRENCY })

  for (const { cid, holders } of placed) {
    for (const peer of holders) {
      const entry = byPeer.get(peer.id) ?? { peer, cids: [] }
      entry.cids.push(cid)
      byPeer.set(peer.id, entry)
    }
  }
  await queue.addAll([...byPeer.values()].map(({ peer, cids }) => async () => {
    signal.throwIfAborted()
    for (const cid of await tell(peer, cids, { signal })) {
      const i = indices.get(cid)
      if (i != null) {
        counts[i] = (counts[i] ?? 0) + 1
      }
    }
  }))
  return counts
}
