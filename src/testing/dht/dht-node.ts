import { identify } from '@libp2p/identify'
import { kadDHT, passthroughMapper } from '@libp2p/kad-dht'
import { ping } from '@libp2p/ping'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p } from 'libp2p'
import { raceSignal } from '../../clock/race-signal.ts'
import { systemClock } from '../../clock/system-clock.ts'
import { silentScopes } from './silent-scopes.ts'
import type { DhtIdentity } from './dht-identity.ts'
import type { MemoryNetwork } from '../memory/memory-network.ts'
import type { Libp2p } from '@libp2p/interface'
import type { Identify } from '@libp2p/identify'
import type { KadDHT, KadDHTInit, SingleKadDHT } from '@libp2p/kad-dht'
import type { Ping } from '@libp2p/ping'
import type { Libp2pOptions } from 'libp2p'

/** Nobody meets more peers than this in a network of a few hundred */
const CONNECTIONS = 10_000

/** Milliseconds: kad-dht itself gives up after 20 s */
const FILLING_TIMEOUT = 30_000

/** Longer than any test, and a number that a timer takes */
const NEVER = 86_400_000

export type DhtServices = {
  readonly identify: Identify
  readonly ping: Ping
  readonly dht: KadDHT
}

/** A node of the network: its libp2p, and where it is in the keyspace */
export interface DhtNode extends DhtIdentity {
  readonly id: string
  readonly libp2p: Libp2p<DhtServices>
  /** Peers in kad-dht's table */
  tableSize (): number
}

/** Whatever else a libp2p node takes. Services are added to those that a DHT needs. */
export type DhtLibp2pOptions = Partial<Omit<Libp2pOptions, 'services'>> & { services?: Record<string, (components: never) => unknown> }

/** Whatever else kad-dht takes */
export type DhtKadOptions = Omit<KadDHTInit, 'protocol' | 'kBucketSize' | 'clientMode' | 'peerInfoMapper' | 'allowQueryWithZeroPeers' | 'initialQuerySelfInterval'>

export interface StartDhtNodeInit {
  readonly memory: MemoryNetwork
  readonly protocol: string
  readonly k: number
  readonly identity: DhtIdentity
  readonly server: boolean
  readonly position?: string
  /** Whom it knows when it starts */
  readonly table: readonly DhtIdentity[]
  /** kad-dht looks for itself a second after its start */
  readonly selfQuery: boolean
  readonly libp2p?: DhtLibp2pOptions
  readonly kad?: DhtKadOptions
}

/**
 * A real libp2p node with a real kad-dht. Its table comes from its own peer store, as after a restart; the ping by which
 * kad-dht verifies each entry of it is taken as answered, so that nobody is connected when it has started.
 */
export async function startDhtNode ({ memory, protocol, k, identity, server, position, table, selfQuery, libp2p: own, kad }: StartDhtNodeInit): Promise<DhtNode> {
  const { privateKey, peerId, address } = identity
  const filling = { open: true }
  const libp2p = await createLibp2p<DhtServices>({
    logger: silentScopes,
    connectionMonitor: { enabled: false },
    connectionManager: { maxConnections: CONNECTIONS, maxIncomingPendingConnections: CONNECTIONS, inboundConnectionThreshold: CONNECTIONS },
    ...own,
    privateKey,
    start: false,
    addresses: address == null ? { listen: [] } : { listen: [address], announce: [address] },
    transports: [memory.transport({ position })],
    services: {
      ...own?.services,
      identify: identify(),
      ping: components => answeredPing(ping()(components), filling),
      dht: kadDHT({
        ...kad,
        protocol,
        kBucketSize: k,
        clientMode: !server,
        peerInfoMapper: passthroughMapper,
        allowQueryWithZeroPeers: !selfQuery,
        ...(selfQuery ? {} : { initialQuerySelfInterval: NEVER })
      })
    }
  })

  try {
    for (const known of table) {
      await libp2p.peerStore.merge(known.peerId, {
        multiaddrs: known.address == null ? [] : [multiaddr(known.address)],
        protocols: [protocol],
        tags: { 'kad-peer': { value: 1 } }
      })
    }

    const { routingTable } = libp2p.services.dht as SingleKadDHT
    await Promise.all([tableReaches(routingTable as unknown as EventTarget, table.length), libp2p.start()])
    filling.open = false
    return { ...identity, id: peerId.toString(), libp2p, tableSize: () => routingTable.size }
  } catch (err) {
    await libp2p.stop()
    throw err
  }
}

function answeredPing (real: Ping, filling: { readonly open: boolean }): Ping {
  const honest = real.ping.bind(real)
  real.ping = async (peer, options) => filling.open ? 0 : honest(peer, options)
  return real
}

async function tableReaches (table: EventTarget, size: number): Promise<void> {
  using deadline = systemClock.timeout(FILLING_TIMEOUT)
  let onAdd = (): void => {}

  try {
    await raceSignal(new Promise<void>(resolve => {
      let left = size
      onAdd = () => {
        if (--left === 0) {
          resolve()
        }
      }
      table.addEventListener('peer:add', onAdd)

      if (size === 0) {
        resolve()
      }
    }), deadline.signal)
  } finally {
    table.removeEventListener('peer:add', onAdd)
  }
}
