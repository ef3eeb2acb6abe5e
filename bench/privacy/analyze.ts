import { seededRandom } from '../../src/clock/random.ts'
import { OBSERVER_CLASSES } from '../../src/interface/privacy.ts'
import { PrivacyAnalyzer } from '../../src/privacy/analysis/analyzer.ts'
import type { CollectorStatistics, ConnectionObservation, Exposure, Observations, ObservationSource, PeerObservation, TrafficEvent } from '../../src/interface/privacy.ts'

/** Runs of which the median counts: the first ones are also those of the compiler */
const RUNS = 5

const HOUR = 3_600_000
const START = 1_767_225_600_000

/** Median seconds for a report on 1 000 peers, 100 000 events and 10 000 exposures, the first of a process among them */
export function analyze1000 (seed: number): number {
  return median(seed, { peers: 1_000, events: 100_000, exposures: 10_000 }) / 1000
}

/** The same for five peers that were busy for an hour, in ms */
export function analyze5Ms (seed: number): number {
  return median(seed, { peers: 5, events: 1_000, exposures: 100 })
}

interface Size {
  readonly peers: number
  readonly events: number
  readonly exposures: number
}

function median (seed: number, size: Size): number {
  const times = Array.from({ length: RUNS }, (_, run) => {
    // another source each time: what was computed before is of no use
    const analyzer = new PrivacyAnalyzer(busyNode(seed + run, size))
    const started = performance.now()
    analyzer.analyze()
    return performance.now() - started
  })
  return times.sort((a, b) => a - b)[RUNS >> 1] ?? NaN
}

/** A node in the middle of everything: events of all kinds, some peers much busier than others, every class of observers */
function busyNode (seed: number, { peers, events, exposures }: Size): ObservationSource {
  const random = seededRandom(seed)
  const index = (n: number): number => Math.floor(random.next() * n)
  // half of the events are with a tenth of the peers
  const somebody = (): string => `peer-${random.next() < 0.5 ? index(Math.ceil(peers / 10)) : index(peers)}`
  const at = (n: number): number[] => Array.from({ length: n }, () => START + random.next() * HOUR).sort((a, b) => a - b)
  const kinds = ['stream', 'sent', 'received'] as const
  const known = Array.from({ length: peers }, (_, i): PeerObservation => ({
    id: `peer-${i}`,
    firstSeen: START,
    lastSeen: START + HOUR,
    connectionCount: 2,
    openConnections: 1,
    inbound: 1,
    outbound: 1,
    addresses: [`/ip4/198.51.${i % 100}.${i % 250}/tcp/4001`],
    protocols: ['/ipfs/bitswap/1.2.0'],
    agent: `agent/${index(20)}`,
    supported: Array.from({ length: 12 }, (_, p) => `/protocol/${p + index(2)}`)
  }))
  const observations: Observations = {
    source: 'simulated',
    from: START,
    to: START + HOUR,
    streams: 'exact',
    peers: known,
    connections: known.flatMap(({ id, addresses }, i) => [0, 1].map((c): ConnectionObservation => ({
      id: `connection-${i}-${c}`,
      peer: id,
      direction: c === 0 ? 'inbound' : 'outbound',
      remoteAddr: addresses[0] ?? '',
      transport: 'tcp',
      limited: false,
      openedAt: START + c * HOUR / 2,
      ...c === 0 ? { closedAt: START + HOUR / 3 } : {},
      streams: 50,
      protocols: ['/ipfs/bitswap/1.2.0']
    }))),
    events: at(events).map((at): TrafficEvent => ({ at, peer: somebody(), kind: kinds[index(kinds.length)] ?? 'sent', bytes: 100 })),
    exposures: at(exposures).map((at, i): Exposure => ({
      at,
      request: `request-${Math.floor(i / 4)}`,
      purpose: 'read',
      mode: 'balanced',
      observer: `p2p:${somebody()}`,
      observerClass: OBSERVER_CLASSES[index(OBSERVER_CLASSES.length)] ?? 'peer',
      subject: `block-${index(exposures / 2)}`,
      client: `client-${index(30)}`,
      form: 'cid',
      transport: 'bitswap',
      audience: 'one',
      state: 'sent',
      cancelled: false
    }))
  }

  return { observations: () => observations, getStatistics: () => statisticsOf(observations) }
}

function statisticsOf ({ peers, connections, streams }: Observations): CollectorStatistics {
  return {
    uniquePeers: peers.length,
    totalConnections: connections.length,
    openConnections: peers.length,
    inboundConnections: peers.length,
    outboundConnections: peers.length,
    totalStreams: 50 * connections.length,
    protocols: {},
    transports: { tcp: connections.length },
    streams,
    evictedPeers: 0,
    evictedConnections: 0
  }
}
