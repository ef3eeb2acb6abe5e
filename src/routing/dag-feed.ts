import { raceSignal } from '../clock/race-signal.ts'
import { FetchError } from '../interface/errors.ts'
import { quote } from '../interface/quote.ts'
import { answererOf } from '../provider/answerer.ts'
import { FeedBuffer } from './feed-buffer.ts'
import { FeedTimer } from './feed-timer.ts'
import { attemptTimeouts } from './timeouts.ts'
import type { RoutingEnvironment } from './environment.ts'
import type { RoutingRequest } from './request.ts'
import type { CandidateView } from './select.ts'
import type { Block, BlockFetcher, DagWant } from '../interface/fetcher.ts'
import type { Outcome } from '../interface/outcome.ts'
import type { BlockKey, ProviderId } from '../interface/provider.ts'
import type { Attempt } from '../interface/request.ts'

/** A stream that nobody has taken anything from for this long, in ms, is ended: a pause is not worth a connection, and it can be resumed */
const IDLE = 10_000

/** Readers who got a block sooner from somebody else: then this stream is no help */
const MAX_LOST = 3

/** Blocks that must come in time to make up for one that did not */
const WON_PER_LOST = 8

/** How a stream ended */
export interface FeedEnd {
  readonly outcome: Outcome
  readonly why: string
  /** Worth asking the same provider for the same file again */
  readonly helpful: boolean
  /** What somebody waited for when it ended, the first of these */
  readonly front?: { readonly key: BlockKey, readonly at: number }
}

export interface DagFeedInit {
  readonly env: RoutingEnvironment
  readonly dag: DagWant
  /** The block that the reader lacked */
  readonly first?: BlockKey
  readonly chosen: CandidateView
  readonly fetcher: Pick<BlockFetcher, 'stream'>
  readonly request: RoutingRequest
  /** Bytes per ms below which others are asked instead */
  leastPace (own: number): number
  /** Bytes that may wait for readers now */
  window (): number
  /** Blocks that it may keep track of now */
  maxKeys (): number
  /** A block came and is what its CID says */
  onBlock (block: Block): void
  /** It has ended: nothing more will come; the outcome is on record */
  onEnd (feed: DagFeed, end: FeedEnd): void
}

/**
 * One provider sending a file as one stream. Blocks are verified as they come and
 * wait in `buffer` for whoever wants them; only as much is pulled as may wait
 * there, and time counts against the provider only while it is being waited for.
 */
export class DagFeed {
  readonly buffer: FeedBuffer
  readonly chosen: CandidateView
  readonly dag: DagWant
  readonly answerer: ProviderId
  readonly startedAt: number
  /** Those who read from it: the last one to leave ends it */
  readonly readers = new Set<string>()
  readonly #init: DagFeedInit
  readonly #controller = new AbortController()
  readonly #timer: FeedTimer
  #over = false
  #lost = 0
  /** No fault, and nothing to ask for again */
  #useless = false
  #wake: () => void = () => {}

  constructor (init: DagFeedInit) {
    const { env, dag, chosen, first, window, maxKeys } = init
    this.#init = init
    this.dag = dag
    this.chosen = chosen
    this.answerer = answererOf(chosen.route)
    this.buffer = new FeedBuffer({ root: dag.key, from: dag.from, to: dag.to, whole: dag.scope === 'all', first, window, maxKeys })
    this.startedAt = env.clock.now()
    this.#timer = new FeedTimer({
      clock: env.clock,
      timeouts: attemptTimeouts(chosen.view, undefined, env.params.timeouts),
      leastPace: init.leastPace,
      onLate: (outcome, why) => {
        this.#useless ||= outcome === 'cancelled'
        this.#controller.abort(new FetchError(outcome, `${chosen.provider.id}: ${why}`, { provider: chosen.provider.id }))
      }
    })
  }

  get over (): boolean {
    return this.#over
  }

  /** Milliseconds until so many bytes have come, at the pace of late; Infinity while there is none */
  eta (bytes: number): number {
    return this.#over ? Infinity : this.#timer.eta(bytes)
  }

  /** Never rejects: what became of it is told to `onEnd` */
  async run (): Promise<void> {
    const { env, chosen: { provider, route }, onEnd } = this.#init
    this.buffer.onRoom = () => { this.#wake() }
    env.stats.attempts++
    env.stats.streamsOpen++
    env.slots.enter(this.answerer)
    const end = await this.#read()
    const { front } = this.buffer
    this.#over = true
    this.#timer.stop()
    this.buffer.end()
    env.slots.leave(this.answerer)
    env.stats.streamsOpen--
    env.stats.outcomes[end.outcome]++
    env.reputation.record(provider.id, route, end.outcome, this.#timer.sample, env.clock.now())
    onEnd(this, { ...end, front })
  }

  /** A block came in time for its reader */
  won (): void {
    this.#lost = Math.max(0, this.#lost - 1 / WON_PER_LOST)
  }

  /** A reader got a block sooner from somebody else */
  lost (key: BlockKey): void {
    this.buffer.skip(key)

    if (++this.#lost >= MAX_LOST) {
      this.#useless = true
      this.stop('others were faster')
    }
  }

  /** Ends it on the wire; what came may still be taken */
  stop (why: string): void {
    if (!this.#over) {
      this.#controller.abort(new FetchError('cancelled', why, { provider: this.#init.chosen.provider.id }))
      this.#wake()
    }
  }

  async #read (): Promise<FeedEnd> {
    const { dag, chosen, fetcher, request } = this.#init
    const { signal } = this.#controller
    const attempt: Attempt = {
      request,
      signal,
      phase: phase => { this.#timer.phase(phase) },
      bytes: n => { this.#timer.received(n) },
      verify: async () => {}
    }
    let stream: AsyncIterator<Block> | undefined

    try {
      stream = fetcher.stream?.(dag, chosen.route, attempt)[Symbol.asyncIterator]()

      while (stream != null) {
        this.#timer.pull()
        // whoever ignores its signal is not waited for
        const next = await raceSignal(stream.next(), signal)
        this.#timer.rest()

        if (next.done === true) {
          break
        }

        await this.#take(next.value)
        await this.#room()
        signal.throwIfAborted()
      }
    } catch (err) {
      void this.#leave(stream)
      return this.#judge(err as Error)
    }

    const { count, complete } = this.buffer
    return count === 0
      ? { outcome: 'not-here', why: 'it was empty', helpful: false }
      : { outcome: 'delivered', why: `${count} blocks${complete ? '' : ', not all that were asked for'}`, helpful: complete }
  }

  async #leave (stream: AsyncIterator<Block> | undefined): Promise<void> {
    try {
      await stream?.return?.()
    } catch (err) {
      this.#init.env.log.trace('ending a stream of %s failed - %e', this.dag.cid, err)
    }
  }

  #judge (err: Error): FeedEnd {
    const reason: unknown = this.#controller.signal.reason
    const error = this.#controller.signal.aborted && reason instanceof FetchError ? reason : err
    const outcome = (error as Partial<FetchError>).outcome ?? 'unreachable'
    const { count, taken } = this.buffer

    // it did what it was asked for until we had enough
    return outcome === 'cancelled' && count > 0
      ? { outcome: 'delivered', why: `${count} blocks, then ${error.message}`, helpful: taken > 0 && !this.#useless }
      : { outcome, why: error.message, helpful: false }
  }

  async #take (block: Block): Promise<void> {
    const { env, chosen: { provider }, dag } = this.#init
    const arrival = this.buffer.judge(block)
    const refuse = (outcome: 'invalid' | 'cancelled', why: string, cause?: unknown): FetchError => {
      return new FetchError(outcome, `${provider.id}: the stream of ${dag.cid} ${why}`, { provider: provider.id, cause })
    }

    switch (arrival) {
      case 'duplicate':
      case 'outside':
        env.stats.bytesWasted += block.bytes.byteLength
        return
      case 'full':
        throw refuse('cancelled', 'has more blocks than are kept track of')
      case 'too-many-outside':
        this.#useless = true
        throw refuse('cancelled', 'is more than the part that was asked for')
      case 'foreign':
        throw refuse('invalid', `had the block ${quote(block.cid)}, which is no part of it`)
      case 'too-many-duplicates':
        throw refuse('invalid', 'had too many blocks twice')
      default:
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
      const cancel = this.#init.env.clock.schedule(IDLE, () => { this.stop('nobody took what came') })
      await promise
      cancel()
    }

    this.#wake = () => {}
  }
}
