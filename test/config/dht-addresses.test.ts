import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p } from 'libp2p'
import { CID } from 'multiformats/cid'
import { sha256 } from 'multiformats/hashes/sha2'
import { expect, it, onTestFinished } from 'vitest'
import { libp2pOptions } from '../../src/config/libp2p-options.ts'
import { systemClock } from '../../src/clock/system-clock.ts'
import { Libp2pKadClient } from '../../src/discovery/kad/kad-client-egress.ts'
import { peerKey } from '../../src/discovery/kad/kad-key.ts'
import { silentLogger } from '../../src/testing/silent-logger.ts'
import { recordedRequest } from '../discovery/recorded-request.ts'
import { loopback } from '../exchange/lease/nodes.ts'
import type { Libp2pInit } from '../../src/config/libp2p-options.ts'
import type { KadConnections } from '../../src/discovery/kad/kad-client-egress.ts'
import type { Libp2p } from '@libp2p/interface'

const dhtProtocol = '/portolan-test/kad/1.0.0'

async function node (init: Libp2pInit): Promise<Libp2p> {
  const libp2p = await createLibp2p(libp2pOptions({ listen: ['/ip4/127.0.0.1/tcp/0'], ...init }, { policy: loopback }))
  onTestFinished(async () => { await libp2p.stop() })
  return libp2p
}

it('a peer that tells a server of a DHT thousands of addresses of its own is remembered with a few of them', async () => {
  const [server, greedy] = [await node({ dhtServer: true, dhtProtocol }), await node({})]
  const connections: KadConnections = {
    getConnections: peer => greedy.getConnections(peer),
    openConnection: async (peer, options) => greedy.dial(peer, options)
  }
  const client = new Libp2pKadClient({ clock: systemClock, logger: silentLogger, connectionManager: connections, self: greedy.peerId.toString() }, { protocol: dhtProtocol })
  onTestFinished(() => { client.stop() })
  const id = server.peerId.toString()
  const at = { id, key: peerKey(id), addresses: server.getMultiaddrs().map(address => address.toString().replace(`/p2p/${id}`, '')) }

  for (let round = 0; round < 3; round++) {
    const { request, controller } = recordedRequest()
    const { multihash } = CID.createV1(0x55, await sha256.digest(Uint8Array.of(round)))
    const disclosure = request.disclose({ observer: `p2p:${id}`, form: 'multihash', transport: 'dht', audience: 'one' })
    const addresses = Array.from({ length: 1_000 }, (_, i) => `/ip4/192.${round}.${i >> 8}.${i & 255}/tcp/4001`)
    await client.addProviders(at, [{ multihash: multihash.bytes, disclosure }], { id: greedy.peerId.toString(), addresses }, { signal: controller.signal })
  }
  const { addresses } = await server.peerStore.get(greedy.peerId)
  expect(addresses.length).toBeGreaterThan(1)
  expect(addresses.length).toBeLessThanOrEqual(32)
})

it('of a record that names thousands of addresses a few are read', async () => {
  const server = await node({ dhtServer: true, dhtProtocol })
  const { rpc } = (server.services as unknown as { dht: { rpc: { handlers: { ADD_PROVIDER: { handle (from: unknown, message: object): Promise<unknown> } } } } }).dht
  const { multihash } = CID.createV1(0x55, await sha256.digest(Uint8Array.of(1)))
  const address = multiaddr('/ip4/192.0.2.1/tcp/4001').bytes
  let read = 0
  const list = new Proxy(Array.from({ length: 5_000 }, () => address), {
    get: (target, name) => {
      read += /^\d+$/.test(String(name)) ? 1 : 0
      return Reflect.get(target, name, target) as unknown
    }
  })
  const provider = { id: server.peerId.toMultihash().bytes, multiaddrs: list }
  await rpc.handlers.ADD_PROVIDER.handle(server.peerId, { key: multihash.bytes, providers: [provider] })
  expect(read).toBeGreaterThan(0)
  expect(read).toBeLessThan(100)
})
