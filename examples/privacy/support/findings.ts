import type { PrivacyReport, RiskKind } from '../../../src/index.privacy.ts'

/** What a report says to one question: a finding, none, or that there is too little to say */
export function printAnswer (report: PrivacyReport, kind: RiskKind): void {
  const risks = report.risks.filter(risk => risk.kind === kind)
  const unanswered = report.insufficient.find(question => question.kind === kind)

  for (const { severity, score, confidence, n, title, evidence, recommendation } of risks) {
    console.log(`  ${severity.toUpperCase()} ${score.toFixed(2)}: ${title}\n    confidence ${confidence.toFixed(2)} from ${n} observations; ${Object.entries(evidence).slice(0, 5).map(([key, value]) => `${key} ${typeof value === 'number' ? Number(value.toPrecision(3)) : String(value)}`).join(', ')}\n    what helps: ${recommendation}`)
  }
  if (unanswered != null) {
    console.log(`  too little data (${unanswered.n} of ${unanswered.needed}): ${unanswered.reason}`)
  } else if (risks.length === 0) {
    console.log('  not found in what was seen, which does not say that it is not there')
  }
}
