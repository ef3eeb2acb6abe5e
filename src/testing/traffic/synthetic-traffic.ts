import { seededRandom } from '../../clock/random.ts'
import { burstTimes, correlatedTimes, independentTimes, periodicTimes } from './processes.ts'
import type { BurstModel, CorrelatedModel, IndependentModel, PeriodicModel } from './processes.ts'
import type { CollectorStatistics, ConnectionObservation, Observations, ObservationSource, PeerObservation, TrafficEvent } from '../../interface/privacy.ts'

/** One flow, or two that are correlated */
export type TrafficFlow =
  | { readonly kind: 'independent', readonly events: number, readonly model?: IndependentModel }
  | { readonly kind: 'periodic', readonly events: number, readonly model?: PeriodicModel, readonly jitter?: number }
  | { readonly kind: 'bursty', readonly events: number, readonly model?: BurstModel, readonly size?: number, readonly ratio?: number }
  | { readonly kind: 'correlated', readonly events: number, readonly model?: CorrelatedModel, readonly r: number }

export interface SyntheticTrafficInit {
  /** The same seed and flows give the same traffic. @default 1 */
  seed?: number
  flows: readonly TrafficFlow[]
  /** Wall clock of the first moment, in ms. @default 2026-01-01 */
  start?: number
}

/** What is true of the traffic, by peer ids */
export interface TrafficLabels {
  readonly independent: readonly string[]
  readonly periodic: readonly string[]
  readonly bursty: readonly string[]
  readonly correlated: ReadonlyArray<readonly [string, string]>
}

const DEFAULT_SEED = 1
const DEFAULT_START = 1_767_225_600_000

/** As a browser loads a page: a handful of requests, a hundred times closer to each other than pages are */
const DEFAULT_SIZE = 5
const DEFAULT_RATIO = 100

/**
 * Traffic of which it is known what is in it: a source for an analyzer, with labels. It shares no code with detectors.
 *
 * @example
 *
 * ```ts
 * import { SyntheticTraffic } from 'portolan/testing'
 * import { PrivacyAnalyzer } from 'portolan/privacy'
 *
 * const traffic = new SyntheticTraffic({
 *   seed: 7,
 *   flows: [{ kind: 'correlated', events: 100, r: 0.8 }, { kind: 'independent', events: 100 }]
 * })
 * console.log(traffic.labels.correlated, new PrivacyAnalyzer(traffic).analyze().risks)
 * ```
 */
export class SyntheticTraffic implements ObservationSource {
  readonly labels: TrafficLabels
  readonly #observations: Observations

  constructor ({ seed = DEFAULT_SEED, flows, start = DEFAULT_START }: SyntheticTrafficInit) {
    const random = seededRandom(seed)
    const labels = { independent: [] as string[], periodic: [] as string[], bursty: [] as string[], correlated: [] as Array<[string, string]> }
    const times = new Map<string, readonly number[]>()
    const add = (kind: string, at: readonly number[]): string => {
      const id = `${kind}-${times.size + 1}`
      times.set(id, at)
      return id
    }

    for (const flow of flows) {
      if (!Number.isSafeInteger(flow.events) || flow.events < 0) {
        throw new RangeError(`A flow has a whole number of events from 0, not ${flow.events}`)
      }

      if (flow.kind === 'correlated') {
        const [a, b] = correlatedTimes(random, flow.events, flow.model ?? 'shared', share('r', flow.r))
        labels.correlated.push([add(flow.kind, a), add(flow.kind, b)])
      } else if (flow.kind === 'periodic') {
        labels.periodic.push(add(flow.kind, periodicTimes(random, flow.events, flow.model ?? 'clock', share('jitter', flow.jitter ?? 0))))
      } else if (flow.kind === 'bursty') {
        labels.bursty.push(add(flow.kind, burstTimes(random, flow.events, flow.model ?? 'pages', flow.size ?? DEFAULT_SIZE, flow.ratio ?? DEFAULT_RATIO)))
      } else {
        labels.independent.push(add(flow.kind, independentTimes(random, flow.events, flow.model ?? 'poisson')))
      }
    }

    this.labels = labels
    this.#observations = observationsOf(times, start)
  }

  observations (): Observations {
    return this.#observations
  }

  getStatistics (): CollectorStatistics {
    const { peers, connections, streams } = this.#observations

    return {
      uniquePeers: peers.length,
      totalConnections: connections.length,
      openConnections: connections.length,
      inboundConnections: 0,
      outboundConnections: connections.length,
      totalStreams: 0,
      protocols: {},
      transports: { tcp: connections.length },
      streams,
      evictedPeers: 0,
      evictedConnections: 0
    }
  }
}

function share (name: string, value: number): number {
  if (!(value >= 0 && value <= 1)) {
    throw new RangeError(`${name} is a share from 0 to 1, not ${value}`)
  }

  return value
}

/** A connection for each flow, open all the time, on which something is sent at these times */
function observationsOf (flows: ReadonlyMap<string, readonly number[]>, start: number): Observations {
  const ids = [...flows.keys()]
  const events: TrafficEvent[] = [...flows]
    .flatMap(([peer, times]) => times.map((at): TrafficEvent => ({ at: start + at, peer, kind: 'sent' })))
    .sort((a, b) => a.at - b.at)
  const to = (events.at(-1)?.at ?? start) + 1

  return {
    source: 'simulated',
    from: start,
    to,
    streams: 'exact',
    peers: ids.map((id, i): PeerObservation => ({
      id,
      firstSeen: start,
      lastSeen: to,
      connectionCount: 1,
      openConnections: 1,
      inbound: 0,
      outbound: 1,
      addresses: [address(i)],
      protocols: []
    })),
    connections: ids.map((peer, i): ConnectionObservation => ({
      id: `connection-${i + 1}`,
      peer,
      direction: 'outbound',
      remoteAddr: address(i),
      transport: 'tcp',
      limited: false,
      openedAt: start,
      streams: 0,
      protocols: []
    })),
    events
  }
}

/** One of a network that is set aside for documentation (RFC 5737) */
function address (i: number): string {
  return `/ip4/198.51.100.${1 + i % 254}/tcp/4001`
}
