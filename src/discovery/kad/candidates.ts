import { Places } from './diverse.ts'
import type { Elsewhere } from './elsewhere.ts'
import { compareDistance } from './kad-key.ts'
import type { KadPeer, Reach } from './kad-client.ts'
import type { KadKey } from './kad-key.ts'

export interface Candidate {
  /** As it is asked */
  peer: KadPeer
  /** Answers that it took to hear of it */
  readonly depth: number
  /** What it shares with others: as its addresses say, and once it was reached as the one says where it is */
  networks: readonly string[]
  state: 'new' | 'asked' | 'late' | 'answered' | 'failed'
  /** When it was asked, or reached */
  since: number
  reach?: Reach
  /** Who alone has named it, or the network of whoever did; nobody where several did, or it was known before */
  voice?: string
  /** Where else others say it is, and who: whoever named it first may have made up where */
  elsewhere?: Elsewhere
}

/** Asked on the word of one alone, before any of them was reached: where a third is dead, all of them are by chance once in 1 400 answers */
const UNPROVEN = 6

/** Whom a lookup has heard of, nearest first */
export class Candidates {
  readonly #target: KadKey
  readonly #sorted: Candidate[] = []
  readonly #byId = new Map<string, Candidate>()

  constructor (target: KadKey) {
    this.#target = target
  }

  get (id: string): Candidate | undefined {
    return this.#byId.get(id)
  }

  [Symbol.iterator] (): IterableIterator<Candidate> {
    return this.#sorted.values()
  }

  some (is: (candidate: Candidate) => boolean): boolean {
    return this.#sorted.some(is)
  }

  add (candidate: Candidate): void {
    this.#byId.set(candidate.peer.id, candidate)
    this.#sorted.splice(this.#place(candidate.peer.key), 0, candidate)
  }

  /** Whose word is worth nothing yet: of those whom nobody else named some were asked, and none is there so far */
  unproven (): Set<string> {
    const gone = new Map<string, number>()

    for (const candidate of this.#sorted) {
      const { voice, state, reach } = candidate

      if (voice != null && (state === 'answered' || reach != null)) {
        gone.set(voice, -Infinity)
      } else if (voice != null && state !== 'new') {
        gone.set(voice, (gone.get(voice) ?? 0) + 1)
      }
    }
    return new Set([...gone].filter(([, count]) => count >= UNPROVEN).map(([voice]) => voice))
  }

  /** The k nearest of those that answered, two of a network at most */
  nearest (k: number): Candidate[] {
    const result: Candidate[] = []
    const places = new Places()

    for (const candidate of this.#sorted) {
      if (candidate.state === 'answered' && places.take(candidate.networks) && result.push(candidate) === k) {
        break
      }
    }
    return result
  }

  /** Who is nearer than the last of these and not among them: never asked, or left out for its network */
  without (k: number): { readonly passedOver: number, readonly leftOut: number } {
    const nearest = new Set(this.nearest(k))
    const edge = [...nearest].at(-1)
    const places = new Places()
    let passedOver = 0
    let leftOut = 0

    for (const candidate of this.#sorted) {
      if (nearest.has(candidate)) {
        places.add(candidate.networks)
      } else if (!places.has(candidate.networks)) {
        leftOut++
      } else if (candidate.state === 'new') {
        passedOver++
      }
      if (candidate === edge) {
        break
      }
    }
    return { passedOver, leftOut }
  }

  /** The farthest of those who were not asked go first: they would be asked last */
  trim (max: number): void {
    for (let i = this.#sorted.length - 1; i >= 0 && this.#sorted.length > max; i--) {
      const { state, peer } = this.#sorted[i] as Candidate

      if (state === 'new') {
        this.#sorted.splice(i, 1)
        this.#byId.delete(peer.id)
      }
    }
  }

  #place (key: KadKey): number {
    let low = 0
    let high = this.#sorted.length

    while (low < high) {
      const middle = (low + high) >> 1

      if (compareDistance(this.#target, (this.#sorted[middle] as Candidate).peer.key, key) <= 0) {
        low = middle + 1
      } else {
        high = middle
      }
    }
    return low
  }
}
