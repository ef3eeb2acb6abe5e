import { describe, expect, it } from 'vitest'
import { checkMeaning } from '../../src/config/meaning.ts'
import { schema } from '../../src/config/schema.ts'
import type { ConfigKey } from '../../src/config/schema.ts'

type Values = Parameters<typeof checkMeaning>[0]['values']

function check (changes: Partial<Values>): void {
  const keys = Object.keys(schema) as ConfigKey[]
  const values = { ...Object.fromEntries(keys.map(key => [key, schema[key].default])), ...changes } as Values
  checkMeaning({ values, sources: Object.fromEntries(keys.map(key => [key, key in changes ? 'the test' : 'default'])) as Parameters<typeof checkMeaning>[0]['sources'] })
}

describe('peers that are to be asked', () => {
  it('may be in mode open over bitswap, and nowhere else', () => {
    expect(() => { check({ 'exchange.askConnected': 8, 'routing.mode': 'open' }) }).not.toThrow()
    expect(() => { check({}) }).not.toThrow()
    expect(() => { check({ 'exchange.askConnected': 8 }) })
      .toThrow('exchange.askConnected (from the test): 8 peers that were not chosen would learn what is read, which only mode "open" allows, and routing.mode is "balanced": leave one of the two out')
    expect(() => { check({ 'exchange.askConnected': 8, 'routing.mode': 'open', 'exchange.bitswap': false }) })
      .toThrow('exchange.askConnected (from the test): 8 peers would be asked over bitswap, and exchange.bitswap is off: leave one of the two out')
  })
})

describe('routers that are to be asked', () => {
  it('are URLs, and in mode strict only one\'s own', () => {
    expect(() => { check({ 'routing.routers': ['https://router.example/routing/v1'], 'routing.ownRouters': ['http://127.0.0.1:8190'] }) }).not.toThrow()
    expect(() => { check({ 'routing.ownRouters': ['http://127.0.0.1:8190'], 'routing.mode': 'strict' }) }).not.toThrow()
    expect(() => { check({ 'routing.routers': ['https://router.example'], 'routing.mode': 'strict' }) })
      .toThrow('routing.routers (from the test): mode "strict" asks only routers of your own: name "https://router.example/" as one (routing.ownRouters, --own-router), or leave it out')
    expect(() => { check({ 'routing.routers': ['router.example'] }) }).toThrow('routing.routers (from the test): a router must be an http:// or https:// URL')
    expect(() => { check({ 'routing.ownRouters': ['https://user:secret@router.example'] }) }).toThrow(expect.objectContaining({ message: expect.not.stringContaining('secret') as string }))
  })
})

describe('the size of the cache', () => {
  it('is at least what two of the largest blocks take, or nobody said it', () => {
    expect(() => { check({ 'cache.size': 0 }) }).not.toThrow()
    expect(() => { check({ 'cache.size': 4_194_304 }) }).not.toThrow()
    expect(() => { check({ 'cache.size': 4_000_000 }) }).toThrow('cache.size (from the test): a cache takes at least 4194304 bytes (4MiB), or 0 for the default, not 4000000')
  })
})

describe('a private network', () => {
  it('has the name of a protocol, and its servers an address', () => {
    expect(() => { check({ 'libp2p.dhtProtocol': '/my-network/kad/1.0.0', 'libp2p.dhtServer': true, 'libp2p.listen': ['/ip4/0.0.0.0/tcp/4480'] }) }).not.toThrow()
    expect(() => { check({ 'libp2p.dhtProtocol': '/my-network' }) }).toThrow('libp2p.dhtProtocol (from the test): dhtProtocol must be the name of a network and /kad/1.0.0')
    expect(() => { check({ 'libp2p.dhtServer': true }) }).toThrow('libp2p.dhtServer (from the test): a server of the DHT has to be reachable: name an address to listen on (libp2p.listen, --listen /ip4/0.0.0.0/tcp/4480)')
  })
})
