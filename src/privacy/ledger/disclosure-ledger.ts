import { toString } from 'uint8arrays/to-string'
import { systemClock } from '../../clock/system-clock.ts'
import { Disclosure } from '../../interface/disclosure.ts'
import { boundedEntry, isBounded } from './bounded-entry.ts'
import { ExposureCounters } from './exposure-counters.ts'
import { ExposureRing } from './exposure-ring.ts'
import { ledgerParams } from './ledger-params.ts'
import { ObserverClasses } from './observer-class.ts'
import { Pauses } from './pauses.ts'
import type { ExposureCounts } from './exposure-counters.ts'
import type { LedgerInit, LedgerParams } from './ledger-params.ts'
import type { UnaccountedSpan } from './pauses.ts'
import type { Clock } from '../../interface/clock.ts'
import type { DisclosureEntry, DisclosureState, Ledger } from '../../interface/disclosure.ts'
import type { Exposure, ObserverClass } from '../../interface/privacy.ts'
import type { Purpose } from '../../interface/request.ts'
import type { CID } from 'multiformats/cid'

export type { LedgerInit } from './ledger-params.ts'

export interface LedgerComponents {
  /** @default the machine's */
  readonly clock?: Clock
}

/** All given ones hold */
export interface ExposureFilter {
  /** A block, as its CID or its key */
  readonly subject?: CID | string
  readonly request?: string
  readonly observer?: string
  readonly observerClass?: ObserverClass
  /** Wall clock, in ms */
  readonly since?: number
}

export interface LedgerStats extends ExposureCounts {
  /** Kept with all they say */
  readonly entries: number
  /** Requests go past it at the moment */
  readonly paused: boolean
  /** Left open for so long that nobody will say any more whether they were sent */
  readonly overflowed: number
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
 * const ledger = new DisclosureLedger()
 *
 * for (const { observer, form, transport, state } of ledger.about(cid)) {
 *   console.log(observer, form, transport, state)
 * }
 * ```
 */
export class DisclosureLedger implements Ledger {
  readonly #clock: Clock
  readonly #params: LedgerParams
  readonly #classes = new ObserverClasses()
  readonly #counters = new ExposureCounters()
  readonly #ring: ExposureRing
  readonly #pauses: Pauses
  /** Not settled yet, oldest first, with the cell where they are counted */
  readonly #open = new Map<DisclosureEntry, number>()
  /** What stands in the ring for those that were too long to keep */
  readonly #copies = new WeakMap<DisclosureEntry, Kept>()
  #overflowed = 0

  constructor ({ clock = systemClock }: LedgerComponents = {}, init: LedgerInit = {}) {
    this.#clock = clock
    this.#params = ledgerParams(init)
    this.#ring = new ExposureRing(this.#params.maxEntries, this.#params.maxAge)
    this.#pauses = new Pauses(() => clock.wall())
  }

  /** What the configuration says of parties: call it before anything is disclosed to them */
  know (observers: Iterable<string>, observerClass: ObserverClass): void {
    this.#classes.know(observers, observerClass)
  }

  intended (entry: DisclosureEntry): void {
    const cell = this.#counters.cellOf(entry, this.#classes.of(entry.observer, entry.transport))
    this.#counters.intended(cell)
    this.#open.set(entry, cell)

    if (this.#open.size > MAX_OPEN) {
      this.#giveUp()
    }
    if (this.#params.allow == null || this.#params.allow.has(entry.observer)) {
      this.#ring.add(this.#kept(entry), this.#clock.now())
    }
  }

  settled (entry: DisclosureEntry): void {
    const cell = this.#open.get(entry)
    this.#copy(entry)

    if (cell == null) {
      if (entry.cancelled) {
        this.#counters.cancelled(this.#counters.cellOf(entry, this.#classes.of(entry.observer, entry.transport)))
      }
      return
    }
    if (entry.state === 'intended') {
      // a CANCEL that was faster than the news of the write
      this.#counters.cancelled(cell)
      return
    }
    this.#open.delete(entry)
    this.#counters.settled(cell, entry.state)
  }

  /** Until what it returns is called, requests go past the ledger, and it says so */
  pause (reason: string): () => void {
    return this.#pauses.begin(reason)
  }

  /** When requests went past the ledger, and why; oldest first */
  unaccounted (): UnaccountedSpan[] {
    return this.#pauses.list()
  }

  /** What is kept, oldest first */
  entries (filter: ExposureFilter = {}): Exposure[] {
    const subject = filter.subject == null ? undefined : keyOf(filter.subject)
    this.#ring.expire(this.#clock.now())
    const found: Exposure[] = []

    for (const entry of this.#ring) {
      if ((subject == null || entry.key === subject) &&
        (filter.request == null || entry.request === filter.request) &&
        (filter.observer == null || entry.observer === filter.observer) &&
        (filter.since == null || entry.at >= filter.since)) {
        const exposure = this.#exposure(entry)
        if (filter.observerClass == null || exposure.observerClass === filter.observerClass) {
          found.push(exposure)
        }
      }
    }
    return found
  }

  /** Who learnt of a block, oldest first */
  about (subject: CID | string): Exposure[] {
    return this.entries({ subject })
  }

  stats (): LedgerStats {
    this.#ring.expire(this.#clock.now())
    return { ...this.#counters.snapshot(), entries: this.#ring.size, paused: this.#pauses.active, overflowed: this.#overflowed }
  }

  /** Forgets the entries; the numbers stay */
  clear (): void {
    this.#ring.clear()
  }

  /** What is still open will not be settled any more: nobody knows whether it was sent */
  close (): void {
    for (const entry of [...this.#open.keys()]) {
      this.#abandon(entry)
    }
  }

  #kept (entry: DisclosureEntry): DisclosureEntry {
    if (isBounded(entry)) {
      return entry
    }
    const copy = boundedEntry(entry)
    this.#copies.set(entry, copy)
    return copy
  }

  #copy (entry: DisclosureEntry): void {
    const copy = isBounded(entry) ? undefined : this.#copies.get(entry)
    if (copy != null) {
      copy.state = entry.state
      copy.cancelled = entry.cancelled
    }
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
      this.#open.delete(entry)
      this.#counters.settled(cell, 'unknown')
    }
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
      state: state satisfies DisclosureState,
      cancelled
    }
  }
}

function keyOf (subject: CID | string): string {
  return typeof subject === 'string' ? subject : toString(subject.multihash.bytes, 'base64url')
}
