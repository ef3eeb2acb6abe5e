import { blockKey } from './block/key.ts'
import { RoutingRequest } from './routing/request.ts'
import type { Clock } from './interface/clock.ts'
import type { Disclosure, Ledger, PrivacyMode } from './interface/disclosure.ts'
import type { Purpose, Request } from './interface/request.ts'
import type { CID } from 'multiformats/cid'

/** What belongs to no retrieval is ended by nobody's leaving */
const NEVER = new AbortController().signal

/** For what goes past retrieval: reads that ask not to be routed, announcements, answers to others, a shared cache */
export function unroutedRequests (components: { clock: Clock, ledger: Ledger }, mode: PrivacyMode = 'open', name = 'unrouted'): (cid: CID, purpose: Purpose) => Request {
  let count = 0

  return (cid, purpose) => new RoutingRequest(components, {
    id: `${name}-${++count}`,
    purpose,
    mode,
    signal: NEVER,
    key: blockKey(cid),
    deadline: () => Infinity,
    priority: () => 0
  })
}

/** For the names that lead into a network: they say nothing about any block, but that we are about to join is learnt by whoever answers for them */
export function joinDisclosures (components: { clock: Clock, ledger: Ledger }, mode: PrivacyMode = 'balanced'): (name: string) => Disclosure {
  let count = 0

  return () => new RoutingRequest(components, {
    id: `join-${++count}`,
    purpose: 'join',
    mode,
    signal: NEVER,
    deadline: () => Infinity,
    priority: () => 0
  }).disclose({ observer: 'party:dns', form: 'none', transport: 'dns', audience: 'one' })
}
