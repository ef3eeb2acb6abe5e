import { WANTS_PER_PEER } from '../wants-per-peer.ts'
import type { BlockPrefix } from './message.ts'
import type { Clock } from '../../interface/clock.ts'
import type { BlockKey } from '../../interface/provider.ts'

/** Blocks that a CANCEL may have crossed on the wire */
const MAX_LATE = WANTS_PER_PEER
/** A block that is this late was not on its way when we cancelled */
const LATE = 30_000
/** Within that time a block is hardly wanted and given up more often; a peer that sends it again and again is no honest one */
const MAX_TIMES = 4

interface LateBlock {
  readonly kind: string
  readonly at: number
  readonly cancelled: boolean
  /** Times that it may come: a peer that was asked again before it heard of the first CANCEL sends it for both */
  left: number
}

/** Wants at one peer that are over: what still comes of them is nobody's fault */
export class LateBlocks {
  readonly #clock: Clock
  readonly #until = new Map<BlockKey, LateBlock>()

  constructor (clock: Clock) {
    this.#clock = clock
  }

  get size (): number {
    this.#expire()
    return this.#until.size
  }

  /**
   * @param cancelled - it did not come before it was over
   * @param lines - how often it was asked for, as far as the peer was not told to forget it
   */
  add (key: BlockKey, kind: string, cancelled: boolean, lines: number): void {
    const left = Math.min(MAX_TIMES, Math.max(1, lines, this.#until.get(key)?.left ?? 0))
    this.#until.delete(key)
    this.#until.set(key, { kind, at: this.#clock.now() + LATE, cancelled, left })

    if (this.#until.size > MAX_LATE) {
      this.#until.delete(this.#until.keys().next().value ?? '')
    }
  }

  /** Is it one of them? Each is excused as often as it was asked for. */
  excuse (key: BlockKey): boolean {
    this.#expire()
    const entry = this.#until.get(key)

    if (entry == null) {
      return false
    }
    this.#came(key, entry)
    return true
  }

  /** Blocks of that kind that may be on their way although they were cancelled, up to `max` */
  crossing (kind: string, max: number): number {
    let found = 0
    this.#expire()

    for (const entry of this.#until.values()) {
      if (found >= max) {
        break
      }
      found += entry.cancelled && entry.kind === kind ? entry.left : 0
    }

    return Math.min(found, max)
  }

  /** Could a block of that kind be one of them? Nobody hashes it to find out. */
  excuseKind (kind: string): boolean {
    this.#expire()

    for (const [key, entry] of this.#until) {
      if (entry.kind === kind) {
        this.#came(key, entry)
        return true
      }
    }

    return false
  }

  #came (key: BlockKey, entry: LateBlock): void {
    entry.left--

    if (entry.left === 0) {
      this.#until.delete(key)
    }
  }

  #expire (): void {
    const now = this.#clock.now()

    for (const [key, { at }] of this.#until) {
      if (at > now) {
        return
      }
      this.#until.delete(key)
    }
  }
}

/** What can be told of a block before it is hashed */
export function kindOf ({ hash, digestLength }: Pick<BlockPrefix, 'hash' | 'digestLength'>): string {
  return `${hash}/${digestLength}`
}
