import { Disclosure } from '../../interface/disclosure.ts'
import type { Clock } from '../../interface/clock.ts'
import type { Ledger } from '../../interface/disclosure.ts'
import type { Discloses } from '../kad/walker.ts'

const forgets: Ledger = { intended: () => {}, settled: () => {} }

/** For a node without a ledger: what is disclosed is recorded nowhere */
export function forgottenRequest (clock: Pick<Clock, 'wall'>): () => Discloses {
  return () => ({ disclose: init => new Disclosure(forgets, init, { request: 'announce', purpose: 'announce', at: clock.wall() }) })
}
