import { toString } from 'uint8arrays/to-string'
import { systemRandom } from '../../clock/random.ts'
import { systemClock } from '../../clock/system-clock.ts'
import { Disclosure } from '../../interface/disclosure.ts'
import { fromWall } from '../../keeper/kept-time.ts'
import { boundedEntry, isBounded } from './bounded-entry.ts'
import { ExposureCounters } from './exposure-counters.ts'
import { ExposureRing } from './exposure-ring.ts'
import { LedgerJournal } from './ledger-journal.ts'
import { ledgerParams } from './ledger-params.ts'
import { ObserverClasses } from './observer-class.ts'
import { Pauses } from './pauses.ts'
import type { KeptCounts } from './journal-chunk.ts'
import type { LedgerInit, LedgerParams } from './ledger-params.ts'
import type { Clock, Random } from '../../interface/clock.ts'
import type { DisclosureEntry, Observer } from '../../interface/disclosure.ts'
import type { ExposureFilter, LedgerStats, ReadableLedger, UnaccountedSpan } from '../../interface/ledger.ts'
import type { ComponentLogger } from '../../interface/logger.ts'
import type { Exposure, ObserverClass } from '../../interface/privacy.ts'
import type { Purpose } from '../../interface/request.ts'
import type { Datastore } from 'interface-datastore'
import type { CID } from 'multiformats/cid'

export type { LedgerInit } from './ledger-params.ts'

export interface LedgerComponents {
  /** @default the machine's */
  readonly clock?: Clock
  /** @default the machine's */
  readonly random?: Random
  /** Where what is kept outlives the process, between `start` and `stop`: read when it starts. @default nowhere */
  readonly datastore?: Datastore | (() => Datastore | undefined)
  /** @default nothing is said */
  readonly logger?: ComponentLogger
}

type Kept = ReturnType<typeof boundedEntry>

/** Ten times the requests that one node has under way; beyond it somebody forgets to settle */
const MAX_OPEN = 32_768

/**
 * Keeps who learnt what: the newest disclosures with all they say, and numbers of all there ever were.
 *
 * @example
 *
 * ```ts
 * import { DisclosureLedger, MetadataCollector } from 'portolan/privacy'
 *
 * const ledger = new DisclosureLedger({}, { maxEntries: 1_000 })
 *
 * for (const { observer, form, transport, state } of ledger.entries({ since: Date.now() - 60_000 })) {
 *   console.log(observer, form, transport, state)
 * }
 * ```
 */
export class DisclosureLedger implements ReadableLedger {
  readonly #components: LedgerComponents
  readonly #clock: Clock
  readonly #params: LedgerParams
  readonly #classes = new ObserverClasses()
  readonly #counters = new ExposureCounters()
  readonly #ring: ExposureRing
  readonly #pauses: Pauses
  #journal?: LedgerJournal
  /** Not settled yet, oldest first, with the cell where they are counted */
  readonly #open = new Map<DisclosureEntry, number>()
  /** What stands for those that were too long to keep */
  readonly #copies = new WeakMap<DisclosureEntry, Kept>()
  #since: number
  #earlier = 0
  #overflowed = 0

  constructor (components: LedgerComponents = {}, init: LedgerInit = {}) {
    const { clock = systemClock } = components
    this.#components = components
    this.#clock = clock
    this.#params = ledgerParams(init)
    this.#since = clock.wall()
    this.#ring = new ExposureRing(this.#params.maxEntries, this.#params.maxAge)
    this.#pauses = new Pauses(() => clock.wall())
    this.#params.parties.forEach(([observer, observerClass]) => { this.#classes.know([observer], observerClass) })
  }

  /** What the configuration says of parties: call it before anything is disclosed to them */
  know (observers: Iterable<string>, observerClass: ObserverClass): void {
    this.#classes.know(observers, observerClass)
  }

  /** Reads what earlier runs left, and keeps what comes. Idempotent, never rejects. */
  async start (): Promise<void> {
    this.#journal ??= this.#newJournal()
    await this.#journal?.start()
  }

  /** Nobody will say any more what came of those that are still open: they become `unknown`. Idempotent, never rejects. */
  async stop (): Promise<void> {
    for (const entry of [...this.#open.keys()]) {
      this.#abandon(entry)
    }
    await this.#journal?.stop()
  }

  intended (entry: DisclosureEntry): void {
    const cell = this.#counters.cellOf(entry, this.#classes.of(entry.observer, entry.transport))
    this.#counters.intended(cell)
    this.#open.set(entry, cell)

    if (this.#open.size > MAX_OPEN) {
      this.#giveUp()
    }
    if (this.#isNamed(entry.observer)) {
      const kept = this.#kept(entry)
      this.#ring.add(kept, this.#clock.now())
      this.#journal?.changed(kept)
    } else {
      this.#journal?.changed()
    }
  }

  settled (entry: DisclosureEntry): void {
    const cell = this.#open.get(entry)
    const kept = this.#updated(entry)

    if (cell == null) {
      if (!entry.cancelled) {
        // it was given up
        return
      }
      this.#counters.cancelled(this.#counters.cellOf(entry, this.#classes.of(entry.observer, entry.transport)))
    } else if (entry.state === 'intended') {
      // a CANCEL that was faster than the news of the write
      this.#counters.cancelled(cell)
    } else {
      this.#open.delete(entry)
      this.#counters.settled(cell, entry.state)
    }
    this.#journal?.changed(this.#isNamed(entry.observer) ? kept : undefined)
  }

  pause (reason: string): () => void {
    return this.#pauses.begin(reason)
  }

  unaccounted (): UnaccountedSpan[] {
    return this.#pauses.list()
  }

  entries (filter: ExposureFilter = {}): Exposure[] {
    const { request, observer, observerClass, since } = filter
    const subject = filter.subject == null ? undefined : keyOf(filter.subject)
    const found: Exposure[] = []
    this.#ring.expire(this.#clock.now())

    for (const entry of this.#ring) {
      if ((subject == null || entry.key === subject) && (request == null || entry.request === request) && (observer == null || entry.observer === observer) && (since == null || entry.at >= since)) {
        const exposure = this.#exposure(entry)
        if (observerClass == null || exposure.observerClass === observerClass) {
          found.push(exposure)
        }
      }
    }
    return found
  }

  about (subject: CID | string): Exposure[] {
    return this.entries({ subject })
  }

  /** What lies in the datastore, oldest first. Names are pseudonyms, which agree within a day of one run, unless they are kept `raw`. */
  async * kept (options: { signal?: AbortSignal } = {}): AsyncGenerator<Exposure, void, undefined> {
    yield * this.#journal?.kept(options) ?? []
  }

  stats (): LedgerStats {
    this.#ring.expire(this.#clock.now())

    return {
      ...this.#counters.snapshot(),
      since: this.#since,
      earlier: this.#earlier,
      entries: this.#ring.size,
      paused: this.#pauses.active,
      pausesDropped: this.#pauses.dropped,
      overflowed: this.#overflowed,
      ...this.#journal == null ? {} : { journal: this.#journal.stats() }
    }
  }

  /** Forgets the entries in memory; the numbers stay */
  clear (): void {
    this.#ring.clear()
  }

  #newJournal (): LedgerJournal | undefined {
    const { random = systemRandom, datastore: given, logger = silent } = this.#components
    const datastore = typeof given === 'function' ? given() : given

    if (datastore == null) {
      return undefined
    }
    const journal = new LedgerJournal({ clock: this.#clock, random, datastore, logger }, {
      ...this.#params,
      exposure: entry => this.#exposure(entry),
      counts: () => ({ since: this.#since, rows: this.#counters.rows() }),
      restored: (counts, exposures) => { this.#restore(counts, exposures) }
    })
    // what came before it was started
    for (const entry of this.#ring) {
      journal.changed(entry)
    }
    return journal
  }

  #isNamed (observer: string): boolean {
    return this.#params.allow == null || this.#params.allow.has(observer)
  }

  #kept (entry: DisclosureEntry): DisclosureEntry {
    if (isBounded(entry)) {
      return entry
    }
    const copy = boundedEntry(entry)
    this.#copies.set(entry, copy)
    return copy
  }

  #updated (entry: DisclosureEntry): DisclosureEntry {
    const copy = isBounded(entry) ? undefined : this.#copies.get(entry)

    if (copy == null) {
      return entry
    }
    copy.state = entry.state
    copy.cancelled = entry.cancelled
    return copy
  }

  #giveUp (): void {
    const [oldest] = this.#open.keys()
    if (oldest != null) {
      this.#overflowed++
      this.#abandon(oldest)
    }
  }

  #abandon (entry: DisclosureEntry): void {
    if (entry instanceof Disclosure) {
      entry.unknown()
    }
    const cell = this.#open.get(entry)
    if (cell != null) {
      // somebody else's, or one that says that it is settled already
      this.#open.delete(entry)
      this.#counters.settled(cell, 'unknown')
    }
  }

  #restore (counts: KeptCounts | undefined, exposures: readonly Exposure[]): void {
    if (counts != null) {
      const before = this.#counters.snapshot().total
      counts.rows.forEach(row => { this.#counters.restore(row) })
      this.#earlier = this.#counters.snapshot().total - before
      this.#since = Math.min(this.#since, counts.since)
    }
    // what is newer than now is of a clock that was set back: it is kept as if it were of now
    this.#ring.restore(exposures.map(exposure => [asEntry(exposure), fromWall(this.#clock, exposure.at, 0)]), this.#clock.now())
  }

  #exposure ({ observer, request, purpose, mode, client, key, form, transport, audience, at, state, cancelled }: DisclosureEntry): Exposure {
    return {
      at,
      request,
      purpose: purpose as Purpose,
      mode,
      observer,
      observerClass: this.#classes.of(observer, transport),
      ...key == null ? {} : { subject: key },
      ...client == null ? {} : { client },
      form,
      transport,
      audience,
      state,
      cancelled
    }
  }
}

const silent: ComponentLogger = { forComponent: () => Object.assign(() => {}, { error: () => {}, trace: () => {} }) }

function asEntry ({ observer, subject, ...rest }: Exposure): DisclosureEntry {
  return { ...rest, observer: observer as Observer, key: subject }
}

function keyOf (subject: CID | string): string {
  return typeof subject === 'string' ? subject : toString(subject.multihash.bytes, 'base64url')
}
