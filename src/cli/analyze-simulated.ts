import { base58btc } from 'multiformats/bases/base58'
import { SyntheticTraffic } from '../testing/traffic/synthetic-traffic.ts'
import type { CollectorStatistics, Observations, ObservationSource } from '../interface/privacy.ts'

/** One of each: what a report looks like where there is something to find, and flows beside it that have nothing in common */
const FLOWS: ConstructorParameters<typeof SyntheticTraffic>[0]['flows'] = [
  { kind: 'correlated', events: 120, r: 0.9 },
  { kind: 'periodic', events: 60, jitter: 0.1 },
  { kind: 'bursty', events: 100 },
  { kind: 'independent', events: 100 },
  { kind: 'independent', events: 100 },
  { kind: 'independent', events: 100 }
]

/** Of a peer id with an Ed25519 key, before its 32 bytes */
const PEER_ID = [0x00, 0x24, 0x08, 0x01, 0x12, 0x20] as const

/** Traffic that was made up, the same each time, and that ends now */
export function simulatedTraffic (now: number): ObservationSource {
  const { from, to } = new SyntheticTraffic({ flows: FLOWS }).observations()
  return new NamedPeers(new SyntheticTraffic({ flows: FLOWS, start: Math.round(now - (to - from)) }))
}

/** Whose flows have peer ids for names, as in a report of what is real */
class NamedPeers implements ObservationSource {
  readonly #traffic: SyntheticTraffic
  readonly #observations: Observations

  constructor (traffic: SyntheticTraffic) {
    const { peers, connections, events, ...rest } = traffic.observations()
    const names = new Map(peers.map(({ id }, i) => [id, peerName(i)]))
    const nameOf = (id: string): string => names.get(id) ?? id

    this.#traffic = traffic
    this.#observations = {
      ...rest,
      peers: peers.map(peer => ({ ...peer, id: nameOf(peer.id) })),
      connections: connections.map(connection => ({ ...connection, peer: nameOf(connection.peer) })),
      events: events.map(event => ({ ...event, peer: nameOf(event.peer) }))
    }
  }

  observations (): Observations {
    return this.#observations
  }

  getStatistics (): CollectorStatistics {
    return this.#traffic.getStatistics()
  }
}

/** Of a key that nobody has */
function peerName (i: number): string {
  return base58btc.baseEncode(Uint8Array.from([...PEER_ID, ...Array.from({ length: 31 }, () => 0), i + 1]))
}
