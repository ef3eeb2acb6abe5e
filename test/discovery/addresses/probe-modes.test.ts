import { generateKeyPair } from '@libp2p/crypto/keys'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { describe, expect, it } from 'vitest'
import { seededRandom } from '../../../src/clock/random.ts'
import { ProviderAddresses } from '../../../src/discovery/addresses/provider-addresses.ts'
import { addressPolicy } from '../../../src/provider/address.ts'
import { silentLogger } from '../../../src/testing/silent-logger.ts'
import { VirtualClock } from '../../../src/testing/virtual-clock.ts'
import type { AddressedNode } from '../../../src/discovery/addresses/provider-addresses.ts'
import type { PrivacyMode } from '../../../src/interface/disclosure.ts'
import type { Provider } from '../../../src/interface/provider.ts'
import type { Multiaddr } from '@multiformats/multiaddr'

const [named, delivered, chosen] = await Promise.all([1, 2, 3].map(async () => peerIdFromPrivateKey(await generateKeyPair('Ed25519')).toString())) as [string, string, string]
const who = new Map([['/ip4/192.0.2.1/tcp/4001', 'named'], ['/ip4/192.0.2.2/tcp/4001', 'delivered'], ['/ip4/192.0.2.3/tcp/4001', 'operator']])
const [one = '', two = '', three = ''] = who.keys()

function provider (peer: string, address: string, source: string): Provider {
  return { id: `p2p:${peer}`, addresses: [`${address}/p2p/${peer}`], protocols: [], source, fallback: false, domains: [] }
}

/** Whom a node tries by itself within some minutes of a read in this mode */
async function tried (mode: PrivacyMode): Promise<string[]> {
  const clock = new VirtualClock()
  const dialled = new Set<string>()
  const connections = {
    getConnections: () => [],
    dial: async (addresses: Multiaddr[]): Promise<never> => {
      dialled.add(who.get(String(addresses[0]).replace(/\/p2p\/.*/, '')) ?? 'somebody else')
      throw new Error('nobody is there')
    }
  }
  const events = { addEventListener: () => {}, removeEventListener: () => {} }
  const addresses = new ProviderAddresses({ clock, random: seededRandom(1), logger: silentLogger, policy: addressPolicy({ allow: ['192.0.2.0/24'] }), node: () => ({ connections, events, peerStore: {} }) as unknown as AddressedNode })
  addresses.start()
  addresses.complete(provider(named, one, 'dht'), mode)
  addresses.complete(provider(delivered, two, 'dht'), mode)
  addresses.complete(provider(chosen, three, 'operator'), mode)
  addresses.delivered({ provider: `p2p:${delivered}`, transport: 'bitswap' }, mode)
  await clock.run(clock.sleep(300_000))
  addresses.stop()
  expect(clock.pending).toBe(0)
  return [...dialled].sort()
}

describe('who is tried without a read behind it', () => {
  it('is who was named, in mode open', async () => {
    expect(await tried('open')).toEqual(['delivered', 'named', 'operator'])
  })

  it('is who has delivered, and whom the operator named, in mode balanced', async () => {
    expect(await tried('balanced')).toEqual(['delivered', 'operator'])
  })

  it('is whom the operator named, in mode strict', async () => {
    expect(await tried('strict')).toEqual(['operator'])
  })
})
