import { fromWall, toWall } from '../../keeper/kept-time.ts'
import { withoutPeer } from '../../provider/endpoint.ts'
import { MAX_ADDRESSES } from '../../provider/provider.ts'
import { RECORD_LASTING } from '../lasting.ts'
import { DEFAULT_ADDRESS_BOOK } from './address-book-params.ts'
import { failedOnce, hostOf, standing } from './known-address.ts'
import { KnownPeer, restorePeer } from './known-peer.ts'
import type { AddressBookParams } from './address-book-params.ts'
import type { KnownAddress } from './known-address.ts'
import type { Clock } from '../../interface/clock.ts'
import type { KeptTable } from '../../keeper/entry-keeper.ts'

export const ADDRESSES_PREFIX = '/portolan/discovery/addresses/v1'

/** Failures that nobody's answer has confirmed yet: those of one lookup */
const MAX_SUSPECTS = 256
/** Milliseconds in which an answer shows that a failure was not ours: two dials */
const SUSPECT_FOR = 10_000
/** Entries looked through for one that nobody was reached by, before the oldest goes */
const LOOKED_THROUGH = 64
/** Milliseconds for which it is known by which address a peer is connected, if by any that counts */
const CONFIRMED_FOR = 60_000

/** An address that is to be tried */
export interface DueProbe {
  readonly peer: string
  readonly address: string
}

export interface AddressBookCounts {
  /** Peers, and their addresses */
  readonly known: number
  readonly addresses: number
  /** Where the last word was a connection, and where dials fail */
  readonly good: number
  readonly dead: number
}

/**
 * Where providers are, as far as is known, and which address is to be tried again
 * when. Holds no clock and rolls no dice of its own. A failure counts only where
 * somebody else could be reached about that time: when everybody is silent, we are
 * the ones who are cut off.
 */
export class AddressBook {
  readonly #params: AddressBookParams
  readonly #entries = new Map<string, KnownPeer>()
  readonly #dirty = new Set<string>()
  #suspects: Array<DueProbe & { readonly at: number, readonly roll: number }> = []
  #alive = -Infinity

  constructor (params: AddressBookParams = DEFAULT_ADDRESS_BOOK) {
    this.#params = params
  }

  get size (): number {
    return this.#entries.size
  }

  has (peer: string): boolean {
    return this.#entries.has(peer)
  }

  /** Changes when an answer about this peer may change */
  version (peer: string): number {
    return this.#entries.get(peer)?.version ?? -1
  }

  /** Somebody says that the peer is there. Beyond eight, what works stays, and what fails goes first. */
  told (peer: string, addresses: readonly string[], now: number, own = false): void {
    const entry = this.#entry(peer)

    for (const address of addresses.slice(0, MAX_ADDRESSES)) {
      const text = withoutPeer(address, peer)
      const known = entry.addresses.get(text)

      if (known != null) {
        // written again when it begins to matter for how long it is kept
        if (now - known.told > this.#params.interval || known.own !== (known.own || own)) {
          this.#touch(entry)
        }
        known.told = now
        known.own ||= own
      } else {
        this.#add(entry, { text, told: now, own, failures: 0, due: now }, now)
      }
    }
  }

  /** It is worth knowing whether it is there: somebody may want to ask it soon, or it has delivered */
  worth (peer: string, why: 'named' | 'delivered', now: number): void {
    const entry = this.#entry(peer)
    entry.worth = Math.max(entry.worth, now + this.#params[why])
    entry.delivered ||= why === 'delivered'
  }

  /** A connection to the peer at this address is there; whoever made it, a probe is not needed for a while */
  reached (peer: string, address: string, now: number): void {
    this.alive(now)
    const entry = this.#entries.get(peer)

    if (entry == null) {
      return
    }
    const text = withoutPeer(address, peer)
    const known = entry.addresses.get(text) ?? this.#add(entry, { text, told: now, own: true, reached: now, failures: 0, due: now }, now)

    known.reached = now
    known.own = true
    known.failures = 0
    known.due = now + this.#params.interval
    this.#touch(entry)
  }

  /**
   * A dial of `startedAt` failed.
   *
   * @param roll - of the dice, in [0, 1): what failed together is not tried together
   */
  failed (peer: string, address: string, startedAt: number, now: number, roll: number): void {
    const text = withoutPeer(address, peer)

    if (this.#alive >= startedAt) {
      this.#fail(peer, text, now, roll)
    } else {
      this.#suspects = [...this.#suspects, { peer, address: text, at: now, roll }].slice(-MAX_SUSPECTS)
      this.#postpone(peer, text, now, roll)
    }
  }

  /** Somebody could be reached, whoever it was: those who could not a moment ago are gone */
  alive (now: number): void {
    this.#alive = now
    const suspects = this.#suspects
    this.#suspects = []

    for (const { peer, address, at, roll } of suspects) {
      if (now - at <= SUSPECT_FOR) {
        this.#fail(peer, address, now, roll)
      }
    }
  }

  /** Where to dial the peer, best first; what does not work only where there is nothing else */
  addresses (peer: string, now: number): KnownAddress[] {
    const known = this.#entries.get(peer)?.ranked(now) ?? []
    const alive = known.filter(address => standing(address) !== 'dead')
    return alive.length > 0 ? alive : known
  }

  get (peer: string, address: string): KnownAddress | undefined {
    return this.#entries.get(peer)?.addresses.get(withoutPeer(address, peer))
  }

  /** Is it worth a look by which address the peer is connected? Once a minute, unless that is known */
  confirm (peer: string, now: number): boolean {
    const entry = this.#entries.get(peer)

    if (entry == null || now - entry.confirmed < CONFIRMED_FOR || entry.ranked(now).some(address => standing(address) === 'good')) {
      return entry == null
    }
    entry.confirmed = now
    return true
  }

  /** May others be asked where the peer is? Then they are, and not again for the interval. */
  seek (peer: string, now: number): boolean {
    const entry = this.#entry(peer)

    if (now - entry.sought < this.#params.interval) {
      return false
    }
    entry.sought = now
    return true
  }

  /**
   * What is to be tried now: of each peer that is worth it the best address, unless
   * it is connected or another one has worked lately. One a host: whoever puts a
   * stranger's address behind a thousand names makes us knock there once.
   */
  due (now: number, limit: number, connected: (peer: string) => boolean): DueProbe[] {
    const hosts = new Set<string>()
    const worth = [...this.#entries.values()]
      .filter(entry => entry.worth > now && !entry.probing)
      .sort((a, b) => Number(b.delivered) - Number(a.delivered) || b.worth - a.worth)
    const probes: DueProbe[] = []

    for (const entry of worth) {
      if (probes.length >= limit) {
        break
      }
      const next = entry.next(now)

      if (next != null && !hosts.has(hostOf(next.text)) && !connected(entry.peer)) {
        hosts.add(hostOf(next.text))
        entry.probing = true
        probes.push({ peer: entry.peer, address: next.text })
      }
    }
    return probes
  }

  /** A probe is over, whatever came of it; what came of nothing is tried again after the interval */
  probed ({ peer, address }: DueProbe, now: number): void {
    const entry = this.#entries.get(peer)
    const known = entry?.addresses.get(address)

    if (entry != null) {
      entry.probing = false
    }
    if (known != null && known.due <= now) {
      known.due = now + this.#params.interval
    }
  }

  /** Nobody here can dial it, or may */
  drop (peer: string, address: string): void {
    const entry = this.#entries.get(peer)

    if (entry?.addresses.delete(withoutPeer(address, peer)) === true) {
      this.#touch(entry)
    }
  }

  /** Forgets what is too old to be worth anything */
  prune (now: number): void {
    for (const entry of [...this.#entries.values()]) {
      if (entry.prune(now)) {
        this.#touch(entry)
      }
      if (entry.addresses.size === 0 && entry.worth <= now && now - entry.sought >= this.#params.interval && !entry.probing) {
        this.#entries.delete(entry.peer)
      }
    }
  }

  counts (): AddressBookCounts {
    const all = [...this.#entries.values()].flatMap(({ addresses }) => [...addresses.values()].map(standing))
    const count = (what: string): number => all.filter(each => each === what).length
    return { known: this.#entries.size, addresses: all.length, good: count('good'), dead: count('dead') }
  }

  /** As a table that is kept: times are given on the scale of `wall` */
  kept (clock: Pick<Clock, 'now' | 'wall'>): KeptTable {
    const wall = (at: number): number => toWall(clock, at)
    return {
      restore: stored => { this.#restore(stored, clock) },
      settle: () => {},
      takeDirty: limit => [...this.#dirty].slice(0, limit).map(id => {
        this.#dirty.delete(id)
        return [id, this.#entries.get(id)?.store(wall)]
      }),
      giveBack: ids => { ids.forEach(id => { this.#dirty.add(id) }) }
    }
  }

  #restore (stored: unknown, clock: Pick<Clock, 'now' | 'wall'>): void {
    const now = clock.now()
    const monotonic = (wall: number): number => fromWall(clock, wall, RECORD_LASTING / 2)
    const entry = restorePeer(stored, { monotonic, due: now + this.#params.interval })
    entry.prune(now)

    // what was learnt since the start counts, and what is too old is written over
    if (entry.addresses.size === 0) {
      this.#dirty.add(entry.peer)
    } else if (!this.#entries.has(entry.peer) && this.#entries.size < this.#params.peers) {
      this.#entries.set(entry.peer, entry)
    }
  }

  #entry (peer: string): KnownPeer {
    const known = this.#entries.get(peer)

    if (known != null) {
      // the one named last is the last to go
      this.#entries.delete(peer)
      this.#entries.set(peer, known)
      return known
    }
    if (this.#entries.size >= this.#params.peers) {
      this.#makeRoom()
    }
    const entry = new KnownPeer(peer)
    this.#entries.set(peer, entry)
    return entry
  }

  /**
   * The one named longest ago, of those that were never reached if there is one among the first. Those that were go
   * behind all others: a flood of names that lead nowhere reaches its own beginning next.
   */
  #makeRoom (): void {
    const first = [...this.#entries.values().take(LOOKED_THROUGH)]
    const stranger = first.findIndex(({ everReached }) => !everReached)
    const victim = first[Math.max(0, stranger)]

    for (const entry of stranger === -1 ? first : first.slice(0, stranger)) {
      this.#entries.delete(entry.peer)
      this.#entries.set(entry.peer, entry)
    }
    if (victim != null) {
      this.#entries.delete(victim.peer)
      this.#touch(victim)
    }
  }

  #add (entry: KnownPeer, address: KnownAddress, now: number): KnownAddress {
    if (entry.add(address, now)) {
      this.#touch(entry)
    }
    return address
  }

  #fail (peer: string, text: string, now: number, roll: number): void {
    const entry = this.#entries.get(peer)
    const known = entry?.addresses.get(text)

    if (entry != null && known != null) {
      failedOnce(known)
      this.#postpone(peer, text, now, roll)
      this.#touch(entry)
    }
  }

  #postpone (peer: string, text: string, now: number, roll: number): void {
    const known = this.#entries.get(peer)?.addresses.get(text)

    if (known != null) {
      const { interval, longest } = this.#params
      known.due = now + Math.min(longest, interval * 2 ** Math.max(0, known.failures - 1)) * (0.75 + roll / 2)
    }
  }

  #touch (entry: KnownPeer): void {
    entry.version++

    // beyond the limit what is gone stays in the store, until it is too old at a start
    if (this.#dirty.size < 2 * this.#params.peers) {
      this.#dirty.add(entry.peer)
    }
  }
}
