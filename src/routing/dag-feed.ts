import { FetchError } from '../interface/errors.ts'
import { quote } from '../interface/quote.ts'
import { FeedBuffer } from './feed-buffer.ts'
import { attemptTimeouts } from './timeouts.ts'
import type { RoutingEnvironment } from './environment.ts'
import type { RoutingRequest } from './request.ts'
import type { CandidateView } from './select.ts'
import type { AttemptTimeouts } from './timeouts.ts'
import type { Block, BlockFetcher, DagWant } from '../interface/fetcher.ts'
import type { Outcome } from '../interface/outcome.ts'
import type { Attempt } from '../interface/request.ts'

/** Bytes that may wait for readers: what a reader loads ahead of itself, once more */
export const FEED_WINDOW = 4_194_304

/** A stream that nobody has taken anything from for this long, in ms, is ended: a pause is not worth a connection, and it can be resumed */
const IDLE = 10_000

/** Bytes per ms below which a stream is given up, as a transfer of one block is */
const MIN_PACE = 1

/** Times slower than a block at a time would usually be: then it is no help */
const SLOWER_THAN_USUAL = 8

/** What transfers are compared by */
const USUAL_BLOCK = 262_144

export interface DagFeedInit {
  readonly env: RoutingEnvironment
  readonly dag: DagWant
  readonly chosen: CandidateView
  readonly fetcher: Pick<BlockFetcher, 'stream'>
  readonly request: RoutingRequest
  /** Milliseconds that a block of `USUAL_BLOCK` bytes usually takes from first byte to last, when that is known */
  readonly usualTransfer?: number
  /** A block came and is what its CID says */
  onBlock (block: Block): void
  /** It has ended: nothing more will come; `outcome` is on record */
  onEnd (feed: DagFeed, outcome: Outcome, why: string): void
}

/**
 * One provider sending a DAG as one stream. Blocks are verified as they come and
 * wait in `buffer` for whoever wants them; only as much is pulled as may wait
 * there, and time counts against the provider only while it is being waited for.
 */
export class DagFeed {
  readonly buffer: FeedBuffer
  readonly chosen: CandidateView
  readonly dag: DagWant
  /** Those who read from it: the last one to leave ends it */
  readonly readers = new Set<string>()
  readonly #init: DagFeedInit
  readonly #controller = new AbortController()
  readonly #timeouts: AttemptTimeouts
  readonly #startedAt: number
  #connectedAt?: number
  #firstByteAt?: number
  /** While something is being waited for: since when */
  #pullingSince?: number
  /** Milliseconds spent waiting for bytes after the first */
  #pulled = 0
  #lastByteAt = 0
  #bytes = 0
  #cancelTimer: () => void = () => {}
  #over = false
  #wake: () => void = () => {}

  constructor (init: DagFeedInit) {
    const { env, dag, chosen } = init
    this.#init = init
    this.dag = dag
    this.chosen = chosen
    this.buffer = new FeedBuffer(dag.key, FEED_WINDOW)
    this.#timeouts = attemptTimeouts(chosen.view, undefined, env.params.timeouts)
    this.#startedAt = env.clock.now()
  }

  get over (): boolean {
    return this.#over
  }

  /** Never rejects: what became of it is told to `onEnd` */
  async run (): Promise<void> {
    const { env, chosen: { provider, route } } = this.#init
    this.buffer.onRoom = () => { this.#wake() }
    env.stats.attempts++
    env.slots.enter(provider.id)
    const [outcome, why] = await this.#read()
    this.#over = true
    this.#cancelTimer()
    this.buffer.end()
    env.slots.leave(provider.id)
    env.stats.outcomes[outcome]++
    const connectedAt = this.#connectedAt ?? this.#startedAt
    env.reputation.record(provider.id, route, outcome, {
      latency: (this.#firstByteAt ?? env.clock.now()) - connectedAt,
      ...(this.#firstByteAt == null ? {} : { answered: true, bytes: this.#bytes, transfer: this.#pulled }),
      ...(this.#connectedAt == null ? {} : { connect: connectedAt - this.#startedAt })
    }, env.clock.now())
    this.#init.onEnd(this, outcome, why)
  }

  /** Ends it on the wire; what came may still be taken */
  stop (why: string): void {
    if (!this.#over) {
      this.#controller.abort(new FetchError('cancelled', why, { provider: this.#init.chosen.provider.id }))
      this.#wake()
    }
  }

  async #read (): Promise<[Outcome, string]> {
    const { dag, chosen, fetcher, request } = this.#init
    const { signal } = this.#controller
    const attempt: Attempt = {
      request,
      signal,
      phase: phase => { this.#phase(phase) },
      bytes: n => { this.#received(n) },
      verify: async () => {}
    }

    try {
      const stream = fetcher.stream?.(dag, chosen.route, attempt)
      this.#pull(this.#timeouts.connect, 'no connection')

      for await (const block of stream ?? []) {
        this.#rest()
        signal.throwIfAborted()
        await this.#take(block)
        await this.#room()
        signal.throwIfAborted()
        this.#pull(this.#timeouts.stall, 'silent')
      }
    } catch (err) {
      return this.#judge(err as Error)
    }

    return this.buffer.count > 0 ? ['delivered', `${this.buffer.count} blocks`] : ['not-here', 'the stream was empty']
  }

  #judge (err: Error): [Outcome, string] {
    const reason: unknown = this.#controller.signal.reason
    const error = this.#controller.signal.aborted && reason instanceof FetchError ? reason : err
    const outcome = (error as Partial<FetchError>).outcome ?? 'unreachable'

    // it did what it was asked for until we had enough
    return outcome === 'cancelled' && this.buffer.count > 0 ? ['delivered', `${this.buffer.count} blocks, then ${error.message}`] : [outcome, error.message]
  }

  async #take (block: Block): Promise<void> {
    const { env, chosen: { provider }, dag } = this.#init
    const arrival = this.buffer.judge(block)
    const refuse = (outcome: 'invalid' | 'cancelled', why: string, cause?: unknown): FetchError => {
      return new FetchError(outcome, `${provider.id}: the stream of ${dag.cid} ${why}`, { provider: provider.id, cause })
    }

    if (arrival === 'duplicate') {
      return
    }

    if (arrival === 'full') {
      throw refuse('cancelled', 'has more blocks than are kept track of')
    }

    if (arrival !== 'wanted') {
      throw refuse('invalid', arrival === 'foreign' ? `had the block ${quote(block.cid)}, which is no part of it` : 'had too many blocks twice')
    }

    try {
      await env.verifier.verify(block.cid, block.bytes, { maxBlockSize: dag.maxBytes })
    } catch (err) {
      const ours = (err as Error).name === 'UnacceptableHashError'
      throw refuse(ours ? 'cancelled' : 'invalid', `had a wrong block: ${(err as Error).message}`, err)
    }

    this.#init.onBlock(block)
    this.buffer.add(block)
  }

  /** Waits until what came has been taken; not for ever */
  async #room (): Promise<void> {
    const { signal } = this.#controller

    while (!this.buffer.hasRoom && !signal.aborted) {
      const { promise, resolve } = Promise.withResolvers<void>()
      this.#wake = resolve
      this.#arm(IDLE, () => { this.stop('nobody took what came') })
      await promise
    }

    this.#cancelTimer()
    this.#wake = () => {}
  }

  #phase (phase: 'connected' | 'first-byte'): void {
    const now = this.#init.env.clock.now()

    if (this.#connectedAt == null) {
      this.#connectedAt = now
      this.#pull(this.#timeouts.firstByte, 'no answer')
    }

    if (phase === 'first-byte' && this.#firstByteAt == null) {
      this.#firstByteAt = now
      this.#lastByteAt = now
      this.#pull(this.#timeouts.stall, 'silent')
    }
  }

  #received (bytes: number): void {
    this.#phase('first-byte')
    this.#bytes += bytes
    this.#lastByteAt = this.#init.env.clock.now()
  }

  /** From here on it is the provider's turn */
  #pull (wait: number, what: string): void {
    const { clock } = this.#init.env
    this.#rest()

    if (this.#over) {
      return
    }

    this.#pullingSince = clock.now()
    const check = (): void => {
      const now = clock.now()
      const quiet = now - Math.max(this.#lastByteAt, this.#pullingSince ?? now)

      if (quiet >= wait) {
        this.#giveUp(this.#connectedAt == null ? 'unreachable' : 'stalled', `${what} for ${Math.round(quiet)} ms`)
      } else if (this.#crawls(now)) {
        this.#giveUp('stalled', `only ${this.#bytes} bytes in ${Math.round(this.#waited(now))} ms`)
      } else {
        this.#arm(Math.max(1, Math.min(wait - quiet, this.#timeouts.stall)), check)
      }
    }
    // a blocked event loop runs timers before it reads what has long arrived: read first, judge then
    this.#arm(wait, () => { this.#arm(0, check) })
  }

  #rest (): void {
    const now = this.#init.env.clock.now()
    this.#pulled = this.#waited(now)
    this.#pullingSince = undefined
    this.#cancelTimer()
  }

  #waited (now: number): number {
    return this.#pulled + (this.#firstByteAt == null || this.#pullingSince == null ? 0 : now - Math.max(this.#pullingSince, this.#firstByteAt))
  }

  /** A byte now and then, or far slower than one block at a time */
  #crawls (now: number): boolean {
    const { usualTransfer } = this.#init
    const waited = this.#waited(now)
    const usual = usualTransfer == null || usualTransfer <= 0 ? 0 : USUAL_BLOCK / usualTransfer / SLOWER_THAN_USUAL
    return waited >= this.#timeouts.stall && this.#bytes < waited * Math.max(MIN_PACE, usual)
  }

  #arm (ms: number, fn: () => void): void {
    this.#cancelTimer()
    this.#cancelTimer = this.#init.env.clock.schedule(ms, fn)
  }

  #giveUp (outcome: 'stalled' | 'unreachable', why: string): void {
    const { provider } = this.#init.chosen
    this.#controller.abort(new FetchError(outcome, `${provider.id}: ${why}`, { provider: provider.id }))
  }
}
