import { plainJson } from './plain-text.ts'
import { isRedacted } from './redact-report.ts'
import { redactingFormat } from './report-format.ts'
import { CAVEAT } from './report-words.ts'
import type { ReportProof, ScorePoint } from './report-format.ts'
import type { ReportTimeline } from './report-timeline.ts'
import type { PrivacyReportData } from '../../interface/privacy.ts'

/** The JSON of a report; `privacyReportSchema` says the same to other programs */
export interface ReportDocument extends PrivacyReportData {
  readonly redacted: boolean
  readonly caveat: string
  readonly title?: string
  readonly proof?: ReportProof
  readonly history?: readonly ScorePoint[]
  readonly timeline?: ReportTimeline
}

/** For programs: everything, by the published schema, and without a character that a terminal obeys */
export const jsonFormat = redactingFormat({
  name: 'json',
  mediaType: 'application/json',
  extension: 'json',
  render (report, { title, proof, history, timeline }) {
    const document: ReportDocument = { ...report, redacted: isRedacted(report), caveat: CAVEAT, title, proof, history, timeline }
    return `${plainJson(document)}\n`
  }
})
