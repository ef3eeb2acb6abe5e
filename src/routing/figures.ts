import type { Announcer } from './announcer.ts'
import type { ContentRoutingComponents } from './components.ts'
import type { RoutingEnvironment } from './environment.ts'
import type { ContentRoutingStats, ProviderSummary } from '../interface/stats.ts'

/** What `stats()` says but for single providers: no more work for a thousand of them than for one */
export type RoutingFigures = Omit<ContentRoutingStats, 'providers'>

/** Providers that `stats()` describes, the latest; metrics and the reputation book know how many there are */
const MAX_DESCRIBED = 100

export interface Held {
  readonly flights: number
  readonly sessions: number
}

export function routingFigures (components: ContentRoutingComponents, env: RoutingEnvironment, announcer: Announcer, held: Held): RoutingFigures {
  const { reputation, datastore, volatile } = components
  const { slots, stats } = env
  return {
    ...stats.snapshot(),
    reputation: { size: reputation.size, kept: datastore == null || volatile === true ? 'memory' : 'datastore' },
    inFlight: { flights: held.flights, attempts: slots.inFlight, queued: slots.queued, sessions: held.sessions },
    announced: { done: announcer.announced, failed: announcer.failed, pending: announcer.pending }
  }
}

export function describeProviders (reputation: ContentRoutingComponents['reputation']): ProviderSummary[] {
  return reputation.describe == null || reputation.ids == null
    ? []
    : [...reputation.ids()].slice(-MAX_DESCRIBED).map(id => reputation.describe?.(id)).filter(summary => summary != null)
}
