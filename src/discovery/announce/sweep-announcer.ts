import { CID } from 'multiformats/cid'
import PQueue from 'p-queue'
import { CustomProgressEvent } from 'progress-events'
import { eachUntil } from '../../clock/each-until.ts'
import { raceSignal } from '../../clock/race-signal.ts'
import { InvalidCIDError, NotRunningError } from '../../interface/errors.ts'
import { AnnounceRefusedError, NoHolderError, servesNobody } from './announce-error.ts'
import { RecordTeller } from './record-teller.ts'
import { sweep } from './sweep.ts'
import type { RecordTellerComponents } from './record-teller.ts'
import type { Discloses, Walker } from '../kad/walker.ts'
import type { AnnounceOptions, AnnounceProgress, AnnounceResult, AnnouncedCID } from '../../interface/announce.ts'
import type { Random } from '../../interface/clock.ts'

export interface SweepAnnouncerComponents extends RecordTellerComponents {
  readonly random: Random
  readonly walker: Pick<Walker, 'findClosest'>
  /** Our own peer id */
  readonly self: string
  /** Where others can reach us, without our peer id */
  addresses (): readonly string[]
  /** Whether anybody who came for a block would get it */
  serves (): boolean
  /** Whether there is anybody in the DHT to begin with */
  joined (signal: AbortSignal): Promise<boolean>
}

export interface AnnounceStats {
  /** Blocks with a holder at least, and those without */
  readonly announced: number
  readonly failed: number
  /** Records taken by peers */
  readonly records: number
  readonly lookups: number
  /** Peers that were told nothing, for they were known to be dead */
  readonly passedOver: number
  /** Sweeps under way, and those that wait */
  readonly pending: number
}

/** Sweeps at a time: each tells ten peers at once */
const CONCURRENCY = 2
/** Blocks of one sweep: some 25 MB in memory */
const MAX_SWEEP = 50_000
/** Times that a block without a holder is tried: the network was away for a moment */
const ATTEMPTS = 3
/** Milliseconds before the second attempt; twice as many before the third */
const PAUSE = 1_000
const IDENTITY = 0x00

/** Announces blocks, many at a time, through one sweep of the keyspace */
export class SweepAnnouncer {
  readonly #components: SweepAnnouncerComponents
  readonly #teller: RecordTeller
  readonly #queue = new PQueue({ concurrency: CONCURRENCY })
  #stopped = new AbortController()
  #announced = 0
  #failed = 0
  #lookups = 0

  constructor (components: SweepAnnouncerComponents) {
    this.#components = components
    this.#teller = new RecordTeller(components)
    this.#stopped.abort(new NotRunningError('Discovery is not running: start the node first'))
  }

  start (): void {
    this.#stopped = new AbortController()
  }

  /** Everything under way rejects; nothing of it is left when this resolves */
  async stop (): Promise<void> {
    this.#stopped.abort(new NotRunningError('Discovery was stopped'))
    await this.#queue.onIdle()
  }

  stats (): AnnounceStats {
    const { records, passedOver } = this.#teller
    return { announced: this.#announced, failed: this.#failed, records, lookups: this.#lookups, passedOver, pending: this.#queue.size + this.#queue.pending }
  }

  /** Throws an `AnnounceRefusedError` when nobody would have anything of it */
  check (): void {
    if (!this.#components.serves()) {
      throw servesNobody()
    }
    if (this.#components.addresses().length === 0) {
      throw new AnnounceRefusedError('no-address', 'This node has no address at which others can reach it: give it one (listen), or the DHT keeps no record of it')
    }
  }

  /**
   * Resolves when each block was told to the peers nearest to it. Those that
   * nobody took are named by an `AggregateError` at the end; the others stand.
   */
  async announce (cids: Iterable<CID> | AsyncIterable<CID>, request: (cid: CID) => Discloses, options: AnnounceOptions = {}): Promise<AnnounceResult> {
    const ended = options.signal == null ? this.#stopped.signal : AbortSignal.any([options.signal, this.#stopped.signal])
    ended.throwIfAborted()
    this.check()

    const swept: AnnouncedCID[] = []
    let lookups = 0

    for await (const part of partsOf(cids, ended)) {
      const tell = (progress: AnnounceProgress): void => { this.#tell(options, { ...progress, lookups: lookups + progress.lookups }) }
      const done = await raceSignal(this.#queue.add(async () => this.#several(part, request, ended, tell)), ended)
      swept.push(...done.swept)
      lookups += done.lookups
    }

    const errors = swept.filter(({ holders }) => holders === 0).map(({ cid, error }) => new NoHolderError(cid, error))

    if (errors.length > 0) {
      throw new AggregateError(errors, `${errors.length} of ${swept.length} CIDs could not be announced`)
    }
    return { swept, lookups }
  }

  /** What has no holder is tried again, and then counts as failed */
  async #several (cids: readonly CID[], request: (cid: CID) => Discloses, signal: AbortSignal, tell: (progress: AnnounceProgress) => void): Promise<AnnounceResult> {
    const swept: AnnouncedCID[] = []
    let left = cids
    let lookups = 0
    signal.throwIfAborted()

    if (!await this.#components.joined(signal)) {
      signal.throwIfAborted()
      throw new AnnounceRefusedError('no-peers', 'Nobody in the DHT is known yet: nothing could be announced')
    }

    for (let attempt = 1; ; attempt++) {
      const result = await this.#one(left, request, signal, progress => { tell({ ...progress, lookups: lookups + progress.lookups }) })
      const failed = result.swept.filter(({ holders }) => holders === 0)
      const last = attempt === ATTEMPTS || failed.length === 0
      lookups += result.lookups
      swept.push(...last ? result.swept : result.swept.filter(({ holders }) => holders > 0))

      if (last) {
        this.#announced += swept.length - failed.length
        this.#failed += failed.length
        return { swept, lookups }
      }
      await this.#components.clock.sleep(PAUSE * 2 ** (attempt - 1), { signal })
      left = failed.map(({ cid }) => cid)
    }
  }

  async #one (cids: readonly CID[], request: (cid: CID) => Discloses, signal: AbortSignal, tell: (progress: AnnounceProgress) => void): Promise<AnnounceResult> {
    const { random, walker, self, addresses, log } = this.#components
    const us = { id: self, addresses: addresses() }
    const swept: AnnouncedCID[] = []
    let lookups = 0

    try {
      const steps = sweep(cids, {
        random,
        findClosest: async (preimage, { cid }) => {
          this.#lookups++
          lookups++
          return walker.findClosest(preimage, { signal, request: cid == null ? undefined : request(cid) })
        },
        tell: async (peer, told) => this.#teller.tell(peer, told, { signal, self: us, request })
      }, { signal })

      for await (const progress of steps) {
        swept.push(...progress.swept)
        tell(progress)
      }
    } catch (err) {
      signal.throwIfAborted()
      log.error('a sweep was given up - %e', err)
      const done = new Set(swept.map(({ cid }) => cid))
      swept.push(...cids.filter(cid => !done.has(cid)).map(cid => ({ cid, holders: 0, error: err as Error })))
    }
    return { swept, lookups }
  }

  #tell ({ onProgress }: AnnounceOptions, progress: AnnounceProgress): void {
    try {
      onProgress?.(new CustomProgressEvent('portolan:announce:region', progress))
    } catch (err) {
      this.#components.log.error('a progress callback threw - %e', err)
    }
  }
}

/** Each block once in a part. One that is its own CID needs nobody to have it. When the source fails, what came before is a part first. */
async function * partsOf (cids: Iterable<CID> | AsyncIterable<CID>, signal: AbortSignal): AsyncGenerator<CID[], void, undefined> {
  let part = new Map<string, CID>()
  let failure: { readonly error: unknown } | undefined

  try {
    for await (const value of eachUntil(cids, signal)) {
      const cid = checked(value)

      if (cid.multihash.code !== IDENTITY) {
        part.set(cid.multihash.bytes.join(), cid)
      }
      if (part.size >= MAX_SWEEP) {
        yield [...part.values()]
        part = new Map()
      }
    }
  } catch (error) {
    signal.throwIfAborted()
    failure = { error }
  }
  if (part.size > 0) {
    yield [...part.values()]
  }
  if (failure != null) {
    throw failure.error
  }
}

function checked (value: unknown): CID {
  const cid = CID.asCID(value)

  if (cid == null) {
    throw new InvalidCIDError(`Only CIDs can be announced, got ${String(value).slice(0, 100)}`)
  }
  return cid
}
