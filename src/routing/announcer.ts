import pRetry from 'p-retry'
import PQueue from 'p-queue'
import { blockKey } from '../block/key.ts'
import { raceSignal } from '../clock/race-signal.ts'
import { NotRunningError } from '../interface/errors.ts'
import { RoutingRequest } from './request.ts'
import type { AnnounceOptions, AnnouncesMany } from '../interface/announce.ts'
import type { Clock } from '../interface/clock.ts'
import type { Ledger, PrivacyMode } from '../interface/disclosure.ts'
import type { Logger } from '../interface/logger.ts'
import type { Request } from '../interface/request.ts'
import type { CID } from 'multiformats/cid'

/** Publishes one provider record; discloses through the request */
export type Provide = (cid: CID, request: Request) => Promise<void>

/** Ends what publishing one began */
export type Withdraw = (cid: CID, options: { signal: AbortSignal }) => Promise<void>

export interface AnnouncerComponents {
  readonly clock: Clock
  readonly ledger: Ledger
  readonly log: Logger
  readonly provide?: Provide
  readonly together?: () => AnnouncesMany | undefined
  readonly withdraw?: Withdraw
  /** Throws while nothing may be announced */
  readonly mayAnnounce?: () => void
}

/** A record reaches about twenty peers: ten at a time keep a home router alive */
const CONCURRENCY = 10
/** A record that could not be placed in three tries waits for the next announcement */
const RETRIES = 2
/** Publishing walks the DHT and writes to the closest peers: minutes, not seconds */
const TIMEOUT = 120_000

/** Withdrawing is an entry in somebody's store, which may be slow */
const WITHDRAW_TIMEOUT = 10_000

/** Tells routers what we have. A control-plane call: p-retry and p-queue are right here, unlike for blocks. */
export class Announcer {
  readonly #components: AnnouncerComponents
  readonly #queue = new PQueue({ concurrency: CONCURRENCY })
  /** Many together count as one */
  readonly #sweeps = new Set<Promise<unknown>>()
  #stopping = new AbortController()
  announced = 0
  failed = 0
  #next = 0

  constructor (components: AnnouncerComponents) {
    this.#components = components
    this.#stopping.abort(new NotRunningError('Content routing is not running: start the node first'))
  }

  get pending (): number {
    return this.#queue.size + this.#queue.pending + this.#sweeps.size
  }

  /** Resolves when every CID was announced; rejects with all failures together. Waits for nobody else's. */
  async announce (cids: Iterable<CID> | AsyncIterable<CID>, mode: PrivacyMode, { signal, onProgress }: AnnounceOptions = {}): Promise<void> {
    const { provide, together, mayAnnounce } = this.#components
    const ended = signal == null ? this.#stopping.signal : AbortSignal.any([signal, this.#stopping.signal])
    ended.throwIfAborted()
    mayAnnounce?.()
    const many = together?.()

    if (many == null) {
      await this.#oneByOne(cids, mode, ended, provide)
    } else {
      await this.#together(cids, mode, { signal: ended, onProgress }, many)
    }
  }

  /** These are announced no more by themselves, wherever they are scheduled */
  async cancel (cids: Iterable<CID> | AsyncIterable<CID>, { signal }: { signal?: AbortSignal } = {}): Promise<void> {
    const { clock, together, withdraw } = this.#components
    this.#stopping.signal.throwIfAborted()

    for await (const cid of cids) {
      using timeout = clock.timeout(WITHDRAW_TIMEOUT)
      const either = AbortSignal.any([this.#stopping.signal, timeout.signal, ...signal == null ? [] : [signal]])
      either.throwIfAborted()
      together?.()?.cancel([cid])
      await withdraw?.(cid, { signal: either })
    }
  }

  async #together (cids: Iterable<CID> | AsyncIterable<CID>, mode: PrivacyMode, options: AnnounceOptions & { signal: AbortSignal }, many: AnnouncesMany): Promise<void> {
    const onProgress: AnnounceOptions['onProgress'] = event => {
      this.announced += event.detail.swept.filter(({ holders }) => holders > 0).length
      options.onProgress?.(event)
    }
    const announcing = many.announce(cids, { ...options, onProgress, request: cid => this.#request(cid, mode, options.signal, Infinity) })
    this.#sweeps.add(announcing)

    try {
      await raceSignal(announcing, options.signal)
    } catch (err) {
      this.failed += (err as { name?: unknown }).name === 'AggregateError' ? (err as AggregateError).errors.length : 0
      throw err
    } finally {
      this.#sweeps.delete(announcing)
    }
  }

  async #oneByOne (cids: Iterable<CID> | AsyncIterable<CID>, mode: PrivacyMode, ended: AbortSignal, provide: Provide | undefined): Promise<void> {
    const errors: Error[] = []
    const jobs = new Set<Promise<void>>()

    for await (const cid of cids) {
      ended.throwIfAborted()

      if (provide == null) {
        // read all the same: who passes them on hears of each
        continue
      }

      const job = this.#queue.add(async () => {
        try {
          await this.#one(cid, mode, ended, provide)
          this.announced++
        } catch (err) {
          this.failed++
          errors.push(new Error(`Could not announce ${cid}: ${(err as Error).message}`, { cause: err }))
        }
      }).finally(() => { jobs.delete(job) })
      jobs.add(job)

      // a list of millions is not queued at once
      if (jobs.size >= CONCURRENCY) {
        await raceSignal(Promise.race(jobs), ended)
      }
    }

    await raceSignal(Promise.all(jobs), ended)

    if (errors.length > 0) {
      throw new AggregateError(errors, `${errors.length} of the CIDs could not be announced`)
    }
  }

  start (): void {
    this.#stopping = new AbortController()
  }

  async stop (): Promise<void> {
    this.#stopping.abort(new NotRunningError('Content routing was stopped'))
    this.#queue.clear()
    await this.#queue.onIdle()
  }

  async #one (cid: CID, mode: PrivacyMode, signal: AbortSignal, provide: Provide): Promise<void> {
    const { clock, log } = this.#components
    using timeout = clock.timeout(TIMEOUT)
    const either = AbortSignal.any([signal, timeout.signal])
    const request = this.#request(cid, mode, either, clock.now() + TIMEOUT)

    await pRetry(async () => { await raceSignal(provide(cid, request), either) }, {
      retries: RETRIES,
      minTimeout: 500,
      signal: either,
      onFailedAttempt: ({ error, attemptNumber }) => { log.error('announcing %c failed, attempt %d - %e', cid, attemptNumber, error) }
    })
  }

  #request (cid: CID, mode: PrivacyMode, signal: AbortSignal, deadline: number): RoutingRequest {
    const { clock, ledger } = this.#components
    return new RoutingRequest({ ledger, clock }, {
      id: `announce-${++this.#next}`,
      purpose: 'announce',
      key: blockKey(cid),
      mode,
      signal,
      deadline: () => deadline,
      priority: () => 0
    })
  }
}
