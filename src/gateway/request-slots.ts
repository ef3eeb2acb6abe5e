import { HttpError } from './http-error.ts'

export interface RequestLimits {
  /** Requests answered at once */
  readonly max: number
  /** Of one client */
  readonly maxPerClient: number
}

/** Why one more request is not answered now */
export type Refusal = 'full' | 'client' | 'connection' | 'stopping'

const AGAIN = { 'retry-after': '1', connection: 'close' }

const REFUSALS: Readonly<Record<Refusal, () => HttpError>> = {
  full: () => new HttpError(503, 'Too many requests at once; try again in a moment.', { headers: AGAIN }),
  client: () => new HttpError(429, 'Too many requests at once from your address; try again when some have been answered.', { headers: AGAIN }),
  connection: () => new HttpError(429, 'Too many requests at once on this connection; send the next one when some have been answered.', { headers: AGAIN }),
  stopping: () => new HttpError(503, 'The node is stopping.', { headers: AGAIN })
}

/** The answer to a request that is not taken */
export function refusalError (refusal: Refusal): HttpError {
  return REFUSALS[refusal]()
}

/** Counts requests being answered, in all and by client */
export class RequestSlots {
  readonly #limits: RequestLimits
  readonly #byClient = new Map<string, number>()
  #size = 0

  constructor (limits: RequestLimits) {
    this.#limits = limits
  }

  get size (): number {
    return this.#size
  }

  /** Takes a slot, or says why there is none */
  take (client: string): Refusal | undefined {
    const own = this.#byClient.get(client) ?? 0

    if (this.#size >= this.#limits.max) {
      return 'full'
    }
    if (own >= this.#limits.maxPerClient) {
      return 'client'
    }
    this.#size++
    this.#byClient.set(client, own + 1)
    return undefined
  }

  release (client: string): void {
    const own = this.#byClient.get(client) ?? 0

    this.#size--
    if (own > 1) {
      this.#byClient.set(client, own - 1)
    } else {
      this.#byClient.delete(client)
    }
  }
}
