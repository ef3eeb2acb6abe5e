import { InvalidOptionError } from '../../interface/errors.ts'
import { checkOptionNames } from '../../interface/option-names.ts'
import { plainNumber, plainText } from './plain-text.ts'
import { besideReport, plainReport, redactReport } from './redact-report.ts'
import type { ReportTimeline } from './report-timeline.ts'
import type { MembershipClaim, PrivacyReportData } from '../../interface/privacy.ts'

/** Nobody makes reports in that format; the message names those that there are */
export class UnknownFormatError extends Error {
  static override name = 'UnknownFormatError'
  override name = 'UnknownFormatError'
}

/** Why there is no proof with a report that was to have one */
export interface MissingProof {
  readonly result: 'refused' | 'not-made'
  readonly reason: string
}

/** What came of a proof that was to be made for a report */
export type ReportProof = MembershipClaim | MissingProof

/** The score at a moment, as a monitor remembers it */
export interface ScorePoint {
  /** Wall clock, in ms */
  readonly timestamp: number
  readonly riskScore: number
}

export interface RenderOptions {
  /** Show peers, addresses and CIDs as they are. @default false: they get names that mean nothing outside the report */
  readonly raw?: boolean
  /** Of the node, or whatever tells this report from others. @default none */
  readonly title?: string
  /** All findings and their evidence, also where a format would show the worst only. @default false */
  readonly verbose?: boolean
  /** Colours, where a format has a choice. @default false */
  readonly colour?: boolean
  /** Columns, where it matters: 40 at least. @default 80 */
  readonly width?: number
  readonly proof?: ReportProof
  /** Earlier scores, for a chart. @default none */
  readonly history?: readonly ScorePoint[]
  /** What happened when, for a chart. @default none */
  readonly timeline?: ReportTimeline
}

/**
 * One way to write a report down. A format of your own is as good as those that are here: pass it to `reportFormats`,
 * and what it is given has been redacted already, unless the caller asked for `raw`.
 *
 * @example
 * ```ts
 * import { reportFormats } from 'portolan/privacy'
 * import type { PrivacyReport, ReportFormat } from 'portolan/privacy'
 *
 * const csv: ReportFormat = {
 *   name: 'csv',
 *   mediaType: 'text/csv',
 *   extension: 'csv',
 *   render: report => report.risks.map(risk => `${risk.kind},${risk.score}`).join('\n')
 * }
 * const print = (report: PrivacyReport): void => { console.log(reportFormats([csv]).render('csv', report)) }
 * ```
 */
export interface ReportFormat {
  readonly name: string
  readonly mediaType: string
  /** Of files, without the dot */
  readonly extension: string
  render (report: PrivacyReportData, options?: RenderOptions): string
}

/** A format that redacts by itself, so that whoever calls it directly gets nothing raw by mistake */
export function redactingFormat ({ render, ...format }: Omit<ReportFormat, 'render'> & { render (report: PrivacyReportData, options: RenderOptions): string }): ReportFormat {
  return { ...format, render: (report, options = {}) => render(...prepared(report, options)) }
}

const OPTIONS = Object.keys({ raw: true, title: true, verbose: true, colour: true, width: true, proof: true, history: true, timeline: true } satisfies Record<keyof RenderOptions, true>)

/** Earlier scores in a chart: more cannot be told apart */
const MAX_HISTORY = 1_000
/** What a proof says, one thing each */
const MAX_CLAIMS = 20
const MAX_CLAIM = 400

/** What a format is given: redacted unless `raw`, and nothing in it that a terminal obeys */
export function prepared (report: PrivacyReportData, options: RenderOptions): [PrivacyReportData, RenderOptions] {
  checkOptionNames('a report', options, OPTIONS)
  const clean = options.raw === true ? plainReport(report) : redactReport(report)
  const { title, proof, history, timeline } = options

  return [clean, {
    ...options,
    ...(title == null ? {} : { title: besideReport(clean, title) }),
    ...(proof == null ? {} : { proof: cleanProof(proof, reason => besideReport(clean, reason)) }),
    ...(history == null ? {} : { history: history.slice(-MAX_HISTORY).map(({ timestamp, riskScore }) => ({ timestamp: plainNumber(timestamp), riskScore: plainNumber(riskScore) })) }),
    ...(timeline == null ? {} : { timeline: cleanTimeline(timeline) })
  }]
}

function cleanTimeline ({ from, to, bins }: ReportTimeline): ReportTimeline {
  return {
    from: plainNumber(from),
    to: plainNumber(to),
    bins: bins.slice(0, MAX_HISTORY).map(({ opened, events, exposures }) => ({ opened: plainNumber(opened), events: plainNumber(events), exposures: plainNumber(exposures) }))
  }
}

/** A claim names a group and none of its members, and its numbers are what it is checked by: nothing of it is redacted */
function cleanProof (proof: ReportProof, sentence: (text: string) => string): ReportProof {
  if (proof.result !== 'verified') {
    return { result: proof.result, reason: sentence(proof.reason) }
  }
  const plain = (texts: readonly string[]): string[] => texts.slice(0, MAX_CLAIMS).map(text => plainText(text, MAX_CLAIM))
  return { ...proof, group: plainText(proof.group, MAX_CLAIM), proven: plain(proof.proven), notProven: plain(proof.notProven) }
}

/** Below, nothing can be said in a line */
export const MIN_WIDTH = 40
const DEFAULT_WIDTH = 80
/** Lines that are longer are hard to read */
const MAX_WIDTH = 120

export function columnsOf ({ width = DEFAULT_WIDTH }: RenderOptions): number {
  if (!Number.isFinite(width)) {
    throw new InvalidOptionError(`width must be a number of columns, got ${String(width)}`)
  }
  return Math.min(MAX_WIDTH, Math.max(MIN_WIDTH, Math.floor(width)))
}
