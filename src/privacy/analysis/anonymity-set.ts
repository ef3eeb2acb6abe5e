import { setMeasures } from './entropy.ts'
import { CERTAIN, risk, tooLittle } from './finding.ts'
import { aboutContent, classMeasures, exposuresByClass, requestsByClient } from './measures.ts'
import { AGAINST_CLASS } from './mitigation.ts'
import { CLASS_WEIGHTS } from './score.ts'
import type { Finding } from './finding.ts'
import type { View } from './view.ts'
import type { Exposure, PrivacyThresholds, Risk } from '../../interface/privacy.ts'

/** Below this many connections nothing is said about connections: two may be a test */
export const MIN_CONNECTIONS = 3

/** Of the weight of a peer: it knows who is there, and not what is read. Above the line of yellow (0.4), as its severity is medium */
const KNOWN_BY_ID = 0.85

/** Who was asked in the same minutes is who can be confused with somebody: the time that a log is usually read by */
const SLOT_MS = 300_000

/**
 * Of each class of observers that learnt of content: how many could have caused the requests that it saw, effectively
 * (2^H), against the threshold. The score is the weight of the class, plus a share of what is left for how far below
 * the threshold it is: with one who could have asked, all of it.
 *
 * Where no ledger is attached, connections are all there is: whoever is connected knows this node by its peer id.
 */
export function smallAnonymitySets (view: View, { ANONYMITY_SET_THRESHOLD: threshold }: PrivacyThresholds): Finding {
  const about = aboutContent(view.exposures)

  if (about.length === 0) {
    return ofConnections(view, threshold)
  }

  const byClass = exposuresByClass(about)

  return {
    risks: classMeasures(about)
      .filter(({ observerClass, effectiveSet }) => observerClass !== 'own' && effectiveSet < threshold)
      .map(({ observerClass, exposures, observers, subjects, ...set }): Risk => {
        const theirs = byClass.get(observerClass) ?? []

        return risk({
          id: `small-anonymity-set:${observerClass}`,
          kind: 'small-anonymity-set',
          title: set.anonymitySet === 1
            ? `Observers of class ${observerClass} know who asked: nobody else could have`
            : `Observers of class ${observerClass} have ${set.effectiveSet.toFixed(1)} clients to choose from, effectively`,
          score: CLASS_WEIGHTS[observerClass] * smallness(set.effectiveSet, threshold),
          confidence: CERTAIN,
          n: exposures,
          observerClass,
          evidence: { ...set, exposures, observers, subjects, smallestSetIn5Minutes: smallestSet(theirs), threshold },
          ...AGAINST_CLASS[observerClass]
        })
      }),
    insufficient: []
  }
}

/** 1 with one member, towards a half with as many as the threshold demands */
function smallness (members: number, threshold: number): number {
  return threshold <= 1 ? 1 : 1 - 0.5 * Math.log2(Math.max(1, members)) / Math.log2(threshold)
}

/** The worst stretch of time: five clients in an hour are no company for the one who asks at night */
function smallestSet (exposures: readonly Exposure[]): number {
  const slots = new Map<number, Exposure[]>()

  for (const exposure of exposures) {
    const slot = Math.floor(exposure.at / SLOT_MS)
    const list = slots.get(slot) ?? []
    list.push(exposure)
    slots.set(slot, list)
  }

  return Math.min(...[...slots.values()].map(list => setMeasures(requestsByClient(list).values()).effectiveSet))
}

function ofConnections (view: View, threshold: number): Finding {
  const { connections, accounted } = view
  const n = connections.length

  if (n < MIN_CONNECTIONS) {
    return tooLittle('small-anonymity-set', n, MIN_CONNECTIONS, 'Too few connections')
  }

  if (threshold <= 1) {
    return { risks: [], insufficient: [] }
  }

  const peers = new Set(connections.map(({ peer }) => peer))
  const relayed = connections.filter(({ limited, transport }) => limited || transport === 'circuit').length

  return {
    risks: [risk({
      id: 'small-anonymity-set:connections',
      kind: 'small-anonymity-set',
      title: 'Each connected peer knows this node by its peer id: nobody else could have connected',
      score: CLASS_WEIGHTS.peer * KNOWN_BY_ID,
      confidence: CERTAIN,
      n,
      observerClass: 'peer',
      subjects: [...peers],
      evidence: { anonymitySet: 1, effectiveSet: 1, degree: 0, minEntropy: 0, peers: peers.size, connections: n, relayed, threshold, ledger: accounted },
      recommendation: 'Connect only to peers that are needed.',
      mitigation: 'libp2p.maxConnections'
    })],
    insufficient: []
  }
}
