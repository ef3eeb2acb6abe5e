/**
 * Two nodes. One is watched from the moment it is made; the other connects,
 * asks, leaves and comes back. What could somebody learn who sees that?
 *
 *     node examples/privacy/basic-analysis.ts
 */
import { MetadataCollector, PrivacyAnalyzer, collectorMetrics, consoleFormat, listeningAddress, terminalOptions } from '../../src/index.privacy.ts'
import { ECHO, ask, echoNode, stopAll, until } from './support/nodes.ts'

// with collectorMetrics each stream and each byte is counted; without, streams are looked at every second
const watched = await echoNode({ metrics: collectorMetrics() })
const visitor = await echoNode()
const collector = new MetadataCollector(watched)

try {
  for (let visit = 0; visit < 4; visit++) {
    const connection = await visitor.dial(listeningAddress(watched))
    for (let i = 0; i < 3; i++) {
      await ask(connection)
    }
    await connection.close()
  }
  await until(() => collector.getStatistics().openConnections === 0)

  const { uniquePeers, totalConnections, protocols, bytesReceived, streams } = collector.getStatistics()
  console.log(`${uniquePeers} peer, ${totalConnections} connections, ${protocols[ECHO]} streams of the example's protocol, ${bytesReceived} bytes received (${streams})\n`)

  const report = new PrivacyAnalyzer(collector).analyze()
  // peers have short names in it; { raw: true } shows them as they are
  console.log(consoleFormat.render(report, terminalOptions(process.stdout, process.env)))

  // the same as data
  const [worst] = report.risks
  console.log(`overall ${report.overallRiskScore.toFixed(2)}; the worst: ${worst?.kind}, ${worst?.severity}; what helps: ${worst?.recommendation} (${worst?.mitigation})`)
} finally {
  collector.detach()
  await stopAll([watched, visitor])
}
