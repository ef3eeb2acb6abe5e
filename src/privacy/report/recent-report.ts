import type { Clock } from '../../interface/clock.ts'
import type { PrivacyReport } from '../../interface/privacy.ts'

/** What makes reports: a PrivacyAnalyzer, or a node's `privacy` */
export interface ReportSource {
  analyze (): PrivacyReport
}

/** One analysis for all who ask within a while: each looks at everything that was observed */
export class RecentReport {
  readonly #source: ReportSource
  readonly #clock: Pick<Clock, 'now'>
  readonly #maxAge: number
  #last?: { readonly report: PrivacyReport, readonly at: number }

  constructor (source: ReportSource, clock: Pick<Clock, 'now'>, maxAge: number) {
    this.#source = source
    this.#clock = clock
    this.#maxAge = maxAge
  }

  get (): PrivacyReport {
    const now = this.#clock.now()

    if (this.#last == null || now - this.#last.at >= this.#maxAge) {
      this.#last = { report: this.#source.analyze(), at: now }
    }
    return this.#last.report
  }
}
