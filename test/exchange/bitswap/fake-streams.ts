import { Libp2pBitswapNetwork } from '../../../src/exchange/bitswap/libp2p-network.ts'
import { BITSWAP_PROTOCOLS, MAX_MESSAGE_SIZE } from '../../../src/exchange/bitswap/message.ts'
import { silentLogger } from '../../../src/testing/silent-logger.ts'
import { VirtualClock } from '../../../src/testing/virtual-clock.ts'
import type { BitswapNetworkInit } from '../../../src/exchange/bitswap/libp2p-network.ts'
import type { BitswapFaultEvent } from '../../../src/exchange/bitswap/network.ts'

/** The remote end of a stream, without a wire: what is said on it arrives at once */
export class FakeStream extends EventTarget {
  readonly protocol = BITSWAP_PROTOCOLS[0]
  readonly readStatus = 'readable'
  status: 'open' | 'aborted' | 'closed' = 'open'
  reason = ''

  async close (): Promise<void> {}

  abort (error: Error): void {
    this.status = 'aborted'
    this.reason = error.message
    this.dispatchEvent(new Event('close'))
  }

  /** The remote ends it, at the end of a message */
  finish (): void {
    this.status = 'closed'
    this.dispatchEvent(new Event('close'))
  }

  /** Nothing arrives on a stream that is over */
  say (bytes: Uint8Array | readonly number[]): void {
    if (this.status === 'open' && bytes.length > 0) {
      this.dispatchEvent(Object.assign(new Event('message'), { data: Uint8Array.from(bytes) }))
    }
  }
}

export interface Wireless {
  readonly network: Libp2pBitswapNetwork
  readonly clock: VirtualClock
  readonly faults: readonly BitswapFaultEvent[]
  /** A peer opens a stream */
  open (peer: string): FakeStream
}

/** Our network, and peers that open streams to it */
export async function wireless (init: BitswapNetworkInit = {}): Promise<Wireless> {
  const clock = new VirtualClock()
  const faults: BitswapFaultEvent[] = []
  let handler: (stream: FakeStream, connection: unknown) => void = () => {}
  const libp2p = {
    handle: async (_: unknown, handle: typeof handler) => { handler = handle },
    unhandle: async () => {},
    addEventListener: () => {},
    removeEventListener: () => {}
  }
  const network = new Libp2pBitswapNetwork({ libp2p: libp2p as never, clock, logger: silentLogger }, { onFault: event => { faults.push(event) }, ...init })
  await network.start()

  return {
    network,
    clock,
    faults,
    open (peer) {
      const stream = new FakeStream()
      handler(stream, { remotePeer: { toString: () => peer }, abort: () => {} })
      return stream
    }
  }
}

export const varint = (value: number): number[] => value < 0x80 ? [value] : [(value % 0x80) | 0x80, ...varint(Math.floor(value / 0x80))]

/** Bytes that one peer may send besides blocks that were asked for, at once */
export const MAY_SAY = 8_388_608

/** Messages that say nothing and have so many bytes together: what nobody knows is skipped */
export function nothing (bytes: number): Uint8Array[] {
  const messages: Uint8Array[] = []

  for (let left = bytes; left > 0;) {
    // never so few left that they are no message
    const size = left > MAX_MESSAGE_SIZE ? MAX_MESSAGE_SIZE - 100 : left
    const message = new Uint8Array(size)
    const body = size - varint(size).length
    const content = body - 1 - varint(body).length
    message.set([...varint(body), 0x3a, ...varint(content)])
    messages.push(message)
    left -= size
  }

  return messages
}
