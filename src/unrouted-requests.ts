import { blockKey } from './block/key.ts'
import { RoutingRequest } from './routing/request.ts'
import type { Clock } from './interface/clock.ts'
import type { Disclosure, Ledger, PrivacyMode } from './interface/disclosure.ts'
import type { Purpose, Request } from './interface/request.ts'
import type { CID } from 'multiformats/cid'

/** What belongs to no retrieval is ended by nobody's leaving */
const NEVER = new AbortController().signal

/** For what goes past retrieval: reads that ask not to be routed, announcements, answers to others, a shared cache; without a CID it is about no block */
export function unroutedRequests (components: { clock: Clock, ledger: Ledger }, mode: PrivacyMode = 'open', name = 'unrouted'): (cid: CID | undefined, purpose: Purpose) => Request {
  let count = 0

  return (cid, purpose) => new RoutingRequest(components, {
    id: `${name}-${++count}`,
    purpose,
    mode,
    signal: NEVER,
    key: cid == null ? undefined : blockKey(cid),
    deadline: () => Infinity,
    priority: () => 0
  })
}

/** For what brings a node into a network: it says nothing about any block, but that we are about to join, or are there, is learnt */
export function joinRequests (components: { clock: Clock, ledger: Ledger }, mode: PrivacyMode): () => Request {
  let count = 0

  return () => new RoutingRequest(components, {
    id: `join-${++count}`,
    purpose: 'join',
    mode,
    signal: NEVER,
    deadline: () => Infinity,
    priority: () => 0
  })
}

/** For the names that lead into a network */
export function joinDisclosures (components: { clock: Clock, ledger: Ledger }, mode: PrivacyMode): () => Disclosure {
  const request = joinRequests(components, mode)
  return () => request().disclose({ observer: 'party:dns', form: 'hostname', transport: 'dns', audience: 'one' })
}
