import { DEFAULT_SEND_TIMEOUT, OutgoingStreams } from './bitswap-egress.ts'
import { InboundPeers, MAX_STREAMS_PER_PEER } from './inbound-peers.ts'
import { BitswapStreamError, InboundStream } from './inbound-stream.ts'
import { BITSWAP_PROTOCOLS } from './message.ts'
import type { InboundPeer } from './inbound-peers.ts'
import type { BitswapMessage, BitswapProtocol } from './message.ts'
import type { BitswapFault, BitswapFaultEvent, BitswapNetwork, BlockReceiver, Outgoing, Recipient, WantReceiver, WriteOptions } from './network.ts'
import type { Clock } from '../../interface/clock.ts'
import type { ComponentLogger, Logger } from '../../interface/logger.ts'
import type { Connection, Stream } from '@libp2p/interface'

/** The part of a libp2p node that is used here */
export interface BitswapLibp2p {
  handle (protocols: string[], handler: (stream: Stream, connection: Connection) => void, options: { maxInboundStreams: number, maxOutboundStreams: number, runOnLimitedConnection: boolean }): Promise<void>
  unhandle (protocols: string[]): Promise<void>
  addEventListener (type: 'peer:disconnect', listener: (event: CustomEvent<{ toString (): string }>) => void): void
  removeEventListener (type: 'peer:disconnect', listener: (event: CustomEvent<{ toString (): string }>) => void): void
}

export interface BitswapNetworkComponents {
  libp2p: BitswapLibp2p
  clock: Clock
  logger: ComponentLogger
}

export interface BitswapNetworkInit {
  /** A conduct fault, for whoever keeps reputations */
  onFault? (event: BitswapFaultEvent): void
}

/** What a block that nobody asked for costs besides its bytes: 128 of them are too many */
const UNSOLICITED_COST = 65_536
/** How often slow and idle streams are looked for */
const SWEEP = 5_000

/** Bitswap over the streams of a libp2p node */
export class Libp2pBitswapNetwork implements BitswapNetwork {
  readonly #components: BitswapNetworkComponents
  readonly #init: BitswapNetworkInit
  readonly #log: Logger
  readonly #outgoing: OutgoingStreams
  readonly #peers: InboundPeers
  #blocks: BlockReceiver | undefined
  #wants: WantReceiver | undefined
  #running = false
  #cancelSweep: () => void = () => {}

  constructor (components: BitswapNetworkComponents, init: BitswapNetworkInit = {}) {
    this.#components = components
    this.#init = init
    this.#log = components.logger.forComponent('portolan:exchange:bitswap')
    this.#peers = new InboundPeers(components.clock, peer => this.#blocks?.wantsFrom(peer) ?? false)
    this.#outgoing = new OutgoingStreams({
      clock: components.clock,
      sendTimeout: DEFAULT_SEND_TIMEOUT,
      maxStreams: MAX_STREAMS_PER_PEER,
      onBroken: ({ peer, lane }, error) => {
        if (lane === 'wants') {
          this.#blocks?.broken(peer, error)
        }
      },
      onNotReading: (peer, message) => { this.#fault(peer, 'not-reading', message) }
    })
  }

  /** Streams that are open or being opened, incoming and outgoing, and peers with a record */
  get size (): { incoming: number, outgoing: number, peers: number } {
    const { streams, peers } = this.#peers.size
    return { incoming: streams, outgoing: this.#outgoing.size, peers }
  }

  async start (): Promise<void> {
    if (this.#running) {
      return
    }

    const { libp2p } = this.#components
    this.#running = true
    this.#outgoing.start()

    try {
      await libp2p.handle([...BITSWAP_PROTOCOLS], this.#onStream, {
        maxInboundStreams: MAX_STREAMS_PER_PEER,
        maxOutboundStreams: MAX_STREAMS_PER_PEER,
        // a relay is for finding each other, not for blocks
        runOnLimitedConnection: false
      })
    } catch (error) {
      this.#running = false
      throw error
    }

    libp2p.addEventListener('peer:disconnect', this.#onDisconnect)
    this.#sweepLater()
  }

  async stop (): Promise<void> {
    if (!this.#running) {
      return
    }

    const { libp2p } = this.#components
    this.#running = false
    this.#cancelSweep()
    libp2p.removeEventListener('peer:disconnect', this.#onDisconnect)
    this.#outgoing.stop()

    this.#peers.clear(new BitswapStreamError('Bitswap was stopped'))
    await libp2p.unhandle([...BITSWAP_PROTOCOLS])
  }

  receiveBlocks (receiver: BlockReceiver): () => void {
    this.#blocks = receiver

    return () => {
      this.#blocks = this.#blocks === receiver ? undefined : this.#blocks
    }
  }

  receiveWants (receiver: WantReceiver): () => void {
    this.#wants = receiver

    return () => {
      this.#wants = this.#wants === receiver ? undefined : this.#wants
    }
  }

  async write (to: Recipient, compose: (protocol: BitswapProtocol) => Outgoing | undefined, options: WriteOptions): Promise<void> {
    await this.#outgoing.write(to, compose, options)
  }

  readonly #onStream = (stream: Stream, connection: Connection): void => {
    const peer = connection.remotePeer.toString()

    if (!this.#running) {
      stream.abort(new BitswapStreamError('Bitswap was stopped'))
      return
    }

    const state = this.#peers.get(peer)

    if (state.barren.left < 1) {
      const error = new BitswapStreamError(`${peer} opens streams for nothing`)
      this.#fault(peer, 'flood', error.message)
      // each costs a negotiation before we see it: only without the connection there are no more
      connection.abort(error)
      return
    }

    if (!this.#peers.admits(state)) {
      stream.abort(new BitswapStreamError('Too many streams are open'))
      return
    }

    this.#read(peer, state, stream, connection)
  }

  #read (peer: string, state: InboundPeer, stream: Stream, connection: Connection): void {
    const inbound: InboundStream = new InboundStream(stream, this.#components.clock, {
      accept: (prefix, length, unfinished) => {
        const acceptance = this.#blocks?.accept(peer, prefix, length, unfinished) ?? 'no'
        if (acceptance === 'no') {
          state.bytes.spend(UNSOLICITED_COST)
        }
        return acceptance
      },
      finished: unfinished => { this.#blocks?.finished(peer, unfinished) },
      progress: bytes => { this.#blocks?.progress(peer, bytes) },
      block: payload => this.#blocks?.block(peer, payload),
      want: () => state.served(peer => this.#serves(peer)) ? this.#peers.reads(state, inbound) : state.refused.left >= 1 && state.refused.spend(1),
      presence: () => (this.#blocks?.wantsFrom(peer) ?? false) && this.#peers.reads(state, inbound),
      message: message => { this.#dispatch(peer, connection, message) },
      spend: bytes => state.bytes.spend(bytes),
      hold: bytes => { this.#peers.hold(state, inbound, bytes) },
      failed: (fault, error) => { this.#fault(peer, fault, error.message) },
      ended: messages => {
        this.#peers.remove(state, inbound)
        if (messages === 0) {
          state.barren.spend(1)
        }
      }
    })

    this.#peers.add(state, inbound)
    inbound.start()
  }

  #serves (peer: string): boolean {
    return this.#wants?.serves?.(peer) ?? this.#wants != null
  }

  #dispatch (peer: string, connection: Connection, message: BitswapMessage): void {
    if (message.presences.length > 0) {
      this.#blocks?.presences(peer, message.presences)
    }

    if (message.wants.length > 0 || message.full) {
      this.#wants?.wants({ peer, connection, message })
    }
  }

  fault (peer: string, fault: BitswapFault, message: string): void {
    this.#fault(peer, fault, message)
  }

  #fault (peer: string, fault: BitswapFault, message: string): void {
    this.#log('%s: %s - %s', peer, fault, message)
    this.#init.onFault?.({ peer, fault, message })
  }

  readonly #onDisconnect = (event: CustomEvent<{ toString (): string }>): void => {
    const peer = event.detail.toString()
    this.#wants?.left(peer)
    this.#blocks?.broken(peer, new Error('The peer is no longer connected'))
  }

  #sweepLater (): void {
    this.#cancelSweep = this.#components.clock.schedule(SWEEP, () => {
      this.#peers.sweep()
      this.#outgoing.sweep()
      this.#sweepLater()
    })
  }
}
