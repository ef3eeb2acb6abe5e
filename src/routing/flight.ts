import { NotFoundError, RetrievalFailedError, RetrievalTimeoutError } from '../interface/errors.ts'
import { FeedWait } from './feed-wait.ts'
import { RoutingRequest } from './request.ts'
import { Retrieval } from './retrieval.ts'
import { Explanation } from './story.ts'
import { Timeline } from './timeline.ts'
import { missMessage } from './verdict.ts'
import type { ProviderGroup } from './provider-group.ts'
import type { Fed, Feeding } from './feeds.ts'
import type { RoutingEnvironment } from './environment.ts'
import type { RetrievalEnd } from './retrieval-init.ts'
import type { Ledger, PrivacyMode } from '../interface/disclosure.ts'
import type { BlockKey, Provider, ProviderId } from '../interface/provider.ts'
import type { Want } from '../interface/request.ts'

/** One caller of a flight */
export interface Joiner {
  readonly signal?: AbortSignal
  /** Monotonic */
  readonly deadline: number
  readonly priority: number
  readonly client?: string
  readonly hints: readonly Provider[]
  /** @default 'read' */
  readonly purpose?: 'read' | 'prefetch'
  /** Of a prefetch: resolves when it has become a read */
  readonly needed?: Promise<void>
  onProgress? (phase: string, detail: Record<string, unknown>): void
}

export interface FlightInit {
  readonly env: RoutingEnvironment
  readonly ledger: Ledger
  readonly id: string
  readonly want: Want
  readonly mode: PrivacyMode
  readonly group: ProviderGroup
  readonly parent?: Want
  /** The stream that has the block or will have it soon, if there is one */
  feeding? (signal: AbortSignal): Feeding | undefined
  /** Runs once, before the first caller gets the bytes */
  onDelivered (bytes: Uint8Array, provider: Provider): void
  /** A certain miss: nobody known has it. Not called when somebody announced it meanwhile. */
  onMiss (why: string, asked: Iterable<string>, refused: boolean): void
  /** `wasRead`: somebody waited for it, and it was not only wanted ahead */
  onFailed (kind: 'not-found' | 'failed' | 'aborted', wasRead: boolean): void
  onClosed (): void
}

interface Seat {
  readonly joiner: Joiner
  purpose: 'read' | 'prefetch'
  leave (): void
  resolve (bytes: Uint8Array): void
  reject (err: Error): void
}

/**
 * One retrieval shared by everybody who wants the block now. Each caller has its
 * own signal, deadline and progress; the work is aborted when the last has left.
 */
export class Flight {
  readonly timeline: Timeline
  readonly #init: FlightInit
  readonly #controller = new AbortController()
  readonly #seats = new Set<Seat>()
  readonly #wait: FeedWait
  #retrieval?: Retrieval
  /** The retrieval goes on beside a stream, which is late */
  #hedges = false
  /** Somebody announced the block while it was sought: a miss would be out of date */
  announced = false
  #begun = false
  /** It began as a prefetch, and nobody waits for it yet */
  #ahead = false
  #over = false
  /** What it was for when it ended: a lookup that lingers was caused by that, although nobody waits any more */
  #was?: 'read' | 'prefetch'

  get key (): BlockKey {
    return this.#init.want.key
  }

  constructor (init: FlightInit) {
    this.#init = init
    this.timeline = new Timeline(init.want.cid.toString(), init.env.clock, init.id)
    this.#wait = new FeedWait({
      env: init.env,
      size: init.want.size,
      mayHedge: init.env.switches(init.mode).hedges,
      next: () => init.feeding?.(this.#controller.signal),
      needed: () => this.#purpose === 'read',
      onFeeding: ({ provider, why }) => { this.timeline.add('stream', `waits for ${why}`, { provider: provider.id }) },
      onFed: fed => { this.#fed(fed) },
      onNone: () => {
        if (this.#retrieval == null) {
          this.#seek()
        }
      },
      onLate: ({ provider, answerer }) => {
        this.timeline.add('stream', 'it is late: others are asked as well', { provider: provider.id })
        this.#hedges = true
        this.#seek(answerer)
      }
    })
  }

  get explanation (): Explanation {
    return new Explanation(this.timeline)
  }

  async join (joiner: Joiner): Promise<Uint8Array> {
    if (joiner.signal?.aborted === true && this.#seats.size === 0) {
      // it left while the store was looked into: a flight that nobody boards must not stay
      this.#abandon(joiner.signal.reason as Error)
    }

    joiner.signal?.throwIfAborted()

    return new Promise<Uint8Array>((resolve, reject) => {
      const { clock } = this.#init.env
      const onAbort = (): void => { seat.reject(joiner.signal?.reason as Error) }
      const cancelTimer = clock.schedule(Math.max(0, joiner.deadline - clock.now()), () => {
        this.timeline.add('failed', 'out of time')
        seat.reject(new RetrievalTimeoutError(
          this.#retrieval?.errors ?? [],
          `${this.timeline.cid}: no provider delivered in time (${this.#summary()})`,
          this.explanation
        ))
      })
      const seat: Seat = {
        joiner,
        purpose: joiner.purpose ?? 'read',
        leave: () => {
          cancelTimer()
          joiner.signal?.removeEventListener('abort', onAbort)
          this.#seats.delete(seat)
        },
        resolve: bytes => {
          seat.leave()
          resolve(bytes)
        },
        reject: err => {
          seat.leave()
          reject(err)

          if (this.#seats.size === 0) {
            this.#abandon(err)
          }
        }
      }

      this.#seats.add(seat)
      joiner.signal?.addEventListener('abort', onAbort, { once: true })
      void joiner.needed?.then(() => {
        seat.purpose = 'read'
        this.#joined([])
      })

      if (!this.#begun) {
        this.#begin()
      } else {
        this.timeline.joined++
        this.#joined(joiner.hints)
      }
    })
  }

  /** The manager stops: everybody is told */
  stop (err: Error): void {
    for (const seat of [...this.#seats]) {
      seat.reject(err)
    }
  }

  #begin (): void {
    this.#begun = true
    this.#ahead = this.#purpose === 'prefetch'

    if (this.#ahead) {
      this.timeline.add('purpose', 'wanted ahead of its reader')
    }

    this.#wait.start()
  }

  /** One more caller, or one who waits now for what was wanted ahead */
  #joined (hints: readonly Provider[]): void {
    if (this.#over) {
      return
    }

    if (this.#ahead && this.#purpose === 'read') {
      this.#ahead = false
      this.timeline.add('purpose', 'a reader waits for it: from now on it is a read')
    }

    this.#retrieval?.joined(hints)
    this.#wait.need()
  }

  /** A stream has brought it */
  #fed ({ bytes, provider, why, disclosed }: Fed): void {
    disclosed.forEach(entry => { this.timeline.disclose(entry) })
    this.timeline.add('stream', why, { provider: provider.id, bytes: bytes.byteLength })
    this.#tell('stream', { provider: provider.id, bytes: bytes.byteLength })
    this.#retrieval?.abort('it came in a stream')
    this.#end({ kind: 'delivered', bytes, provider })
  }

  #seek (busy?: ProviderId): void {
    try {
      this.#start([...this.#seats].map(({ joiner }) => joiner), busy)
    } catch (err) {
      // whatever foreign code threw: nobody may join what never began
      this.stop(err as Error)
    }
  }

  #start (joiners: readonly Joiner[], busy?: ProviderId): void {
    const { env, want, ledger } = this.#init
    const request = new RoutingRequest({ ledger, clock: env.clock }, {
      id: this.#init.id,
      purpose: () => this.#purpose,
      mode: this.#init.mode,
      signal: this.#controller.signal,
      key: want.key,
      client: joiners[0]?.client,
      onDisclosed: disclosure => { this.timeline.disclose(disclosure) },
      hints: joiners.flatMap(({ hints }) => hints),
      deadline: () => this.#most('deadline'),
      priority: () => this.#most('priority')
    })
    this.#retrieval = new Retrieval({
      env,
      want,
      request,
      group: this.#init.group,
      parent: this.#init.parent,
      timeline: this.timeline,
      busy,
      onProgress: (phase, detail) => { this.#tell(phase, detail) },
      onEnd: end => { this.#sought(end) }
    })
    this.#retrieval.start()
  }

  #sought (end: RetrievalEnd): void {
    if (end.kind === 'delivered' && this.#hedges) {
      this.#init.env.stats.hedgesWon += this.#wait.waiting ? 1 : 0
      this.#wait.beaten()
    } else if (this.#hedges) {
      // it was not to ask who sends the stream
      this.#hedges = false
      this.#retrieval = undefined

      if (!this.#wait.waiting) {
        this.#seek()
      }
      return
    }

    this.#end(end)
  }

  /** One reader who waits makes it a read */
  get #purpose (): 'read' | 'prefetch' {
    return this.#was ?? ([...this.#seats].some(({ purpose }) => purpose === 'read') ? 'read' : 'prefetch')
  }

  #tell (phase: string, detail: Record<string, unknown>): void {
    for (const { joiner } of this.#seats) {
      joiner.onProgress?.(phase, detail)
    }
  }

  #most (what: 'deadline' | 'priority'): number {
    let most = -Infinity

    for (const { joiner } of this.#seats) {
      most = Math.max(most, joiner[what])
    }

    return most
  }

  #end (end: RetrievalEnd): void {
    const { cid } = this.timeline

    if (end.kind === 'delivered') {
      this.timeline.end('delivered', `${end.provider.id} delivered ${end.bytes.byteLength} bytes, verified`)
      this.#close()
      this.#init.onDelivered(end.bytes, end.provider)

      for (const seat of [...this.#seats]) {
        seat.resolve(end.bytes)
      }

      return
    }

    const timedOut = end.kind === 'failed' && this.#init.env.clock.now() >= this.#most('deadline')
    this.timeline.end(timedOut ? 'timeout' : end.kind, end.why)
    this.#close()

    this.#init.onFailed(end.kind, this.#begun && !this.#ahead)

    if (end.certain && !this.announced) {
      this.#init.onMiss(end.why, this.timeline.found.keys(), end.kind === 'failed')
    }

    const ErrorClass = end.kind === 'not-found' ? NotFoundError : RetrievalFailedError

    for (const seat of [...this.#seats]) {
      seat.reject(new ErrorClass(end.errors, missMessage(cid, end.kind === 'not-found' ? 'nobody has it' : 'nobody delivered it', end.why), this.explanation))
    }
  }

  #abandon (err: Error): void {
    if (this.#over) {
      return
    }

    this.#init.onFailed(err.name === 'RetrievalTimeoutError' ? 'failed' : 'aborted', this.#begun && !this.#ahead)
    this.timeline.end(err.name === 'RetrievalTimeoutError' ? 'timeout' : 'aborted', err.name === 'RetrievalTimeoutError' ? 'the deadline passed' : 'the last caller left')
    this.#close()
    this.#retrieval?.abort('nobody waits for it any more')
    this.#controller.abort(err)
  }

  #close (): void {
    if (!this.#over) {
      this.#was = this.#purpose
      this.#over = true
      this.#wait.end()
      this.#init.onClosed()
    }
  }

  #summary (): string {
    const { attempts } = this.timeline

    if (attempts.length === 0) {
      return this.timeline.found.size === 0 ? 'no providers found' : 'nobody could be asked'
    }

    return `asked ${attempts.map(({ provider, outcome }) => `${provider} ${outcome ?? 'silent'}`).slice(0, 6).join(', ')}${attempts.length > 6 ? ', …' : ''}`
  }
}
