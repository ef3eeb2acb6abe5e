import type { UnaccountedSpan } from '../../interface/ledger.ts'

interface Span {
  from: number
  to?: number
  readonly reason: string
  holders: number
}

/** More than anybody switches by hand; what is older is counted */
const MAX_SPANS = 100

/** Single reads that go past one after the other are one span, in ms */
const JOINED_WITHIN = 1_000

/** When nobody wrote down what was disclosed, and why */
export class Pauses {
  readonly #wall: () => number
  readonly #spans: Span[] = []
  #dropped = 0

  constructor (wall: () => number) {
    this.#wall = wall
  }

  get dropped (): number {
    return this.#dropped
  }

  get active (): boolean {
    return this.#spans.some(({ holders }) => holders > 0)
  }

  /** Call what it returns when requests are accounted for again; several may hold the same reason */
  begin (reason: string): () => void {
    const now = this.#wall()
    let span = this.#spans.findLast(span => span.reason === reason && (span.to == null || (now - span.to < JOINED_WITHIN && now >= span.from)))

    if (span == null) {
      span = { from: now, reason, holders: 0 }
      this.#spans.push(span)
      this.#shorten()
    }
    const held = span
    held.holders++
    held.to = undefined
    let ended = false

    return () => {
      if (!ended) {
        ended = true
        held.holders--
        if (held.holders === 0) {
          held.to = Math.max(held.from, this.#wall())
        }
      }
    }
  }

  /** Oldest first */
  list (): UnaccountedSpan[] {
    return this.#spans.map(({ from, to, reason }) => ({ from, reason, ...to == null ? {} : { to } }))
  }

  /** One that goes on is not dropped for one that is over */
  #shorten (): void {
    if (this.#spans.length > MAX_SPANS) {
      const over = this.#spans.findIndex(({ to }) => to != null)
      this.#spans.splice(Math.max(0, over), 1)
      this.#dropped++
    }
  }
}
