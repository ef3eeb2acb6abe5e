import { MAX_PATIENCE } from './peer-timing.ts'
import { Walk } from './walk.ts'
import type { NetworksOf } from './diverse.ts'
import type { KadAnswer, KadPeer, KadRequestOptions, Reach } from './kad-client.ts'
import type { KadKey } from './kad-key.ts'
import type { PeerTiming } from './peer-timing.ts'
import type { WalkEnd, WalkParams } from './walk.ts'
import type { Clock } from '../../interface/clock.ts'

/** Milliseconds that a timer may be late before it is clear that we stood still, and not they */
const LATENESS = 20
/** Milliseconds for one request, its dial included: whatever walk it belongs to */
const REQUEST_TIMEOUT = 2 * MAX_PATIENCE
/** Milliseconds until nothing is left of a dial that failed */
const SETTLING = 5

/** Told while a walk is under way, for its story. Times are in ms, `took` from where it was asked. */
export type WalkProgress =
  | { readonly phase: 'ask', readonly peer: string }
  | { readonly phase: 'answer', readonly peer: string, readonly took: number, readonly closer: number, readonly providers: number, readonly skipped: number }
  | { readonly phase: 'late', readonly peer: string, readonly took: number }
  | { readonly phase: 'error', readonly peer: string, readonly took: number, readonly error: Error }
  | { readonly phase: 'end', readonly result: WalkResult }

export interface WalkResult {
  readonly end: WalkEnd
  /** The nearest that answered, nearest first: at most k */
  readonly closest: readonly KadPeer[]
  readonly asked: number
  readonly answered: number
  readonly failed: number
  /** Peers among the nearest that were known to be dead, and left alone */
  readonly passedOver: number
  /** Peers among the nearest that were left out: two others of their network are nearer */
  readonly leftOut: number
  /** Answers on the way to the farthest of the nearest */
  readonly hops: number
  /** Milliseconds */
  readonly took: number
}

/** Nobody in the DHT answered. `errors` says what each did. */
export class WalkFailedError extends AggregateError {
  static override name = 'WalkFailedError'
  override name = 'WalkFailedError'
}

export type Asks = (peer: KadPeer, options: KadRequestOptions) => Promise<KadAnswer>

export interface WalkRunInit {
  readonly clock: Clock
  readonly timing: PeerTiming
  readonly networksOf: NetworksOf
  readonly ask: Asks
  readonly signal: AbortSignal
  readonly onProgress?: (event: WalkProgress) => void
}

interface Asked {
  readonly peer: KadPeer
  readonly askedAt: number
  readonly controller: AbortController
  reach?: Reach
  reachedAt: number
}

/** One walk under way: asks whom it names, tells it what came, and ends with it. Nothing of it outlives `result`. */
export class WalkRun {
  readonly result: Promise<WalkResult>
  readonly #init: WalkRunInit
  readonly #walk: Walk
  readonly #settle: PromiseWithResolvers<WalkResult> = Promise.withResolvers<WalkResult>()
  readonly #asked = new Map<string, Asked>()
  readonly #ever = new Set<string>()
  readonly #errors: Error[] = []
  readonly #startedAt: number
  #over = false
  /** Milliseconds in which we stood still: they are nobody's fault */
  #stood = 0
  #cancelTimer: () => void = () => {}

  constructor (init: WalkRunInit, target: KadKey, params: WalkParams, known: Iterable<KadPeer>) {
    this.#init = init
    this.#walk = new Walk(target, params, init.timing, init.networksOf)
    this.#walk.heard(known)
    this.#startedAt = init.clock.now()
    this.result = this.#settle.promise

    if (init.signal.aborted) {
      this.#onAbort()
    } else {
      init.signal.addEventListener('abort', this.#onAbort, { once: true })
      this.#advance()
    }
  }

  readonly #onAbort = (): void => {
    this.#end(() => { this.#settle.reject(this.#init.signal.reason as Error) })
  }

  #now (): number {
    return this.#init.clock.now() - this.#stood
  }

  #advance (): void {
    if (this.#over) {
      return
    }

    const peers = this.#walk.next(this.#now())
    // before one of them is asked elsewhere
    this.#tellLate()
    peers.forEach(peer => { this.#ask(peer) })

    const now = this.#now()
    const end = this.#walk.ended(now)
    this.#tellLate()

    if (end != null) {
      this.#finish(end)
    } else {
      this.#wait(now)
    }
  }

  #ask (peer: KadPeer): void {
    const { clock, ask } = this.#init
    const asked: Asked = { peer, askedAt: this.#now(), controller: new AbortController(), reachedAt: this.#now() }
    const again = this.#ever.has(peer.id)
    this.#ever.add(peer.id)
    this.#asked.get(peer.id)?.controller.abort(new DOMException('It is looked for elsewhere', 'AbortError'))
    this.#asked.set(peer.id, asked)
    this.#tell({ phase: 'ask', peer: peer.id })

    const onReached = (reach: Reach): void => {
      if (this.#over || this.#asked.get(peer.id) !== asked) {
        return
      }
      asked.reach = reach
      asked.reachedAt = this.#now()

      if (reach.dialled != null) {
        this.#init.timing.dialled(peer.id, asked.reachedAt - asked.askedAt)
      }
      this.#walk.reached(peer.id, asked.reachedAt, reach)
    }

    const { signal } = asked.controller
    // a dial of libp2p's that has just ended would be joined
    const asking = again ? clock.sleep(SETTLING, { signal }).then(async () => ask(peer, { signal, onReached })) : ask(peer, { signal, onReached })
    asking.then(
      answer => { this.#answered(asked, answer, clock.now()) },
      (error: Error) => { this.#failed(asked, error, clock.now()) }
    ).catch((error: unknown) => {
      // nothing above rejects but what a caller's own `onProgress` throws
      this.#end(() => { this.#settle.reject(error as Error) })
    })
  }

  #answered (asked: Asked, answer: KadAnswer, now: number): void {
    if (this.#over || this.#asked.get(asked.peer.id) !== asked) {
      return
    }

    const { peer, askedAt, reach, reachedAt } = asked
    this.#asked.delete(peer.id)
    this.#init.timing.answered(peer.id, { reach: reach ?? { rounds: 2 }, took: this.#now() - reachedAt, askedAt: askedAt + this.#stood, now })
    this.#walk.answered(peer.id)
    this.#walk.heard(answer.closer, peer.id)
    this.#tell({ phase: 'answer', peer: peer.id, took: this.#now() - askedAt, closer: answer.closer.length, providers: answer.providers.length, skipped: answer.skipped })
    this.#advance()
  }

  #failed (asked: Asked, error: Error, now: number): void {
    if (this.#over || this.#asked.get(asked.peer.id) !== asked) {
      return
    }

    const { peer, askedAt, reach } = asked
    this.#asked.delete(peer.id)
    this.#errors.push(error)

    if (!isOwnDoing(error)) {
      this.#init.timing.failed(peer.id, { reach, addresses: peer.addresses, askedAt: askedAt + this.#stood, now })
    }
    this.#walk.failed(peer.id)
    this.#tell({ phase: 'error', peer: peer.id, took: this.#now() - askedAt, error })
    this.#advance()
  }

  #tellLate (): void {
    for (const id of this.#walk.takeLate()) {
      const asked = this.#asked.get(id)

      if (asked != null) {
        this.#init.timing.failed(id, { reach: asked.reach, addresses: asked.peer.addresses, askedAt: asked.askedAt + this.#stood, now: this.#init.clock.now() })
        this.#tell({ phase: 'late', peer: id, took: this.#now() - asked.askedAt })
      }
    }
  }

  /** Until something may be decided without having heard anything */
  #wait (now: number): void {
    const oldest = this.#asked.values().next().value
    const at = Math.min(this.#walk.wakeAt(now) ?? Infinity, oldest == null ? Infinity : oldest.askedAt + REQUEST_TIMEOUT)
    const { clock } = this.#init
    this.#cancelTimer()

    if (at === Infinity) {
      return
    }

    const wait = Math.max(1, Math.ceil(at - now))
    const due = clock.now() + wait
    this.#cancelTimer = clock.schedule(wait, () => {
      const lateness = clock.now() - due

      if (lateness > LATENESS) {
        // what came meanwhile is yet to be read
        this.#stood += lateness
        this.#cancelTimer = clock.schedule(1, () => { this.#onTimer() })
      } else {
        this.#onTimer()
      }
    })
  }

  #onTimer (): void {
    const before = this.#now() - REQUEST_TIMEOUT

    for (const { askedAt, controller } of this.#asked.values()) {
      if (askedAt <= before) {
        controller.abort(new DOMException(`no answer within ${REQUEST_TIMEOUT} ms`, 'TimeoutError'))
      }
    }
    this.#advance()
  }

  #finish (end: WalkEnd): void {
    const walk = this.#walk
    const { asked, answered, failed } = walk.counts

    if (answered === 0) {
      const what = asked === 0 ? 'no peer of the DHT is known' : `none of ${asked} peers of the DHT answered`
      this.#end(() => { this.#settle.reject(new WalkFailedError(this.#errors, `The lookup failed: ${what}`)) })
      return
    }

    const result: WalkResult = { end, closest: walk.closest(), asked, answered, failed, ...walk.without, hops: walk.hops, took: this.#init.clock.now() - this.#startedAt }
    this.#tell({ phase: 'end', result })
    this.#end(() => { this.#settle.resolve(result) })
  }

  #end (settle: () => void): void {
    if (this.#over) {
      return
    }

    this.#over = true
    this.#cancelTimer()
    this.#init.signal.removeEventListener('abort', this.#onAbort)
    settle()

    for (const { controller } of this.#asked.values()) {
      controller.abort(new DOMException('The lookup is over', 'AbortError'))
    }
    this.#asked.clear()
  }

  #tell (event: WalkProgress): void {
    this.#init.onProgress?.(event)
  }
}

/** Our own node declined to try: it says nothing about the peer */
function isOwnDoing (error: Error): boolean {
  return error.name === 'KadRequestError' && (error as { reason?: unknown }).reason === 'declined'
}
