import { MetadataCollector, PrivacyAnalyzer, collectorMetrics, listeningAddress } from '../../../src/index.privacy.ts'
import { printAnswer } from './findings.ts'
import { ask, echoNode, stopAll } from './nodes.ts'

const MESSAGES = 40
const MEAN_PAUSE = 300

/** A relay passes on what one peer says to another one at once; a third talks at times of its own */
export async function timing (): Promise<void> {
  const relay = await echoNode({ metrics: collectorMetrics() })
  const [from, to, other] = await Promise.all([echoNode(), echoNode(), echoNode()])
  const collector = new MetadataCollector(relay)
  const pause = async (): Promise<void> => new Promise(resolve => setTimeout(resolve, -Math.log(1 - Math.random()) * MEAN_PAUSE))

  try {
    const [incoming, outgoing, beside] = await Promise.all([from.dial(listeningAddress(relay)), relay.dial(listeningAddress(to)), other.dial(listeningAddress(relay))])

    await Promise.all([(async () => {
      for (let i = 0; i < MESSAGES; i++) {
        await pause()
        await Promise.all([ask(incoming, 'pass this on'), ask(outgoing, 'pass this on')])
      }
    })(), (async () => {
      for (let i = 0; i < MESSAGES; i++) {
        await pause()
        await ask(beside)
      }
    })()])

    console.log(`${MESSAGES} messages went in from one peer and out to another; a third peer sent ${MESSAGES} of its own.\nWhoever sees the times only, and nothing of the encrypted content:`)
    const analyzer = new PrivacyAnalyzer(collector)
    printAnswer(analyzer.analyze(), 'timing-correlation')
    console.log('\nThe third peer alone:')
    printAnswer(analyzer.analyzePeer(other.peerId.toString()), 'timing-correlation')
  } finally {
    collector.detach()
    await stopAll([relay, from, to, other])
  }
}
