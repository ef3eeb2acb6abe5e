import { InvalidOptionError } from '../../interface/errors.ts'
import type { PrivacyReportData, RiskKind, Severity } from '../../interface/privacy.ts'

/** One node in a comparison */
export interface ComparedNode {
  readonly name: string
  readonly source: 'real' | 'simulated'
  readonly overallRiskScore: number
  readonly risks: number
  readonly bySeverity: Readonly<Record<Severity, number>>
  /** The worst score of each kind that was found on it */
  readonly worst: Readonly<Partial<Record<RiskKind, number>>>
  /** Kinds that too little was seen for */
  readonly insufficient: readonly RiskKind[]
  readonly connections: number
  readonly peers: number
}

export interface PrivacyComparison {
  /** Worst first */
  readonly nodes: readonly ComparedNode[]
  readonly mean: number
  /** Between the best and the worst score */
  readonly spread: number
  /** Kinds found on every node: what they have in common is in how they are run */
  readonly common: readonly RiskKind[]
  /** Kinds found on some of them and judged on others without a finding: worth looking at the difference */
  readonly differing: readonly RiskKind[]
}

/** More than a fleet, less than would fill a page */
const MAX_COMPARED = 10_000

/** Puts reports of several nodes side by side: a list, or reports by the name of the node */
export function compareReports (reports: readonly PrivacyReportData[] | Readonly<Record<string, PrivacyReportData>>): PrivacyComparison {
  const named: ReadonlyArray<readonly [string, PrivacyReportData]> = isList(reports)
    ? reports.map((report, i) => [`node ${i + 1}`, report] as const)
    : Object.entries(reports)

  if (named.length === 0 || named.length > MAX_COMPARED) {
    throw new InvalidOptionError(`A comparison needs from 1 to ${MAX_COMPARED} reports, got ${named.length}`)
  }

  const nodes = named.map(([name, report]) => comparedNode(name, report)).sort((a, b) => b.overallRiskScore - a.overallRiskScore)
  const scores = nodes.map(({ overallRiskScore }) => overallRiskScore)
  const kinds = [...new Set(nodes.flatMap(({ worst }) => Object.keys(worst) as RiskKind[]))].sort()
  const found = (node: ComparedNode, kind: RiskKind): boolean => node.worst[kind] != null

  return {
    nodes,
    mean: scores.reduce((sum, score) => sum + score, 0) / scores.length,
    spread: (scores[0] ?? 0) - (scores.at(-1) ?? 0),
    common: kinds.filter(kind => nodes.every(node => found(node, kind))),
    differing: kinds.filter(kind => nodes.some(node => !found(node, kind) && !node.insufficient.includes(kind)))
  }
}

function isList (reports: readonly PrivacyReportData[] | Readonly<Record<string, PrivacyReportData>>): reports is readonly PrivacyReportData[] {
  return Array.isArray(reports)
}

function comparedNode (name: string, { source, overallRiskScore, risks, insufficient, statistics }: PrivacyReportData): ComparedNode {
  const bySeverity: Record<Severity, number> = { low: 0, medium: 0, high: 0, critical: 0 }
  const worst: Partial<Record<RiskKind, number>> = {}

  for (const { kind, severity, score } of risks) {
    bySeverity[severity]++
    worst[kind] = Math.max(worst[kind] ?? 0, score)
  }

  return {
    name,
    source,
    overallRiskScore,
    risks: risks.length,
    bySeverity,
    worst,
    insufficient: [...new Set(insufficient.map(({ kind }) => kind))],
    connections: statistics.totalConnections,
    peers: statistics.uniquePeers
  }
}
