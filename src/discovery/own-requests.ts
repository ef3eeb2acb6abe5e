import { blockKey } from '../block/key.ts'
import { Disclosure } from '../interface/disclosure.ts'
import type { Clock } from '../interface/clock.ts'
import type { Ledger } from '../interface/disclosure.ts'
import type { Purpose, Request } from '../interface/request.ts'
import type { CID } from 'multiformats/cid'

const forgets: Ledger = { intended: () => {}, settled: () => {} }
const never = new AbortController().signal

/**
 * For what discovery does by itself: as long as no content routing lends its requests.
 *
 * @param components.ledger - where it is written down. @default nowhere
 */
export function ownRequests ({ clock, ledger = forgets }: { clock: Pick<Clock, 'wall'>, ledger?: Ledger }, purpose: Purpose): (cid?: CID) => Request {
  let count = 0

  return cid => {
    const id = `discovery-${purpose}-${++count}`
    const key = cid == null ? undefined : blockKey(cid)
    return {
      id,
      purpose,
      mode: 'open',
      signal: never,
      deadline: Infinity,
      priority: 0,
      hints: [],
      disclose: init => new Disclosure(ledger, init, { request: id, purpose, key, at: clock.wall() })
    }
  }
}
