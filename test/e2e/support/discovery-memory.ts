/**
 * Looks up a hundred thousand CIDs in a DHT of strangers, on a virtual clock, and says what is left: run with --expose-gc,
 * prints JSON. A process of its own, so that nothing else moves the heap.
 */
import { MemoryDatastore } from 'datastore-core'
import { CID } from 'multiformats/cid'
import { create } from 'multiformats/hashes/digest'
import { blockKey } from '../../../src/block/key.ts'
import { seededRandom } from '../../../src/clock/random.ts'
import { systemClock } from '../../../src/clock/system-clock.ts'
import { dhtSource } from '../../../src/discovery/dht-source.ts'
import { KeptTiming, TIMING_PREFIX } from '../../../src/discovery/kad/kept-timing.ts'
import { PeerTiming } from '../../../src/discovery/kad/peer-timing.ts'
import { Walker } from '../../../src/discovery/kad/walker.ts'
import { KeptTables } from '../../../src/discovery/kept-tables.ts'
import { ProviderRecords, RECORDS_PREFIX } from '../../../src/discovery/records/provider-records.ts'
import { RecordedSource } from '../../../src/discovery/records/recorded-source.ts'
import { WalkFigures } from '../../../src/discovery/walk-figures.ts'
import { addressPolicy } from '../../../src/provider/address.ts'
import { RoutingRequest } from '../../../src/routing/request.ts'
import { silentLogger } from '../../../src/testing/silent-logger.ts'
import { VirtualClock } from '../../../src/testing/virtual-clock.ts'
import { madeUpPeer } from '../../discovery/kad/support/peers.ts'
import type { KadAnswer, KadClient, KadPeer } from '../../../src/discovery/kad/kad-client.ts'

const LOOKUPS = 100_000
/** Enough to fill every table */
const FULL = 20_000
const PEERS = 6_000
const random = seededRandom(5)
const peers = Array.from({ length: PEERS }, () => madeUpPeer(random))

/** Asked at once and answered after 20 to 120 ms, a tenth of them never */
class FakeClient implements Pick<KadClient, 'getProviders'> {
  readonly #clock: VirtualClock
  readonly named: readonly KadPeer[]
  asked = 0

  constructor (clock: VirtualClock) {
    this.#clock = clock
    // strangers with as many addresses as are taken, each time others
    this.named = Array.from({ length: 20_000 }, (_, i) => madeUpPeer(random, Array.from({ length: 8 }, (_, j) => `/ip4/127.0.${i % 256}.${j + 1}/tcp/${4_001 + j}`)))
  }

  async getProviders (peer: KadPeer, _multihash: Uint8Array, disclosure: Parameters<KadClient['getProviders']>[2], { signal, onReached }: Parameters<KadClient['getProviders']>[3]): Promise<KadAnswer> {
    const n = this.asked++
    disclosure.sent()
    onReached?.({ rounds: 1 })
    await this.#clock.sleep(peer.key[0] as number < 26 ? 3_600_000 : 20 + n % 100, { signal })
    return { closer: [], providers: [this.named[n % this.named.length] as KadPeer], skipped: 0 }
  }
}

const clock = new VirtualClock()
const client = new FakeClient(clock)
const timing = new PeerTiming()
const figures = new WalkFigures(clock)
const records = new ProviderRecords(clock)
const datastore = new MemoryDatastore()
const policy = addressPolicy({ allow: ['127.0.0.0/8'] })
const table = { nearest: (key: Uint8Array, count: number) => Array.from({ length: Math.min(count, 6) }, (_, i) => peers[(new DataView(key.buffer, key.byteOffset).getUint32(0) + i * 499) % PEERS] as KadPeer) }
const walker = new Walker({ clock, client: client as unknown as KadClient, table, timing }, { k: 2, concurrency: 2 })
const source = new RecordedSource({
  records,
  clock,
  logger: silentLogger,
  source: dhtSource({ logger: silentLogger, policy, joined: async () => true, walk: (cid, options) => figures.watch(options, options => walker.findProviders(cid, options)) })
})
// the store is a real one, and takes real time
const kept = new KeptTables({ clock: systemClock, random, logger: silentLogger, datastore }, [
  { table: records, prefix: RECORDS_PREFIX, name: 'records' },
  { table: new KeptTiming(clock, timing), prefix: TIMING_PREFIX, name: 'timing' }
])
await kept.load()
kept.start()

const find = async (n: number): Promise<number> => {
  const digest = new Uint8Array(32)
  new DataView(digest.buffer).setUint32(0, Math.imul(n + 1, 2_654_435_761))
  new DataView(digest.buffer).setUint32(4, n)
  const cid = CID.createV1(0x55, create(0x12, digest))
  const request = new RoutingRequest({ clock, ledger: { intended: () => {}, settled: () => {} } }, { id: `r${n}`, purpose: 'read', mode: 'open', signal: new AbortController().signal, deadline: () => clock.now() + 15_000, priority: () => 0 })
  let found = 0
  for await (const provider of source.find({ cid, key: blockKey(cid) }, request)) {
    found += provider.addresses.length > 0 ? 1 : 0
  }
  return found
}
let answered = 0
const findUpTo = async (from: number, to: number): Promise<void> => {
  for (let n = from; n < to; n += 100) {
    const found = await clock.run(Promise.all(Array.from({ length: 100 }, async (_, i) => find(n + i))))
    answered += found.filter(count => count > 0).length
  }
}

const used = (): number => {
  for (let i = 0; i < 4; i++) {
    globalThis.gc?.()
  }
  return process.memoryUsage().heapUsed
}

// until every table is full, those of peers and those of answers
await findUpTo(0, FULL)
const before = used()
await findUpTo(FULL, LOOKUPS)
const grown = used() - before

source.stop()
await kept.stop()
let entries = 0
for await (const key of datastore.queryKeys({})) {
  entries += key.toString().length > 0 ? 1 : 0
}
console.log(JSON.stringify({ answered, grown, records: records.size, silent: timing.silent, entries, timers: clock.pending, walks: figures.stats(), lookups: source.stats() }))
