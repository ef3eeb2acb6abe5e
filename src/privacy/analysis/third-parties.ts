import { CERTAIN, NO_LEDGER, NOTHING_LEFT, risk, tooLittle } from './finding.ts'
import { aboutContent, exposuresByClass } from './measures.ts'
import { AGAINST_CLASS } from './mitigation.ts'
import { CLASS_WEIGHTS } from './score.ts'
import type { Finding } from './finding.ts'
import type { View } from './view.ts'
import type { ObserverClass } from '../../interface/privacy.ts'

/** They learn and are not those who deliver: of a gateway that delivers it is the operator who also keeps logs */
const THIRD_PARTIES: readonly ObserverClass[] = ['gateway', 'dht', 'router', 'dns', 'foreign']

/**
 * Parties beside the user and the providers on libp2p that learnt what was read, one risk for each class. The score is
 * the weight of the class, of which a half counts from the first exposure on and the rest with the share of all content
 * that it learnt of; an audience that nobody can count weighs in full.
 */
export function thirdPartyExposure (view: View, named: ReadonlySet<string>): Finding {
  if (!view.accounted) {
    return tooLittle('third-party-exposure', 0, 1, NO_LEDGER)
  }

  const about = aboutContent(view.exposures).filter(({ purpose }) => purpose !== 'announce')
  const all = new Set(about.flatMap(({ subject }) => subject ?? [])).size

  if (about.length === 0) {
    return tooLittle('third-party-exposure', 0, 1, NOTHING_LEFT)
  }

  const byClass = exposuresByClass(about.filter(({ observer }) => !named.has(observer)))

  return {
    risks: THIRD_PARTIES.flatMap(observerClass => {
      const theirs = byClass.get(observerClass)

      if (theirs == null) {
        return []
      }

      const observers = new Set(theirs.map(({ observer }) => observer))
      const subjects = new Set(theirs.flatMap(({ subject }) => subject ?? [])).size
      const unbounded = theirs.some(({ audience }) => audience === 'unbounded')
      const share = all === 0 ? 1 : subjects / all
      const sure = theirs.filter(({ state }) => state === 'sent').length

      return [risk({
        id: `third-party-exposure:${observerClass}`,
        kind: 'third-party-exposure',
        title: `${observers.size === 1 ? 'One party' : `${observers.size} parties`} of class ${observerClass} learnt of ${(share * 100).toFixed(0)} % of what was read`,
        score: CLASS_WEIGHTS[observerClass] * (unbounded ? 1 : 0.5 + 0.5 * share),
        // of a connection that broke nobody knows whether it was read before
        confidence: sure > 0 ? CERTAIN : 0.5,
        n: theirs.length,
        observerClass,
        subjects: [...observers],
        evidence: { observers: observers.size, subjects, share, sure, unbounded },
        ...AGAINST_CLASS[observerClass]
      })]
    }),
    insufficient: []
  }
}
