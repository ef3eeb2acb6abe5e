import { withBitswap } from '@helia/bitswap'
import { withLibp2pLight } from '@helia/libp2p'
import { trustlessGatewayBlockBroker } from '@helia/trustless-gateway-client'
import { createHeliaLight } from 'helia'
import all from 'it-all'
import { afterEach, describe, expect, it } from 'vitest'
import { heliaMixin } from '../../src/compose.ts'
import { undiciTransport } from '../../src/exchange/http/undici-egress.ts'
import { loopbackProvider } from '../../src/testing/loopback-provider.ts'
import { gatewayProvider } from '../../src/testing/loopback-router.ts'
import { sampleFile } from '../../src/testing/sample-file.ts'
import { ledger } from '../e2e/lookup-wire.ts'
import { loopbackLibp2p } from './loopback-libp2p.ts'
import { block, read } from './own-routing.ts'
import type { Helia, Provider, Router } from '@helia/interface'
import type { HeliaWithLibp2p } from '@helia/libp2p'
import type { CID } from 'multiformats/cid'

const nodes: Array<{ stop (): Promise<unknown> }> = []

afterEach(async () => {
  await Promise.all(nodes.splice(0).map(async node => { await node.stop() }))
})

function naming (provider: () => Provider): Router & { readonly lookups: string[] } {
  const lookups: string[] = []
  return {
    name: 'naming',
    lookups,
    async * findProviders (cid: CID) {
      lookups.push(cid.toString())
      yield provider()
    }
  }
}

describe('lookups of the node\'s own brokers', () => {
  it('are those of content routing: bitswap asks the peers that one lookup has found', async () => {
    const plain = (routers: Router[] = []): HeliaWithLibp2p => withBitswap(withLibp2pLight(createHeliaLight({ routers }), loopbackLibp2p())) as unknown as HeliaWithLibp2p
    const server = plain()
    const router = naming(() => ({ id: server.libp2p.peerId.toCID() as CID, multiaddrs: server.libp2p.getMultiaddrs(), router: 'naming', fallback: false }))
    const book = ledger()
    const client = heliaMixin(({ policy }) => undiciTransport({ policy }), { ledger: book })(plain([router]), { bitswap: 'adopted' })
    nodes.push(server, client)
    await Promise.all([server.start(), client.start()])
    const one = await block('one')
    await server.blockstore.put(one.cid, one.bytes)
    expect(await read(client.blockstore.get(one.cid))).toBe('one')
    expect(router.lookups).toEqual([one.cid.toString()])
    expect(book.entries.filter(({ observer }) => observer === 'router:helia')).toMatchObject([{ state: 'sent', audience: 'unbounded' }])

    // and past content routing too, where only the broker looks up
    const two = await block('two')
    await server.blockstore.put(two.cid, two.bytes)
    expect(await read(client.blockstore.get(two.cid, { contentRouting: false } as object))).toBe('two')
    expect(await all(client.routing.findProviders(two.cid))).toHaveLength(1)
    expect(router.lookups).toEqual([one.cid, two.cid].map(String))
  })

  it('the broker for gateways is told the same, in a session too, until content routing is disabled', async () => {
    const file = await sampleFile({ size: 1_000, chunkSize: 1_024 })
    const provider = await loopbackProvider({ blocks: file.blocks })
    nodes.push({ stop: async () => provider.close() })
    const router = naming(() => gatewayProvider(provider.url, 'naming'))
    const light = createHeliaLight({ routers: [router], blockBrokers: [trustlessGatewayBlockBroker({ allowLocal: true, allowInsecure: true })] })
    const helia = heliaMixin(({ policy }) => undiciTransport({ policy }))(light, { allowAddresses: ['127.0.0.0/8'] })
    nodes.push(helia)
    await helia.start()
    const past = { contentRouting: false } as object

    for (let i = 0; i < 3; i++) {
      await read(helia.blockstore.get(file.root, past))
      await helia.blockstore.delete(file.root)
      const session = helia.blockstore.createSession(file.root, past)
      await read(session.get(file.root))
      session.close()
      await helia.blockstore.delete(file.root)
    }
    expect(router.lookups).toHaveLength(1)
    helia.contentRouting.disable()
    await read((helia as Helia).blockstore.get(file.root))
    expect(router.lookups).toHaveLength(2)
  })
})
