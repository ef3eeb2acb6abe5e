import { plainJson } from './plain-text.ts'
import { redactingFormat } from './report-format.ts'
import { CAVEAT, SEVERITIES, countSeverities, counted, figure, judgedOf, keyWords, kindWords, levelOf, moment, proofWords, score, sortedRisks, sourceWords, streamWords, verdictOf, windowWords } from './report-words.ts'
import type { RenderOptions } from './report-format.ts'
import type { Level } from './report-words.ts'
import type { PrivacyReportData, Risk, Severity } from '../../interface/privacy.ts'

/** Slack refuses a message with a longer header (https://docs.slack.dev/reference/block-kit/blocks) */
const MAX_HEADER = 150
/** A channel is no place for more; Slack takes 50 blocks */
const RISKS_SHOWN = 8
/** Of one text, escaped: five of them are a section, which may have 3 000 characters */
const MAX_TEXT = 400
/** Of one that is a block by itself */
const MAX_CONTEXT = 1_500

const COLOURS: Readonly<Record<Level, string>> = { red: '#d32f2f', yellow: '#f9a825', green: '#2e7d32' }
const CIRCLES: Readonly<Record<Level, string>> = { red: ':red_circle:', yellow: ':large_yellow_circle:', green: ':large_green_circle:' }
const MARKS: Readonly<Record<Severity, string>> = { critical: ':rotating_light:', high: ':red_circle:', medium: ':large_yellow_circle:', low: ':large_blue_circle:' }

interface Text {
  readonly type: 'mrkdwn' | 'plain_text'
  readonly text: string
  readonly verbatim?: boolean
  readonly emoji?: boolean
}

export interface SlackBlock {
  readonly type: 'header' | 'section' | 'context' | 'divider'
  readonly text?: Text
  readonly fields?: readonly Text[]
  readonly elements?: readonly Text[]
}

/** The body of a POST to an incoming webhook, or of `chat.postMessage` */
export interface SlackMessage {
  /** For notifications, and where blocks are not shown */
  readonly text: string
  readonly blocks: readonly SlackBlock[]
  /** The bar beside the findings: red above 0.7, yellow above 0.4, else green */
  readonly attachments: ReadonlyArray<{ readonly color: string, readonly blocks: readonly SlackBlock[] }>
}

/** For a channel: the verdict, the worst findings and what the report stands on */
export const slackFormat = redactingFormat({
  name: 'slack',
  mediaType: 'application/json',
  extension: 'slack.json',
  render: (report, options) => `${plainJson(message(report, options))}\n`
})

function message (report: PrivacyReportData, options: RenderOptions): SlackMessage {
  const level = levelOf(report.overallRiskScore)
  const title = options.title == null ? 'Privacy report' : `Privacy report: ${options.title}`
  const counts = countSeverities(report.risks)
  const { judged, all } = judgedOf(report)
  const found = sortedRisks(report.risks)
  const line = `${title}: risk ${score(report.overallRiskScore)}, ${verdictOf(report)}`

  return {
    text: mrkdwn(line, MAX_TEXT),
    blocks: [
      { type: 'header', text: { type: 'plain_text', text: title.length <= MAX_HEADER ? title : `${title.slice(0, MAX_HEADER - 1).toWellFormed()}…`, emoji: false } },
      context(`${sourceWords(report)} · ${windowWords(report)} · ${streamWords(report)}`),
      {
        type: 'section',
        fields: [
          field('Risk', `${CIRCLES[level]} *${score(report.overallRiskScore)}* ${verdictOf(report)}`),
          field('Findings', SEVERITIES.map(severity => `${counts[severity]} ${severity}`).join(', ')),
          field('Judged', `${judged} of ${all} questions`),
          field('Seen', `${counted(report.statistics.uniquePeers, 'peer')}, ${counted(report.statistics.totalConnections, 'connection')}`)
        ]
      }
    ],
    attachments: [{ color: COLOURS[level], blocks: [...found.slice(0, RISKS_SHOWN).map(finding), ...rest(report, options, found.length)] }]
  }
}

function finding (risk: Risk): SlackBlock {
  const evidence = Object.entries(risk.evidence).map(([key, value]) => `${keyWords(key)} ${figure(value)}`).join(' · ')
  const about = risk.subjects.length === 0 ? '' : ` · about ${risk.subjects.slice(0, 3).join(', ')}${risk.subjects.length > 3 ? ` and ${risk.subjects.length - 3} more` : ''}`
  const lines = [
    `${MARKS[risk.severity] ?? ''} *${mrkdwn(risk.title, MAX_TEXT)}* (${mrkdwn(risk.severity, MAX_TEXT)}, ${score(risk.score)})`,
    mrkdwn(`${kindWords(risk.kind)}; seen by ${risk.observerClass}; confidence ${score(risk.confidence)} from ${counted(risk.n, 'observation')}${about}`, MAX_TEXT),
    ...(evidence === '' ? [] : [mrkdwn(evidence, MAX_TEXT)]),
    mrkdwn(risk.recommendation, MAX_TEXT),
    ...(risk.mitigation === 'none' ? [] : [`Switch: ${mrkdwn(risk.mitigation, MAX_TEXT)}`])
  ]
  return { type: 'section', text: { type: 'mrkdwn', text: lines.join('\n'), verbatim: true } }
}

function rest (report: PrivacyReportData, { proof, raw }: RenderOptions, found: number): SlackBlock[] {
  const { thresholds, insufficient } = report
  const blocks: SlackBlock[] = []

  if (found === 0) {
    blocks.push({ type: 'section', text: { type: 'mrkdwn', text: 'No findings in what could be judged.', verbatim: true } })
  }
  if (found > RISKS_SHOWN) {
    blocks.push(context(`… and ${found - RISKS_SHOWN} more, less severe.`))
  }
  if (insufficient.length > 0) {
    blocks.push(context(`Not judged, too little was seen: ${[...new Set(insufficient.map(({ kind }) => kindWords(kind).toLowerCase()))].join(', ')}`))
  }
  blocks.push(context(`Thresholds: anonymity set ${figure(thresholds.ANONYMITY_SET_THRESHOLD)}, timing correlation ${figure(thresholds.TIMING_CORRELATION_THRESHOLD)}`))
  if (proof != null) {
    blocks.push(context(`Membership proof ${proofWords(proof)}`))
    if (proof.result === 'verified') {
      blocks.push(context(`Proven: ${proof.proven.join('; ')}`), context(`Not proven: ${proof.notProven.join('; ')}`))
    }
  }
  blocks.push(context(`${raw === true ? 'Shows peers, addresses and CIDs as they are. ' : ''}Made ${moment(report.generatedAt)} UTC. ${CAVEAT}`))
  return blocks
}

function context (text: string): SlackBlock {
  return { type: 'context', elements: [{ type: 'mrkdwn', text: mrkdwn(text, MAX_CONTEXT), verbatim: true }] }
}

function field (name: string, value: string): Text {
  return { type: 'mrkdwn', text: `*${name}*\n${value}`, verbatim: true }
}

/** Slack reads links, mentions and commands from between `<` and `>`; the other marks could only make text bold, and get a look-alike */
function mrkdwn (text: string, max: number): string {
  let result = ''
  for (const character of text.replace(/[*~`]|(?<!\w)_|_(?!\w)/g, mark => LOOK_ALIKE[mark] ?? '')) {
    const next = ENTITIES[character] ?? character
    if (result.length + next.length >= max) {
      return `${result}…`
    }
    result += next
  }
  return result
}

const LOOK_ALIKE: Readonly<Record<string, string>> = { '*': '∗', _: 'ˍ', '~': '∼', '`': 'ˋ' }
const ENTITIES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;' }
