import { MIN_CONNECTIONS } from './anonymity-set.ts'
import { NOTHING, risk, tooLittle } from './finding.ts'
import type { Finding } from './finding.ts'
import type { View } from './view.ts'
import type { ConnectionObservation, Risk } from '../../interface/privacy.ts'

/** From this many sessions on, each further one adds nothing to what is known */
const MANY_SESSIONS = 5

/**
 * Sessions that can be told to be of the same two: by the same peer id over reconnects, for this node and for its peer
 * alike; and by the same address or the same set of protocols where the peer id did change.
 */
export function sessionLinkability (view: View): Finding {
  const { connections } = view

  if (connections.length < MIN_CONNECTIONS) {
    return tooLittle('session-linkability', connections.length, MIN_CONNECTIONS, 'Too few connections')
  }

  const sessions = sessionsByPeer(connections)
  const returned = [...sessions].filter(([, count]) => count >= 2).sort(([a, m], [b, n]) => n - m || (a < b ? -1 : 1))
  const risks: Risk[] = []

  if (returned.length > 0) {
    const linked = returned.reduce((sum, [, count]) => sum + count, 0)
    const most = returned[0]?.[1] ?? 0
    const addresses = new Set(connections.filter(({ peer }) => (sessions.get(peer) ?? 0) >= 2).map(({ remoteAddr }) => host(remoteAddr))).size

    risks.push(risk({
      id: 'session-linkability:peer-id',
      kind: 'session-linkability',
      title: `${returned.length === 1 ? 'One peer' : `${returned.length} peers`} saw this node come back: the same peer ids link ${linked} sessions`,
      score: 0.3 + 0.2 * Math.min(1, (most - 1) / (MANY_SESSIONS - 1)) + 0.2 * (linked / sessionsOf(sessions)),
      // a peer id is a public key whose owner proves it in each handshake
      confidence: 1,
      n: linked,
      observerClass: 'peer',
      subjects: returned.map(([peer]) => peer),
      evidence: { peers: returned.length, sessions: linked, mostSessions: most, addresses, shareOfSessions: linked / sessionsOf(sessions) },
      recommendation: 'Look providers up under an identity of its own, and take a new one where nothing depends on being known.',
      mitigation: 'privacy.lookupIdentity=separate'
    }))
  }

  const moved = sharedBy(view, connection => host(connection.remoteAddr))

  if (moved.peers.length > 0) {
    risks.push(risk({
      id: 'session-linkability:address',
      kind: 'session-linkability',
      title: `${moved.peers.length} peer ids came from ${moved.values === 1 ? 'one address' : `${moved.values} addresses`}, one after the other: the address links them`,
      score: 0.35,
      // behind one address may be several households
      confidence: 0.6,
      n: moved.peers.length,
      observerClass: 'network',
      subjects: moved.peers,
      evidence: { peers: moved.peers.length, addresses: moved.values },
      recommendation: 'A new peer id hides little behind the same address: change both, or neither.',
      mitigation: 'none'
    }))
  }

  return risks.length === 0 ? NOTHING : { risks, insufficient: [] }
}

/** Several connections at once are one session: connections that overlap are merged */
function sessionsByPeer (connections: readonly ConnectionObservation[]): ReadonlyMap<string, number> {
  const byPeer = new Map<string, { sessions: number, until: number }>()

  for (const { peer, openedAt, closedAt } of [...connections].sort((a, b) => a.openedAt - b.openedAt)) {
    const known = byPeer.get(peer)
    const end = closedAt ?? Infinity

    if (known == null) {
      byPeer.set(peer, { sessions: 1, until: end })
    } else {
      known.sessions += openedAt > known.until ? 1 : 0
      known.until = Math.max(known.until, end)
    }
  }

  return new Map([...byPeer].map(([peer, { sessions }]) => [peer, sessions]))
}

function sessionsOf (sessions: ReadonlyMap<string, number>): number {
  return Math.max(1, [...sessions.values()].reduce((sum, count) => sum + count, 0))
}

/** Values that several peers have, none of whom was there while another was */
function sharedBy (view: View, valueOf: (connection: ConnectionObservation) => string): { peers: readonly string[], values: number } {
  const spans = new Map<string, Array<{ peer: string, from: number, to: number }>>()

  for (const connection of view.connections) {
    const value = valueOf(connection)
    // loopback is every process of this machine, and a relay whoever uses it
    if (value === '' || LOOPBACK.test(value) || connection.limited || connection.direction !== 'inbound') {
      continue
    }
    const list = spans.get(value) ?? []
    list.push({ peer: connection.peer, from: connection.openedAt, to: connection.closedAt ?? Infinity })
    spans.set(value, list)
  }

  const shared = [...spans.values()].filter(list => {
    const ordered = [...list].sort((a, b) => a.from - b.from)
    let until = -Infinity
    let last: string | undefined
    let changes = 0

    for (const { peer, from, to } of ordered) {
      if (last != null && peer !== last) {
        if (from < until) {
          return false
        }
        changes++
      }
      last = peer
      until = Math.max(until, to)
    }
    return changes > 0
  })

  return { peers: [...new Set(shared.flatMap(list => list.map(({ peer }) => peer)))].sort(), values: shared.length }
}

const LOOPBACK = /^\/(ip4\/127\.|ip6\/::1$)/

/** The address without its port, which a dialler chooses anew each time */
function host (address: string): string {
  return /^\/(?:ip4|ip6|dns|dns4|dns6)\/[^/]{1,255}/.exec(address)?.[0] ?? ''
}
