/**
 * A node that reads, is visited and is left for so many minutes, with a collector and a ledger whose tables are full
 * after a few seconds: `node --expose-gc soak-process.ts MINUTES [LEAK]`. The last line is what was measured, as JSON.
 * LEAK: bytes that are kept of each read, to see that the measurement would tell. Whom it reads from and who visits is
 * in another process, whose memory is not its.
 */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { MemoryBlockstore } from 'blockstore-core'
import { DisclosureLedger, MetadataCollector, PrivacyAnalyzer, listeningAddress } from '../../../src/index.privacy.ts'
import { contentRoutingFor } from '../../../src/index.ts'
import { soakBlock, soakNode } from './soak-nodes.ts'
import type { FromWorld, ToWorld } from './soak-nodes.ts'
import type { LocalStore } from '../../../src/interface/cache.ts'

export interface Soaked {
  readonly reads: number
  readonly missed: number
  readonly visits: number
  /** Bytes in use after collecting garbage, beside the ms since the tables were full */
  readonly samples: ReadonlyArray<readonly [ms: number, bytes: number]>
  readonly collector: { readonly peers: number, readonly evictedPeers: number, readonly evictedConnections: number }
  readonly ledger: { readonly entries: number, readonly max: number }
  readonly risks: number
}

/** Bounds that a minute of traffic reaches many times over */
const MAX = { maxPeers: 20, maxConnections: 15, maxEvents: 1_000 }
const MAX_ENTRIES = 200
/** One in so many reads is for a block that nobody has */
const MISSED = 20
/** Until the tables are full, the code is compiled, and as many deadlines are running as ever will, as a share of the time */
const WARMING = 1 / 2
const SAMPLES = 120

const [minutes = 1, leak = 0] = process.argv.slice(2).map(Number)
const leaked: Uint8Array[] = []
const world = fork(new URL('./soak-world.ts', import.meta.url))
const tell = (message: ToWorld): void => { world.send(message) }
const hear = async (): Promise<FromWorld> => ((await once(world, 'message', { signal: AbortSignal.timeout(30_000) })) as [FromWorld])[0]

const around = await (async () => {
  const said = await hear()
  if (said.type !== 'ready') {
    throw new Error(`The other process begins with ${said.type}`)
  }
  return said
})()
const reader = await soakNode()
const ledger = new DisclosureLedger({}, { maxEntries: MAX_ENTRIES })
const collector = new MetadataCollector(reader, { streams: 'wrap', ledger, ...MAX })
const store = new MemoryBlockstore()
const reading = contentRoutingFor(reader, { allowAddresses: ['127.0.0.0/8'] }, { store: store as unknown as LocalStore, ledger })
await reading.start()

let [reads, missed] = [0, 0]
let going = true

async function read (): Promise<void> {
  const n = reads++
  const { cid } = await soakBlock(n)

  if (n % MISSED === MISSED - 1) {
    await reading.retrieve(cid, { providers: [around.gateway, around.peer], timeout: 5_000 }).then(() => { throw new Error('Nobody has this block') }, () => { missed++ })
  } else {
    const by = n % 2 === 0 ? 'gateway' : 'peer'
    const held = hear()
    tell({ type: 'hold', n, by })
    await held
    await reading.retrieve(cid, { providers: [around[by]] })
    await store.delete(cid)
  }
  if (leak > 0) {
    leaked.push(new Uint8Array(leak).fill(1))
  }
}

tell({ type: 'visit', address: listeningAddress(reader).toString() })
const traffic = (async () => {
  while (going) {
    await read()
    await sleep(5)
  }
})()

const inUse = (): number => {
  for (let i = 0; i < 4; i++) {
    globalThis.gc?.()
  }
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}

const total = minutes * 60_000
const started = performance.now()
const samples: Array<[number, number]> = []

while (performance.now() - started < total) {
  await Promise.race([sleep(Math.max(500, total / SAMPLES)), traffic])
  // also before it counts: what is compiled once and never called again goes after some collections only
  const bytes = inUse()
  const counts = performance.now() - started - total * WARMING
  if (counts > 0) {
    samples.push([Math.round(counts), bytes])
  }
  // what an operator does meanwhile
  new PrivacyAnalyzer(collector).analyze()
}

going = false
await traffic
const ending = hear()
tell({ type: 'end' })
const ended = await ending
const risks = new PrivacyAnalyzer(collector).analyze().risks.length
const { evictedPeers, evictedConnections } = collector.getStatistics()
const { entries } = ledger.stats()
const peers = collector.peers.size
collector.detach()
await reading.stop()
await reader.stop()

const soaked: Soaked = {
  reads,
  missed,
  visits: ended.type === 'ended' ? ended.visits : NaN,
  samples,
  collector: { peers, evictedPeers, evictedConnections },
  ledger: { entries, max: MAX_ENTRIES },
  risks
}
console.log(JSON.stringify(soaked))
