import type { PrivacyReport, PrivacyReportData, Risk } from '../../interface/privacy.ts'

/** Said below every summary: the absence of a finding is no finding */
export const CAVEAT = 'What was not detected may still be there: each test sees only what it is made for, and only what was observed.'

/** Risks that a summary names; the others are counted */
const NAMED_RISKS = 5

/** Gives the plain part of a report its methods */
export function privacyReport (data: PrivacyReportData): PrivacyReport {
  const of = (severity: Risk['severity']): readonly Risk[] => data.risks.filter(risk => risk.severity === severity)

  return {
    ...data,
    highRisks: () => of('high'),
    criticalRisks: () => of('critical'),
    summary: () => summary(data),
    toJSON: () => data
  }
}

function summary (data: PrivacyReportData): string {
  const { risks, insufficient, statistics, source, streams } = data
  const count = (severity: Risk['severity']): number => risks.filter(risk => risk.severity === severity).length
  const seen = `${source === 'simulated' ? 'Simulated traffic' : 'Observed'}: ${plural(statistics.totalConnections, 'connection')} with ${plural(statistics.uniquePeers, 'peer')}${streams === 'sampled' ? ', streams sampled' : ''}.`
  const found = risks.length === 0
    ? 'No risk was detected by the tests that had enough data.'
    : `${plural(risks.length, 'risk')}: ${(['critical', 'high', 'medium', 'low'] as const).map(severity => `${count(severity)} ${severity}`).join(', ')}.`
  const named = risks.slice(0, NAMED_RISKS).map(risk => `- ${risk.severity}: ${risk.title} (score ${risk.score.toFixed(2)}, confidence ${risk.confidence.toFixed(2)}, n ${risk.n})`)
  const open = insufficient.length === 0 ? [] : [`Insufficient data: ${[...new Set(insufficient.map(({ kind }) => kind))].join(', ')}.`]

  return [
    `Overall risk score: ${data.overallRiskScore.toFixed(2)}${risks.length === 0 ? ' (no finding, which is not a verdict)' : ''}`,
    seen,
    found,
    ...named,
    ...open,
    CAVEAT
  ].join('\n')
}

function plural (n: number, what: string): string {
  return `${n} ${what}${n === 1 ? '' : 's'}`
}
