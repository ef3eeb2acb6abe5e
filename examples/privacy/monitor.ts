/**
 * Continuous monitoring: an analysis every second here, every five minutes by
 * default, and an alert when the risk goes above a threshold. Alerts are events;
 * with `webhook` they are posted as well, redacted.
 *
 *     node examples/privacy/monitor.ts
 */
import { MetadataCollector, PrivacyAnalyzer, PrivacyMonitor, collectorMetrics, listeningAddress } from '../../src/index.privacy.ts'
import { ask, echoNode, stopAll, until } from './support/nodes.ts'

const watched = await echoNode({ metrics: collectorMetrics() })
const peers = await Promise.all(Array.from({ length: 3 }, async () => echoNode()))
const collector = new MetadataCollector(watched)
const monitor = new PrivacyMonitor(new PrivacyAnalyzer(collector), { checkIntervalMs: 1_000, riskThreshold: 0.3 })
let talking = true

let told = ''

monitor.addEventListener('check', ({ detail: { riskScore, risks, insufficient } }) => {
  const news = `risk ${riskScore.toFixed(2)}, ${risks === 1 ? '1 finding' : `${risks} findings`}, too little data for ${insufficient} of 11 questions`
  // there is a check every second, and little changes between two of them
  if (news !== told) {
    console.log(`check ${monitor.history.length}: ${news}`)
    told = news
  }
})
monitor.addEventListener('alert', ({ detail: { riskScore, risks, reason } }) => {
  console.log(`ALERT (${reason}): risk ${riskScore.toFixed(2)}\n${risks.map(({ severity, title }) => `  ${severity}: ${title}`).join('\n')}`)
})
monitor.addEventListener('failure', ({ detail }) => { console.log(`a check failed: ${detail.message}`) })

try {
  // nobody is there yet
  monitor.start()
  await until(() => monitor.history.length >= 1)

  // three peers come, and one of them is asked as regularly as a clock
  const connections = await Promise.all(peers.map(async peer => peer.dial(listeningAddress(watched))))
  const began = performance.now()
  const talk = (async () => {
    for (let i = 1; talking; i++) {
      await ask(connections[0] as (typeof connections)[0])
      await new Promise(resolve => setTimeout(resolve, began + i * 500 - performance.now()))
    }
  })()
  await until(() => monitor.history.length >= 15)
  talking = false
  await talk

  const { totalChecks, totalAlerts, currentStats, lastAlert } = monitor.getStatistics()
  console.log(`\n${totalChecks} checks, ${totalAlerts === 1 ? '1 alert' : `${totalAlerts} alerts`}, ${currentStats?.uniquePeers} peers; the last alert ${lastAlert == null ? 'was never' : `at ${new Date(lastAlert.timestamp).toISOString()}`}`)
} finally {
  talking = false
  await monitor.stop()
  collector.detach()
  await stopAll([watched, ...peers])
}
