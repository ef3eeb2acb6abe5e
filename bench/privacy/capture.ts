import { setImmediate as turn } from 'node:timers/promises'
import { MetadataCollector, listeningAddress } from '../../src/index.privacy.ts'
import { ECHO, echoNode } from './loopback-nodes.ts'
import type { CollectorStatistics } from '../../src/interface/privacy.ts'

const PERCENTILE = 0.95
/** What does not show within this is lost, in ms */
const LOST = 5_000

/**
 * Milliseconds from something that a peer does (it connects, opens a stream, sends, closes) until `getStatistics()` of
 * the other end shows it, over real TCP on loopback: 95 % are faster. The way there is part of it.
 */
export async function captureMs (rounds: number = 50): Promise<number> {
  const [peer, watched] = await Promise.all([echoNode(), echoNode()])
  const collector = new MetadataCollector(watched, { streams: 'wrap' })
  const times: number[] = []

  const shows = async (what: string, seen: (statistics: CollectorStatistics) => boolean): Promise<void> => {
    const started = performance.now()
    while (!seen(collector.getStatistics())) {
      if (performance.now() - started > LOST) {
        throw new Error(`The collector did not see that ${what}`)
      }
      await turn()
    }
    times.push(performance.now() - started)
  }

  try {
    for (let round = 1; round <= rounds; round++) {
      const connection = await peer.dial(listeningAddress(watched))
      await shows('a connection was opened', ({ totalConnections }) => totalConnections === round)
      const stream = await connection.newStream(ECHO)
      await shows('a stream was opened', ({ protocols }) => protocols[ECHO] === round)
      const { bytesReceived = 0 } = collector.getStatistics()
      stream.send(new Uint8Array(10_000))
      await shows('bytes were sent', statistics => (statistics.bytesReceived ?? 0) >= bytesReceived + 10_000)
      await connection.close()
      await shows('a connection was closed', ({ openConnections }) => openConnections === 0)
    }
  } finally {
    collector.detach()
    await Promise.all([peer.stop(), watched.stop()])
  }

  return times.sort((a, b) => a - b)[Math.floor(times.length * PERCENTILE)] ?? NaN
}
