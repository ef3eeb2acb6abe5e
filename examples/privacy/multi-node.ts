/**
 * A star of three: two nodes that know only the one in the middle. Each is
 * watched by itself; the comparison says what they have in common, and what sets
 * the middle apart.
 *
 *     node examples/privacy/multi-node.ts
 */
import { MetadataCollector, PrivacyAnalyzer, collectorMetrics, listeningAddress } from '../../src/index.privacy.ts'
import { ask, echoNode, stopAll, until } from './support/nodes.ts'
import type { Connection } from '@libp2p/interface'

const star = {
  middle: await echoNode({ metrics: collectorMetrics() }),
  left: await echoNode({ metrics: collectorMetrics() }),
  right: await echoNode({ metrics: collectorMetrics() })
}
const collectors = Object.entries(star).map(([name, node]) => [name, new MetadataCollector(node)] as const)

try {
  // both come again and again: one asks a lot and at random, the other once
  for (let visit = 0; visit < 4; visit++) {
    const [busy, brief] = await Promise.all([star.left, star.right].map(async node => node.dial(listeningAddress(star.middle)))) as [Connection, Connection]
    await ask(brief)
    await brief.close()
    for (let i = 0; i < 8; i++) {
      await ask(busy)
      await new Promise(resolve => setTimeout(resolve, 150 * Math.random()))
    }
    await busy.close()
  }
  await until(() => star.middle.getConnections().length === 0)

  const analyzers = Object.fromEntries(collectors.map(([name, collector]) => [name, new PrivacyAnalyzer(collector)]))
  const middle = analyzers.middle as PrivacyAnalyzer
  const { nodes, mean, spread, common, differing } = middle.compare(analyzers)

  console.log('node     risk  peers  connections  findings')
  for (const { name, overallRiskScore, peers, connections, worst } of nodes) {
    const findings = Object.entries(worst).map(([kind, score]) => `${kind} ${score.toFixed(2)}`)
    console.log(`${name.padEnd(7)}  ${overallRiskScore.toFixed(2)}  ${String(peers).padStart(5)}  ${String(connections).padStart(11)}  ${findings.join(', ') || 'none in what could be judged'}`)
  }
  console.log(`\nmean ${mean.toFixed(2)}, spread ${spread.toFixed(2)}`)
  console.log(`found on all of them: ${common.join(', ') || 'nothing'}`)
  console.log(`found on some, and judged without a finding on others: ${differing.join(', ') || 'nothing'}`)
  // what could not be judged is not safe: there is too little to say anything about it
  for (const { name, insufficient } of nodes) {
    console.log(`${name}: too little data for ${insufficient.length} of 11 questions`)
  }
} finally {
  collectors.forEach(([, collector]) => { collector.detach() })
  await stopAll(Object.values(star))
}
