import { MAX_ADDRESSES } from '../../provider/provider.ts'
import { compareKnown, lasts, restoreAddress, standing, storeAddress } from './known-address.ts'
import type { KnownAddress } from './known-address.ts'

/** Failures in a row after which an address that has worked may go */
const GONE = 3
const PEER_ID = /^[1-9A-HJ-NP-Za-km-z]{1,128}$/

/** A peer, at most eight ways to it, and whether it is worth to look after them */
export class KnownPeer {
  readonly peer: string
  readonly addresses = new Map<string, KnownAddress>()
  /** Until when it is worth a probe, in this run */
  worth = -Infinity
  delivered = false
  /** When others were asked where it is */
  sought = -Infinity
  probing = false
  /** When it was looked up by which address it is connected */
  confirmed = -Infinity
  /** Changes with everything that may change an answer */
  version = 0

  constructor (peer: string) {
    this.peer = peer
  }

  get everReached (): boolean {
    return [...this.addresses.values()].some(({ reached }) => reached != null)
  }

  /** Those that are worth something, best first */
  ranked (now: number): KnownAddress[] {
    return [...this.addresses.values()].filter(address => lasts(address, now)).sort(compareKnown)
  }

  /** Hearsay displaces hearsay, the worst first, and what has failed for long; never what has worked. Returns whether there was a place. */
  add (address: KnownAddress, now: number): boolean {
    if (this.addresses.size >= MAX_ADDRESSES) {
      const all = [...this.addresses.values()]
      const expendable = all.filter(known => known.reached == null || known.failures >= GONE || !lasts(known, now))
      const [worst] = (expendable.length > 0 || address.reached == null ? expendable : all).sort((a, b) => Number(lasts(a, now)) - Number(lasts(b, now)) || compareKnown(b, a) || a.told - b.told)

      if (worst == null) {
        return false
      }
      this.addresses.delete(worst.text)
    }
    this.addresses.set(address.text, address)
    return true
  }

  /** The address that is to be tried now; none while one is known to work */
  next (now: number): KnownAddress | undefined {
    const known = this.ranked(now)
    return known.some(address => standing(address) === 'good' && address.due > now) ? undefined : known.find(({ due }) => due <= now)
  }

  /** Whether there was anything that is too old */
  prune (now: number): boolean {
    const before = this.addresses.size

    for (const address of [...this.addresses.values()]) {
      if (!lasts(address, now)) {
        this.addresses.delete(address.text)
      }
    }
    return this.addresses.size < before
  }

  /** @param wall - the time of day of a monotonic time */
  store (wall: (at: number) => number): object | undefined {
    return this.addresses.size === 0 ? undefined : { id: this.peer, addresses: [...this.addresses.values()].map(address => storeAddress(address, wall)) }
  }
}

/** Reads what `store` made, and throws at anything that it would not have made */
export function restorePeer (stored: unknown, init: { readonly monotonic: (wall: number) => number, readonly due: number }): KnownPeer {
  const { id, addresses } = (stored ?? {}) as { id?: unknown, addresses?: unknown }

  if (typeof id !== 'string' || !PEER_ID.test(id) || !Array.isArray(addresses) || addresses.length > MAX_ADDRESSES) {
    throw new TypeError('Not the stored addresses of a peer')
  }
  const peer = new KnownPeer(id)
  addresses.map(address => restoreAddress(address, init)).forEach(address => { peer.addresses.set(address.text, address) })
  return peer
}
