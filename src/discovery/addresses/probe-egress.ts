import { peerIdFromString } from '@libp2p/peer-id'
import { multiaddr } from '@multiformats/multiaddr'
import { raceSignal } from '../../clock/race-signal.ts'
import { DialDisclosure } from '../../interface/dial-disclosure.ts'
import type { Disclosure } from '../../interface/disclosure.ts'
import type { Connection, PeerId } from '@libp2p/interface'
import type { Multiaddr } from '@multiformats/multiaddr'

/** The connections of a node: of libp2p itself, or of its connection manager */
export type ProbeConnections =
  & { getConnections (peer?: PeerId): Connection[] }
  & ({ dial (addresses: Multiaddr[], options: DialOptions): Promise<Connection> } | { openConnection (addresses: Multiaddr[], options: DialOptions): Promise<Connection> })

interface DialOptions {
  readonly signal: AbortSignal
  readonly onProgress: DialDisclosure['onProgress']
}

/**
 * - `reached`: the peer answered there, and proved who it is
 * - `failed`: nobody did, or somebody else
 * - `declined`: our own node did not try
 * - `undialable`: it never will
 */
export type ProbeOutcome = 'reached' | 'failed' | 'declined' | 'undialable'

/** Errors of a node that is busy, forbids the dial, or stops */
const DECLINED = new Set(['DialDeniedError', 'DialError', 'NotStartedError', 'AddressRefusedError'])
/** It has no transport for it */
const UNDIALABLE = new Set(['NoValidAddressesError'])
/** Streams that libp2p opens by itself as soon as there is a connection: they are no reason to keep it */
const INCIDENTAL = /\/(id|id\/push|ping|autonat)\/\d|\/libp2p\/(dcutr|autonat)/
/** For the log of whoever watches connections */
const CLOSE_SIGNAL_REASON = 'The probe is over'

/**
 * Connects to a peer at checked addresses, and lets go of it again unless
 * somebody uses the connection by then. The peer learns that this node is there,
 * and nothing else.
 *
 * @param inUse - whether somebody is about to use a connection to the peer
 */
export async function probe (connections: ProbeConnections, peer: string, addresses: readonly string[], disclosure: Disclosure, { signal, inUse = () => false }: { signal: AbortSignal, inUse?: (peer: string) => boolean }): Promise<ProbeOutcome> {
  const dialled = new DialDisclosure(disclosure)

  try {
    const id = peerIdFromString(peer)
    const before = new Set(connections.getConnections(id).map(connection => connection.id))
    const targets = addresses.map(address => multiaddr(`${address}/p2p/${peer}`))
    const { onProgress } = dialled
    const dialling = 'dial' in connections ? connections.dial(targets, { signal, onProgress }) : connections.openConnection(targets, { signal, onProgress })
    const letGo = (connection: Connection): void => {
      if (!before.has(connection.id) && !inUse(peer) && connection.streams.every(({ protocol }) => isIncidental(protocol))) {
        connection.close().catch(() => { connection.abort(new Error(CLOSE_SIGNAL_REASON)) })
      }
    }

    try {
      const connection = await raceSignal(dialling, signal)
      dialled.reached()
      letGo(connection)
      return 'reached'
    } catch (error) {
      // one that comes too late is not left open
      dialling.then(letGo, () => {})
      throw error
    }
  } catch (error) {
    const name = (error as Error | undefined)?.name ?? ''

    const tried = !DECLINED.has(name) && !UNDIALABLE.has(name)
    dialled.failed(tried)
    return tried ? 'failed' : UNDIALABLE.has(name) ? 'undialable' : 'declined'
  }
}

function isIncidental (protocol: string | undefined): boolean {
  return protocol == null || protocol === '' || INCIDENTAL.test(protocol)
}
