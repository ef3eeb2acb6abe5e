import { Disclosure } from '../../interface/disclosure.ts'
import type { Clock } from '../../interface/clock.ts'
import type { Ledger } from '../../interface/disclosure.ts'
import type { Purpose } from '../../interface/request.ts'
import type { Discloses } from '../kad/walker.ts'

const forgets: Ledger = { intended: () => {}, settled: () => {} }

/** For a node without a ledger: what is disclosed is recorded nowhere */
export function forgottenRequest (clock: Pick<Clock, 'wall'>, purpose: Purpose = 'announce'): () => Discloses {
  return () => ({ disclose: init => new Disclosure(forgets, init, { request: purpose, purpose, at: clock.wall() }) })
}
