import { MetadataCollector, PrivacyAnalyzer, listeningAddress } from '../../../src/index.privacy.ts'
import { printAnswer } from './findings.ts'
import { echoNode, stopAll, until } from './nodes.ts'
import type { Libp2p } from '@libp2p/interface'

const PEERS = 8

/** A node that speaks what all others speak, and then one protocol more */
export async function protocols (): Promise<void> {
  const nodes: Libp2p[] = []

  try {
    for (const own of [undefined, '/my-application/chat/1.0.0']) {
      const node = await echoNode()
      const peers = await Promise.all(Array.from({ length: PEERS }, async () => echoNode()))
      nodes.push(node, ...peers)
      if (own != null) {
        await node.handle(own, async stream => { await stream.close() })
      }
      const collector = new MetadataCollector(node)
      await Promise.all(peers.map(async peer => node.dial(listeningAddress(peer))))
      await until(() => collector.observations().peers.filter(({ supported }) => supported != null).length === PEERS)

      console.log(`${PEERS} peers connected; this node speaks ${own == null ? 'what they speak' : `${own} as well`}`)
      printAnswer(new PrivacyAnalyzer(collector).analyze(), 'protocol-fingerprint')
      console.log()
      collector.detach()
    }
  } finally {
    await stopAll(nodes)
  }
}
