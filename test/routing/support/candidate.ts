import type { Provider } from '../../../src/interface/provider.ts'
import type { LogEstimate, ProviderView } from '../../../src/interface/reputation.ts'
import type { CandidateView } from '../../../src/routing/select.ts'

export interface CandidateInit {
  provider?: Partial<Provider>
  view?: Partial<ProviderView>
  inFlight?: number
  limit?: number
  has?: number
  /** Usual milliseconds to the first byte, known for certain */
  latency?: number
  /** Usual bytes per millisecond, known for certain */
  throughput?: number
}

const unknown: LogEstimate = { mean: 0, sd: 0.5, weight: 0 }

/** So much evidence that no prior and no dice matter */
function certain (value: number | undefined): LogEstimate {
  return value == null ? unknown : { mean: Math.log(value), sd: 0.1, weight: 1e9 }
}

/** What is known about one provider, by default nothing and nothing bad */
export function candidate (name: string, init: CandidateInit = {}): CandidateView {
  const id = `http:${name}.example` as const
  return {
    provider: { id, addresses: [`http://${name}.example`], protocols: [], source: 'test', fallback: false, domains: [], ...init.provider },
    route: { provider: id, transport: 'http', address: `http://${name}.example` },
    view: {
      id,
      latency: certain(init.latency),
      hope: init.view?.latency?.mean ?? certain(init.latency).mean,
      throughput: certain(init.throughput),
      successes: 0,
      failures: 0,
      conduct: 0,
      selectable: true,
      breaker: 'closed',
      retryAt: 0,
      passedOver: 0,
      attempts: 0,
      patience: 1,
      ...init.latency == null ? {} : { rtt: { mean: init.latency, deviation: 0 } },
      ...init.view
    },
    inFlight: init.inFlight ?? 0,
    limit: init.limit ?? 32,
    has: init.has ?? 0.8
  }
}
