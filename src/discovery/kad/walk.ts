import { Candidates } from './candidates.ts'
import { Places, noNetworks } from './diverse.ts'
import { dispute, relocate } from './elsewhere.ts'
import { compareDistance } from './kad-key.ts'
import type { Candidate } from './candidates.ts'
import type { NetworksOf } from './diverse.ts'
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
  /** Whether it gave no answer a while ago, so that others are asked before. @param addresses - where it is asked: elsewhere it may be there */
  dead (peer: string, now: number, addresses?: readonly string[]): boolean
  /** Of those who are asked for the first time, the share that is never heard of: from 0 to 1 */
  readonly silentShare: number
}

/**
 * - `settled`: the k nearest have answered
 * - `exhausted`: there are not k that answer
 * - `spent`: as many were asked as may be, and nearer ones remain
 */
export type WalkEnd = 'settled' | 'exhausted' | 'spent'

/** For each of the k nearest that is expected to be silent: one takes its place, and two make up for what the dead hide in the answers of all. (200 nodes, 30 % dead: with one less, some of the nearest were missed in 3 of 800 lookups, now in none of 1 600.) */
const MORE = 3
/** Of one network at most so many are asked in the end: those who are heard of later may be nearer, in a few rounds of two */
const MAX_ANSWERS_OF_NETWORK = 8

/**
 * One iterative lookup as a decision: no promises, no clock, no dice. Whoever
 * drives it asks the peers that `next` names and tells what became of it.
 *
 * A request that takes longer than usual goes on, but no longer counts against
 * the concurrency, and another peer is asked in its stead (the rule of dht-rpc).
 * The walk is settled as soon as the k nearest candidates have answered, but for
 * those that failed and those that were waited for beyond all patience.
 *
 * The dead fill the answers of others, too, which so name fewer of the living.
 * So for each that seems gone one more is asked, beyond the one in its stead,
 * and, as soon as somebody answers, more for as many as are expected to be gone.
 * Nobody waits for these.
 *
 * Of one network two at most are among the nearest: whoever owns a /24 is not
 * everybody. Who is left out for that is neither asked nor waited for.
 */
export class Walk {
  readonly #params: WalkParams
  readonly #target: KadKey
  readonly #timing: PeerTimingView
  readonly #networksOf: NetworksOf
  readonly #candidates: Candidates
  readonly #pending = new Set<Candidate>()
  /** Those who are said to be at different places */
  readonly #disputed = new Set<Candidate>()
  /** Answers, by network */
  readonly #answers = new Places(MAX_ANSWERS_OF_NETWORK)
  #late: string[] = []
  #unproven: ReadonlySet<string> = new Set()
  #counts = { asked: 0, answered: 0, failed: 0 }

  constructor (target: KadKey, params: WalkParams, timing: PeerTimingView, networksOf: NetworksOf = noNetworks) {
    this.#target = target
    this.#params = params
    this.#timing = timing
    this.#networksOf = networksOf
    this.#candidates = new Candidates(target)
  }

  /** Peers so far */
  get counts (): { readonly asked: number, readonly answered: number, readonly failed: number } {
    return { ...this.#counts }
  }

  /** Answers on the way to the farthest of the nearest */
  get hops (): number {
    return this.#candidates.nearest(this.#params.k).reduce((most, { depth }) => Math.max(most, depth), 0)
  }

  /**
   * Of an answer the nearest k are taken; what a table names, without `from`, is taken whole.
   *
   * @param from - whoever named them
   */
  heard (peers: Iterable<KadPeer>, from?: string): void {
    const { k, maxAsked } = this.#params
    const depth = from == null ? 1 : (this.#candidates.get(from)?.depth ?? 0) + 1
    const edge = this.#counts.answered >= k ? this.#candidates.nearest(this.#params.k)[k - 1]?.peer.key : undefined
    const named = [...peers]
    const news = named.filter(({ id, key }) => id !== from && this.#candidates.get(id) == null && (edge == null || compareDistance(this.#target, key, edge) < 0))

    const fresh = from == null || news.length <= k ? news : news.sort((a, b) => compareDistance(this.#target, a.key, b.key)).slice(0, k)
    const voice = from == null ? undefined : this.#candidates.get(from)?.networks[0] ?? from

    for (const peer of voice == null ? [] : named) {
      const known = this.#candidates.get(peer.id)

      if (known != null && dispute(known, peer, voice as string, this.#networksOf)) {
        this.#disputed.add(known)
      }
    }
    for (const peer of fresh) {
      if (this.#candidates.get(peer.id) == null) {
        this.#candidates.add({ peer, depth, networks: this.#networksOf(peer), state: 'new', since: 0, voice })
      }
    }

    this.#candidates.trim(k * (maxAsked + 1))
  }

  /** Those who are to be asked now, nearest first. They count as asked. */
  next (now: number): KadPeer[] {
    this.#expire(now)
    const running = this.#running(now)
    const { due, counted } = this.#due(now)

    // there are not k others, and whoever may name some has been heard
    if (due.length === 0 && counted < this.#params.k && (this.#counts.answered > 0 || running === 0)) {
      due.push(...this.#silent(now).slice(0, this.#params.k - counted))
    }

    const room = Math.max(0, Math.min(this.#params.concurrency - running, this.#left))
    return due.slice(0, room).map(candidate => this.#ask(candidate, now))
  }

  /** The connection to a peer that was asked is there: it is given the time that an answer takes */
  reached (peer: string, now: number, reach: Reach): void {
    const candidate = this.#candidates.get(peer)

    if (candidate?.state === 'asked' || candidate?.state === 'late') {
      candidate.state = 'asked'
      candidate.since = now
      candidate.reach = reach

      if (reach.from != null) {
        // whatever else it says of itself takes nobody's place any more
        candidate.networks = this.#networksOf({ addresses: [reach.from] })
      }
      this.#pending.add(candidate)
    }
  }

  /** However late it is, an answer counts */
  answered (peer: string): void {
    const candidate = this.#candidates.get(peer)

    if (candidate?.state === 'asked' || candidate?.state === 'late') {
      candidate.state = 'answered'
      this.#answers.add(candidate.networks)
      this.#counts.answered++
      this.#pending.delete(candidate)
    }
  }

  failed (peer: string): void {
    const candidate = this.#candidates.get(peer)

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
    let passed = false

    for (const [candidate, placed] of this.#ranked(now)) {
      const { state } = candidate

      if (answered === k) {
        break
      }
      if (!placed) {
        continue
      }
      if (state === 'answered') {
        answered++
      } else if (state === 'asked') {
        return undefined
      } else if (state === 'new' && !this.#dead(candidate, now)) {
        if (this.#left > 0) {
          return undefined
        }
        passed = true
      }
    }

    if (answered === k) {
      return passed ? 'spent' : 'settled'
    }

    const silent = this.#silent(now).length > 0

    // without a single answer even those beyond patience are waited for
    if ((silent && this.#left > 0) || (this.#counts.answered === 0 && this.#candidates.some(({ state }) => state === 'late'))) {
      return undefined
    }

    return silent ? 'spent' : 'exhausted'
  }

  /** The k nearest of those that answered, nearest first */
  closest (): KadPeer[] {
    return this.#candidates.nearest(this.#params.k).map(({ peer }) => peer)
  }

  /** Of the candidates nearer than the last of the nearest: those never asked because they were known to be dead, and those left out for their network */
  get without (): { readonly passedOver: number, readonly leftOut: number } {
    return this.#candidates.without(this.#params.k)
  }

  /** Those who went beyond patience since this was asked last */
  takeLate (): string[] {
    return this.#late.splice(0)
  }

  get #left (): number {
    return this.#params.maxAsked - this.#counts.asked
  }

  /**
   * The unasked among the nearest of those that may answer in the usual time, and
   * how many these are: k, and one more for each that is gone or left out, or more
   * for those that will be.
   */
  #due (now: number): { due: Candidate[], counted: number } {
    const { k } = this.#params
    const share = this.#timing.silentShare
    // not all at once: connecting to those who matter less would keep the nearest waiting
    const expected = this.#counts.answered === 0 ? 0 : Math.min(k, Math.round(MORE * k * share / Math.max(0.1, 1 - share)))
    const due: Candidate[] = []
    let counted = 0
    let gone = 0

    for (const [candidate, placed] of this.#ranked(now)) {
      const { state } = candidate

      if (counted >= k + Math.max(gone, expected)) {
        break
      }
      if (placed && state === 'new' && !this.#dead(candidate, now)) {
        counted++
        due.push(candidate)
      } else if (placed && (state === 'answered' || (state === 'asked' && !this.#slow(candidate, now)))) {
        counted++
      } else if (gone < k && counted < k) {
        gone++
      }
    }

    return { due, counted }
  }

  /**
   * Nearest first, and who finds a place. Who is slow, late or failed holds none
   * against others: anybody can be said to be anywhere.
   */
  * #ranked (now: number): Generator<[candidate: Candidate, placed: boolean], void, undefined> {
    const places = new Places()

    for (const candidate of this.#candidates) {
      const { state, networks } = candidate

      if (networks.length === 0) {
        yield [candidate, true]
      } else if (state === 'answered' || (state === 'asked' && !this.#slow(candidate, now))) {
        yield [candidate, places.take(networks)]
      } else if (state === 'new' && !this.#dead(candidate, now)) {
        yield [candidate, this.#answers.has(networks) && places.take(networks)]
      } else {
        yield [candidate, places.has(networks)]
      }
    }
  }

  /** Those who were never asked, whatever is known of them */
  #silent (now: number): Candidate[] {
    return [...this.#ranked(now)].filter(([{ state }, placed]) => placed && state === 'new').map(([candidate]) => candidate)
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
    this.#unproven = this.#candidates.unproven()
    relocate(this.#disputed, candidate => this.#dead(candidate, now), this.#networksOf)
  }

  #dead ({ peer: { id, addresses }, voice }: Candidate, now: number): boolean {
    return this.#timing.dead(id, now, addresses) || (voice != null && this.#unproven.has(voice))
  }
}
