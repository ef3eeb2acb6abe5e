/**
 * One connection among several: what could this peer learn, and what does the
 * traffic with it give away? Three peers ask at random, one by the clock.
 *
 *     node examples/privacy/one-connection.ts
 */
import { MetadataCollector, PrivacyAnalyzer, collectorMetrics, listeningAddress } from '../../src/index.privacy.ts'
import { ask, echoNode, stopAll } from './support/nodes.ts'

const REQUESTS = 30
const PERIOD = 400

const watched = await echoNode({ metrics: collectorMetrics() })
const collector = new MetadataCollector(watched)
const peers = await Promise.all(Array.from({ length: 4 }, async () => echoNode()))
const [clockwork, random] = peers

try {
  await Promise.all(peers.map(async peer => {
    const connection = await peer.dial(listeningAddress(watched))
    const began = performance.now()

    for (let i = 1; i <= REQUESTS; i++) {
      // as people do: mostly soon, sometimes much later; the clockwork keeps to its period whatever the last one took
      const pause = peer === clockwork ? began + i * PERIOD - performance.now() : -Math.log(1 - Math.random()) * PERIOD
      await new Promise(resolve => setTimeout(resolve, pause))
      await ask(connection)
    }
  }))

  const analyzer = new PrivacyAnalyzer(collector)

  for (const [name, peer] of [['the clockwork', clockwork], ['one of the others', random]] as const) {
    const report = analyzer.analyzePeer(peer?.peerId.toString() ?? '')
    const { uniquePeers } = report.statistics
    console.log(`${name}, one of ${uniquePeers} peers: risk ${report.overallRiskScore.toFixed(2)}`)
    for (const { kind, severity, title, n } of report.risks) {
      console.log(`  ${severity.padEnd(8)} ${kind}: ${title} (${n} observations)`)
    }
    console.log(`  too little data for: ${report.insufficient.map(({ kind }) => kind).join(', ')}\n`)
  }

  // who was never seen is no error, and not safe either
  const stranger = await echoNode()
  await stranger.stop()
  const nobody = analyzer.analyzePeer(stranger.peerId.toString())
  console.log(`somebody who never connected: ${nobody.risks.length} findings, too little data for ${nobody.insufficient.length} questions`)
} finally {
  collector.detach()
  await stopAll([watched, ...peers])
}
