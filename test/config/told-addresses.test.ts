import { multiaddr } from '@multiformats/multiaddr'
import { describe, expect, it } from 'vitest'
import { tellingLess, toldAddresses } from '../../src/config/told-addresses.ts'

const PUBLIC = ['/ip4/8.8.4.4/tcp/4480', '/ip6/2600::1/tcp/4480', '/dns4/node.example.com/tcp/443/tls/ws', '/ip4/8.8.4.4/tcp/4480/p2p/12D3KooWAvLJdWDqXdojUvY5mm9xFcCL77wBGtTdmzqiGbF8ZwvS/p2p-circuit']
const PRIVATE = ['/ip4/127.0.0.1/tcp/4480', '/ip4/192.168.1.5/tcp/4480', '/ip4/10.0.0.1/tcp/4480', '/ip4/169.254.1.1/tcp/4480', '/ip6/::1/tcp/4480', '/ip6/fe80::1/tcp/4480', '/ip6/fd00::1/tcp/4480', '/ip6/::ffff:10.0.0.1/tcp/4480', '/dns4/localhost/tcp/4480', '/memory/1']
const all = [...PUBLIC, ...PRIVATE].map(address => multiaddr(address))

describe('addresses that others are told', () => {
  it('are the public ones, or all where private ones may be told', () => {
    expect(toldAddresses({ private: false })(all).map(String)).toEqual(PUBLIC.map(address => String(multiaddr(address))))
    expect(toldAddresses({ private: true })(all)).toEqual(all)
  })

  it('are those that a service sees of its node, whose other parts are as they were', () => {
    class Manager {
      observed = 0
      getAddresses (): typeof all { return all }
      addObservedAddr (): number { return ++this.observed }
    }
    const manager = new Manager()
    const components = { addressManager: manager, peerStore: 'a store' }
    const less = tellingLess(components, toldAddresses({ private: false }))
    expect(less.addressManager.getAddresses()).toHaveLength(PUBLIC.length)
    expect([less.addressManager.addObservedAddr(), manager.observed, less.peerStore]).toEqual([1, 1, 'a store'])
    expect(components.addressManager.getAddresses()).toHaveLength(all.length)
  })
})
