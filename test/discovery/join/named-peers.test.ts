import { describe, expect, it } from 'vitest'
import { namedPeers } from '../../../src/discovery/join/named-peers.ts'
import { peerId } from './peer-ids.ts'

describe('peers to join through', () => {
  it('are told apart by their ids, with all the addresses of each', () => {
    expect(namedPeers([`/ip4/10.0.0.1/tcp/4001/p2p/${peerId(1)}`, `/dnsaddr/seed.example/p2p/${peerId(2)}`, `/ip4/10.0.0.2/tcp/4001/p2p/${peerId(1)}`])).toMatchObject([
      { id: peerId(1), addresses: ['/ip4/10.0.0.1/tcp/4001', '/ip4/10.0.0.2/tcp/4001'] },
      { id: peerId(2), addresses: ['/dnsaddr/seed.example'] }
    ])
  })

  it.each([['no text', 7], ['a URL', 'https://seed.example'], ['no peer', '/ip4/10.0.0.1/tcp/4001'], ['no address', `/p2p/${peerId(1)}`], ['a peer that is none', '/ip4/10.0.0.1/tcp/4001/p2p/nobody'], ['another end', `/ip4/10.0.0.1/tcp/4001/p2p/${peerId(1)}/p2p-circuit`]])('%s is refused by name', (_, text) => {
    expect(() => namedPeers([text as string])).toThrow(expect.objectContaining({ name: 'InvalidOptionError', message: expect.stringContaining('/p2p/PEER-ID') as string }))
  })

  it('are 64 at most', () => {
    const list = Array.from({ length: 65 }, (_, n) => `/ip4/10.0.0.1/tcp/4001/p2p/${peerId(n)}`)
    expect(namedPeers(list.slice(1))).toHaveLength(64)
    expect(() => namedPeers(list)).toThrow(expect.objectContaining({ name: 'InvalidOptionError' }))
  })
})
