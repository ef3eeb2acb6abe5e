/**
 * A star of three: two nodes that know only the one in the middle. Each is
 * watched by itself; the comparison says what they have in common, and what is
 * found on those only that somebody comes back to.
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
  // one comes once, over three connections that are open at the same time
  const once: Connection[] = []
  while (once.length < 3) {
    once.push(await star.right.dial(listeningAddress(star.middle), { force: true }))
  }

  // the other comes again and again, and asks a lot and at random
  for (let visit = 0; visit < 4; visit++) {
    const busy = await star.left.dial(listeningAddress(star.middle))
    for (let i = 0; i < 8; i++) {
      await ask(busy)
      await new Promise(resolve => setTimeout(resolve, -Math.log(1 - Math.random()) * 100))
    }
    await ask(once[visit % once.length] as Connection)
    await busy.close()
  }
  await until(() => star.middle.getConnections(star.left.peerId).length === 0)

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
