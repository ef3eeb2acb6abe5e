import type { BitswapNetwork } from './bitswap/network.ts'

/** What went over the wire since it was made */
export interface WireCounts {
  /** Wants that were written to peers */
  wants: number
  /** Wants that were taken back on the wire */
  cancels: number
  /** Messages written, answers among them */
  messages: number
}

export function noWireCounts (): WireCounts {
  return { wants: 0, cancels: 0, messages: 0 }
}

/** The same network, whose messages are counted once they are written */
export function countedNetwork (network: BitswapNetwork, counts: WireCounts): BitswapNetwork {
  return {
    start: async () => network.start(),
    stop: async () => network.stop(),
    receiveBlocks: receiver => network.receiveBlocks(receiver),
    receiveWants: receiver => network.receiveWants(receiver),
    fault: (peer, fault, message) => { network.fault(peer, fault, message) },
    async write (to, compose, options) {
      let wants = 0
      let cancels = 0
      let written = false

      await network.write(to, protocol => {
        const outgoing = compose(protocol)
        written = outgoing != null

        for (const { cancel = false } of outgoing?.message.wants ?? []) {
          cancels += cancel ? 1 : 0
          wants += cancel ? 0 : 1
        }
        return outgoing
      }, options)

      counts.wants += wants
      counts.cancels += cancels
      counts.messages += written ? 1 : 0
    }
  }
}
