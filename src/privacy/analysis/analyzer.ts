import { isPeerId } from '@libp2p/interface'
import { systemClock } from '../../clock/system-clock.ts'
import { InvalidOptionError } from '../../interface/errors.ts'
import { checkOptionNames } from '../../interface/option-names.ts'
import { quote } from '../../interface/quote.ts'
import { advised, nodeOf } from './advice.ts'
import { announceExposure } from './announcements.ts'
import { smallAnonymitySets } from './anonymity-set.ts'
import { coRequestLinkage } from './co-requests.ts'
import { compareReports } from './compare.ts'
import { agentFingerprint, protocolFingerprint } from './fingerprints.ts'
import { classMeasures } from './measures.ts'
import { privacyReport } from './report.ts'
import { rhythms } from './rhythm.ts'
import { overallScore } from './score.ts'
import { sessionLinkability } from './session-linkability.ts'
import { thirdPartyExposure } from './third-parties.ts'
import { anonymitySetThreshold, privacyThresholds, timingCorrelationThreshold } from './thresholds.ts'
import { unaccountedRequests } from './unaccounted.ts'
import { focused, viewOf } from './view.ts'
import type { AnalyzedNode } from './advice.ts'
import type { PrivacyComparison } from './compare.ts'
import type { Detector, Finding } from './finding.ts'
import type { Clock } from '../../interface/clock.ts'
import type { ObservationSource, PrivacyReport, PrivacyReportData, PrivacyThresholds, Risk } from '../../interface/privacy.ts'
import type { PeerId } from '@libp2p/interface'

export interface PrivacyAnalyzerInit {
  /** @default the machine's */
  clock?: Pick<Clock, 'wall'>
  /** Of the permutations that chance is measured by: the same seed and the same observations give the same report. @default 1 */
  seed?: number
  /** Observers that the user named, as exposures name them (`router:example.org`): they are no third parties. @default none */
  named?: Iterable<string>
  /** What is analysed: advice names only options that it has and that are not set already. @default what can be told by the observations */
  node?: AnalyzedNode
}

const OPTIONS = Object.keys({ clock: true, seed: true, named: true, node: true } satisfies Record<keyof PrivacyAnalyzerInit, true>)

/** Any, so that reports can be compared: two analyses of one thing differ in nothing but the time */
const DEFAULT_SEED = 1

/**
 * Says of what was observed what others could learn from it, and how sure that is.
 *
 * A report lists risks, and what too little was seen for; that nothing was found is never an assurance. The score and
 * the severities are explained with `overallScore` and `severityOf`, each detector in `docs/privacy-model.md`.
 *
 * @example
 *
 * ```ts
 * import { PrivacyAnalyzer } from 'portolan/privacy'
 * import type { ObservationSource } from 'portolan/privacy'
 *
 * function look (collector: ObservationSource): void {
 *   const analyzer = new PrivacyAnalyzer(collector)
 *   analyzer.ANONYMITY_SET_THRESHOLD = 10
 *   analyzer.TIMING_CORRELATION_THRESHOLD = 0.3
 *
 *   const report = analyzer.analyze()
 *   console.log(report.summary())
 *   console.log(report.highRisks().length + report.criticalRisks().length)
 * }
 * ```
 */
export class PrivacyAnalyzer {
  readonly #source: ObservationSource
  readonly #thresholds: PrivacyThresholds
  readonly #clock: Pick<Clock, 'wall'>
  readonly #seed: number
  readonly #named: ReadonlySet<string>
  readonly #node?: AnalyzedNode

  constructor (source: ObservationSource, thresholds?: Partial<PrivacyThresholds>, init: PrivacyAnalyzerInit = {}) {
    if (typeof source?.observations !== 'function' || typeof source.getStatistics !== 'function') {
      throw new InvalidOptionError(`An analyzer needs a source of observations, as a MetadataCollector is one, got ${quote(source)}`)
    }

    checkOptionNames('an analyzer', init, OPTIONS)
    const { seed = DEFAULT_SEED, clock = systemClock, named = [], node } = init

    if (!Number.isSafeInteger(seed) || seed < 0) {
      throw new InvalidOptionError(`seed must be a whole number from 0, got ${quote(seed)}`)
    }

    this.#source = source
    this.#thresholds = privacyThresholds(thresholds)
    this.#clock = clock
    this.#seed = seed
    this.#named = new Set(named)
    this.#node = node
  }

  /** Fewer indistinguishable parties than this are a finding. @default 5 */
  get ANONYMITY_SET_THRESHOLD (): number {
    return this.#thresholds.ANONYMITY_SET_THRESHOLD
  }

  set ANONYMITY_SET_THRESHOLD (value: number) {
    this.#thresholds.ANONYMITY_SET_THRESHOLD = anonymitySetThreshold(value)
  }

  /** From this |r| on, in (0, 1]. @default 0.5 */
  get TIMING_CORRELATION_THRESHOLD (): number {
    return this.#thresholds.TIMING_CORRELATION_THRESHOLD
  }

  set TIMING_CORRELATION_THRESHOLD (value: number) {
    this.#thresholds.TIMING_CORRELATION_THRESHOLD = timingCorrelationThreshold(value)
  }

  /** Of everything that was observed. Synchronous: for what it takes see `docs/privacy-model.md`. */
  analyze (): PrivacyReport {
    return this.#report()
  }

  /** Of one peer: what it could learn, and what its traffic gives away. A peer that was not seen is insufficient data. */
  analyzePeer (peer: string | PeerId): PrivacyReport {
    const id = isPeerId(peer) ? peer.toString() : peer

    if (typeof id !== 'string' || id === '') {
      throw new InvalidOptionError(`A peer is named by its id, as text or as a PeerId, got ${quote(id)}`)
    }

    return this.#report(id)
  }

  /**
   * Several nodes side by side, by reports or by analyzers, which are asked now: in a list, or by names. A list of one is
   * compared with this node.
   */
  compare (others: ReadonlyArray<PrivacyReportData | PrivacyAnalyzer> | Readonly<Record<string, PrivacyReportData | PrivacyAnalyzer>>): PrivacyComparison {
    const reportOf = (other: PrivacyReportData | PrivacyAnalyzer): PrivacyReportData => other instanceof PrivacyAnalyzer ? other.analyze() : other

    if (Array.isArray(others)) {
      const reports = (others as ReadonlyArray<PrivacyReportData | PrivacyAnalyzer>).map(reportOf)
      return compareReports(reports.length === 1 ? [this.analyze(), ...reports] : reports)
    }

    return compareReports(Object.fromEntries(Object.entries(others).map(([name, other]) => [name, reportOf(other)])))
  }

  #report (focus?: string): PrivacyReport {
    const observations = this.#source.observations()
    const thresholds = { ...this.#thresholds }
    const view = viewOf(observations, focus)
    const near = focused(view)
    const findings = [
      ...DETECTORS.map(detector => detector(near, thresholds, this.#seed)),
      thirdPartyExposure(near, this.#named)
    ]
    const node = this.#node ?? nodeOf(view)
    const risks = findings.flatMap(({ risks }) => risks).sort(worseFirst).map(risk => advised(risk, near, node, this.#named))

    return privacyReport({
      version: 1,
      generatedAt: Math.round(this.#clock.wall()),
      source: observations.source,
      // whole milliseconds, that hold all of it
      window: { from: Math.floor(view.from), to: Math.ceil(view.to) },
      streams: observations.streams,
      overallRiskScore: overallScore(risks),
      risks,
      insufficient: findings.flatMap(({ insufficient }: Finding) => insufficient),
      measures: classMeasures(near.exposures),
      statistics: this.#source.getStatistics(),
      thresholds
    })
  }
}

const DETECTORS: readonly Detector[] = [
  smallAnonymitySets,
  rhythms,
  sessionLinkability,
  protocolFingerprint,
  agentFingerprint,
  coRequestLinkage,
  announceExposure,
  unaccountedRequests
]

function worseFirst (a: Risk, b: Risk): number {
  return b.score * b.confidence - a.score * a.confidence || (a.id < b.id ? -1 : 1)
}
