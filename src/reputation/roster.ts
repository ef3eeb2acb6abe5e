import { decayConduct } from './conduct.ts'
import type { ProviderRecord } from './record.ts'
import type { ProviderId } from '../interface/provider.ts'

/**
 * What is lost when a record is forgotten, least first: a name nobody has asked, one
 * that never delivered, one that did, one with misconduct on record, a banned one.
 */
const STANDINGS = ['unasked', 'fruitless', 'proven', 'faulted', 'banned'] as const

type Standing = typeof STANDINGS[number]

/**
 * Share of the room that each standing keeps however many of another kind arrive: new
 * names cost nothing, so they can push out neither what is known of bad ones nor of good
 * ones; and bad ones, however many, leave half of the room. The shares add up to one,
 * so whenever the room is exceeded some standing exceeds its share.
 */
const SHARES: Readonly<Record<Standing, number>> = {
  unasked: 1 / 8,
  fruitless: 1 / 8,
  proven: 1 / 4,
  faulted: 1 / 4,
  banned: 1 / 4
}

/** Who is remembered and, when there are too many, who is forgotten first */
export class Roster {
  readonly #limit: number
  readonly #records = new Map<ProviderId, ProviderRecord>()
  /** Per standing, the least recently touched first */
  readonly #standings: Readonly<Record<Standing, Map<ProviderId, ProviderRecord>>>

  constructor (limit: number) {
    this.#limit = limit
    this.#standings = { unasked: new Map(), fruitless: new Map(), proven: new Map(), faulted: new Map(), banned: new Map() }
  }

  get size (): number {
    return this.#records.size
  }

  get (id: ProviderId): ProviderRecord | undefined {
    return this.#records.get(id)
  }

  ids (): IterableIterator<ProviderId> {
    return this.#records.keys()
  }

  values (): IterableIterator<ProviderRecord> {
    return this.#records.values()
  }

  /** Puts a record, new or changed, at the young end of its standing */
  touch (record: ProviderRecord): void {
    for (const standing of STANDINGS) {
      if (this.#standings[standing].delete(record.id)) {
        break
      }
    }

    this.#standings[standingOf(record)].set(record.id, record)
    // the order of the names is the order of their last use, too
    this.#records.delete(record.id)
    this.#records.set(record.id, record)
  }

  /** Forgets records until the limit holds; returns whom */
  trim (now: number): ProviderId[] {
    const forgotten: ProviderId[] = []

    while (this.#records.size > this.#limit) {
      this.#mend(now)
      const id = this.#victim()

      if (id == null) {
        break
      }

      this.#records.delete(id)
      forgotten.push(id)
    }

    return forgotten
  }

  /** By last use, for records that came in another order */
  sort (): void {
    const sorted = [...this.#records.values()].sort((a, b) => a.updatedAt - b.updatedAt)

    for (const record of sorted) {
      this.touch(record)
    }
  }

  #victim (): ProviderId | undefined {
    const standing = STANDINGS.find(name => this.#standings[name].size > Math.floor(SHARES[name] * this.#limit))
    const [oldest] = standing == null ? [] : this.#standings[standing].keys()

    if (standing != null && oldest != null) {
      this.#standings[standing].delete(oldest)
    }

    return oldest
  }

  /** Time mends: those longest unused whose misconduct has decayed are like any other */
  #mend (now: number): void {
    for (const standing of ['banned', 'faulted'] as const) {
      for (const record of this.#standings[standing].values()) {
        record.conduct = decayConduct(record.conduct, now)
        const current = standingOf(record)

        if (current === standing) {
          break
        }

        this.#standings[standing].delete(record.id)
        this.#standings[current].set(record.id, record)
      }
    }
  }
}

function standingOf (record: ProviderRecord): Standing {
  if (!record.conduct.selectable) {
    return 'banned'
  }

  if (record.conduct.score < 0) {
    return 'faulted'
  }

  return record.delivered > 0 ? 'proven' : record.attempts > 0 ? 'fruitless' : 'unasked'
}
