import { describe, expect, it } from 'vitest'
import { SiblingFetcher } from '../../../src/exchange/sibling/sibling-fetcher.ts'
import { toProvider } from '../../../src/provider/provider.ts'
import type { BlockFetcher } from '../../../src/interface/fetcher.ts'
import type { Route, Transport } from '../../../src/interface/provider.ts'

const PEER = '12D3KooWEyoppNCUx8Yx66oV9fJnriXwCcXwDDUA2kj6vnc6iDEp'
const peer = toProvider(`/ip4/192.0.2.7/tcp/4001/p2p/${PEER}`, { source: 'sibling' })
const gateway = toProvider('https://sibling.example', { source: 'sibling' })

function fetcher (transport: Transport, proven: boolean | undefined, asked: Route[]): BlockFetcher {
  return {
    name: transport,
    transport,
    routes: provider => transport === 'http'
      ? provider.addresses.filter(address => address.startsWith('https:')).map(address => ({ provider: provider.id, transport, address }))
      : provider.id.startsWith('p2p:') ? [{ provider: provider.id, transport }] : [],
    fetch: async () => new Uint8Array(),
    ...proven == null
      ? {}
      : {
          proven: (route: Route) => {
            asked.push(route)
            return proven
          }
        }
  }
}

describe('whether a sibling is known to be where it is asked', () => {
  it('is what the fetcher says by which it is asked', () => {
    const asked: Route[] = []
    const siblings = new SiblingFetcher({ siblings: [peer, gateway], http: fetcher('http', undefined, asked), bitswap: fetcher('bitswap', false, asked) })
    const [overBitswap] = siblings.routes(peer)
    const [overHttp] = siblings.routes(gateway)

    expect([overBitswap, overHttp]).toMatchObject([{ transport: 'sibling' }, { transport: 'sibling', address: expect.any(String) as string }])
    expect(siblings.proven(overBitswap as Route)).toBe(false)
    expect(asked).toEqual([{ provider: peer.id, transport: 'bitswap' }])
    // a server answers where its name leads
    expect(siblings.proven(overHttp as Route)).toBe(true)
  })

  it('is nothing to doubt where it cannot be asked', () => {
    const siblings = new SiblingFetcher({ siblings: [peer], http: fetcher('http', undefined, []) })
    expect(siblings.proven({ provider: peer.id, transport: 'sibling' })).toBe(true)
  })
})
