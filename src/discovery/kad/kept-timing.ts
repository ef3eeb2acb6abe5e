import { MAX_SKEW } from '../../keeper/kept-time.ts'
import type { PeerTiming } from './peer-timing.ts'
import type { Clock } from '../../interface/clock.ts'
import type { KeptTable } from '../../keeper/entry-keeper.ts'

export const TIMING_PREFIX = '/portolan/discovery/timing/v1'

/** Milliseconds: what is learnt about peers changes with every lookup, and 100 KB a minute would wear out a flash card */
const WRITE_INTERVAL = 600_000
/** Milliseconds: after a day the machine may be elsewhere, and peers too */
const MAX_AGE = 86_400_000
/** Peers in one entry: some 25 KB */
const CHUNK = 256
/** Peers kept of each kind, the latest: those that the next lookups meet */
const MAX_KEPT = 1_024

type Part = 'times' | 'peers' | 'dead'

/** How long peers take and which of them are silent, kept for the next run: without it the first lookups wait for the dead again */
export class KeptTiming implements KeptTable {
  readonly #clock: Pick<Clock, 'now' | 'wall'>
  readonly #timing: PeerTiming
  /** Entries in the store */
  #ids = new Set<string>()
  #takenAt: number
  #passedOver = 0

  constructor (clock: Pick<Clock, 'now' | 'wall'>, timing: PeerTiming) {
    this.#clock = clock
    this.#timing = timing
    this.#takenAt = clock.now()
  }

  /** Parts of entries that made no sense */
  get passedOver (): number {
    return this.#passedOver
  }

  /** The next save writes it, however short a time has passed */
  flush (): void {
    this.#takenAt = -Infinity
  }

  restore (stored: unknown): void {
    const { id, at, ...rest } = (stored ?? {}) as { id?: unknown, at?: unknown } & Partial<Record<Part, unknown>>

    if (typeof id !== 'string' || !/^(?:times|(?:peers|dead)\d{1,3})$/.test(id) || typeof at !== 'number' || !Number.isFinite(at)) {
      throw new TypeError('No stored times of peers')
    }
    this.#ids.add(id)
    const moment = { now: this.#clock.now(), wall: this.#clock.wall() }
    const age = moment.wall - at

    if (age < MAX_AGE && age > -MAX_SKEW) {
      const part = id.replace(/\d+$/, '') as Part
      this.#passedOver += this.#timing.restore(part === 'times' ? rest.times : { [part]: rest[part] }, moment)
    }
  }

  settle (): void {
    // restored entries need nothing more
  }

  takeDirty (): Array<[id: string, entry: object | undefined]> {
    const now = this.#clock.now()

    if (now - this.#takenAt < WRITE_INTERVAL) {
      return []
    }
    this.#takenAt = now
    const at = this.#clock.wall()
    const { peers, dead, ...times } = this.#timing.toJSON({ now, wall: at })
    const entries = [
      { id: 'times', at, times },
      ...chunks(peers).map((peers, i) => ({ id: `peers${i}`, at, peers })),
      ...chunks(dead).map((dead, i) => ({ id: `dead${i}`, at, dead }))
    ]
    const former = this.#ids
    this.#ids = new Set(entries.map(({ id }) => id))

    return [
      ...entries.map((entry): [string, object] => [entry.id, entry]),
      ...[...former].filter(id => !this.#ids.has(id)).map((id): [string, undefined] => [id, undefined])
    ]
  }

  giveBack (ids: readonly string[]): void {
    ids.forEach(id => { this.#ids.add(id) })
    this.flush()
  }
}

/** The last of them, oldest first */
function chunks<T> (all: readonly T[]): T[][] {
  const kept = all.slice(-MAX_KEPT)
  return Array.from({ length: Math.ceil(kept.length / CHUNK) }, (_, i) => kept.slice(i * CHUNK, (i + 1) * CHUNK))
}
