import { displayWidth, fitText, padText, wrapText } from './display-width.ts'
import { columnsOf, redactingFormat } from './report-format.ts'
import {
  CAVEAT, SEVERITIES, bytesWords, countSeverities, counted, figure, judgedOf, keyWords, kindWords, levelOf, moment, noContent, proofWords, questionsByReason, score, share, sortedRisks, sourceWords, streamWords, verdictOf, windowWords
} from './report-words.ts'
import type { RenderOptions } from './report-format.ts'
import type { ClassMeasures, PrivacyReportData, Risk, Severity } from '../../interface/privacy.ts'

/** Fits a screen; `verbose` shows all */
const RISKS_SHOWN = 10
const SUBJECTS_SHOWN = 4
/** Columns that a longer line of prose is hard to read beyond */
const PROSE = 96

type Colour = 'bold' | 'dim' | 'red' | 'yellow' | 'green' | 'cyan' | 'magenta'
type Paint = (colour: Colour, text: string) => string

const CODES: Readonly<Record<Colour, readonly [number, number]>> = { bold: [1, 22], dim: [2, 22], red: [31, 39], yellow: [33, 39], green: [32, 39], cyan: [36, 39], magenta: [35, 39] }
const SEVERITY_COLOURS: Readonly<Record<Severity, Colour>> = { critical: 'magenta', high: 'red', medium: 'yellow', low: 'cyan' }

/** For a terminal: no line is wider than asked for, and nothing that others wrote is obeyed by it */
export const consoleFormat = redactingFormat({
  name: 'console',
  mediaType: 'text/plain',
  extension: 'txt',
  render (report, options) {
    const page = new Page(columnsOf(options), options.colour === true)
    head(page, report, options)
    risks(page, report, options)
    measures(page, report, options)
    insufficient(page, report)
    ground(page, report, options)
    return page.toString()
  }
})

/**
 * What a terminal is, as options: colours only where somebody sees them and did not ask for none
 * (https://no-color.org), and its width.
 */
export function terminalOptions (stream: { isTTY?: boolean, columns?: number }, environment: Readonly<Record<string, string | undefined>>): Pick<RenderOptions, 'colour' | 'width'> {
  const refused = (environment.NO_COLOR ?? '') !== '' || environment.TERM === 'dumb'
  return { colour: stream.isTTY === true && !refused, ...(stream.columns == null || !(stream.columns > 0) ? {} : { width: stream.columns }) }
}

class Page {
  readonly width: number
  readonly paint: Paint
  readonly #lines: string[] = []

  constructor (width: number, colour: boolean) {
    this.width = width
    this.paint = colour ? (name, text) => text === '' ? '' : `\u001b[${CODES[name][0]}m${text}\u001b[${CODES[name][1]}m` : (_, text) => text
  }

  /** A line as it is: whoever paints it has measured it */
  line (text = ''): void {
    this.#lines.push(text.trimEnd())
  }

  section (title: string): void {
    this.line()
    this.line(this.paint('bold', title))
  }

  /** Prose after an indent and a label, wrapped under itself */
  prose (text: string, { indent = 2, label = '', colour }: { indent?: number, label?: string, colour?: Colour } = {}): void {
    const left = indent + (label === '' ? 0 : displayWidth(label) + 1)
    const lines = wrapText(text, Math.min(this.width, PROSE) - left)

    lines.forEach((line, i) => {
      const start = i === 0 && label !== '' ? `${' '.repeat(indent)}${this.paint('dim', label)} ` : ' '.repeat(left)
      this.line(start + (colour == null ? line : this.paint(colour, line)))
    })
  }

  toString (): string {
    return `${this.#lines.join('\n')}\n`
  }
}

function head (page: Page, report: PrivacyReportData, { title }: RenderOptions): void {
  const { paint, width } = page
  const colour = levelOf(report.overallRiskScore)
  const verdict = verdictOf(report)
  const counts = countSeverities(report.risks)
  const { judged, all } = judgedOf(report)
  const columns = Math.max(8, Math.min(40, width - 12 - (width >= 64 ? displayWidth(verdict) + 2 : 0)))
  const filled = Math.round(share(report.overallRiskScore) * columns)

  wrapText(`Privacy report${title == null ? '' : `: ${title}`}`, width).forEach(line => { page.line(paint('bold', line)) })
  page.prose(`${sourceWords(report)} · ${windowWords(report)}`, { indent: 0, colour: report.source === 'simulated' ? 'yellow' : 'dim' })
  page.line()
  page.line(`${paint('bold', 'Risk')}  ${paint(colour, paint('bold', score(report.overallRiskScore)))}  ${paint(colour, '█'.repeat(filled))}${paint('dim', '░'.repeat(columns - filled))}${width >= 64 ? `  ${paint(colour, verdict)}` : ''}`)
  if (width < 64) {
    page.prose(verdict, { indent: 6, colour })
  }
  const tally = SEVERITIES.map(severity => `${counts[severity]} ${severity}`).join(' · ')
  page.prose(`${tally} · ${judged} of ${all} questions judged`, { indent: 6 })
}

function risks (page: Page, report: PrivacyReportData, { verbose = false }: RenderOptions): void {
  const sorted = sortedRisks(report.risks)
  const shown = verbose ? sorted : sorted.slice(0, RISKS_SHOWN)

  page.section('Findings')
  if (shown.length === 0) {
    page.prose('None in what could be judged.')
  }
  shown.forEach((risk, i) => {
    if (i > 0) {
      page.line()
    }
    finding(page, risk, verbose)
  })
  if (sorted.length > shown.length) {
    page.line()
    page.prose(`… and ${sorted.length - shown.length} more, less severe. They are in the other formats, and here with --verbose.`, { colour: 'dim' })
  }
}

function finding (page: Page, risk: Risk, verbose: boolean): void {
  const { paint, width } = page
  const mark = `${padText(risk.severity.toUpperCase(), 8)} ${score(risk.score)}`
  const colour = SEVERITY_COLOURS[risk.severity] ?? 'bold'
  const [first = '', ...rest] = wrapText(risk.title, Math.min(width, PROSE) - displayWidth(mark) - 4)

  page.line(`  ${paint(colour, mark)}  ${paint('bold', first)}`)
  rest.forEach(line => { page.line(`${' '.repeat(displayWidth(mark) + 4)}${paint('bold', line)}`) })
  page.prose(`${kindWords(risk.kind)}; seen by ${risk.observerClass}; confidence ${score(risk.confidence)} from ${counted(risk.n, 'observation')}`, { indent: 4, colour: 'dim' })

  const named = risk.subjects.slice(0, verbose ? undefined : SUBJECTS_SHOWN)
  if (named.length > 0) {
    page.prose(`${named.join(', ')}${risk.subjects.length > named.length ? ` and ${risk.subjects.length - named.length} more` : ''}`, { indent: 4, label: 'about   ' })
  }
  const evidence = Object.entries(risk.evidence).map(([key, value]) => `${keyWords(key)} ${figure(value)}`).join(' · ')
  if (evidence !== '') {
    page.prose(evidence, { indent: 4, label: 'evidence' })
  }
  page.prose(risk.recommendation, { indent: 4, label: 'do      ' })
  if (risk.mitigation !== 'none') {
    page.prose(risk.mitigation, { indent: 4, label: 'switch  ', colour: 'green' })
  }
}

interface Column {
  readonly name: string
  readonly value: (measure: ClassMeasures) => string
}

/** Those that a narrow terminal has no room for are last */
const COLUMNS: readonly Column[] = [
  { name: 'exposures', value: ({ exposures }) => figure(exposures) },
  { name: 'set', value: ({ anonymitySet }) => figure(anonymitySet) },
  { name: '2^H', value: ({ effectiveSet }) => figure(effectiveSet) },
  { name: 'degree', value: ({ degree }) => score(degree) },
  { name: 'min-entropy', value: ({ minEntropy }) => figure(minEntropy) },
  { name: 'observers', value: ({ observers }) => figure(observers) },
  { name: 'CIDs', value: ({ subjects }) => figure(subjects) }
]

function measures (page: Page, report: PrivacyReportData, options: RenderOptions): void {
  page.section('What each class of observers learnt')
  if (report.measures.length === 0) {
    page.prose(noContent(options))
    return
  }
  const names = report.measures.map(({ observerClass }) => fitText(observerClass, 14))
  const first = Math.max(8, ...names.map(displayWidth))
  const widths = COLUMNS.map(({ name, value }) => Math.max(name.length, ...report.measures.map(measure => displayWidth(value(measure)))))
  const fitting = COLUMNS.filter((_, i) => 2 + first + widths.slice(0, i + 1).reduce((sum, width) => sum + 2 + width, 0) <= page.width)
  const row = (name: string, cells: readonly string[]): string => `  ${padText(name, first)}${cells.map((cell, i) => `  ${padText(cell, widths[i] ?? 0, 'left')}`).join('')}`

  page.line(page.paint('dim', row('', fitting.map(({ name }) => name))))
  report.measures.forEach((measure, i) => { page.line(row(names[i] ?? '', fitting.map(({ value }) => value(measure)))) })
}

function insufficient (page: Page, report: PrivacyReportData): void {
  if (report.insufficient.length === 0) {
    return
  }
  page.section('Not judged: too little was seen')
  for (const { questions, reason } of questionsByReason(report)) {
    page.prose(`${questions}: ${reason}`, { label: '–' })
  }
}

function ground (page: Page, report: PrivacyReportData, { proof, raw }: RenderOptions): void {
  const { statistics: seen, thresholds } = report

  page.section('What this stands on')
  page.prose(`${counted(seen.uniquePeers, 'peer')} · ${counted(seen.totalConnections, 'connection')} (${figure(seen.openConnections)} open, ${figure(seen.inboundConnections)} in, ${figure(seen.outboundConnections)} out) · ${counted(seen.totalStreams, 'stream')} · sent ${bytesWords(seen.bytesSent)}, received ${bytesWords(seen.bytesReceived)}`)
  page.prose(streamWords(report))
  if (seen.evictedPeers > 0 || seen.evictedConnections > 0) {
    page.prose(`forgotten, as tables are bounded: ${counted(seen.evictedPeers, 'peer')}, ${counted(seen.evictedConnections, 'connection')}`)
  }
  page.prose(`thresholds: anonymity set ${figure(thresholds.ANONYMITY_SET_THRESHOLD)}, timing correlation ${figure(thresholds.TIMING_CORRELATION_THRESHOLD)}`)
  if (proof != null) {
    page.prose(`membership proof: ${proofWords(proof)}`, { colour: proof.result === 'verified' ? 'green' : 'yellow' })
    if (proof.result === 'verified') {
      proof.proven.forEach(text => { page.prose(text, { indent: 4, label: 'proven    ' }) })
      proof.notProven.forEach(text => { page.prose(text, { indent: 4, label: 'not proven' }) })
    }
  }
  page.prose(raw === true ? 'Shows peers, addresses and CIDs as they are: keep it to yourself.' : 'Peers, addresses and CIDs have names that hold within this report only.', raw === true ? { colour: 'yellow' } : {})
  page.prose(`Made ${moment(report.generatedAt)} UTC. ${CAVEAT}`, { colour: 'dim' })
}
