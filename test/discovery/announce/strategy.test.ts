import { MemoryBlockstore } from 'blockstore-core'
import { MemoryDatastore } from 'datastore-core'
import { createHeliaLight } from 'helia'
import { unixfs } from '@helia/unixfs'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { blockKey } from '../../../src/block/key.ts'
import { seededRandom } from '../../../src/clock/random.ts'
import { systemClock } from '../../../src/clock/system-clock.ts'
import { EnhancedDHTDiscovery } from '../../../src/discovery/enhanced-dht-discovery.ts'
import { announceSource } from '../../../src/helia/announce-source.ts'
import { addressPolicy } from '../../../src/provider/address.ts'
import { unroutedRequests } from '../../../src/unrouted-requests.ts'
import { dhtNetwork } from '../../../src/testing/dht/dht-network.ts'
import { silentLogger } from '../../../src/testing/silent-logger.ts'
import type { Clock } from '../../../src/interface/clock.ts'
import type { DisclosureEntry } from '../../../src/interface/disclosure.ts'
import type { DhtNetwork } from '../../../src/testing/dht/dht-network.ts'
import type { DhtNode } from '../../../src/testing/dht/dht-node.ts'
import type { CID } from 'multiformats/cid'

const HOUR = 3_600_000
const ADD_PROVIDER = 2

/** Ticks come when the test says so; what waits for the network waits on the machine's time */
class HandClock implements Clock {
  readonly sleep = systemClock.sleep
  readonly timeout = systemClock.timeout
  #ahead = 0
  #timers = new Map<() => void, number>()

  now = (): number => systemClock.now() + this.#ahead

  wall = (): number => systemClock.wall() + this.#ahead

  schedule = (ms: number, fn: () => void): () => void => {
    const due = (): void => { fn() }
    this.#timers.set(due, this.now() + ms)
    return () => { this.#timers.delete(due) }
  }

  pass (ms: number): void {
    this.#ahead += ms
    for (const [due, at] of [...this.#timers].sort(([, a], [, b]) => a - b)) {
      if (at <= this.now() && this.#timers.delete(due)) {
        due()
      }
    }
  }
}

/** A message of the DHT that says something of a block */
interface Told {
  readonly type: number
  readonly to: string
  readonly key: string
}

/** Messages as they were written, each behind its length */
function * framesOf (bytes: Uint8Array): Generator<Uint8Array> {
  for (let at = 0; at < bytes.byteLength;) {
    let length = 0
    for (let shift = 0, byte = 0x80; byte >= 0x80; shift += 7) {
      byte = bytes[at++] as number
      length += (byte & 0x7f) << shift
    }
    expect(at + length).toBeLessThanOrEqual(bytes.byteLength)
    yield bytes.subarray(at, at + length)
    at += length
  }
}

describe('a strategy', () => {
  const network = { dht: undefined as unknown as DhtNetwork, node: undefined as unknown as DhtNode }
  const clock = new HandClock()
  let helia: ReturnType<typeof createHeliaLight>
  let blockstore: MemoryBlockstore
  let datastore: MemoryDatastore
  let discovery: EnhancedDHTDiscovery
  let entries: DisclosureEntry[]
  let told: Told[]
  let unwatch: () => void

  function start (): EnhancedDHTDiscovery {
    const { libp2p } = network.node
    const request = unroutedRequests({ clock, ledger: { intended: entry => { entries.push(entry) }, settled: () => {} } }, 'open')
    return new EnhancedDHTDiscovery({
      peerId: libp2p.peerId,
      peerStore: libp2p.peerStore,
      connectionManager: { getConnections: libp2p.getConnections.bind(libp2p), openConnection: libp2p.dial.bind(libp2p) },
      events: libp2p,
      addressManager: { getAddresses: libp2p.getMultiaddrs.bind(libp2p) },
      datastore,
      logger: silentLogger
    }, {
      protocol: network.dht.protocol,
      policy: addressPolicy(),
      clock,
      random: seededRandom(1),
      announce: { ...announceSource(() => helia, 'pinned'), request: cid => request(cid, 'announce'), has: async cid => blockstore.has(cid) }
    })
  }

  beforeEach(async () => {
    network.dht = await dhtNetwork({ nodes: 40, seed: 3, memory: { minDelay: 1, maxDelay: 3 } })
    network.node = await network.dht.add({ listen: true })
    entries = []
    told = []
    unwatch = network.dht.memory.watch(({ from, to, protocol, bytes }) => {
      if (from === network.node.id && protocol === network.dht.protocol) {
        for (const message of framesOf(bytes)) {
          // field 1 is the type, field 10 the key
          told.push({ type: message[1] as number, to, key: Buffer.from(message).toString('hex') })
        }
      }
    })
    blockstore = new MemoryBlockstore()
    datastore = new MemoryDatastore()
    helia = await createHeliaLight({ blockstore, datastore }).start() as typeof helia
    discovery = start()
    await discovery.start()
  }, 60_000)

  afterEach(async () => {
    await discovery.stop()
    await helia.stop()
    unwatch()
    await network.dht.stop()
  })

  function has ({ key }: Told, cid: CID): boolean {
    return key.includes(Buffer.from(cid.multihash.bytes).toString('hex'))
  }

  function records (cid: CID): number {
    return told.filter(message => message.type === ADD_PROVIDER && has(message, cid)).length
  }

  async function pinned (text: string): Promise<CID> {
    const cid = await unixfs(helia).addBytes(new TextEncoder().encode(text))
    for await (const block of helia.pins.add(cid)) {
      expect(block.multihash).toEqual(cid.multihash)
    }
    return cid
  }

  /** All parts of the keyspace have their turn, one after the other */
  async function interval (): Promise<void> {
    clock.pass(22 * HOUR)
    for (let tick = 0; tick < 600 && discovery.stats().announcements.overdue > 0; tick++) {
      clock.pass(40_000)
      await vi.waitFor(() => { expect(discovery.stats().announcements.pending).toBe(0) }, { interval: 1, timeout: 30_000 })
    }
    expect(discovery.stats().announcements.overdue).toBe(0)
  }

  async function announced (count: number): Promise<void> {
    await vi.waitFor(() => { expect(discovery.stats().announcements).toMatchObject({ chosen: count, waiting: 0, pending: 0 }) }, { interval: 5, timeout: 30_000 })
  }

  it('announces what is pinned, not again after a restart, again when it is due, and no more when it has gone; each word of it is disclosed', async () => {
    const [kept, unpinned, deleted] = [await pinned('kept'), await pinned('unpinned'), await pinned('deleted')] as const
    const other = await unixfs(helia).addBytes(new TextEncoder().encode('not pinned'))
    clock.pass(10_000)
    await announced(3)
    expect([kept, unpinned, deleted, other].map(records)).toEqual([20, 20, 20, 0])
    const late = await pinned('late')
    clock.pass(40_000)
    await announced(4)
    expect([kept, late].map(records)).toEqual([20, 20])

    await discovery.stop()
    discovery = start()
    await discovery.start()
    clock.pass(10_000)
    await announced(4)
    clock.pass(HOUR)
    expect([kept, unpinned, deleted, late].map(records)).toEqual([20, 20, 20, 20])

    for await (const block of helia.pins.rm(unpinned)) {
      expect(block).toBeDefined()
    }
    await blockstore.delete(deleted)
    await interval()
    expect([kept, unpinned, deleted, late, other].map(records)).toEqual([40, 20, 20, 40, 0])
    expect(discovery.stats().announcements).toMatchObject({ scheduled: 2, failed: 0 })

    // what left the process, and what was disclosed
    const cids = [kept, unpinned, deleted, late, other]
    const wire = new Set(told.flatMap(message => cids.filter(cid => has(message, cid)).map(cid => `p2p:${message.to} ${blockKey(cid)}`)))
    const disclosed = new Set(entries.filter(({ state, form }) => state !== 'not-sent' && form === 'multihash').map(({ observer, key }) => `${observer} ${key}`))
    expect([...wire].sort()).toEqual([...disclosed].sort())
    expect(entries.every(({ purpose, transport, state }) => purpose === 'announce' && (transport === 'dht' || transport === 'dial') && state !== 'intended')).toBe(true)
    expect(told.filter(({ type }) => type === ADD_PROVIDER)).toHaveLength(120)
    expect(entries.length).toBeGreaterThanOrEqual(120)
  }, 120_000)
})
