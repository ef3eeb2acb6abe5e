import { AbstractMultiaddrConnection } from '@libp2p/utils'
import type { SendResult } from '@libp2p/utils'
import type { Logger, MessageStreamDirection } from '@libp2p/interface'
import type { Multiaddr } from '@multiformats/multiaddr'

export interface MemoryConnectionInit {
  readonly remoteAddr: Multiaddr
  readonly direction: MessageStreamDirection
  readonly log: Logger
  /** Tells the other end that this one is gone, orderly or not */
  ended (orderly: boolean): void
}

/** One end of a connection. Its streams travel beside it: see `MemoryMuxer`. */
export class MemoryConnection extends AbstractMultiaddrConnection {
  readonly #ended: MemoryConnectionInit['ended']

  constructor ({ ended, ...init }: MemoryConnectionInit) {
    super({ ...init, inactivityTimeout: Infinity })
    this.#ended = ended
  }

  override sendData (): SendResult {
    throw new Error('Connections in memory carry streams only')
  }

  override async sendClose (): Promise<void> {
    this.#ended(true)
  }

  override sendReset (): void {
    this.#ended(false)
  }

  override sendPause (): void {}

  override sendResume (): void {}
}
