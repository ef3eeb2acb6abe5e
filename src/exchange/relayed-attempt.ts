import type { DisclosureInit } from '../interface/disclosure.ts'
import type { Attempt, Request } from '../interface/request.ts'

export interface AttemptChanges {
  /** What is written down about the transport of disclosures */
  readonly transport?: string
  /** Called with every chunk, before the attempt's own timers hear of it */
  bytes? (n: number): void
}

/** The same attempt, seen through: whoever made it still owns its timers */
export function relayedAttempt (attempt: Attempt, { transport, bytes }: AttemptChanges): Attempt {
  return {
    request: transport == null ? attempt.request : renamed(attempt.request, transport),
    signal: attempt.signal,
    phase: phase => { attempt.phase(phase) },
    bytes: n => {
      bytes?.(n)
      attempt.bytes(n)
    },
    verify: async block => attempt.verify(block)
  }
}

function renamed (request: Request, transport: string): Request {
  return {
    id: request.id,
    mode: request.mode,
    signal: request.signal,
    client: request.client,
    hints: request.hints,
    get purpose () { return request.purpose },
    get deadline () { return request.deadline },
    get priority () { return request.priority },
    disclose: (init: DisclosureInit) => request.disclose({ ...init, transport })
  }
}
