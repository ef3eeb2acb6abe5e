import { setTimeout as sleep } from 'node:timers/promises'
import { DisclosureLedger, MetadataCollector, listeningAddress } from '../../src/index.privacy.ts'
import { median } from '../end-to-end/median.ts'
import { echoNode } from './loopback-nodes.ts'

const PEERS = 20
const SETTLING = 500

/**
 * Share of one core that a collector and a ledger take of a node with 20 connections on which nothing goes on, in turns
 * with the same node without them: medians, their difference. Streams are looked at every second, which is the dearest way.
 */
export async function idleCpu (windowMs: number = 3_000, windows: number = 5): Promise<{ readonly added: number, readonly without: number }> {
  const watched = await echoNode()
  const peers = await Promise.all(Array.from({ length: PEERS }, async () => echoNode()))
  await Promise.all(peers.map(async peer => peer.dial(listeningAddress(watched))))
  // identify and what else follows a new connection
  await sleep(windowMs)
  const shares: { with: number[], without: number[] } = { with: [], without: [] }

  for (let i = 0; i < 2 * windows; i++) {
    const collector = i % 2 === 0 ? undefined : new MetadataCollector(watched, { ledger: new DisclosureLedger() })
    // it reads once what is known of the peers
    await sleep(SETTLING)
    const [cpu, started] = [process.cpuUsage(), performance.now()]
    await sleep(windowMs)
    const { user, system } = process.cpuUsage(cpu)
    shares[collector == null ? 'without' : 'with'].push((user + system) / 1000 / (performance.now() - started))
    collector?.detach()
  }

  await Promise.all([watched, ...peers].map(async node => { await node.stop() }))
  return { added: Math.max(0, median(shares.with) - median(shares.without)), without: median(shares.without) }
}
