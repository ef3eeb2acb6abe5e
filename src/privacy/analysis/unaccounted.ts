import { CERTAIN, NO_LEDGER, NOTHING_LEFT, risk, tooLittle } from './finding.ts'
import { aboutContent } from './measures.ts'
import type { Finding } from './finding.ts'
import type { View } from './view.ts'
import type { Risk } from '../../interface/privacy.ts'

/** A span in which it is not known who learnt what: no less than what the worst observer weighs, for it may have been that one */
const UNKNOWN = 0.7

/** What went past the ledger: spans in which routing was off, and what foreign code sends, of which only a lower bound is known */
export function unaccountedRequests (view: View): Finding {
  if (!view.accounted) {
    return tooLittle('unaccounted-requests', 0, 1, NO_LEDGER)
  }

  const risks: Risk[] = []
  const spans = view.unaccounted.filter(({ from, to }) => (to ?? view.to) >= view.from && from <= view.to)
  const ms = spans.reduce((sum, { from, to }) => sum + Math.max(0, Math.min(to ?? view.to, view.to) - Math.max(from, view.from)), 0)
  const length = Math.max(1, view.to - view.from)

  if (spans.length > 0) {
    risks.push(risk({
      id: 'unaccounted-requests:spans',
      kind: 'unaccounted-requests',
      title: `Requests went past the ledger in ${spans.length === 1 ? 'one span' : `${spans.length} spans`} of time`,
      score: UNKNOWN + 0.2 * Math.min(1, ms / length),
      confidence: CERTAIN,
      n: spans.length,
      observerClass: 'foreign',
      evidence: { spans: spans.length, unaccountedMs: ms, share: Math.min(1, ms / length), goesOn: spans.some(({ to }) => to == null) },
      recommendation: 'Switch routing on again: meanwhile the brokers that were there before ask whom they like.',
      mitigation: 'routing.mode=balanced'
    }))
  }

  const foreign = view.exposures.filter(({ audience }) => audience === 'unbounded')

  if (foreign.length > 0) {
    const requests = new Set(foreign.map(({ request }) => request))

    risks.push(risk({
      id: 'unaccounted-requests:foreign',
      kind: 'unaccounted-requests',
      title: `Foreign code sent ${requests.size === 1 ? 'one request' : `${requests.size} requests`}: whom it told can only be counted from below`,
      score: UNKNOWN + 0.1 * Math.min(1, Math.log10(requests.size)),
      confidence: CERTAIN,
      n: foreign.length,
      observerClass: 'foreign',
      subjects: [...new Set(foreign.map(({ observer }) => observer))],
      evidence: { exposures: foreign.length, requests: requests.size },
      recommendation: 'Do without brokers and routing of others, or name as trusted those whose audience is known.',
      mitigation: 'routing.mode=balanced'
    }))
  }

  return risks.length === 0 && aboutContent(view.exposures).length === 0 ? tooLittle('unaccounted-requests', 0, 1, NOTHING_LEFT) : { risks, insufficient: [] }
}
