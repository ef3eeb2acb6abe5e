import { RoutingRequest } from '../../src/routing/request.ts'
import { VirtualClock } from '../../src/testing/virtual-clock.ts'
import type { DisclosureEntry, PrivacyMode } from '../../src/interface/disclosure.ts'
import type { Provider } from '../../src/interface/provider.ts'

export interface RecordedRequest {
  readonly request: RoutingRequest
  readonly entries: DisclosureEntry[]
  /** Lines for the story */
  readonly notes: string[]
  readonly controller: AbortController
  readonly clock: VirtualClock
}

/** A request whose disclosures can be looked at */
export function recordedRequest (init: { id?: string, mode?: PrivacyMode, hints?: readonly Provider[], deadline?: number, clock?: VirtualClock } = {}): RecordedRequest {
  const entries: DisclosureEntry[] = []
  const notes: string[] = []
  const controller = new AbortController()
  const clock = init.clock ?? new VirtualClock()
  const request = new RoutingRequest({ clock, ledger: { intended: entry => { entries.push(entry) }, settled: () => {} } }, {
    id: init.id ?? 'r1',
    purpose: 'read',
    mode: init.mode ?? 'open',
    signal: controller.signal,
    hints: init.hints,
    deadline: () => init.deadline ?? 30_000,
    priority: () => 0,
    note: what => { notes.push(what) }
  })
  return { request, entries, notes, controller, clock }
}
