import { createLibp2p } from 'libp2p'
import { describe, expect, it, onTestFinished } from 'vitest'
import { dhtProtocol } from '../../src/config/dht-options.ts'
import { libp2pOptions } from '../../src/config/libp2p-options.ts'
import { loopback } from '../exchange/lease/nodes.ts'
import type { Libp2pInit } from '../../src/config/libp2p-options.ts'
import type { Libp2p } from '@libp2p/interface'

const PEER = '/ip4/127.0.0.1/tcp/4001/p2p/12D3KooWGC6TvWhfapngX6wvJHMYvKpDMXPb3ZnCZ6dMoaMtimQ5'
const LISTEN = ['/ip4/127.0.0.1/tcp/0']

async function node (init: Libp2pInit): Promise<Libp2p> {
  const libp2p = await createLibp2p({ ...libp2pOptions(init, { policy: loopback }), start: false })
  onTestFinished(async () => { await libp2p.stop() })
  return libp2p
}

const dhtOf = (libp2p: Libp2p): { protocol: string, getMode (): string } => (libp2p.services as unknown as { dht: { protocol: string, getMode (): string } }).dht

describe('the protocol of a DHT', () => {
  it.each(['/ipfs/kad/1.0.0', '/ipfs/lan/kad/1.0.0', '/my-network/kad/1.0.0', '/a.b/c_d~e/kad/1.0.0'])('%s is one', protocol => {
    expect(dhtProtocol(protocol)).toBe(protocol)
  })

  it.each(['', '/', 'my-network', '/my-network', '/my-network/', '/kad/1.0.0', 'my/kad/1.0.0', '/my network/kad/1.0.0', '/my/kad/2.0.0', '/my/kad/1.0.0/', '/my//kad/1.0.0', '/ü/kad/1.0.0', `/${'x'.repeat(120)}/kad/1.0.0`, '/my/kad/1.0.0\n', 7, null])('%j is none, which an error by name says', protocol => {
    expect(() => dhtProtocol(protocol as string)).toThrow(expect.objectContaining({ name: 'InvalidOptionError', message: expect.stringContaining('/my-network/kad/1.0.0') as string }))
    expect(() => libp2pOptions({ dhtProtocol: protocol as string })).toThrow(expect.objectContaining({ name: 'InvalidOptionError' }))
  })

  it('is that of the public network unless another was named, for kad-dht and for discovery', async () => {
    expect(dhtOf(await node({ bootstrap: [PEER] })).protocol).toBe('/ipfs/kad/1.0.0')
    expect(dhtOf(await node({ bootstrap: [PEER], dhtProtocol: '/my-network/kad/1.0.0' })).protocol).toBe('/my-network/kad/1.0.0')
  })
})

describe('a server of a DHT', () => {
  it('is only a node that was told to be one, and the first of a network needs nobody to join through', async () => {
    expect(dhtOf(await node({ bootstrap: [PEER], listen: LISTEN })).getMode()).toBe('client')
    expect(dhtOf(await node({ listen: LISTEN }))).toBeUndefined()
    const server = await node({ listen: LISTEN, dhtServer: true })
    await server.start()
    expect(dhtOf(server).getMode()).toBe('server')
    expect(server.getProtocols()).toContain('/ipfs/kad/1.0.0')
  })

  it('has to be reachable', () => {
    expect(() => libp2pOptions({ dhtServer: true })).toThrow(expect.objectContaining({ name: 'InvalidOptionError', message: expect.stringContaining('(listen)') as string }))
    expect(() => libp2pOptions({ dhtServer: 'yes' as never, listen: LISTEN })).toThrow(expect.objectContaining({ name: 'InvalidOptionError', message: expect.stringContaining('true or false') as string }))
  })

  it('knows the addresses of providers for as long as it keeps their records', () => {
    expect(libp2pOptions({ dhtServer: true, listen: LISTEN }).peerStore).toEqual({ maxAddressAge: 172_800_000, maxPeerAge: 172_800_000 })
    expect(libp2pOptions({ listen: LISTEN }).peerStore).toBeUndefined()
  })
})
