import { found, legible, NOTHING, risk, tooLittle } from './finding.ts'
import type { Finding } from './finding.ts'
import type { View } from './view.ts'
import type { PeerObservation, PrivacyThresholds, Risk, RiskKind } from '../../interface/privacy.ts'

interface Told {
  readonly peer: string
  readonly value: string
  /** What is told of it in a report */
  readonly shown: Risk['evidence']
}

/** How recognisable this node is by what it tells everybody: its agent string */
export function agentFingerprint (view: View, thresholds: PrivacyThresholds): Finding {
  const peers = view.peers.flatMap(({ id, agent }) => agent == null ? [] : [{ peer: id, value: agent, shown: { told: legible(agent) } }])
  const { self } = view
  const own = self?.agent == null ? undefined : { peer: self.peer, value: self.agent, shown: { told: legible(self.agent) } }

  return fingerprint('agent-fingerprint', 'agent string', peers, own, view, thresholds)
}

/** How recognisable this node is by the exact set of protocols that it speaks */
export function protocolFingerprint (view: View, thresholds: PrivacyThresholds): Finding {
  const peers = view.peers.flatMap((peer: PeerObservation) => peer.supported == null ? [] : [{ peer: peer.id, ...told(peer.supported) }])
  const { self } = view
  const own = self == null || self.protocols.length === 0 ? undefined : { peer: self.peer, ...told(self.protocols) }

  return fingerprint('protocol-fingerprint', 'set of protocols', peers, own, view, thresholds)
}

function told (protocols: readonly string[]): Pick<Told, 'value' | 'shown'> {
  const set = [...new Set(protocols)].sort()
  return { value: JSON.stringify(set), shown: { protocols: set.length } }
}

/**
 * k: how many of those that were met tell exactly the same, the one in question included. Whoever is below the threshold
 * can be recognised by it under another peer id or address. The population is who was observed: k of the whole network
 * is larger, and whoever connects to the same peers sees about the same population.
 */
function fingerprint (kind: RiskKind, what: string, peers: readonly Told[], own: Told | undefined, view: View, { ANONYMITY_SET_THRESHOLD: threshold }: PrivacyThresholds): Finding {
  const { focus } = view
  const counts = new Map<string, number>()
  const everybody = own == null || peers.some(({ peer }) => peer === own.peer) ? peers : [...peers, own]

  for (const { value } of everybody) {
    counts.set(value, (counts.get(value) ?? 0) + 1)
  }

  const population = everybody.length
  // one who is alone with what it tells says nothing where nobody else is there to tell the same
  const needed = Math.max(2, Math.ceil(threshold))

  if (population < needed) {
    return tooLittle(kind, population, needed, `Too few told their ${what} to say how many share one`)
  }

  const k = (value: string): number => counts.get(value) ?? 0
  const subject = focus == null ? own : peers.find(({ peer }) => peer === focus)
  const rare = peers.filter(({ value }) => k(value) < threshold)

  if (subject == null && focus != null) {
    return tooLittle(kind, 0, 1, `This peer did not tell its ${what}`)
  }

  const of = subject == null ? undefined : k(subject.value)

  if (of == null ? rare.length === 0 : of >= threshold) {
    return NOTHING
  }

  const evidence = { population, distinct: counts.size, rarePeers: rare.length, threshold }
  // of this node it is its own to mend; of peers it is only known
  const score = of == null ? 0.3 * rare.length / peers.length : 0.3 + 0.3 * (1 - (of - 1) / Math.max(1, threshold - 1))

  return found(risk({
    id: `${kind}:${focus ?? (subject == null ? 'peers' : 'self')}`,
    kind,
    title: of == null
      ? `${rare.length} of ${peers.length} peers can be recognised by their ${what}`
      : `${of - 1} of ${population - 1} others tell the same ${what} as ${focus == null ? 'this node' : 'this peer'}`,
    score,
    // the share of a population below the threshold is the surer the more were met: a rule of succession
    confidence: population / (population + needed),
    n: population,
    observerClass: 'peer',
    subjects: focus == null ? rare.map(({ peer }) => peer) : [focus],
    evidence: of == null ? evidence : { ...evidence, k: of, ...subject?.shown },
    recommendation: kind === 'agent-fingerprint'
      ? 'Tell an agent string that others tell too: without the version of Node or of an application.'
      : 'Speak the protocols that others speak too, and no protocol of one\'s own with strangers.',
    mitigation: kind === 'agent-fingerprint' ? 'privacy.agent=common' : 'none'
  }))
}
