import type { RoutingEnvironment } from './environment.ts'
import type { Outcome } from '../interface/outcome.ts'
import type { ProviderId } from '../interface/provider.ts'

/** What came of a provider, for those who named it. They are foreign code: what they throw is theirs. */
export function tellSources ({ sources, log }: RoutingEnvironment, provider: ProviderId, voices: ReadonlySet<string>, outcome: Outcome): void {
  for (const source of sources()) {
    if (source.settled != null && voices.has(source.name)) {
      try {
        source.settled(provider, outcome)
      } catch (err) {
        log.error('source %s could not hear what came of %s - %e', source.name, provider, err)
      }
    }
  }
}
