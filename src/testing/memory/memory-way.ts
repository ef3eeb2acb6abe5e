import { multiaddr } from '@multiformats/multiaddr'
import { DelayedLine } from './delayed-line.ts'
import { MemoryConnection } from './memory-connection.ts'
import { MemoryMuxer, MUXER_PROTOCOL } from './memory-muxer.ts'
import type { MemoryNode } from './memory-node.ts'
import type { StreamFrame } from './memory-stream.ts'
import type { Traffic } from './traffic.ts'
import type { Clock } from '../../interface/clock.ts'
import type { Logger, MessageStream, MessageStreamDirection, StreamMuxerFactory } from '@libp2p/interface'

type Frame = StreamFrame | { readonly type: 'open' }

interface End {
  readonly node: MemoryNode
  readonly connection: MemoryConnection
  /** From here to the other end */
  readonly line: DelayedLine
  muxer: MemoryMuxer | undefined
  /** What arrived before the muxer was made */
  readonly early: Array<() => void>
  open: boolean
}

export interface MemoryWayInit {
  readonly clock: Clock
  readonly delay: number
  readonly traffic: Traffic
  readonly dialler: MemoryNode
  readonly listener: MemoryNode
  readonly dialled: string
  log (direction: MessageStreamDirection): Logger
}

/** Both ends of one connection and the two lines between them */
export class MemoryWay {
  readonly outbound: MemoryConnection
  readonly inbound: MemoryConnection
  readonly #traffic: Traffic
  readonly #near: End
  readonly #far: End

  constructor ({ clock, delay, traffic, dialler, listener, dialled, log }: MemoryWayInit) {
    this.#traffic = traffic

    const end = (node: MemoryNode, direction: MessageStreamDirection, remote: string): End => ({
      node,
      connection: new MemoryConnection({
        remoteAddr: multiaddr(remote),
        direction,
        log: log(direction),
        ended: orderly => { this.#ended(direction, orderly) }
      }),
      line: new DelayedLine(clock, delay),
      muxer: undefined,
      early: [],
      open: true
    })

    this.#near = end(dialler, 'outbound', dialled)
    this.#far = end(listener, 'inbound', dialler.address)
    this.outbound = this.#near.connection
    this.inbound = this.#far.connection

    for (const one of [this.#near, this.#far]) {
      one.node.ways.add(one.connection)
      one.connection.addEventListener('close', () => {
        one.open = false
        one.early.length = 0
        one.node.ways.delete(one.connection)

        if (!this.#near.open && !this.#far.open) {
          this.#near.line.cut()
          this.#far.line.cut()
        }
      })
    }
  }

  muxerFactory (direction: MessageStreamDirection): StreamMuxerFactory {
    const [from, to] = this.#ends(direction)

    return {
      protocol: MUXER_PROTOCOL,
      createStreamMuxer: (connection: MessageStream) => {
        const muxer = new MemoryMuxer(connection, { send: (id, frame, protocol) => { this.#send(from, to, id, frame, protocol) } })
        from.muxer = muxer

        for (const deliver of from.early.splice(0)) {
          deliver()
        }

        return muxer
      }
    }
  }

  #ends (direction: MessageStreamDirection): [End, End] {
    return direction === 'outbound' ? [this.#near, this.#far] : [this.#far, this.#near]
  }

  #send (from: End, to: End, id: string, frame: Frame, protocol: string): void {
    if (frame.type === 'data') {
      this.#traffic.wrote(from.node.id, to.node.id, protocol, frame.bytes)
    }

    if (!speaks(from.node) || !to.open) {
      return
    }

    from.line.send(() => {
      if (!to.open || !speaks(to.node)) {
        return
      }

      if (to.muxer == null) {
        to.early.push(() => { to.muxer?.receive(id, frame) })
      } else {
        to.muxer.receive(id, frame)
      }
    })
  }

  /** A hung process keeps its connections, and its machine still hears that one was closed; a lost one hears nothing */
  #ended (direction: MessageStreamDirection, orderly: boolean): void {
    const [from, to] = this.#ends(direction)

    if (from.node.mode === 'gone') {
      return
    }

    from.line.send(() => {
      if (!to.open || to.node.mode === 'gone') {
        return
      }

      if (orderly) {
        to.connection.onTransportClosed()
      } else {
        to.connection.onRemoteReset()
      }
    })
  }
}

function speaks (node: MemoryNode): boolean {
  return node.mode === 'live' || node.mode === 'refused'
}
