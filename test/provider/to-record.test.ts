import { generateKeyPair } from '@libp2p/crypto/keys'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { providerFromRecord, toProvider } from '../../src/provider/provider.ts'
import { toHeliaProvider, toPeerRecord } from '../../src/provider/to-record.ts'
import type { Provider } from '../../src/interface/provider.ts'

const peer = peerIdFromPrivateKey(await generateKeyPair('Ed25519')).toString()
const relay = peerIdFromPrivateKey(await generateKeyPair('Ed25519')).toString()

const ADDRESSES = [
  `/ip4/203.0.113.7/tcp/4001/p2p/${peer}`,
  `/ip6/2001:db8::7/udp/4001/quic-v1/p2p/${peer}`,
  `/dns4/peer.example/tcp/443/tls/ws/p2p/${peer}`,
  `/ip4/203.0.113.9/tcp/4001/p2p/${relay}/p2p-circuit/p2p/${peer}`,
  'https://gateway.example',
  'http://203.0.113.8:8080'
]

describe('a provider in the words of Helia and libp2p', () => {
  it('is the same when it is read again, whatever it was found with', () => {
    fc.assert(fc.property(
      fc.subarray(ADDRESSES),
      fc.subarray(['transport-bitswap', 'transport-ipfs-gateway-http']),
      fc.boolean(),
      (addresses, protocols, fallback) => {
        const provider: Provider = { id: `p2p:${peer}`, addresses, protocols, source: 'somebody', fallback, domains: [] }
        const record = toHeliaProvider(provider)
        const again = providerFromRecord(record as NonNullable<typeof record>)
        expect({ ...again, addresses: new Set(again.addresses), domains: [] }).toEqual({ ...provider, addresses: new Set(addresses) })
        expect(record?.multiaddrs.every(address => !address.toString().endsWith(`/p2p/${peer}`))).toBe(true)
        expect('protocols' in (record ?? {})).toBe(protocols.length > 0)

        const info = toPeerRecord(provider)
        expect(info?.id.toString()).toBe(peer)
        expect(info?.multiaddrs.map(String)).toEqual(record?.multiaddrs.map(String))
        expect(info?.routing).toBe('somebody')
      }
    ))
  })

  it.each(['https://gateway.example', 'http://203.0.113.8:8080', 'http://[2001:db8::1]:80'])('is a gateway to Helia, and nobody to libp2p: %s', url => {
    const provider = toProvider(url, { source: 'somebody' })
    const record = toHeliaProvider(provider)
    expect(providerFromRecord(record as NonNullable<typeof record>)).toEqual(provider)
    expect(toPeerRecord(provider)).toBeUndefined()
  })

  it('is nobody where it is a broker', () => {
    const provider: Provider = { id: 'broker:mine', addresses: [], protocols: [], source: 'adopted', fallback: false, domains: [] }
    expect([toHeliaProvider(provider), toPeerRecord(provider)]).toEqual([undefined, undefined])
  })
})
