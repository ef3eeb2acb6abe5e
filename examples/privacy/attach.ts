/**
 * The application is there already, runs, and knows nothing of this. A collector
 * is attached to its libp2p node from outside, sees what is open and all that
 * follows, and leaves the node as it was.
 *
 *     node examples/privacy/attach.ts
 */
import { MetadataCollector, PrivacyAnalyzer, listeningAddress } from '../../src/index.privacy.ts'
import { ECHO, ask, echoNode, stopAll, until } from './support/nodes.ts'
import type { Libp2p } from '@libp2p/interface'

/** An application that somebody else wrote: it asks its server three times a second */
class Application {
  readonly libp2p: Libp2p
  readonly #server: Libp2p
  #running = true
  #done?: Promise<void>

  constructor (libp2p: Libp2p, server: Libp2p) {
    this.libp2p = libp2p
    this.#server = server
  }

  async start (): Promise<void> {
    const connection = await this.libp2p.dial(listeningAddress(this.#server))
    this.#done = (async () => {
      while (this.#running) {
        await ask(connection, 'any news?')
        await new Promise(resolve => setTimeout(resolve, 330))
      }
    })()
  }

  async stop (): Promise<void> {
    this.#running = false
    await this.#done
    await this.libp2p.stop()
  }
}

const server = await echoNode()
const app = new Application(await echoNode(), server)
await app.start()

// from here on: all that an operator adds. `wrap` counts each stream and byte of a node that was not made for it.
const collector = new MetadataCollector(app.libp2p, { streams: 'wrap' })
const newStream = app.libp2p.getConnections()[0]?.newStream

try {
  console.log(`attached: ${collector.getStatistics().openConnections} connection was open before`)
  await until(() => (collector.getStatistics().protocols[ECHO] ?? 0) >= 30)

  for (const [, peer] of collector.peers) {
    console.log(`one peer: ${peer.connectionCount} connection, ${peer.protocols.length} protocols, watched for ${((peer.lastSeen - peer.firstSeen) / 1000).toFixed(1)} s`)
  }
  const report = new PrivacyAnalyzer(collector).analyze()
  console.log(`\n${report.summary()}`)
} finally {
  collector.detach()
  console.log(`\ndetached: the connection ${app.libp2p.getConnections()[0]?.newStream === newStream ? 'is still wrapped' : 'is as it was'}`)
  await app.stop()
  await stopAll([server])
}
