import { peerIdFromString } from '@libp2p/peer-id'
import { multiaddr } from '@multiformats/multiaddr'
import { FetchError } from '../../src/interface/errors.ts'
import type { ConnectionLeases, Lease } from '../../src/exchange/lease/lease.ts'
import type { Libp2p } from '@libp2p/interface'

export interface DirectLeases extends ConnectionLeases {
  /** Leases that were not released yet */
  readonly held: number
  /** Released more than once, which nobody should */
  readonly excess: number
}

/** The contract of connection leases and nothing else: dials, counts */
export function directLeases (libp2p: Pick<Libp2p, 'dial' | 'getConnections'>): DirectLeases {
  let held = 0
  let excess = 0

  return {
    get held () { return held },
    get excess () { return excess },
    async acquire ({ peer, addresses }, { signal }): Promise<Lease> {
      const id = peerIdFromString(peer)
      let connection = libp2p.getConnections(id).find(({ status }) => status === 'open')

      try {
        connection ??= await libp2p.dial(addresses.length === 0 ? id : addresses.map(address => multiaddr(address)), { signal })
      } catch (cause) {
        throw new FetchError(signal.aborted ? 'cancelled' : 'unreachable', `${peer} cannot be dialled`, { provider: `p2p:${peer}`, cause })
      }

      let released = false
      held++

      return {
        peer,
        connection,
        release () {
          if (released) {
            excess++
          } else {
            released = true
            held--
          }
        }
      }
    },
    proven: () => true,
    start () {},
    async stop () {}
  }
}
