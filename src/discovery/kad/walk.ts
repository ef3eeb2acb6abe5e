import { compareDistance } from './kad-key.ts'
import type { KadPeer, Reach } from './kad-client.ts'
import type { KadKey } from './kad-key.ts'

export interface WalkParams {
  /** How many of the nearest are wanted */
  readonly k: number
  /** Requests that are neither answered nor slow at a time */
  readonly concurrency: number
  /** Peers that are asked in all: what made-up peers can cost */
  readonly maxAsked: number
}

/** What is known of peers before and while they are asked. Equal questions get equal answers while nothing is learnt. */
export interface PeerTimingView {
  /** Milliseconds after which its request leaves its place to another; counted from the start, or from where it was reached */
  slowAfter (peer: string, reach?: Reach): number
  /** Milliseconds after which nobody waits for it; never less than `slowAfter` */
  patience (peer: string, reach?: Reach): number
  /** Whether it gave no answer a while ago, so that others are asked before */
  dead (peer: string, now: number): boolean
}

/**
 * - `settled`: the k nearest have answered
 * - `exhausted`: there are not k that answer
 * - `spent`: as many were asked as may be, and nearer ones remain
 */
export type WalkEnd = 'settled' | 'exhausted' | 'spent'

type State = 'new' | 'asked' | 'late' | 'answered' | 'failed'

interface Candidate {
  readonly peer: KadPeer
  /** Answers that it took to hear of it */
  readonly depth: number
  state: State
  /** When it was asked, or reached */
  since: number
  reach?: Reach
}

/**
 * One iterative lookup as a decision: no promises, no clock, no dice. Whoever
 * drives it asks the peers that `next` names and tells what became of it.
 *
 * A request that takes longer than usual goes on, but no longer counts against
 * the concurrency, and one more peer is asked in its stead (the rule of
 * dht-rpc). The walk is settled as soon as the k nearest candidates have
 * answered, but for those that failed and those that were waited for beyond
 * all patience. For each of these one more has to answer: the dead fill the
 * answers of others, too, which so name fewer of the living. (200 nodes, 30 %
 * dead: without this, one of the k nearest was missing in 4 of 100 lookups.)
 */
export class Walk {
  readonly #target: KadKey
  readonly #params: WalkParams
  readonly #timing: PeerTimingView
  /** Nearest first */
  readonly #candidates: Candidate[] = []
  readonly #byId = new Map<string, Candidate>()
  readonly #pending = new Set<Candidate>()
  #late: string[] = []
  #counts = { asked: 0, answered: 0, failed: 0 }

  constructor (target: KadKey, params: WalkParams, timing: PeerTimingView) {
    this.#target = target
    this.#params = params
    this.#timing = timing
  }

  /** Peers so far */
  get counts (): { readonly asked: number, readonly answered: number, readonly failed: number } {
    return { ...this.#counts }
  }

  /** Answers on the way to the farthest of the nearest */
  get hops (): number {
    return this.#nearest().reduce((most, { depth }) => Math.max(most, depth), 0)
  }

  /**
   * Of an answer the nearest k are taken; what a table names, without `from`, is taken whole.
   *
   * @param from - whoever named them
   */
  heard (peers: Iterable<KadPeer>, from?: string): void {
    const { k, maxAsked } = this.#params
    const depth = from == null ? 1 : (this.#byId.get(from)?.depth ?? 0) + 1
    const edge = this.#counts.answered >= k ? this.#nearest()[k - 1]?.peer.key : undefined
    let fresh = [...peers].filter(({ id, key }) => id !== from && !this.#byId.has(id) && (edge == null || compareDistance(this.#target, key, edge) < 0))

    if (from != null && fresh.length > k) {
      fresh = fresh.sort((a, b) => compareDistance(this.#target, a.key, b.key)).slice(0, k)
    }

    for (const peer of fresh) {
      if (!this.#byId.has(peer.id)) {
        const candidate: Candidate = { peer, depth, state: 'new', since: 0 }
        this.#byId.set(peer.id, candidate)
        this.#candidates.splice(this.#place(peer.key), 0, candidate)
      }
    }

    this.#trim(k * (maxAsked + 1))
  }

  /** Those who are to be asked now, nearest first. They count as asked. */
  next (now: number): KadPeer[] {
    this.#expire(now)
    const running = this.#running(now)
    const { due, counted } = this.#due(now)

    // there are not k others, and whoever may name some has been heard
    if (due.length === 0 && counted < this.#params.k && (this.#counts.answered > 0 || running === 0)) {
      due.push(...this.#candidates.filter(({ state }) => state === 'new').slice(0, this.#params.k - counted))
    }

    const room = Math.max(0, Math.min(this.#params.concurrency - running, this.#left))
    return due.slice(0, room).map(candidate => this.#ask(candidate, now))
  }

  /** The connection to a peer that was asked is there: it is given the time that an answer takes */
  reached (peer: string, now: number, reach: Reach): void {
    const candidate = this.#byId.get(peer)

    if (candidate?.state === 'asked' || candidate?.state === 'late') {
      candidate.state = 'asked'
      candidate.since = now
      candidate.reach = reach
      this.#pending.add(candidate)
    }
  }

  /** However late it is, an answer counts */
  answered (peer: string): void {
    const candidate = this.#byId.get(peer)

    if (candidate?.state === 'asked' || candidate?.state === 'late') {
      candidate.state = 'answered'
      this.#counts.answered++
      this.#pending.delete(candidate)
    }
  }

  failed (peer: string): void {
    const candidate = this.#byId.get(peer)

    if (candidate?.state === 'asked' || candidate?.state === 'late') {
      candidate.state = 'failed'
      this.#counts.failed++
      this.#pending.delete(candidate)
    }
  }

  /** When `next` or `ended` may say something else although nothing was told; undefined when never */
  wakeAt (now: number): number | undefined {
    let at = Infinity

    for (const { peer, since, reach } of this.#pending) {
      const slow = since + this.#timing.slowAfter(peer.id, reach)
      at = Math.min(at, slow > now ? slow : since + this.#timing.patience(peer.id, reach))
    }

    return at === Infinity ? undefined : Math.max(at, now)
  }

  /** Why the walk is over, undefined while it is not */
  ended (now: number): WalkEnd | undefined {
    this.#expire(now)
    const { k } = this.#params
    let answered = 0
    let gone = 0
    let passed = false

    for (const candidate of this.#candidates) {
      if (answered === k + gone) {
        break
      }
      if (candidate.state === 'answered') {
        answered++
      } else if (candidate.state === 'asked') {
        // those beyond the k are not waited for any longer than usual
        if (answered < k || !this.#slow(candidate, now)) {
          return undefined
        }
      } else if (candidate.state === 'new' && !this.#timing.dead(candidate.peer.id, now)) {
        if (this.#left > 0) {
          return undefined
        }
        passed = true
      } else if (gone < k) {
        gone++
      }
    }

    if (answered >= k) {
      return passed ? 'spent' : 'settled'
    }

    const silent = this.#candidates.some(({ state }) => state === 'new')

    // without a single answer even those beyond patience are waited for
    if ((silent && this.#left > 0) || (this.#counts.answered === 0 && this.#candidates.some(({ state }) => state === 'late'))) {
      return undefined
    }

    return silent ? 'spent' : 'exhausted'
  }

  /** The k nearest of those that answered, nearest first */
  closest (): KadPeer[] {
    return this.#nearest().map(({ peer }) => peer)
  }

  /** Candidates nearer than the last of the nearest that were never asked: they were known to be dead */
  get passedOver (): number {
    const edge = this.#nearest().at(-1)
    return this.#candidates.slice(0, edge == null ? undefined : this.#candidates.indexOf(edge)).filter(({ state }) => state === 'new').length
  }

  /** Those who went beyond patience since this was asked last */
  takeLate (): string[] {
    return this.#late.splice(0)
  }

  get #left (): number {
    return this.#params.maxAsked - this.#counts.asked
  }

  /** The unasked among the nearest of those that may answer in the usual time, and how many these are: k, and one more for each that is gone */
  #due (now: number): { due: Candidate[], counted: number } {
    const { k } = this.#params
    const due: Candidate[] = []
    let counted = 0
    let gone = 0

    for (const candidate of this.#candidates) {
      const { state, peer } = candidate

      if (counted === k + gone) {
        break
      }
      if (state === 'new' && !this.#timing.dead(peer.id, now)) {
        counted++
        due.push(candidate)
      } else if (state === 'answered' || (state === 'asked' && !this.#slow(candidate, now))) {
        counted++
      } else if (state !== 'asked' && gone < k) {
        gone++
      }
    }

    return { due, counted }
  }

  #ask (candidate: Candidate, now: number): KadPeer {
    this.#counts.asked++
    candidate.state = 'asked'
    candidate.since = now
    this.#pending.add(candidate)
    return candidate.peer
  }

  #slow ({ peer, since, reach }: Candidate, now: number): boolean {
    return now >= since + this.#timing.slowAfter(peer.id, reach)
  }

  #running (now: number): number {
    let count = 0

    for (const candidate of this.#pending) {
      count += this.#slow(candidate, now) ? 0 : 1
    }
    return count
  }

  #expire (now: number): void {
    for (const candidate of this.#pending) {
      const { peer, since, reach } = candidate

      if (now >= since + this.#timing.patience(peer.id, reach)) {
        candidate.state = 'late'
        this.#pending.delete(candidate)
        this.#late.push(peer.id)
      }
    }
  }

  #nearest (): Candidate[] {
    const result: Candidate[] = []

    for (const candidate of this.#candidates) {
      if (candidate.state === 'answered' && result.push(candidate) === this.#params.k) {
        break
      }
    }
    return result
  }

  /** Where a key belongs among the candidates */
  #place (key: KadKey): number {
    let low = 0
    let high = this.#candidates.length

    while (low < high) {
      const middle = (low + high) >> 1

      if (compareDistance(this.#target, (this.#candidates[middle] as Candidate).peer.key, key) <= 0) {
        low = middle + 1
      } else {
        high = middle
      }
    }
    return low
  }

  /** The farthest of those who were not asked go first: they would be asked last */
  #trim (max: number): void {
    for (let i = this.#candidates.length - 1; i >= 0 && this.#candidates.length > max; i--) {
      const { state, peer } = this.#candidates[i] as Candidate

      if (state === 'new') {
        this.#candidates.splice(i, 1)
        this.#byId.delete(peer.id)
      }
    }
  }
}
