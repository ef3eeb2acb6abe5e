import { libp2pDefaults } from '@helia/libp2p'
import { identify } from '@libp2p/identify'
import { tcp } from '@libp2p/tcp'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p } from 'libp2p'
import { vi } from 'vitest'
import { nullMetrics } from '../../../src/privacy/collector/null-metrics.ts'
import { loopbackLibp2p } from '../../helia/loopback-libp2p.ts'
import { peerSpy } from './spies.ts'
import type { PeerSpy, PeerSpyInit } from './spies.ts'
import type { RoutableLibp2p } from '../../../src/routable-libp2p.ts'
import type { Libp2p, Metrics } from '@libp2p/interface'
import type { Multiaddr } from '@multiformats/multiaddr'
import type { Libp2pOptions } from 'libp2p'

export const DCUTR = '/libp2p/dcutr'

/** `any`: its components have the services of @helia/libp2p in their type, and it is used with others */
type Factory<S> = (components: any) => S

/**
 * What js-libp2p has for relays, as @helia/libp2p brings it along. Only factories
 * are taken out of its defaults, which contact nobody before they are in a node.
 */
function parts (): { circuit: NonNullable<Libp2pOptions['transports']>[number], relay: Factory<object>, dcutr: Factory<object> } {
  const { transports: [circuit] = [], services } = libp2pDefaults()
  const { relay, dcutr } = services as unknown as Record<'relay' | 'dcutr', Factory<object>>

  if (circuit == null) {
    throw new Error('The defaults of @helia/libp2p have no transport for relays any more')
  }
  return { circuit, relay, dcutr }
}

export interface RelaySpy extends PeerSpy {
  /** Peers that connected to it, each time that they did */
  readonly visitors: readonly string[]
}

/** A circuit relay of js-libp2p that writes down who comes. It counts no bytes, so that blocks may travel through it */
export async function relaySpy (open: AsyncDisposableStack, { limited = false } = {}): Promise<RelaySpy> {
  const { relay } = parts()
  const visitors: string[] = []
  const spy = await peerSpy(open, {
    node: {
      services: {
        relay: (components: never) => {
          const server = relay(components) as { reservationStore: object }
          // an option of the factory, to which @helia/libp2p passes none
          Object.assign(server.reservationStore, { applyDefaultLimit: limited })
          return server
        }
      }
    }
  })
  spy.libp2p.addEventListener('connection:open', ({ detail }) => { visitors.push(detail.remotePeer.toString()) })
  return { ...spy, visitors }
}

/** Loopback under a name, which DCUtR takes for public: addresses in private ranges it does not use */
function underName (addresses: Multiaddr[], port?: number): Multiaddr[] {
  return addresses.map(address => address.toString().includes('/p2p-circuit')
    ? address
    : multiaddr(address.toString().replace('/ip4/127.0.0.1/', '/dns4/localhost/').replace(/\/tcp\/\d+/, port == null ? '$&' : `/tcp/${port}`)))
}

export interface RelayedSpy extends PeerSpy {
  /** The address through the relay, which is all that is told of it */
  readonly relayed: string
  /** Protocols of all streams it had, those that it opened itself included */
  readonly protocols: readonly string[]
}

/** A provider that others come by through a relay alone, and that makes a relayed connection direct where the other side lets it */
export async function relayedSpy (open: AsyncDisposableStack, relay: RelaySpy, init: PeerSpyInit): Promise<RelayedSpy> {
  const { circuit, dcutr } = parts()
  const protocols: string[] = []
  const spy = await peerSpy(open, {
    ...init,
    node: {
      addresses: { listen: ['/ip4/127.0.0.1/tcp/0', `${relay.address}/p2p-circuit`], announceFilter: addresses => underName(addresses) },
      transports: [circuit, tcp()],
      metrics: tracking(protocols),
      services: { dcutr }
    }
  })
  const relayed = `${relay.address}/p2p-circuit/p2p/${spy.id}`
  await vi.waitFor(() => { if (!spy.libp2p.getMultiaddrs().some(address => address.toString() === relayed)) { throw new Error('no reservation yet') } }, { timeout: 10_000 })
  return { ...spy, relayed, protocols }
}

/**
 * A libp2p node of the user's that can use relays, and punches holes.
 *
 * @param port - where it says that it listens. @default where it does
 */
export async function relayingLibp2p (open: AsyncDisposableStack, port?: number): Promise<RoutableLibp2p & Libp2p> {
  const { circuit, dcutr } = parts()
  const libp2p = await createLibp2p({
    ...loopbackLibp2p(),
    addresses: { listen: ['/ip4/127.0.0.1/tcp/0'], announceFilter: addresses => underName(addresses, port) },
    transports: [circuit, tcp()],
    // under the prefix that all have: who does not know what the other side speaks makes nothing direct
    services: { identify: identify(), dcutr }
  })
  open.defer(async () => { await libp2p.stop() })
  return libp2p
}

function tracking (protocols: string[]): () => Metrics {
  return () => ({ ...nullMetrics(), trackProtocolStream: ({ protocol }) => { protocols.push(protocol) } })
}
