import { Disclosure } from '../interface/disclosure.ts'
import type { Clock } from '../interface/clock.ts'
import type { Ledger } from '../interface/disclosure.ts'
import type { Purpose, Request } from '../interface/request.ts'

const forgets: Ledger = { intended: () => {}, settled: () => {} }
const never = new AbortController().signal

/** For a node without a ledger, or as long as nobody lends his: what is disclosed is recorded nowhere */
export function unrecordedRequests (clock: Pick<Clock, 'wall'>, purpose: Purpose): () => Request {
  let count = 0

  return () => {
    const id = `unrecorded-${purpose}-${++count}`
    return {
      id,
      purpose,
      mode: 'open',
      signal: never,
      deadline: Infinity,
      priority: 0,
      hints: [],
      disclose: init => new Disclosure(forgets, init, { request: id, purpose, at: clock.wall() })
    }
  }
}
