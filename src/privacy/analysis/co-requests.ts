import { clusters } from './clusters.ts'
import { AGAINST_CLASS } from './mitigation.ts'
import { NO_LEDGER, NOTHING_LEFT, risk, tooLittle } from './finding.ts'
import { aboutContent } from './measures.ts'
import { CLASS_WEIGHTS } from './score.ts'
import type { Finding } from './finding.ts'
import type { View } from './view.ts'
import type { Exposure, Risk } from '../../interface/privacy.ts'

/** Requests without a pause of this length between them are one sitting: a page and what it links to */
const PAUSE_MS = 10_000

/** Below it a group says less about interests than its single members do */
export const MIN_GROUP = 5

/** A hundred observers who all saw the same are one finding: the worst of each class is told, and how many there are */
const MAX_RISKS = 8

interface Group {
  readonly observer: string
  readonly observerClass: Exposure['observerClass']
  readonly subjects: number
  readonly groups: number
  readonly exposures: number
}

/**
 * One observer saw several blocks of one request, or blocks that were asked for without a pause: it knows that they
 * belong together, and what belongs together says more than each alone. n is the blocks of its largest group. The score
 * is the weight of the class, of which a half counts from five on, and all with the share of everything that was read.
 */
export function coRequestLinkage (view: View): Finding {
  if (!view.accounted) {
    return tooLittle('co-request-linkage', 0, MIN_GROUP, NO_LEDGER)
  }

  const about = aboutContent(view.exposures).filter(({ observerClass, subject }) => observerClass !== 'own' && subject != null)
  const all = new Set(about.map(({ subject }) => subject)).size

  if (all === 0) {
    return tooLittle('co-request-linkage', 0, MIN_GROUP, NOTHING_LEFT)
  }

  if (all < MIN_GROUP) {
    return tooLittle('co-request-linkage', all, MIN_GROUP, 'Too few different blocks were asked for')
  }

  const byObserver = new Map<string, Exposure[]>()

  for (const exposure of about) {
    const list = byObserver.get(exposure.observer)

    if (list == null) {
      byObserver.set(exposure.observer, [exposure])
    } else {
      list.push(exposure)
    }
  }

  const linked = [...byObserver.values()].map(largestGroup).filter(({ subjects }) => subjects >= MIN_GROUP)
  const worst = new Map<string, { readonly group: Group, readonly observers: number }>()

  for (const group of linked) {
    const known = worst.get(group.observerClass)
    const larger = known == null || group.subjects > known.group.subjects
    worst.set(group.observerClass, { group: larger ? group : known.group, observers: (known?.observers ?? 0) + 1 })
  }

  return {
    risks: [...worst.values()].slice(0, MAX_RISKS).map(({ group: { observer, observerClass, subjects, groups, exposures }, observers }): Risk => risk({
      id: `co-request-linkage:${observerClass}`,
      kind: 'co-request-linkage',
      title: `One observer of class ${observerClass} saw ${subjects} blocks asked for together`,
      score: CLASS_WEIGHTS[observerClass] * (0.5 + 0.5 * subjects / all),
      // with each further block, chance is less likely to have put them side by side
      confidence: 1 - 1 / subjects,
      n: subjects,
      observerClass,
      subjects: [observer],
      evidence: { subjects, shareOfAll: subjects / all, groups, exposures, observers },
      ...AGAINST_CLASS[observerClass]
    })),
    insufficient: []
  }
}

/** Of one observer: the group with the most different blocks, by request and by time */
function largestGroup (exposures: readonly Exposure[]): Group {
  const { observer, observerClass } = exposures[0] as Exposure
  const byRequest = new Map<string, Set<string | undefined>>()

  for (const { request, subject } of exposures) {
    const subjects = byRequest.get(request) ?? new Set()
    byRequest.set(request, subjects.add(subject))
  }

  const sittings = clusters(exposures, PAUSE_MS).map(list => new Set(list.map(({ subject }) => subject)))
  const sizes = [...byRequest.values(), ...sittings].map(({ size }) => size)

  return {
    observer,
    observerClass,
    subjects: sizes.reduce((most, size) => Math.max(most, size), 0),
    groups: sizes.filter(size => size >= MIN_GROUP).length,
    exposures: exposures.length
  }
}
