import { createServer } from 'node:net'
import { identify } from '@libp2p/identify'
import { ping } from '@libp2p/ping'
import { tcp } from '@libp2p/tcp'
import { tls } from '@libp2p/tls'
import { yamux } from '@libp2p/yamux'
import { createLibp2p } from 'libp2p'
import { onTestFinished } from 'vitest'
import { seededRandom } from '../../../src/clock/random.ts'
import { systemClock } from '../../../src/clock/system-clock.ts'
import { AddressGuard } from '../../../src/exchange/lease/address-guard.ts'
import { connectionLeases } from '../../../src/exchange/lease/leases.ts'
import { Disclosure } from '../../../src/interface/disclosure.ts'
import { addressPolicy } from '../../../src/provider/address.ts'
import { silentLogger } from '../../../src/testing/silent-logger.ts'
import type { AddressGuardComponents } from '../../../src/exchange/lease/address-guard.ts'
import type { ConnectionLeasesInit, LeaseStats } from '../../../src/exchange/lease/leases.ts'
import type { ConnectionLeases } from '../../../src/exchange/lease/lease.ts'
import type { Clock } from '../../../src/interface/clock.ts'
import type { Libp2p } from '@libp2p/interface'
import type { Libp2pOptions } from 'libp2p'
import type { AddressInfo } from 'node:net'

/** Everything but the ports of other services */
export const loopback = addressPolicy({ allow: ['127.0.0.0/8', '::1'] })

/** A node on loopback that knows nobody, stopped when the test ends */
export async function node (options: Partial<Libp2pOptions> = {}): Promise<Libp2p> {
  const libp2p = await createLibp2p({
    addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
    transports: [tcp()],
    connectionEncrypters: [tls()],
    streamMuxers: [yamux()],
    services: { identify: identify(), ping: ping() },
    connectionMonitor: { enabled: false },
    ...options
  })
  onTestFinished(async () => { await libp2p.stop() })
  return libp2p
}

export function addressesOf (libp2p: Libp2p): string[] {
  return libp2p.getMultiaddrs().map(address => address.toString())
}

export function disclosureTo (peer: string): Disclosure {
  return new Disclosure({ intended: () => {}, settled: () => {} }, { observer: `p2p:${peer}`, form: 'cid', transport: 'bitswap', audience: 'one' }, { request: 'r', purpose: 'read', at: 0 })
}

/** An address where nobody listens: the port was free a moment ago */
export async function deadAddress (): Promise<string> {
  const server = createServer()
  await new Promise<void>(resolve => { server.listen(0, '127.0.0.1', resolve) })
  const { port } = server.address() as AddressInfo
  await new Promise(resolve => { server.close(resolve) })
  return `/ip4/127.0.0.1/tcp/${port}`
}

/** Resolvers that a test does not expect to be used */
export const noNames: Pick<AddressGuardComponents, 'resolve' | 'resolveText'> = {
  resolve: async name => { throw new Error(`${name} was looked up`) },
  resolveText: async name => { throw new Error(`${name} was looked up`) }
}

export interface LeasesInit extends ConnectionLeasesInit {
  clock?: Clock
  guard?: Partial<AddressGuardComponents>
}

/** Started leases over a node, stopped when the test ends */
export function leasesOf (libp2p: Pick<Libp2p, 'peerId' | 'peerStore' | 'dial' | 'getConnections'>, { clock = systemClock, guard, ...init }: LeasesInit = {}): ConnectionLeases & LeaseStats {
  const leases = connectionLeases({
    libp2p: () => libp2p,
    guard: new AddressGuard({ policy: loopback, clock, ...noNames, ...guard }),
    clock,
    random: seededRandom(1),
    logger: silentLogger
  }, init)
  leases.start()
  onTestFinished(async () => { await leases.stop() })
  return leases
}

export const never: AbortSignal = new AbortController().signal
