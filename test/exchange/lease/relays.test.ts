import { describe, expect, it } from 'vitest'
import { overRelays, relayOf } from '../../../src/exchange/lease/relays.ts'

const RELAY = '12D3KooWAvLJdWDqXdojUvY5mm9xFcCL77wBGtTdmzqiGbF8ZwvS'
const TARGET = '12D3KooWQYhTNQdmr3ArTeUHRYzFg94BKyTkoWBDWez9kSCVe2Xo'
const direct = `/ip4/8.8.4.4/tcp/1/p2p/${TARGET}`
const relayed = `/ip4/8.8.4.4/tcp/1/p2p/${RELAY}/p2p-circuit/p2p/${TARGET}`

describe('the relay of an address', () => {
  it.each([[direct, undefined], [relayed, RELAY], ['/ip4/8.8.4.4/tcp/1/p2p-circuit', ''], [`/p2p/${RELAY}/p2p-circuit`, RELAY]])('of %s is %s', (address, relay) => {
    expect(relayOf(address)).toBe(relay)
  })

  it('decides what is left', () => {
    const all = [direct, relayed, '/ip4/8.8.4.4/tcp/1/p2p-circuit']
    expect(overRelays(all, undefined, text => text)).toBe(all)
    expect(overRelays(all, () => false, text => text)).toEqual([direct])
    expect(overRelays(all, relay => relay === RELAY, text => text)).toEqual([direct, relayed])
  })
})
