import fc from 'fast-check'
import { expect, it } from 'vitest'
import { answererOf } from '../../src/provider/answerer.ts'
import { httpOrigin, toProvider } from '../../src/provider/provider.ts'
import type { ProviderId } from '../../src/interface/provider.ts'

const PEER = '12D3KooWSbGkoTsB1ZtZvfAxRrPTn9jMYJUTZwPzPBcMdAKvRDGN'

it.each<[string, ProviderId, string | undefined, ProviderId]>([
  ['a peer over libp2p for itself', 'p2p:a', '/ip4/192.0.2.1/tcp/4001/p2p/a', 'p2p:a'],
  ['a peer without an address for itself', 'p2p:a', undefined, 'p2p:a'],
  ['a broker for itself', 'broker:bitswap', undefined, 'broker:bitswap'],
  ['a gateway for itself', 'https:gateway.example', 'https://gateway.example', 'https:gateway.example'],
  ['an origin that a peer is said to be at', 'p2p:a', 'https://gateway.example:8443', 'https:gateway.example:8443'],
  ['an origin that another one is said to be at', 'https:gateway.example', 'http://192.0.2.1', 'http:192.0.2.1'],
  ['an origin however it is written', 'p2p:a', 'HTTPS://Gateway.Example/ipfs?x#y', 'https:gateway.example']
])('%s', (_who, provider, address, answerer) => {
  expect(answererOf({ provider, address })).toBe(answerer)
})

it('a gateway is found under the id that it has by itself, whichever peer it is said to be', () => {
  fc.assert(fc.property(fc.domain(), fc.integer({ min: 1_024, max: 65_535 }), fc.constantFrom('http', 'https'), (host, port, scheme) => {
    const itself = toProvider(`${scheme}://${host}:${port}`, { source: 'test' })
    const claimed = toProvider(`/dns4/${host}/tcp/${port}/${scheme}/p2p/${PEER}`, { source: 'test' })
    expect(claimed.id).toBe(`p2p:${PEER}`)
    expect(answererOf({ provider: itself.id, address: httpOrigin(itself)[0] })).toBe(itself.id)
    expect(answererOf({ provider: claimed.id, address: httpOrigin(claimed)[0] })).toBe(itself.id)
  }))
})
