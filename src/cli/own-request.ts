import { systemClock } from '../clock/system-clock.ts'
import { nullLedger } from '../privacy/null-ledger.ts'
import { RoutingRequest } from '../routing/request.ts'
import type { Disclosure } from '../interface/disclosure.ts'

/** Asking one's own node, on this machine, about a CID, or whether it is that */
export function ownNodeDisclosure (signal: AbortSignal, form: 'cid' | 'none' = 'cid'): Disclosure {
  return new RoutingRequest({ clock: systemClock, ledger: nullLedger }, {
    id: 'command',
    purpose: 'read',
    mode: 'strict',
    signal,
    deadline: () => Infinity,
    priority: () => 0
  }).disclose({ observer: 'party:own-node', form, transport: 'http', audience: 'one' })
}
