import { Disclosure } from '../interface/disclosure.ts'
import type { Clock } from '../interface/clock.ts'
import type { DisclosureInit, Ledger, PrivacyMode } from '../interface/disclosure.ts'
import type { Provider } from '../interface/provider.ts'
import type { Purpose, Request } from '../interface/request.ts'

export interface RequestInit {
  readonly id: string
  /** Read live where it may change: a prefetch becomes a read */
  readonly purpose: Purpose | (() => Purpose)
  readonly mode: PrivacyMode
  readonly signal: AbortSignal
  readonly key?: string
  readonly client?: string
  readonly hints?: readonly Provider[]
  /** Read live: the joiners' maximum */
  readonly deadline: () => number
  readonly priority: () => number
  /** Hears of each disclosure when it is intended, for the story. @default nobody does */
  readonly onDisclosed?: (disclosure: Disclosure) => void
  /** What becomes a line of the story. @default nothing is told */
  readonly note?: (what: string) => void
}

/** The only place that makes disclosures: whoever wants to write about a CID needs one of these */
export class RoutingRequest implements Request {
  readonly id: string
  readonly mode: PrivacyMode
  readonly signal: AbortSignal
  readonly client?: string
  readonly hints: readonly Provider[]
  readonly #init: RequestInit
  readonly #ledger: Ledger
  readonly #clock: Pick<Clock, 'wall'>

  constructor (components: { ledger: Ledger, clock: Pick<Clock, 'wall'> }, init: RequestInit) {
    this.#ledger = components.ledger
    this.#clock = components.clock
    this.#init = init
    this.id = init.id
    this.mode = init.mode
    this.signal = init.signal
    this.client = init.client
    this.hints = init.hints ?? []
  }

  get purpose (): Purpose {
    const { purpose } = this.#init
    return typeof purpose === 'function' ? purpose() : purpose
  }

  get deadline (): number {
    return this.#init.deadline()
  }

  get priority (): number {
    return this.#init.priority()
  }

  disclose (init: DisclosureInit): Disclosure {
    const disclosure = new Disclosure(this.#ledger, init, {
      request: this.id,
      purpose: this.purpose,
      mode: this.mode,
      client: this.client,
      key: this.#init.key,
      at: this.#clock.wall()
    })
    this.#init.onDisclosed?.(disclosure)
    return disclosure
  }

  note (what: string): void {
    this.#init.note?.(what)
  }

  /** The same retrieval, for another purpose (a shadow measurement), about another block (the root of its DAG), under another signal or deadline, or told of in another place */
  with (changes: { purpose?: Purpose, key?: string, signal?: AbortSignal, deadline?: () => number, note?: (what: string) => void }): RoutingRequest {
    return new RoutingRequest({ ledger: this.#ledger, clock: this.#clock }, { ...this.#init, ...changes })
  }
}
