import { peerIdFromString } from '@libp2p/peer-id'
import { multiaddr } from '@multiformats/multiaddr'
import { toString } from 'uint8arrays/to-string'
import { fromString } from 'uint8arrays/from-string'
import { MAX_SKEW } from '../../keeper/kept-time.ts'
import { peerKey } from '../kad/kad-key.ts'
import { failureDomains } from '../../provider/domains.ts'
import type { KadPeer } from '../kad/kad-client.ts'
import type { Clock } from '../../interface/clock.ts'
import type { KeptTable } from '../../keeper/entry-keeper.ts'
import type { AddressPolicy } from '../../provider/address.ts'

/** Half of the peers of the public network are there a day later: 128 of them are a way in for weeks. 300 bytes each. */
const MAX_PEERS = 128
/** Of one neighbourhood, a /24 or /48: who rents one must not fill the table */
const MAX_NEIGHBOURS = 4
/** Of one peer: the one that led to it, and some to spare */
const MAX_ADDRESSES = 4
/** Characters of an address: libp2p's own with a relay have about 400 */
const MAX_ADDRESS_LENGTH = 512
/** Characters of a peer id: RSA in base58 has 46, inlined keys 52 */
const MAX_ID_LENGTH = 128
/** Milliseconds for which a peer is worth a dial after it last spoke: a machine that is off over the holidays finds somebody */
const MAX_AGE = 1_209_600_000
/** Milliseconds by which an entry is older than it could be: it need not be written for every answer */
const SLACK = 600_000
/** Milliseconds without a dial after one that failed; twice as long after each one more */
const FIRST_PAUSE = 60_000
const LAST_PAUSE = 3_600_000
/** Failures that are told apart */
const MAX_TIMES = 7

/** Where these peers are kept. A node that changes to another network meets nobody of the former one. */
export function rememberedPrefix (protocol: string): string {
  return `/portolan/discovery/peers/v1/${toString(fromString(protocol), 'base64url')}`
}

interface Entry {
  readonly peer: KadPeer
  readonly domains: readonly string[]
  /** When it last spoke to us, by the wall clock */
  at: number
  /** Failed dials in a row, in this run */
  times: number
  /** Monotonic; until then it is left alone */
  until: number
}

/** Peers of the DHT that answered us, as ways back into it. Those that spoke last are kept. */
export class RememberedPeers implements KeptTable {
  readonly #clock: Pick<Clock, 'now' | 'wall'>
  readonly #policy: AddressPolicy
  readonly #usable: (address: string) => boolean
  readonly #entries = new Map<string, Entry>()
  readonly #dirty = new Set<string>()

  constructor (clock: Pick<Clock, 'now' | 'wall'>, init: { readonly policy: AddressPolicy, readonly usable: (address: string) => boolean }) {
    this.#clock = clock
    this.#policy = init.policy
    this.#usable = init.usable
  }

  get size (): number {
    return this.#entries.size
  }

  /** Whether there is something to say of this peer that is not known yet: also where it spoke in the future, for a clock was set back */
  stale (id: string): boolean {
    const entry = this.#entries.get(id)
    return entry == null || entry.times > 0 || Math.abs(this.#clock.wall() - entry.at) > SLACK
  }

  /** It answered. @param addresses - those that led to it first */
  spoke (id: string, addresses: readonly string[]): void {
    const known = this.#entries.get(id)
    const kept = [...new Set([...addresses, ...known?.peer.addresses ?? []])].filter(address => address.length <= MAX_ADDRESS_LENGTH && this.#usable(address)).slice(0, MAX_ADDRESSES)

    if (kept.length > 0 && this.#put(id, kept, this.#clock.wall())) {
      this.#dirty.add(id)
    }
  }

  /** It could not be reached, or is there no more in this network (`gone`) */
  failed (id: string, gone: boolean): void {
    const entry = this.#entries.get(id)

    if (gone) {
      this.#drop(id)
    } else if (entry != null) {
      entry.until = this.#clock.now() + Math.min(LAST_PAUSE, FIRST_PAUSE * 2 ** entry.times)
      entry.times = Math.min(MAX_TIMES, entry.times + 1)
    }
  }

  /** Those worth a dial now: who spoke last comes first, but one of each neighbourhood before the second of any */
  ready (): KadPeer[] {
    const now = this.#clock.now()
    const wall = this.#clock.wall()
    const taken = new Map<string, number>()

    return [...this.#entries.values()]
      .filter(({ at, until }) => until <= now && wall - at <= MAX_AGE)
      .sort((a, b) => b.at - a.at)
      .map(({ peer, domains }) => {
        const turn = Math.max(0, ...domains.map(domain => taken.get(domain) ?? 0))
        domains.forEach(domain => { taken.set(domain, turn + 1) })
        return { peer, turn }
      })
      .sort((a, b) => a.turn - b.turn)
      .map(({ peer }) => peer)
  }

  restore (stored: unknown): void {
    const { id, at, addresses } = (stored ?? {}) as { id?: unknown, at?: unknown, addresses?: unknown }

    if (typeof id !== 'string' || id.length > MAX_ID_LENGTH || peerIdFromString(id).toString() !== id || typeof at !== 'number' || !Number.isFinite(at) || !Array.isArray(addresses)) {
      throw new TypeError('Not a stored peer of the DHT')
    }
    const wall = this.#clock.wall()
    const readable = addresses.slice(0, MAX_ADDRESSES).filter((address: unknown): address is string => isAddress(address) && this.#usable(address))

    // nobody spoke in the future: a clock was set back
    if (readable.length === 0 || wall - at > MAX_AGE || at > wall + MAX_SKEW) {
      this.#dirty.add(id)
    } else if (!this.#entries.has(id) && !this.#put(id, readable, Math.min(at, wall))) {
      this.#dirty.add(id)
    }
  }

  settle (): void {
    // restored entries need nothing more
  }

  takeDirty (limit: number): Array<[id: string, entry: object | undefined]> {
    const taken = [...this.#dirty].slice(0, limit)

    return taken.map(id => {
      const entry = this.#entries.get(id)
      this.#dirty.delete(id)
      return [id, entry == null ? undefined : { id, at: entry.at, addresses: entry.peer.addresses }]
    })
  }

  giveBack (ids: readonly string[]): void {
    ids.forEach(id => { this.#dirty.add(id) })
  }

  /** @returns whether it is in: not where everybody else has spoken since */
  #put (id: string, addresses: readonly string[], at: number): boolean {
    this.#entries.set(id, { peer: { id, key: peerKey(id), addresses }, domains: failureDomains(addresses, this.#policy), at, times: 0, until: 0 })
    const { domains } = this.#entries.get(id) as Entry

    for (const domain of domains) {
      this.#shrink([...this.#entries].filter(([, entry]) => entry.domains.includes(domain)), MAX_NEIGHBOURS)
    }
    this.#shrink([...this.#entries], MAX_PEERS)
    return this.#entries.has(id)
  }

  /** Those who have not spoken for longest go */
  #shrink (entries: ReadonlyArray<readonly [string, Entry]>, max: number): void {
    if (entries.length > max) {
      entries.toSorted(([, a], [, b]) => b.at - a.at).slice(max).forEach(([id]) => { this.#drop(id) })
    }
  }

  #drop (id: string): void {
    if (this.#entries.delete(id)) {
      this.#dirty.add(id)
    }
  }
}

function isAddress (text: unknown): text is string {
  try {
    return typeof text === 'string' && text.length <= MAX_ADDRESS_LENGTH && text.startsWith('/') && multiaddr(text).toString() === text
  } catch {
    // written by nobody who could read it
    return false
  }
}
