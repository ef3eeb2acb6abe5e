import { isNamed } from '../provider/named-source.ts'
import { LatencyWindow } from './latency-window.ts'
import type { Outcome } from '../interface/outcome.ts'
import type { ProviderId } from '../interface/provider.ts'
import type { Percentiles, SourceStats } from '../interface/stats.ts'

/** A node has a dozen sources and routers; what foreign routers call themselves beyond that is counted together */
const MAX_NAMES = 64
const OTHERS = 'others'

/** Lookups that the percentiles of one source rest on: a 99th percentile of fewer would be the slowest of them. 4 KiB a source. */
const WINDOW = 256

/** What is left of a first answer after the next one: fifty count, so that a router that mends its ways is believed within a minute of reading */
const KEEP = 0.98
/** Answers that a router is believed to have to its credit before there are any */
const CREDIT = 2
/** Nobody's word is worth nothing: whoever names the only one who has a block must be heard */
const LEAST_TRUST = 0.05
/** First answers before anything is said of it, and the belief below which something is */
const TELLING = 3
const DOUBTFUL = 0.45

/** What shows that somebody's word was wrong, or right; the rest says nothing about it */
const VERDICT: Readonly<Partial<Record<Outcome, boolean>>> = { delivered: true, 'not-here': false, unreachable: false, stalled: false, invalid: false }

class Row {
  lookups = 0
  failed = 0
  late = 0
  named = 0
  alone = 0
  agreed = 0
  asked = 0
  delivered = 0
  /** Of providers that nothing was known of, what their first answers were; aged */
  tried = 0
  kept = 0
  readonly first = new LatencyWindow(WINDOW)
  readonly ends = new LatencyWindow(WINDOW)
}

/** Who was named in one lookup, and by whom */
export class LookupTally {
  readonly #book: SourceBook
  readonly #named = new Map<ProviderId, Set<string>>()

  constructor (book: SourceBook) {
    this.#book = book
  }

  /** The caller bounds how many */
  named (provider: ProviderId, voice: string): void {
    const voices = this.#named.get(provider) ?? new Set()
    this.#named.set(provider, voices.add(voice))
  }

  end (): void {
    for (const voices of this.#named.values()) {
      for (const voice of voices) {
        this.#book.named(voice, voices.size > 1)
      }
    }
    this.#named.clear()
  }
}

/**
 * What the sources of providers, and the routers behind them, said, how long it
 * took them, and what it was worth. Their names are those that providers carry as
 * `source`. Counting costs an addition.
 */
export class SourceBook {
  readonly #rows = new Map<string, Row>()

  /** For one lookup */
  tally (): LookupTally {
    return new LookupTally(this)
  }

  /** A source is asked */
  began (source: string): void {
    this.#row(source).lookups++
  }

  /** It named its first provider after so many ms */
  first (source: string, ms: number): void {
    this.#row(source).first.add(ms)
  }

  /** It had nothing more to say */
  ended (source: string, ms: number): void {
    this.#row(source).ends.add(ms)
  }

  failed (source: string): void {
    this.#row(source).failed++
  }

  /** Its time was over */
  late (source: string): void {
    this.#row(source).late++
  }

  named (voice: string, agreed: boolean): void {
    const row = this.#row(voice)
    row.named++
    row.agreed += agreed ? 1 : 0
    row.alone += agreed ? 0 : 1
  }

  /**
   * A provider that these named was asked
   *
   * @param isStranger - nobody had asked it before: what comes of it is owed to those who named it
   */
  settled (voices: Iterable<string>, outcome: Outcome, isStranger: boolean): void {
    const kept = VERDICT[outcome]

    if (outcome === 'cancelled') {
      return
    }
    for (const voice of voices) {
      const row = this.#row(voice)
      row.asked++
      row.delivered += outcome === 'delivered' ? 1 : 0

      if (isStranger && kept != null) {
        row.tried = row.tried * KEEP + 1
        row.kept = row.kept * KEEP + (kept ? 1 : 0)
      }
    }
  }

  /** Belief in (0, 1] that a provider of which nothing is known delivers, by the best of those who named it. What people named is theirs to judge. */
  trust (voices: Iterable<string>): number {
    let most = LEAST_TRUST

    for (const voice of voices) {
      const row = this.#rows.get(voice)
      most = Math.max(most, row == null || isNamed(voice) ? 1 : (row.kept + CREDIT) / (row.tried + CREDIT))
    }
    return most
  }

  /** For a story: what its word is worth, where that is little */
  warning (voice: string): string | undefined {
    const row = this.#rows.get(voice)
    return row == null || isNamed(voice) || row.tried < TELLING * KEEP ** TELLING || this.trust([voice]) > DOUBTFUL
      ? undefined
      : `of the strangers that it named lately ${Math.round(100 * row.kept / row.tried)} % delivered`
  }

  stats (): SourceStats[] {
    return [...this.#rows].map(([name, row]) => ({
      name,
      lookups: row.lookups,
      failed: row.failed,
      late: row.late,
      named: row.named,
      alone: row.alone,
      agreed: row.agreed,
      asked: row.asked,
      successfulRetrievals: row.delivered,
      ...(row.tried < 1 ? {} : { kept: round(row.kept / row.tried) }),
      firstProvider: percentiles(row.first),
      end: percentiles(row.ends)
    }))
  }

  #row (name: string): Row {
    const known = this.#rows.get(name)

    if (known != null) {
      return known
    }
    const row = this.#rows.size < MAX_NAMES ? new Row() : this.#rows.get(OTHERS) ?? new Row()
    this.#rows.set(this.#rows.size < MAX_NAMES ? name : OTHERS, row)
    return row
  }
}

function percentiles (window: LatencyWindow): Percentiles {
  const at = (q: number): number | undefined => {
    const ms = window.quantile(q, 1)
    return ms == null ? undefined : round(ms)
  }
  return window.count === 0 ? {} : { p50: at(0.5), p90: at(0.9), p99: at(0.99) }
}

function round (value: number): number {
  return Math.round(value * 1_000) / 1_000
}
