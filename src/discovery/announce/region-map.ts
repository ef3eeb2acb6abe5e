import { commonPrefixLength, compareDistance } from '../kad/kad-key.ts'
import type { KadPeer } from '../kad/kad-client.ts'
import type { KadKey } from '../kad/kad-key.ts'

/** All keys that begin with the first so many bits of this one */
export interface Region {
  readonly key: KadKey
  readonly bits: number
}

/**
 * What is known of the keyspace: in some regions every peer is. The k nearest
 * to any key in them follow without another lookup, so that the lookups of many
 * announcements are those of a few regions.
 */
export class RegionMap {
  readonly #k: number
  /** By key */
  readonly #peers: KadPeer[] = []
  readonly #ids = new Set<string>()
  /** The largest regions of which everybody is known, as bits */
  readonly #known = new Set<string>()

  constructor (k: number) {
    this.#k = k
  }

  get size (): number {
    return this.#peers.length
  }

  /**
   * A lookup found that these are the k nearest to `target`, nearest first; fewer
   * are all there are. Returns the bits of the region that is known from it.
   */
  explored (target: KadKey, nearest: readonly KadPeer[]): number {
    for (const peer of nearest) {
      this.#add(peer)
    }

    const last = nearest[this.#k - 1]
    // nearer than the last one there are no others
    const bits = last == null ? 0 : Math.min(256, commonPrefixLength(target, last.key) + 1)
    this.#know(bitsOf(target, bits))
    return bits
  }

  /** The k nearest to a key, nearest first, or where to look to find out */
  nearest (key: KadKey): { readonly peers: readonly KadPeer[] } | { readonly missing: Region } {
    const { bits, from, to } = this.#smallest(key)
    const missing = this.#missing(bitsOf(key, bits))

    if (missing == null) {
      return { peers: this.#peers.slice(from, to).sort((a, b) => compareDistance(key, a.key, b.key)).slice(0, this.#k) }
    }
    return { missing: regionOf(missing) }
  }

  /** The region that has to be known for that: the smallest with k peers in it, as far as they are known */
  regionOf (key: KadKey): Region {
    return { key, bits: this.#smallest(key).bits }
  }

  #smallest (key: KadKey): { bits: number, from: number, to: number } {
    // the neighbours in the order of keys share most bits, so this begins deep enough
    const at = this.#lowerBound(key)
    let bits = Math.max(...[at - 1, at].map(i => this.#peers[i]).map(peer => peer == null ? 0 : commonPrefixLength(key, peer.key)))
    let from = at
    let to = at

    for (;; bits--) {
      while (from > 0 && commonPrefixLength(key, (this.#peers[from - 1] as KadPeer).key) >= bits) {
        from--
      }
      while (to < this.#peers.length && commonPrefixLength(key, (this.#peers[to] as KadPeer).key) >= bits) {
        to++
      }
      if (to - from >= this.#k || bits === 0) {
        return { bits, from, to }
      }
    }
  }

  #add (peer: KadPeer): void {
    if (!this.#ids.has(peer.id)) {
      this.#ids.add(peer.id)
      this.#peers.splice(this.#lowerBound(peer.key), 0, peer)
    }
  }

  /** The first that is not before the key */
  #lowerBound (key: KadKey): number {
    let low = 0
    let high = this.#peers.length

    while (low < high) {
      const middle = (low + high) >>> 1
      if (compareKeys((this.#peers[middle] as KadPeer).key, key) < 0) {
        low = middle + 1
      } else {
        high = middle
      }
    }
    return low
  }

  #know (bits: string): void {
    if (this.#isKnown(bits)) {
      return
    }
    for (const known of this.#known) {
      if (known.startsWith(bits)) {
        this.#known.delete(known)
      }
    }
    if (bits !== '' && this.#known.has(siblingOf(bits))) {
      this.#know(bits.slice(0, -1))
    } else {
      this.#known.add(bits)
    }
  }

  #isKnown (bits: string): boolean {
    for (let length = 0; length <= bits.length; length++) {
      if (this.#known.has(bits.slice(0, length))) {
        return true
      }
    }
    return false
  }

  /** The largest part of a region of which nothing is known */
  #missing (bits: string): string | undefined {
    if (this.#isKnown(bits)) {
      return undefined
    }
    if (![...this.#known].some(known => known.startsWith(bits))) {
      return bits
    }
    return this.#missing(`${bits}0`) ?? this.#missing(`${bits}1`)
  }
}

function bitsOf (key: KadKey, count: number): string {
  let bits = ''

  for (let i = 0; bits.length < count; i++) {
    bits += (key[i] as number).toString(2).padStart(8, '0')
  }
  return bits.slice(0, count)
}

function regionOf (bits: string): Region {
  const key = new Uint8Array(32)

  for (let i = 0; i < bits.length; i++) {
    if (bits[i] === '1') {
      key[i >>> 3] = (key[i >>> 3] as number) | 0x80 >>> (i & 7)
    }
  }
  return { key, bits: bits.length }
}

function siblingOf (bits: string): string {
  return `${bits.slice(0, -1)}${bits.endsWith('0') ? '1' : '0'}`
}

/** Order of the keyspace */
export function compareKeys (a: KadKey, b: KadKey): number {
  for (let i = 0; i < a.byteLength; i++) {
    const difference = (a[i] as number) - (b[i] as number)
    if (difference !== 0) {
      return difference
    }
  }
  return 0
}
