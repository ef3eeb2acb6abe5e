import { toString } from 'uint8arrays/to-string'
import { systemRandom } from '../../clock/random.ts'
import { systemClock } from '../../clock/system-clock.ts'
import { Disclosure } from '../../interface/disclosure.ts'
import { checkComponents } from '../../interface/option-names.ts'
import { fromWall } from '../../keeper/kept-time.ts'
import { RUNS, TAGS, markOf, numberIn } from './disclosure-mark.ts'
import { CELLS, ExposureCounters } from './exposure-counters.ts'
import { ExposureRing } from './exposure-ring.ts'
import { LedgerJournal } from './ledger-journal.ts'
import { LEDGER_OPTIONS, ledgerParams } from './ledger-params.ts'
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

/**
 * Keeps who learnt what: the newest disclosures with all they say, and numbers of all there ever were.
 *
 * @example
 *
 * ```ts
 * import { DisclosureLedger } from 'portolan/privacy'
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
  /** Of those that are no `Disclosure`, or that another ledger has marked */
  readonly #marks = new WeakMap<DisclosureEntry, number>()
  /** Counts up with each stop: what was open then is settled */
  #run = 1
  /** By how much numbers have grown since they were marked, as older ones came before them */
  #grown = 0
  #grownBelow = 0
  #since: number
  #earlier = 0

  constructor (components: LedgerComponents = {}, init: LedgerInit = {}) {
    checkComponents('a ledger', components, LEDGER_OPTIONS, option => `new DisclosureLedger({}, { ${option} })`)
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
    this.#run = this.#run % (RUNS - 1) + 1
    this.#counters.abandon()
    this.#ring.abandon().forEach(number => { this.#journal?.changed(number) })
    await this.#journal?.stop()
  }

  intended (entry: DisclosureEntry): void {
    const cell = this.#counters.cellOf(entry, this.#classes.of(entry.observer, entry.transport))
    this.#counters.intended(cell)
    const number = this.#isNamed(entry.observer) ? this.#ring.add(entry, this.#clock.now()) : 0
    this.#mark(entry, markOf(number, cell, this.#run))
    this.#journal?.changed(number)
  }

  settled (entry: DisclosureEntry): void {
    const mark = this.#markOf(entry)
    const tag = mark % TAGS
    const packed = Math.floor(mark / TAGS)
    const number = this.#numberOf(mark)
    const isOpen = tag % RUNS === this.#run
    const settles = isOpen && entry.state !== 'intended'

    if (mark === 0) {
      // it was never intended here
      return
    }
    if (entry.cancelled && tag < RUNS) {
      this.#counters.cancelled(packed % CELLS)
      this.#ring.cancel(number)
    }
    if (settles) {
      this.#counters.settled(packed % CELLS, entry.state)
      this.#ring.set(number, entry)
    }
    this.#mark(entry, packed * TAGS + (entry.cancelled ? RUNS : 0) + (isOpen && !settles ? this.#run : 0))
    this.#journal?.changed(number)
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

    for (const number of this.#ring.numbers()) {
      const entry = this.#ring.get(number)
      if (entry != null && (subject == null || entry.key === subject) && (request == null || entry.request === request) && (observer == null || entry.observer === observer) && (since == null || entry.at >= since)) {
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
      exposure: number => {
        const entry = this.#ring.get(number)
        return entry == null ? undefined : this.#exposure(entry)
      },
      counts: () => ({ since: this.#since, rows: this.#counters.rows() }),
      restored: (counts, exposures) => this.#restore(counts, exposures)
    })
    // what came before it was started
    for (const number of this.#ring.numbers()) {
      journal.changed(number)
    }
    return journal
  }

  #isNamed (observer: string): boolean {
    return this.#params.allow == null || this.#params.allow.has(observer)
  }

  #mark (entry: DisclosureEntry, mark: number): void {
    if (entry instanceof Disclosure && (entry.marker == null || entry.marker === this)) {
      entry.marker = this
      entry.mark = mark
    } else {
      this.#marks.set(entry, mark)
    }
  }

  #markOf (entry: DisclosureEntry): number {
    return (entry instanceof Disclosure && entry.marker === this ? entry.mark : this.#marks.get(entry)) ?? 0
  }

  #numberOf (mark: number): number {
    const marked = numberIn(mark, this.#ring.next - 1)
    return marked > 0 && marked < this.#grownBelow ? marked + this.#grown : marked
  }

  #restore (counts: KeptCounts | undefined, exposures: readonly Exposure[]): number {
    if (counts != null) {
      const before = this.#counters.snapshot().total
      counts.rows.forEach(row => { this.#counters.restore(row) })
      this.#earlier = this.#counters.snapshot().total - before
      this.#since = Math.min(this.#since, counts.since)
    }
    // what is newer than now is of a clock that was set back: it is kept as if it were of now
    const below = this.#ring.next
    const grown = this.#ring.restore(exposures.map(exposure => [asEntry(exposure), fromWall(this.#clock, exposure.at, 0)]), this.#clock.now())
    this.#grown = grown
    this.#grownBelow = below
    return grown
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
