import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p } from 'libp2p'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { libp2pOptions } from '../../src/config/libp2p-options.ts'
import { PRIVACY_PRESETS, switchesOf } from '../../src/interface/privacy-preset.ts'
import { addressPolicy } from '../../src/provider/address.ts'
import { KAD, block, peerSpy } from './modes/spies.ts'
import type { EnhancedDHTDiscovery } from '../../src/discovery/enhanced-dht-discovery.ts'
import type { PrivacyMode } from '../../src/interface/disclosure.ts'
import type { PrivacyOverrides } from '../../src/interface/privacy-preset.ts'
import type { PeerSpy } from './modes/spies.ts'
import type { IdentifyResult } from '@libp2p/interface'
import type { Multiaddr } from '@multiformats/multiaddr'

/** Whom a node tells its private addresses: servers of a DHT that are at private addresses, or at one that everybody may reach */

const MODES = Object.keys(PRIVACY_PRESETS) as PrivacyMode[]
const EVERYWHERE = '/dns4/node.example.com/tcp/4480'

let open: AsyncDisposableStack

beforeEach(() => { open = new AsyncDisposableStack() })
afterEach(async () => { await open.disposeAsync() })

interface Told {
  readonly identify: readonly string[]
  readonly signed: readonly string[]
  readonly announced: readonly string[]
}

type Where = 'at home' | 'in public'

/** A server of the DHT at a private address, or at a name that leads there, as that of a server of the public one */
async function dhtServer (where: Where): Promise<PeerSpy> {
  const announceFilter = (addresses: Multiaddr[]): Multiaddr[] => addresses.map(address => multiaddr(address.toString().replace('/ip4/127.0.0.1/', '/dns4/bootstrap.example.com/')))
  return peerSpy(open, { names: () => [], ...where === 'at home' ? {} : { node: { addresses: { listen: ['/ip4/127.0.0.1/tcp/0'], announceFilter } } } })
}

/** What the node, listening at a private address and known at a public one, tells of where it is */
async function told (mode: PrivacyMode, where: readonly Where[], privacy: PrivacyOverrides = {}): Promise<Told> {
  const servers = await Promise.all(where.map(dhtServer))
  const { cid } = await block('announced')
  const options = libp2pOptions({ listen: ['/ip4/127.0.0.1/tcp/0'], bootstrap: servers.map(({ address }) => address), dhtProtocol: KAD }, {
    mode,
    switches: switchesOf(mode, privacy),
    policy: addressPolicy({ allow: ['127.0.0.0/8', 'bootstrap.example.com'] }),
    resolve: async () => [{ address: '127.0.0.1', family: 4 }]
  })
  const libp2p = await createLibp2p({ ...options, addresses: { ...options.addresses, appendAnnounce: [EVERYWHERE] } })
  open.defer(async () => { await libp2p.stop() })
  const self = libp2p.peerId.toString()
  const seen = (): IdentifyResult[] => servers.flatMap(({ identified }) => identified).filter(({ peerId }) => peerId.toString() === self)
  await vi.waitFor(() => { expect(seen()).toHaveLength(servers.length) }, { timeout: 10_000 })
  await (libp2p.services.discovery as unknown as EnhancedDHTDiscovery).announce([cid], { signal: AbortSignal.timeout(20_000) })
  const announced = servers.flatMap(server => server.learnt(cid).flatMap(({ at = [] }) => at))
  const texts = (addresses: ReadonlyArray<{ toString (): string }>): string[] => [...new Set(addresses.map(String))].map(text => text.replace(/\/tcp\/\d+(\/p2p\/.*)?$/, '')).sort()

  // whoever runs it sees all of them
  expect(libp2p.getMultiaddrs()).toHaveLength(2)
  return { identify: texts(seen().flatMap(({ listenAddrs }) => listenAddrs)), signed: texts(seen().flatMap(({ signedPeerRecord }) => signedPeerRecord?.addresses ?? [])), announced: texts(announced) }
}

const HERE = '/ip4/127.0.0.1'
const [PUBLIC] = EVERYWHERE.split('/tcp/') as [string]
const ALL = { identify: [PUBLIC, HERE], signed: [PUBLIC, HERE], announced: [PUBLIC, HERE] }
const FEW = { identify: [PUBLIC], signed: [PUBLIC], announced: [PUBLIC] }

describe('private addresses', () => {
  it.each(MODES)('are told in a private network in mode %s: nobody gets there by others', async mode => {
    expect(await told(mode, ['at home'])).toEqual(ALL)
  })

  it.each(MODES)('are told elsewhere in mode open only: %s', async mode => {
    expect(await told(mode, ['in public'])).toEqual(mode === 'open' ? ALL : FEW)
  })

  it.each(MODES)('are not told in a network that has one bootstrap peer elsewhere, but in mode open: %s', async mode => {
    expect(await told(mode, ['at home', 'in public'])).toEqual(mode === 'open' ? ALL : FEW)
  })

  it('are told elsewhere by whoever says so', async () => {
    expect(await told('balanced', ['in public'], { privateAddresses: true })).toEqual(ALL)
    expect(await told('open', ['in public'], { privateAddresses: false })).toEqual(FEW)
  })
})
