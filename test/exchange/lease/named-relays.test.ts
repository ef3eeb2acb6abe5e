import { transportSymbol } from '@libp2p/interface'
import { tcp } from '@libp2p/tcp'
import { describe, expect, it } from 'vitest'
import { addressPolicy } from '../../../src/provider/address.ts'
import { deadAddress, disclosureTo, leasesOf, never, node } from './nodes.ts'
import type { Libp2pOptions } from 'libp2p'

const RELAY = '12D3KooWAvLJdWDqXdojUvY5mm9xFcCL77wBGtTdmzqiGbF8ZwvS'
const OTHER = '12D3KooWJ2wDn8Fn21NVUrmM3R7nLdi16wpgHpBjMNUKmE1ET2Kc'
const TARGET = '12D3KooWQYhTNQdmr3ArTeUHRYzFg94BKyTkoWBDWez9kSCVe2Xo'

/** A transport for relayed addresses, of relays that let nobody through: where names lead is all that counts here */
function relaying (dialled: string[]): NonNullable<Libp2pOptions['transports']>[number] {
  return () => ({
    [transportSymbol]: true,
    [Symbol.toStringTag]: 'relaying',
    dialFilter: addresses => addresses.filter(address => address.toString().includes('/p2p-circuit')),
    listenFilter: () => [],
    dial: async address => {
      dialled.push(address.toString())
      throw new Error('The relay says no')
    },
    createListener: () => { throw new Error('It listens nowhere') }
  })
}

describe('a relay that was not named', () => {
  it('is not dialled either when a name leads there', async () => {
    const dialled: string[] = []
    const libp2p = await node({ transports: [tcp(), relaying(dialled)] })
    const [relay, other] = [await deadAddress(), await deadAddress()]
    const records: Record<string, string[]> = {
      '_dnsaddr.one.example': [`dnsaddr=${relay}/p2p/${RELAY}/p2p-circuit/p2p/${TARGET}`, `dnsaddr=/dnsaddr/two.example/p2p/${TARGET}`],
      '_dnsaddr.two.example': [`dnsaddr=${other}/p2p/${OTHER}/p2p-circuit/p2p/${TARGET}`]
    }
    const leases = leasesOf(libp2p, { guard: { policy: addressPolicy({ allow: ['127.0.0.0/8', 'one.example', 'two.example'] }), resolveText: async name => records[name] ?? [] } })
    const acquire = async (relays?: (relay: string) => boolean): Promise<string> => {
      dialled.length = 0
      return leases.acquire({ peer: TARGET, addresses: ['/dnsaddr/one.example'], disclosure: disclosureTo(TARGET), ...relays == null ? {} : { relays } }, { signal: never }).then(() => 'reached', (error: Error) => error.message)
    }

    expect(await acquire(() => false)).toContain('it leads through a relay that was not named')
    expect(dialled).toEqual([])
    await acquire(relay => relay === OTHER)
    expect(dialled.map(address => address.startsWith(`${other}/`))).toEqual([true])
    await acquire()
    expect(dialled.some(address => address.startsWith(`${relay}/`))).toBe(true)
  })
})
