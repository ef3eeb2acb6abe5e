import type { CollectorStatistics, ConnectionObservation, Exposure, Observations, ObservationSource, PeerObservation, TrafficEvent } from '../../../../src/interface/privacy.ts'

/** 2026-01-01 */
export const START = 1_767_225_600_000

export function peer (id: string, init: Partial<PeerObservation> = {}): PeerObservation {
  return { id, firstSeen: START, lastSeen: START, connectionCount: 1, openConnections: 1, inbound: 0, outbound: 1, addresses: [], protocols: [], ...init }
}

export function connection (id: string, peer: string, init: Partial<ConnectionObservation> = {}): ConnectionObservation {
  return {
    id,
    peer,
    direction: 'outbound',
    remoteAddr: '/ip4/192.0.2.1/tcp/4001',
    transport: 'tcp',
    limited: false,
    openedAt: START,
    streams: 1,
    protocols: [],
    ...init
  }
}

export function exposure (init: Partial<Exposure> = {}): Exposure {
  return {
    at: START,
    request: 'r1',
    purpose: 'read',
    mode: 'balanced',
    observer: 'p2p:a',
    observerClass: 'peer',
    subject: 's1',
    form: 'cid',
    transport: 'bitswap',
    audience: 'one',
    state: 'sent',
    cancelled: false,
    ...init
  }
}

export function events (peer: string, times: readonly number[], kind: TrafficEvent['kind'] = 'sent'): TrafficEvent[] {
  return times.map(at => ({ at: START + at, peer, kind }))
}

export function observations (init: Partial<Observations> = {}): Observations {
  return { source: 'simulated', from: START, to: START + 3_600_000, streams: 'exact', peers: [], connections: [], events: [], ...init }
}

export function sourceOf (init: Partial<Observations> = {}): ObservationSource {
  const all = observations(init)
  return { observations: () => all, getStatistics: () => statisticsOf(all) }
}

function statisticsOf ({ peers, connections, streams }: Observations): CollectorStatistics {
  return {
    uniquePeers: peers.length,
    totalConnections: connections.length,
    openConnections: connections.filter(({ closedAt }) => closedAt == null).length,
    inboundConnections: connections.filter(({ direction }) => direction === 'inbound').length,
    outboundConnections: connections.filter(({ direction }) => direction === 'outbound').length,
    totalStreams: connections.reduce((sum, { streams }) => sum + streams, 0),
    protocols: {},
    transports: {},
    streams,
    evictedPeers: 0,
    evictedConnections: 0
  }
}
