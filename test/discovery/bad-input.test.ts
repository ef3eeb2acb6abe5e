import { generateKeyPair } from '@libp2p/crypto/keys'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { multiaddr } from '@multiformats/multiaddr'
import { MemoryDatastore } from 'datastore-core'
import { Key } from 'interface-datastore/key'
import { CID } from 'multiformats/cid'
import { sha256 } from 'multiformats/hashes/sha2'
import { concat } from 'uint8arrays/concat'
import { fromString } from 'uint8arrays/from-string'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { blockKey } from '../../src/block/key.ts'
import { EnhancedDHTDiscovery } from '../../src/discovery/enhanced-dht-discovery.ts'
import { TIMING_PREFIX } from '../../src/discovery/kad/kept-timing.ts'
import { peerBytes } from '../../src/discovery/kad/kad-key.ts'
import { bytesField, numberField, varint } from '../../src/discovery/kad/protobuf.ts'
import { RECORDS_PREFIX } from '../../src/discovery/records/provider-records.ts'
import { addressPolicy } from '../../src/provider/address.ts'
import { silentLogger } from '../../src/testing/silent-logger.ts'
import { TEST_PROTOCOL, kadNet, kadNode } from './kad/support/kad-net.ts'
import { recordedRequest } from './recorded-request.ts'
import type { KadNode } from './kad/support/kad-net.ts'
import type { WalkStats } from '../../src/discovery/walk-figures.ts'
import type { Provider } from '../../src/interface/provider.ts'
import type { Stream } from '@libp2p/interface'

const UNUSED = '/portolan-test/unused/1.0.0'
const GET_PROVIDERS = 3
const framed = (...fields: Uint8Array[]): Uint8Array => {
  const body = concat(fields)
  return concat([varint(body.byteLength), body])
}
const entry = (id: Uint8Array, addresses: readonly Uint8Array[] = []): Uint8Array => bytesField(9, concat([bytesField(1, id), ...addresses.map(address => bytesField(2, address))]))
const names = (...entries: Uint8Array[]): Uint8Array => framed(numberField(1, GET_PROVIDERS), ...entries)
const bytesOf = (address: string): Uint8Array => multiaddr(address).bytes

const [made, other] = (await Promise.all([0, 1].map(async () => peerIdFromPrivateKey(await generateKeyPair('Ed25519')).toString()))) as [string, string]
const good = bytesOf('/ip4/127.0.0.1/tcp/4001')

interface Row {
  readonly what: string
  /** Everything that the liar sends */
  readonly answer: Uint8Array
  /** Addresses of the provider that it names; undefined: it is not named */
  readonly named?: readonly string[]
  readonly counted: Partial<WalkStats>
}

const ROWS: readonly Row[] = [
  { what: 'a record without addresses', answer: names(entry(peerBytes(made))), named: [], counted: { skipped: 0, errors: 0 } },
  { what: 'a record with addresses of unknown protocols', answer: names(entry(peerBytes(made), [Uint8Array.of(0xff, 0xff, 0x7f, 1, 2), fromString('not an address'), good])), named: [`/ip4/127.0.0.1/tcp/4001/p2p/${made}`], counted: { skipped: 2, errors: 0 } },
  { what: 'a record with hundreds of addresses', answer: names(entry(peerBytes(made), Array.from({ length: 300 }, (_, i) => bytesOf(`/ip4/127.0.0.1/tcp/${4001 + i}`)))), named: Array.from({ length: 8 }, (_, i) => `/ip4/127.0.0.1/tcp/${4001 + i}/p2p/${made}`), counted: { skipped: 292, errors: 0 } },
  { what: 'a record whose addresses are those of another peer', answer: names(entry(peerBytes(made), [bytesOf(`/ip4/127.0.0.1/tcp/4001/p2p/${other}`)])), named: [], counted: { skipped: 1, errors: 0 } },
  { what: 'a record of nobody', answer: names(entry(Uint8Array.of(1, 2, 3)), entry(new Uint8Array()), entry(new Uint8Array(4_000))), counted: { skipped: 3, errors: 0 } },
  { what: 'a record with addresses that must not be dialled', answer: names(entry(peerBytes(made), [bytesOf('/ip4/169.254.169.254/tcp/80'), bytesOf('/ip4/10.0.0.1/tcp/22')])), named: [], counted: { errors: 0 } },
  { what: 'hundreds of records', answer: names(...Array.from({ length: 500 }, () => entry(peerBytes(made), [good]))), named: [`/ip4/127.0.0.1/tcp/4001/p2p/${made}`], counted: { errors: 0 } },
  { what: 'an answer for another key', answer: framed(numberField(1, GET_PROVIDERS), bytesField(2, new Uint8Array(34).fill(1)), entry(peerBytes(made), [good])), counted: { errors: 1 } },
  { what: 'an answer to another question', answer: framed(numberField(1, 4), entry(peerBytes(made), [good])), counted: { errors: 1 } },
  { what: 'a page', answer: fromString('HTTP/1.1 200 OK\r\ncontent-type: text/html\r\n\r\n<!doctype html><html>'), counted: { errors: 1 } },
  { what: 'noise', answer: Uint8Array.from({ length: 4_096 }, (_, i) => (i * 193 + 7) % 256), counted: { errors: 1 } },
  { what: 'a record that is cut off', answer: names(entry(peerBytes(made), [good])).subarray(0, 20), counted: { errors: 1 } },
  { what: 'more than anybody has to say', answer: concat([varint(1_000_000_000), new Uint8Array(10_000)]), counted: { errors: 1 } },
  { what: 'a length without an end', answer: new Uint8Array(64).fill(0xff), counted: { errors: 1 } },
  { what: 'nothing', answer: new Uint8Array(), counted: { errors: 1 } }
]

describe('an answer of a DHT peer', () => {
  let honest: KadNode[]
  let liar: KadNode
  let ours: KadNode
  let say: Uint8Array = new Uint8Array()
  let made = 0

  beforeAll(async () => {
    honest = await kadNet(4)
    ;[liar, ours] = await Promise.all([kadNode({ protocol: UNUSED }), kadNode({ protocol: UNUSED })])
    await liar.libp2p.handle(TEST_PROTOCOL, stream => { lie(stream) })
  }, 60_000)

  afterAll(async () => {
    await Promise.all([...honest, liar, ours].map(async node => { await node.stop() }))
  })

  function lie (stream: Stream): void {
    stream.addEventListener('message', () => {
      const answer = say
      if (answer.byteLength > 0) {
        stream.send(answer)
      }
      stream.close().catch(() => {
        // whoever has heard enough closes it first
      })
    }, { once: true })
  }

  async function discovery (datastore = new MemoryDatastore()): Promise<EnhancedDHTDiscovery> {
    const { libp2p } = ours
    const { components } = libp2p.services
    // what kad-dht's table is mirrored by
    await Promise.all([...honest, liar].map(async node => components.peerStore.merge(node.libp2p.peerId, { multiaddrs: node.libp2p.getMultiaddrs(), tags: { 'kad-peer': { value: 1 } } })))
    return new EnhancedDHTDiscovery({ ...components, peerId: libp2p.peerId, datastore, logger: silentLogger }, { protocol: TEST_PROTOCOL, policy: addressPolicy({ allow: ['127.0.0.1'] }) })
  }

  async function provided (): Promise<CID> {
    const cid = CID.createV1(0x55, await sha256.digest(fromString(`bad input ${made++}`)))
    await (honest[1] as KadNode).libp2p.contentRouting.provide(cid)
    return cid
  }

  async function find (from: EnhancedDHTDiscovery, cid: CID): Promise<Provider[]> {
    const found: Provider[] = []
    for await (const provider of from.source.find({ cid, key: blockKey(cid) }, recordedRequest().request)) {
      found.push(provider)
    }
    return found
  }

  it.each(ROWS.map((row): [string, Row] => [row.what, row]))('is counted and passed over where it is of no use, and hides nobody: %s', async (_, { answer, named, counted }) => {
    say = answer
    const from = await discovery()
    await from.start()
    const cid = await provided()
    const found = await find(from, cid)
    const untrue = found.filter(({ id }) => id !== `p2p:${(honest[1] as KadNode).id}`)
    const { walks } = from.stats()

    expect(found.some(({ id, addresses }) => id === `p2p:${(honest[1] as KadNode).id}` && addresses.length > 0)).toBe(true)
    expect(untrue.map(({ addresses }) => addresses)).toEqual(named == null ? [] : [named])
    expect(walks).toMatchObject({ begun: 1, ended: 1, failed: 0, asked: 5, answered: 5 - walks.errors, ...counted })
    await from.stop()
  })

  it('and what was kept and is damaged is counted and passed over, and the lookup goes on', async () => {
    const datastore = new MemoryDatastore()
    say = names()
    const cid = await provided()
    const first = await discovery(datastore)
    await first.start()
    await find(first, cid)
    await first.stop()
    const keys: Key[] = []
    for await (const key of datastore.queryKeys({})) {
      keys.push(key)
    }
    const kept = (prefix: string): Key[] => keys.filter(key => key.toString().startsWith(prefix))
    expect([kept(RECORDS_PREFIX).length, kept(TIMING_PREFIX).length]).toEqual([1, 2])

    for (const key of keys) {
      await datastore.put(key, fromString('{"id":"'))
    }
    await datastore.put(new Key(`${RECORDS_PREFIX}/bm90aGluZw`), new Uint8Array(100_000))
    const second = await discovery(datastore)
    await second.start()
    expect(second.stats().kept).toEqual({ dropped: keys.length + 1, failedWrites: 0 })
    expect((await find(second, cid)).map(({ id }) => id)).toContain(`p2p:${(honest[1] as KadNode).id}`)
    await second.stop()

    // what was damaged is gone, what was learnt is there
    const third = await discovery(datastore)
    await third.start()
    expect(third.stats()).toMatchObject({ records: 1, kept: { dropped: 0, failedWrites: 0 } })
    await third.stop()
  })
})
