import { isKey, isKnownWord } from './known-words.ts'
import { plainNumber, plainText } from './plain-text.ts'
import { ReportNames } from './report-names.ts'
import type { ClassMeasures, CollectorStatistics, Insufficient, PrivacyReportData, Risk } from '../../interface/privacy.ts'

/** Longest text of a report that is shown: agent strings and protocol names come from others and may be a megabyte long */
const MAX_TEXT = 400
/** Of what is looked at, before names are replaced by shorter ones */
const MAX_READ = 4_096
/** Risks, subjects of one risk, keys of one table: an analysis stays far below, a report that came from elsewhere may not */
const MAX_RISKS = 2_000
const MAX_SUBJECTS = 1_000
const MAX_KEYS = 256

/** Between the subjects of one id */
const JOINTS = /([:~|,+& ])/
const MAX_PARTS = 32

/** What was redacted or cleaned by this file: nothing is redacted twice, since that would rename the names */
const prepared = new WeakMap<object, { readonly how: 'redacted' | 'raw', readonly cleaner: Cleaner }>()

/**
 * The report with short names in place of peers, addresses, CIDs and whatever else others may have written; the same
 * one has the same name throughout. All texts are lines of bounded length without control characters.
 */
export function redactReport (report: PrivacyReportData): PrivacyReportData {
  return prepare(report, 'redacted')
}

/** The report with all that it names, made fit to be printed: bounded lines without control characters */
export function plainReport (report: PrivacyReportData): PrivacyReportData {
  return prepare(report, 'raw')
}

/** A sentence that goes with a report which was prepared here: whom both name has one name in both */
export function besideReport (report: PrivacyReportData, text: string): string {
  return (prepared.get(report)?.cleaner ?? redacting(report)).sentence(text)
}

/** Whether it was redacted here */
export function isRedacted (report: PrivacyReportData): boolean {
  return prepared.get(report)?.how === 'redacted'
}

interface Cleaner {
  /** Points at somebody */
  identifier (text: string): string
  /** Written by us, perhaps around something that is not */
  sentence (text: string): string
  /** May be anybody's */
  word (text: string): string
}

const SHOWING: Cleaner = { identifier: shown, sentence: shown, word: shown }

function shown (text: string): string {
  return plainText(String(text), MAX_TEXT)
}

function redacting (report: PrivacyReportData): Cleaner {
  const names = new ReportNames()
  const read = (text: string): string => String(text).slice(0, MAX_READ).toWellFormed()

  // all of them before the first sentence, which may speak of one that comes later
  report.risks.slice(0, MAX_RISKS).forEach(({ subjects }) => { subjects.slice(0, MAX_SUBJECTS).forEach(subject => { names.of(read(subject)) }) })
  return {
    identifier: text => isKnownWord(text) ? text : names.of(read(text)),
    sentence: text => shown(names.text(read(text))),
    word: text => shown(names.words(read(text)))
  }
}

function prepare (report: PrivacyReportData, how: 'redacted' | 'raw'): PrivacyReportData {
  const before = prepared.get(report)?.how

  // what was redacted stays so; there is no way back
  if (before === how || before === 'redacted') {
    return report
  }
  const cleaner = how === 'raw' ? SHOWING : redacting(report)
  const result: PrivacyReportData = {
    version: 1,
    generatedAt: plainNumber(report.generatedAt),
    // whoever made up something else did not watch a real node
    source: report.source === 'real' ? 'real' : 'simulated',
    window: { from: plainNumber(report.window.from), to: plainNumber(report.window.to) },
    streams: report.streams === 'exact' ? 'exact' : 'sampled',
    overallRiskScore: plainNumber(report.overallRiskScore),
    risks: report.risks.slice(0, MAX_RISKS).map(risk => cleanRisk(risk, cleaner)),
    insufficient: report.insufficient.slice(0, MAX_RISKS).map(question => cleanQuestion(question, cleaner)),
    measures: report.measures.slice(0, MAX_KEYS).map(measure => cleanMeasure(measure, cleaner)),
    statistics: cleanStatistics(report.statistics, cleaner),
    thresholds: { ANONYMITY_SET_THRESHOLD: plainNumber(report.thresholds.ANONYMITY_SET_THRESHOLD), TIMING_CORRELATION_THRESHOLD: plainNumber(report.thresholds.TIMING_CORRELATION_THRESHOLD) }
  }
  prepared.set(result, { how, cleaner })
  return result
}

function cleanRisk (risk: Risk, cleaner: Cleaner): Risk {
  const kind = cleaner.word(risk.kind) as Risk['kind']
  const subject = risk.id.startsWith(`${risk.kind}:`) ? risk.id.slice(risk.kind.length + 1) : risk.id === risk.kind ? '' : risk.id

  return {
    id: subject === '' ? kind : `${kind}:${subject.split(JOINTS, 2 * MAX_PARTS).map((part, i) => i % 2 === 1 || part === '' ? shown(part) : cleaner.identifier(part)).join('')}`,
    kind,
    title: cleaner.sentence(risk.title),
    severity: cleaner.word(risk.severity) as Risk['severity'],
    score: plainNumber(risk.score),
    confidence: plainNumber(risk.confidence),
    n: plainNumber(risk.n),
    observerClass: cleaner.word(risk.observerClass) as Risk['observerClass'],
    subjects: risk.subjects.slice(0, MAX_SUBJECTS).map(subject => cleaner.identifier(subject)),
    evidence: Object.fromEntries(Object.entries(risk.evidence).slice(0, MAX_KEYS).map(([key, value]) => [isKey(key) ? key : cleaner.sentence(key), cleanValue(value, cleaner)])),
    recommendation: cleaner.sentence(risk.recommendation),
    mitigation: cleaner.sentence(risk.mitigation)
  }
}

/** JSON has no infinities: as text they survive it */
function cleanValue (value: number | string | boolean, cleaner: Cleaner): number | string | boolean {
  return typeof value === 'boolean' || Number.isFinite(value) ? value : cleaner.word(String(value))
}

function cleanQuestion ({ kind, n, needed, reason }: Insufficient, cleaner: Cleaner): Insufficient {
  return { kind: cleaner.word(kind) as Insufficient['kind'], n: plainNumber(n), needed: plainNumber(needed), reason: cleaner.sentence(reason) }
}

/** What it has beside these is nobody's to print */
function cleanMeasure ({ observerClass, exposures, observers, subjects, anonymitySet, effectiveSet, degree, minEntropy }: ClassMeasures, cleaner: Cleaner): ClassMeasures {
  return {
    observerClass: cleaner.word(observerClass) as ClassMeasures['observerClass'],
    exposures: plainNumber(exposures),
    observers: plainNumber(observers),
    subjects: plainNumber(subjects),
    anonymitySet: plainNumber(anonymitySet),
    effectiveSet: plainNumber(effectiveSet),
    degree: plainNumber(degree),
    minEntropy: plainNumber(minEntropy)
  }
}

function cleanStatistics (statistics: CollectorStatistics, cleaner: Cleaner): CollectorStatistics {
  const table = (counts: Readonly<Record<string, number>>): Record<string, number> => {
    const clean = new Map<string, number>()
    for (const [name, count] of Object.entries(counts).slice(0, MAX_KEYS)) {
      const key = cleaner.word(name)
      clean.set(key, (clean.get(key) ?? 0) + plainNumber(count))
    }
    return Object.fromEntries(clean)
  }
  const { uniquePeers, totalConnections, openConnections, inboundConnections, outboundConnections, totalStreams, bytesSent, bytesReceived, streams, evictedPeers, evictedConnections } = statistics

  return {
    uniquePeers: plainNumber(uniquePeers),
    totalConnections: plainNumber(totalConnections),
    openConnections: plainNumber(openConnections),
    inboundConnections: plainNumber(inboundConnections),
    outboundConnections: plainNumber(outboundConnections),
    totalStreams: plainNumber(totalStreams),
    protocols: table(statistics.protocols),
    transports: table(statistics.transports),
    ...(bytesSent == null ? {} : { bytesSent: plainNumber(bytesSent) }),
    ...(bytesReceived == null ? {} : { bytesReceived: plainNumber(bytesReceived) }),
    streams: streams === 'exact' ? 'exact' : 'sampled',
    evictedPeers: plainNumber(evictedPeers),
    evictedConnections: plainNumber(evictedConnections)
  }
}
