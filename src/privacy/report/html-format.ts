import { exposureChart, historyChart, scoreChart, severityChart, timelineChart, timelineKind } from './html-charts.ts'
import { POLICY, STYLE, escapeHtml as e } from './html-style.ts'
import { redactingFormat } from './report-format.ts'
import { CAVEAT, bytesWords, counted, figure, judgedOf, keyWords, kindWords, moment, noContent, proofWords, questionsByReason, score, sortedRisks, sourceWords, streamWords, windowWords } from './report-words.ts'
import type { RenderOptions, ReportProof } from './report-format.ts'
import type { ClassMeasures, CollectorStatistics, PrivacyReportData, Risk } from '../../interface/privacy.ts'

/** A page of more is read by nobody; the JSON has all */
const RISKS_SHOWN = 200
const SUBJECTS_SHOWN = 50

/** One file that shows everything and loads nothing: no scripts, charts drawn in it, light, dark and on paper */
export const htmlFormat = redactingFormat({
  name: 'html',
  mediaType: 'text/html',
  extension: 'html',
  render: (report, options) => {
    const title = options.title == null ? 'Privacy report' : `Privacy report: ${options.title}`

    return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${POLICY}">
<meta name="referrer" content="no-referrer">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${e(title)}</title>
<style>${STYLE}</style>
</head>
<body>
<header>
<h1>${e(title)}</h1>
<p class="soft">${e(windowWords(report))}<br>${e(sourceWords(report))}; ${e(streamWords(report))}</p>
${report.source === 'simulated' ? '<p class="banner">Simulated traffic: this says nothing about a real node.</p>' : ''}
${options.raw === true ? '<p class="banner">Shows peers, addresses and CIDs as they are: keep it to yourself.</p>' : ''}
</header>
<main>
<div class="grid">
<figure><figcaption>Risk score</figcaption>${scoreChart(report)}</figure>
<figure><figcaption>Findings by severity</figcaption>${severityChart(report)}</figure>
<figure><figcaption>Exposures by class of observers</figcaption>${report.measures.length === 0 ? `<p>${noContent(options)}</p>` : exposureChart(report.measures)}</figure>
</div>
${overTime(options, report)}
<h2>Findings</h2>
${findings(report)}
<h2>What each class of observers learnt</h2>
${measures(report.measures, options)}
<h2>Not judged</h2>
${questions(report)}
${options.proof == null ? '' : proofSection(options.proof)}
<h2>What this stands on</h2>
${ground(report)}
</main>
<footer>
<p>Made ${e(moment(report.generatedAt))} UTC. ${options.raw === true ? '' : 'Peers, addresses and CIDs have names that hold within this report only. '}${e(CAVEAT)}</p>
</footer>
</body>
</html>
`
  }
})

function overTime ({ history = [], timeline }: RenderOptions, report: PrivacyReportData): string {
  const charts = [
    ...(timeline == null ? [] : [`<figure class="wide"><figcaption>Timeline: ${timelineKind(timeline, report) === 'exposures' ? 'exposures' : 'what happened on connections'} (above the line) and connections opened (below it)</figcaption>${timelineChart(timeline, report)}</figure>`]),
    ...(history.length === 0 ? [] : [`<figure class="wide"><figcaption>Timeline: risk score of ${history.length === 1 ? 'one check' : `${history.length} checks`}</figcaption>${historyChart(history)}</figure>`])
  ]
  return charts.length > 0 ? charts.join('\n') : '<figure class="wide"><figcaption>Timeline</figcaption><p>No times came with this report.</p></figure>'
}

function findings ({ risks }: PrivacyReportData): string {
  const sorted = sortedRisks(risks)

  if (sorted.length === 0) {
    return '<p>None in what could be judged.</p>'
  }
  const more = sorted.length - RISKS_SHOWN
  return sorted.slice(0, RISKS_SHOWN).map(finding).join('\n') + (more > 0 ? `<p class="soft">… and ${more} more, less severe: the JSON of this report has all.</p>` : '')
}

function finding (risk: Risk): string {
  const more = risk.subjects.length - SUBJECTS_SHOWN
  const about = risk.subjects.slice(0, SUBJECTS_SHOWN).map(subject => `<code>${e(subject)}</code>`).join(', ') + (more > 0 ? ` and ${more} more` : '')

  return `<article class="${e(risk.severity)}">
<header><span class="chip">${e(risk.severity)}</span><h3>${e(risk.title)}</h3><b>${score(risk.score)}</b></header>
<p class="soft">${e(kindWords(risk.kind))}; seen by ${e(risk.observerClass)}; confidence ${score(risk.confidence)} from ${counted(risk.n, 'observation')}</p>
<dl>
${risk.subjects.length === 0 ? '' : `<dt>About</dt><dd>${about}</dd>`}
${Object.entries(risk.evidence).map(([key, value]) => `<dt>${e(keyWords(key))}</dt><dd>${e(figure(value))}</dd>`).join('\n')}
<dt>Do</dt><dd>${e(risk.recommendation)}</dd>
${risk.mitigation === 'none' ? '' : `<dt>Switch</dt><dd><code>${e(risk.mitigation)}</code></dd>`}
</dl>
</article>`
}

function measures (rows: readonly ClassMeasures[], options: RenderOptions): string {
  return rows.length === 0
    ? `<p>${noContent(options)}</p>`
    : table(['Observers', 'exposures', 'parties', 'CIDs', 'set', '2^H', 'degree', 'min-entropy'], rows.map(row => [
      row.observerClass, figure(row.exposures), figure(row.observers), figure(row.subjects), figure(row.anonymitySet), figure(row.effectiveSet), score(row.degree), figure(row.minEntropy)
    ]))
}

function questions (report: PrivacyReportData): string {
  const { judged, all } = judgedOf(report)
  return report.insufficient.length === 0
    ? `<p>All ${all} questions had enough to go on.</p>`
    : `<p>${judged} of ${all} questions had enough to go on; for these too little was seen.</p>${table(['Question (seen of needed)', 'why'], questionsByReason(report).map(({ questions, reason }) => [questions, reason]), 1)}`
}

function proofSection (proof: ReportProof): string {
  const head = `<h2>Proof of membership</h2>
<p>${e(proofWords(proof))}</p>`

  if (proof.result !== 'verified') {
    return head
  }
  const rows = [['Group', proof.group], ['Epoch', figure(proof.epoch)], ['Root', proof.root], ['Scope', proof.scope], ['Nullifier', proof.nullifier], ['Report', proof.report], ['Nonce', proof.nonce]] as const
  return `${head}
<dl>
${rows.map(([name, value]) => `<dt>${name}</dt><dd><code>${e(value)}</code></dd>`).join('\n')}
${proof.proven.map(text => `<dt>Proven</dt><dd>${e(text)}</dd>`).join('\n')}
${proof.notProven.map(text => `<dt>Not proven</dt><dd>${e(text)}</dd>`).join('\n')}
</dl>`
}

function ground (report: PrivacyReportData): string {
  const { statistics: seen, thresholds } = report
  const rows: ReadonlyArray<readonly [string, string]> = [
    ['Peers', figure(seen.uniquePeers)],
    ['Connections', `${figure(seen.totalConnections)} (${figure(seen.openConnections)} open, ${figure(seen.inboundConnections)} in, ${figure(seen.outboundConnections)} out)`],
    ['Streams', `${figure(seen.totalStreams)}; ${streamWords(report)}`],
    ['Bytes', `sent ${bytesWords(seen.bytesSent)}, received ${bytesWords(seen.bytesReceived)}`],
    ['Forgotten', `${counted(seen.evictedPeers, 'peer')}, ${counted(seen.evictedConnections, 'connection')}, as tables are bounded`],
    ['Thresholds', `anonymity set ${figure(thresholds.ANONYMITY_SET_THRESHOLD)}, timing correlation ${figure(thresholds.TIMING_CORRELATION_THRESHOLD)}`],
    ...shares('Protocols', seen, 'protocols'),
    ...shares('Transports', seen, 'transports')
  ]
  return `<dl>${rows.map(([name, value]) => `<dt>${name}</dt><dd>${e(value)}</dd>`).join('\n')}</dl>`
}

function shares (name: string, statistics: CollectorStatistics, what: 'protocols' | 'transports'): Array<[string, string]> {
  const rows = Object.entries(statistics[what]).toSorted(([, a], [, b]) => b - a)
  return rows.length === 0 ? [] : [[name, rows.map(([name, count]) => `${name} ${figure(count)}`).join(', ')]]
}

/** All columns but the first are figures, up to `text` */
function table (head: readonly string[], rows: ReadonlyArray<readonly string[]>, text: number = head.length): string {
  const kind = (i: number): string => i > 0 && i < text ? ' class="num"' : ''
  return `<div class="scroll"><table><thead><tr>${head.map((name, i) => `<th${kind(i)}>${e(name)}</th>`).join('')}</tr></thead><tbody>
${rows.map(row => `<tr>${row.map((cell, i) => `<td${kind(i)}>${e(cell)}</td>`).join('')}</tr>`).join('\n')}
</tbody></table></div>`
}
