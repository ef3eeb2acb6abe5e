import { escapeHtml } from './html-style.ts'
import { RED_ABOVE, SEVERITIES, YELLOW_ABOVE, countSeverities, figure, levelOf, moment, score, share, verdictOf } from './report-words.ts'
import type { ScorePoint } from './report-format.ts'
import type { ReportTimeline } from './report-timeline.ts'
import type { ClassMeasures, PrivacyReportData } from '../../interface/privacy.ts'

interface Bar {
  readonly name: string
  readonly value: number
  readonly kind: string
}

/** A half circle with the score on it, and where it turns yellow and red */
export function scoreChart (report: PrivacyReportData): string {
  const value = report.overallRiskScore
  const ticks = [YELLOW_ABOVE, RED_ABOVE].map(at => {
    const [x1, y1] = onArc(at, 78)
    const [x2, y2] = onArc(at, 104)
    const [x, y] = onArc(at, 120)
    return `<line class="dash" x1="${x1}" y1="${y1}" x2="${x2}" y2="${y2}"/><text class="soft middle" x="${x}" y="${y}">${at}</text>`
  })
  return svg(300, 178, `Risk score ${score(value)} of 1`, `
<path class="track" d="M60 140 A90 90 0 0 1 240 140" stroke-width="16"/>
<path class="track s-${levelOf(value)}" d="M60 140 A90 90 0 0 1 240 140" stroke-width="16" pathLength="100" stroke-dasharray="${(share(value) * 100).toFixed(2)} 200"/>
${ticks.join('')}
<text class="big middle" x="150" y="134">${score(value)}</text>
<text class="middle soft" x="150" y="166">${escapeHtml(verdictOf(report))}</text>`)
}

function onArc (at: number, radius: number): [string, string] {
  const angle = Math.PI * (1 - at)
  return [(150 + radius * Math.cos(angle)).toFixed(1), (140 - radius * Math.sin(angle)).toFixed(1)]
}

export function severityChart (report: PrivacyReportData): string {
  const counts = countSeverities(report.risks)
  return bars('Findings by severity', SEVERITIES.map(severity => ({ name: severity, value: counts[severity], kind: severity })))
}

export function exposureChart (measures: readonly ClassMeasures[]): string {
  return bars('Exposures by class of observers', measures.toSorted((a, b) => b.exposures - a.exposures).map(({ observerClass, exposures }) => ({ name: observerClass, value: exposures, kind: 'coral' })))
}

function bars (label: string, rows: readonly Bar[]): string {
  const most = Math.max(1, ...rows.map(({ value }) => Number.isFinite(value) ? value : 0))
  const drawn = rows.map(({ name, value, kind }, i) => {
    const y = i * 34 + 8
    return `<text x="0" y="${y + 15}">${escapeHtml(name)}</text><rect class="ground" x="104" y="${y}" width="142" height="20" rx="3"/><rect class="f-${kind}" x="104" y="${y}" width="${(142 * share(value / most)).toFixed(1)}" height="20" rx="3"/><text class="end" x="300" y="${y + 15}">${figure(value)}</text>`
  })
  return svg(300, Math.max(1, rows.length) * 34 + 6, `${label}: ${rows.map(({ name, value }) => `${name} ${figure(value)}`).join(', ')}`, drawn.join('\n'))
}

const LEFT = 46
const RIGHT = 706
const TOP = 12
const BOTTOM = 150

/** Earlier scores up to this one, with the lines that they are judged by */
export function historyChart (history: readonly ScorePoint[]): string {
  const given = history.filter(({ timestamp, riskScore }) => Number.isFinite(timestamp) && Number.isFinite(riskScore))
  // drawn by the wall clock, which may have been set back since: the last check is the one that came last
  const latest = given.at(-1)
  const points = given.toSorted((a, b) => a.timestamp - b.timestamp)
  const [from, to] = [points[0]?.timestamp ?? 0, points.at(-1)?.timestamp ?? 0]
  const x = (at: number): string => (to > from ? LEFT + (RIGHT - LEFT) * (at - from) / (to - from) : (LEFT + RIGHT) / 2).toFixed(1)
  const y = (value: number): string => (BOTTOM - (BOTTOM - TOP) * share(value)).toFixed(1)
  const levels = [0, YELLOW_ABOVE, RED_ABOVE, 1].map(level => `<line class="${level === 0 || level === 1 ? 'axis' : 'dash'}" x1="${LEFT}" x2="${RIGHT}" y1="${y(level)}" y2="${y(level)}"/><text class="soft end" x="${LEFT - 8}" y="${Number(y(level)) + 4}">${level}</text>`)
  const dots = points.length > 60 ? '' : points.map(({ timestamp, riskScore }) => `<circle class="f-sea" cx="${x(timestamp)}" cy="${y(riskScore)}" r="3"/>`).join('')

  return svg(720, 184, `Risk score over time, ${points.length} checks, last ${score(latest?.riskScore ?? Number.NaN)}`, `
${levels.join('')}
<polyline class="s-sea" stroke-width="2" stroke-linejoin="round" points="${points.map(({ timestamp, riskScore }) => `${x(timestamp)},${y(riskScore)}`).join(' ')}"/>${dots}
${times(from, to)}`)
}

/** What is above the line: exposures where some were about content, else messages, for dials say no more than the connections below it */
export function timelineKind ({ bins }: ReportTimeline, { measures }: Pick<PrivacyReportData, 'measures'>): 'exposures' | 'events' {
  return measures.length > 0 && bins.some(({ exposures }) => exposures > 0) ? 'exposures' : 'events'
}

/** Each series to its own scale */
export function timelineChart (timeline: ReportTimeline, report: Pick<PrivacyReportData, 'measures'>): string {
  const { from, to, bins } = timeline
  const kind = timelineKind(timeline, report)
  const middle = 92
  const step = (RIGHT - LEFT) / Math.max(1, bins.length)
  const most = (what: 'exposures' | 'events' | 'opened'): number => Math.max(1, ...bins.map(bin => bin[what]))
  const [above, opened] = [most(kind), most('opened')]
  const drawn = bins.map((bin, i) => {
    const at = (LEFT + i * step + step * 0.1).toFixed(1)
    const width = (step * 0.8).toFixed(1)
    const up = 76 * share(bin[kind] / above)
    const down = 50 * share(bin.opened / opened)
    return `${up > 0 ? `<rect class="f-coral" x="${at}" y="${(middle - up).toFixed(1)}" width="${width}" height="${up.toFixed(1)}"/>` : ''}${down > 0 ? `<rect class="f-sea" x="${at}" y="${middle}" width="${width}" height="${down.toFixed(1)}"/>` : ''}`
  })

  return svg(720, 184, `Over time: ${kind}, at most ${figure(above)} at once, and connections opened, at most ${figure(opened)} at once`, `
<line class="axis" x1="${LEFT}" x2="${RIGHT}" y1="${middle}" y2="${middle}"/>
<text class="soft end" x="${LEFT - 8}" y="26">${figure(above)}</text><text class="soft end" x="${LEFT - 8}" y="146">${figure(opened)}</text><text class="soft end" x="${LEFT - 8}" y="${middle + 4}">0</text>
${drawn.join('')}
${times(from, to)}`)
}

function times (from: number, to: number): string {
  const sameDay = moment(from).slice(0, 10) === moment(to).slice(0, 10)
  return `<text class="soft" x="${LEFT}" y="174">${moment(from)}</text>${to > from ? `<text class="soft end" x="${RIGHT}" y="174">${sameDay ? moment(to).slice(11) : moment(to)} UTC</text>` : ''}`
}

function svg (width: number, height: number, label: string, content: string): string {
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" role="img" aria-label="${escapeHtml(label)}"><title>${escapeHtml(label)}</title>${content}</svg>`
}
