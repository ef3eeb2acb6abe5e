/**
 * A node that reads, is visited and is left for so many minutes, with a collector and a ledger whose tables are full
 * after a few seconds: `node --expose-gc soak-process.ts MINUTES [LEAK]`. The last line is what was measured, as JSON.
 * LEAK: bytes that are kept of each read, to see that the measurement would tell.
 */
import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { generateKeyPair } from '@libp2p/crypto/keys'
import { identify } from '@libp2p/identify'
import { noise } from '@libp2p/noise'
import { ping } from '@libp2p/ping'
import { tcp } from '@libp2p/tcp'
import { yamux } from '@libp2p/yamux'
import { MemoryBlockstore } from 'blockstore-core'
import { createLibp2p } from 'libp2p'
import { CID } from 'multiformats/cid'
import { sha256 } from 'multiformats/hashes/sha2'
import { blockKey } from '../../../src/block/key.ts'
import { seededRandom } from '../../../src/clock/random.ts'
import { DisclosureLedger, MetadataCollector, PrivacyAnalyzer, listeningAddress } from '../../../src/index.privacy.ts'
import { contentRoutingFor } from '../../../src/index.ts'
import { loopbackProvider } from '../../../src/testing/loopback-provider.ts'
import type { BlockKey } from '../../../src/interface/provider.ts'
import type { LocalStore } from '../../../src/interface/cache.ts'
import type { PrivateKey } from '@libp2p/interface'

export interface Soaked {
  readonly reads: number
  readonly missed: number
  readonly visits: number
  /** Bytes in use after collecting garbage, beside the ms since the tables were full */
  readonly samples: ReadonlyArray<readonly [ms: number, bytes: number]>
  readonly collector: { readonly peers: number, readonly connections: number, readonly events: number, readonly evictedPeers: number, readonly evictedConnections: number }
  readonly ledger: { readonly entries: number, readonly max: number }
  readonly risks: number
}

const BLOCK = 4_096
/** Bounds that a minute of traffic reaches many times over */
const MAX = { maxPeers: 40, maxConnections: 100, maxEvents: 2_000 }
const MAX_ENTRIES = 200
/** More than the collector keeps: they come, are forgotten, and come again */
const VISITORS = 60
/** One in so many reads is for a block that nobody has */
const MISSED = 20
/** Until the tables are full and the code is compiled, as a share of the time */
const WARMING = 1 / 3
const SAMPLES = 120

const [minutes = 1, leak = 0] = process.argv.slice(2).map(Number)
const random = seededRandom(1)
const leaked: Uint8Array[] = []
const node = async (privateKey?: PrivateKey) => createLibp2p({
  ...(privateKey == null ? {} : { privateKey }),
  addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
  transports: [tcp()],
  connectionEncrypters: [noise()],
  streamMuxers: [yamux()],
  services: { identify: identify(), ping: ping({ maxInboundStreams: 64 }) },
  connectionMonitor: { enabled: false },
  connectionManager: { inboundConnectionThreshold: Infinity }
})

const [reader, server] = await Promise.all([node(), node()])
const ledger = new DisclosureLedger({}, { maxEntries: MAX_ENTRIES })
const collector = new MetadataCollector(reader, { streams: 'wrap', ledger, ...MAX })
const [near, far] = [new MemoryBlockstore(), new MemoryBlockstore()]
const blocks = new Map<BlockKey, Uint8Array>()
const gateway = await loopbackProvider({ blocks })
const serving = contentRoutingFor(server, { serve: 'everyone' }, { store: far as unknown as LocalStore })
const reading = contentRoutingFor(reader, { allowAddresses: ['127.0.0.0/8'] }, { store: near as unknown as LocalStore, ledger })
await serving.start()
await reading.start()
const providers = [gateway.url, listeningAddress(server).toString()]

let [reads, missed, visits] = [0, 0, 0]
let going = true

async function read (): Promise<void> {
  const bytes = new Uint8Array(randomBytes(BLOCK))
  const cid = CID.createV1(0x55, await sha256.digest(bytes))

  if (reads % MISSED === MISSED - 1) {
    await reading.retrieve(cid, { providers, timeout: 5_000 }).then(() => { throw new Error('Nobody has this block') }, () => { missed++ })
  } else if (reads % 2 === 0) {
    blocks.set(blockKey(cid), bytes)
    await reading.retrieve(cid, { providers: [gateway.url] })
    blocks.delete(blockKey(cid))
  } else {
    await far.put(cid, bytes)
    await reading.retrieve(cid, { providers: providers.slice(1) })
    await far.delete(cid)
  }

  reads++
  gateway.clear()
  await near.delete(cid)
  if (leak > 0) {
    leaked.push(new Uint8Array(leak).fill(1))
  }
}

/** Comes, says something and goes: closing, without a word, or as a process that ends */
async function visit (privateKey: PrivateKey): Promise<void> {
  const visitor = await node(privateKey)
  const connection = await visitor.dial(listeningAddress(reader))
  await visitor.services.ping.ping(reader.peerId)
  const how = random.next()
  if (how < 0.3) {
    await connection.close()
  } else if (how < 0.6) {
    connection.abort(new Error('left'))
  }
  await visitor.stop()
  visits++
}

const keys = await Promise.all(Array.from({ length: VISITORS }, async () => generateKeyPair('Ed25519')))
const traffic = Promise.all([
  (async () => {
    while (going) {
      await read()
      await sleep(2)
    }
  })(),
  ...[0, 1, 2].map(async lane => {
    for (let i = lane; going; i += 3) {
      await visit(keys[i % VISITORS] as PrivateKey)
    }
  })
])

const inUse = (): number => {
  for (let i = 0; i < 4; i++) {
    globalThis.gc?.()
  }
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}

const total = minutes * 60_000
await Promise.race([sleep(total * WARMING), traffic])
const begun = performance.now()
const samples: Array<[number, number]> = []

while (performance.now() - begun < total * (1 - WARMING)) {
  await Promise.race([sleep(Math.max(500, total / SAMPLES)), traffic])
  samples.push([Math.round(performance.now() - begun), inUse()])
  // what an operator does meanwhile
  new PrivacyAnalyzer(collector).analyze()
}

going = false
await traffic
const risks = new PrivacyAnalyzer(collector).analyze().risks.length
const { peers, connections, events } = collector.observations()
const { evictedPeers, evictedConnections } = collector.getStatistics()
const { entries } = ledger.stats()
collector.detach()
await reading.stop()
await serving.stop()
await Promise.all([reader.stop(), server.stop(), gateway.close()])

const soaked: Soaked = {
  reads,
  missed,
  visits,
  samples,
  collector: { peers: peers.length, connections: connections.length, events: events.length, evictedPeers, evictedConnections },
  ledger: { entries, max: MAX_ENTRIES },
  risks
}
console.log(JSON.stringify(soaked))
