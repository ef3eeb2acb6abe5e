import type { Disclosure, DisclosureInit, PrivacyMode } from '../interface/disclosure.ts'
import type { Provider } from '../interface/provider.ts'
import type { Purpose, Request } from '../interface/request.ts'

/** The same request, for less long */
export class BoundRequest implements Request {
  readonly id: string
  readonly mode: PrivacyMode
  readonly priority: number
  readonly client?: string
  readonly hints: readonly Provider[]
  readonly signal: AbortSignal
  readonly deadline: number
  readonly #request: Request

  constructor (request: Request, bounds: { signal: AbortSignal, deadline: number }) {
    const { id, mode, priority, client, hints } = request
    this.id = id
    this.mode = mode
    this.priority = priority
    this.client = client
    this.hints = hints
    this.signal = bounds.signal
    this.deadline = bounds.deadline
    this.#request = request
  }

  /** Read live: a prefetch becomes a read */
  get purpose (): Purpose {
    return this.#request.purpose
  }

  disclose (init: DisclosureInit): Disclosure {
    return this.#request.disclose(init)
  }

  note (what: string): void {
    this.#request.note?.(what)
  }
}
