import { RISK_KINDS } from '../../interface/privacy.ts'
import type { RenderOptions, ReportProof } from './report-format.ts'
import type { Insufficient, PrivacyReportData, Risk, Severity } from '../../interface/privacy.ts'

/** Above this a report is red: the default of monitors and of the alert rule */
export const RED_ABOVE = 0.7
/** Above this it is yellow */
export const YELLOW_ABOVE = 0.4

export const SEVERITIES: readonly Severity[] = ['critical', 'high', 'medium', 'low']

/** Said below every report, whatever it found */
export const CAVEAT = 'What is not listed was not found by these tests in this window. That is no proof that it is not there.'

export type Level = 'red' | 'yellow' | 'green'

export function levelOf (score: number): Level {
  return score > RED_ABOVE ? 'red' : score > YELLOW_ABOVE ? 'yellow' : 'green'
}

/** Questions that had enough to go on, of all that there are */
export function judgedOf ({ insufficient }: PrivacyReportData): { judged: number, all: number } {
  const open = new Set(insufficient.map(({ kind }) => kind))
  return { judged: RISK_KINDS.filter(kind => !open.has(kind)).length, all: RISK_KINDS.length }
}

/** What the score means in a few words: never that all is well */
export function verdictOf (report: PrivacyReportData): string {
  const { judged, all } = judgedOf(report)

  if (report.risks.length === 0) {
    return judged === 0 ? 'not judged: too little was seen' : judged < all ? 'nothing found in what was judged' : 'nothing found by these tests'
  }
  return { red: 'high risk', yellow: 'elevated risk', green: 'low score' }[levelOf(report.overallRiskScore)]
}

export function countSeverities (risks: readonly Risk[]): Record<Severity, number> {
  const counts: Record<Severity, number> = { critical: 0, high: 0, medium: 0, low: 0 }
  for (const { severity } of risks) {
    if (Object.hasOwn(counts, severity)) {
      counts[severity]++
    }
  }
  return counts
}

/** Worst first; equal ones in an order that does not change between runs */
export function sortedRisks (risks: readonly Risk[]): Risk[] {
  const rank = ({ severity }: Risk): number => (SEVERITIES.indexOf(severity) + SEVERITIES.length + 1) % (SEVERITIES.length + 1)
  return risks.toSorted((a, b) => rank(a) - rank(b) || b.score - a.score || (a.id < b.id ? -1 : a.id > b.id ? 1 : 0))
}

/** `small-anonymity-set` to `Small anonymity set`, and `third-party-exposure` to `Third-party exposure` */
export function kindWords (kind: string): string {
  const words = kind.replace(/(?<!^co|^third)-/g, ' ')
  return words.charAt(0).toUpperCase() + words.slice(1)
}

/** `1 peer`, `2 peers`, `no peers` never: a report counts */
export function counted (n: number, one: string, many: string = `${one}s`): string {
  return `${figure(n)} ${n === 1 ? one : many}`
}

/** Where no class learnt of content: what there is beside, so far as the times that came with the report say it */
export function noContent ({ timeline }: Pick<RenderOptions, 'timeline'>): string {
  const told = timeline?.bins.reduce((sum, { exposures }) => sum + exposures, 0) ?? 0
  return `Nothing about content was recorded in this window.${told === 0 ? '' : ` ${counted(told, 'message')} told others only that this node is there.`}`
}

/** Questions that too little was seen for, with those together that have the same reason */
export function questionsByReason ({ insufficient }: PrivacyReportData): ReadonlyArray<{ readonly questions: string, readonly reason: string }> {
  const byReason = new Map<string, Insufficient[]>()
  for (const question of insufficient) {
    byReason.set(question.reason, [...byReason.get(question.reason) ?? [], question])
  }
  return [...byReason].map(([reason, questions]) => ({
    reason,
    questions: questions.map(({ kind, n, needed }, i) => `${i === 0 ? kindWords(kind) : kindWords(kind).toLowerCase()}${needed > 1 ? ` (${figure(n)} of ${figure(needed)})` : ''}`).join(', ')
  }))
}

/** `minEntropyBits` to `min entropy bits` */
export function keyWords (key: string): string {
  return key.replace(/([a-z])([A-Z])(?=[a-z0-9])/g, (_, before: string, after: string) => `${before} ${after.toLowerCase()}`).replace(/([a-z])(\d+)([A-Z])/g, (_, before: string, number: string, after: string) => `${before} ${number} ${after.toLowerCase()}`).replaceAll('_', ' ')
}

/** A figure in few characters: whole where it is whole, else three places that count */
export function figure (value: number | string | boolean): string {
  if (typeof value !== 'number') {
    return String(value)
  }
  if (!Number.isFinite(value)) {
    return '–'
  }
  return Number.isInteger(value) ? groups(value) : Math.abs(value) < 0.001 ? value.toExponential(1) : Math.abs(value) >= 1_000 ? groups(Math.round(value)) : String(Number(value.toPrecision(3)))
}

function groups (value: number): string {
  return Math.abs(value) < 1e15 ? String(value).replace(/\B(?=(\d{3})+$)/g, '\u00a0') : String(value)
}

export function score (value: number): string {
  return Number.isFinite(value) ? value.toFixed(2) : '–'
}

/** Within 0 to 1, for the length of a bar */
export function share (value: number): number {
  return Number.isFinite(value) ? Math.min(1, Math.max(0, value)) : 0
}

/** `2026-11-22 05:00:00`, in UTC */
export function moment (at: number): string {
  const date = new Date(at)
  return Number.isNaN(date.getTime()) ? 'an unknown time' : date.toISOString().slice(0, 19).replace('T', ' ')
}

export function duration (ms: number): string {
  const seconds = Math.max(0, ms) / 1_000
  const units: ReadonlyArray<readonly [number, string]> = [[86_400, 'd'], [3_600, 'h'], [60, 'min'], [1, 's']]
  const [size, name] = units.find(([size]) => seconds >= size) ?? [0.001, 'ms']
  return Number.isFinite(seconds) ? `${Number((seconds / size).toPrecision(3))}\u00a0${name}` : 'an unknown time'
}

export function sourceWords ({ source }: PrivacyReportData): string {
  return source === 'real' ? 'real connections' : 'SIMULATED traffic, not this network'
}

export function windowWords ({ window: { from, to } }: PrivacyReportData): string {
  const sameDay = moment(from).slice(0, 10) === moment(to).slice(0, 10)
  return `${moment(from)} to ${sameDay ? moment(to).slice(11) : moment(to)} UTC (${duration(to - from)})`
}

export function streamWords ({ source, streams }: PrivacyReportData): string {
  if (streams === 'exact' && source === 'simulated') {
    return 'nothing was measured: all of it is made up'
  }
  return streams === 'exact' ? 'streams, protocols and bytes exact' : 'streams, protocols and bytes sampled: lower bounds'
}

export function proofWords (proof: ReportProof): string {
  return proof.result === 'verified'
    ? `verified: one of the ${figure(proof.members)} members of the group ${proof.group}`
    : `${proof.result === 'refused' ? 'refused' : 'not made'}: ${proof.reason}`
}

export function bytesWords (bytes: number | undefined): string {
  if (bytes == null) {
    return 'not measured'
  }
  const units = ['B', 'kB', 'MB', 'GB', 'TB', 'PB']
  const unit = bytes < 999.5 ? 0 : Math.min(units.length - 1, Math.floor(Math.log10(bytes * 1.0005) / 3))
  const value = bytes / 1_000 ** unit
  return `${unit === 0 || value >= 9.95 ? Math.round(value) : value.toFixed(1)}\u00a0${units[unit]}`
}
