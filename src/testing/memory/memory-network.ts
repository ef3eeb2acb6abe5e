import { ConnectionFailedError, InvalidMultiaddrError } from '@libp2p/interface'
import { seededRandom } from '../../clock/random.ts'
import { systemClock } from '../../clock/system-clock.ts'
import { InvalidOptionError } from '../../interface/errors.ts'
import { MemoryNode } from './memory-node.ts'
import { MemoryTransport } from './memory-transport.ts'
import { Traffic } from './traffic.ts'
import type { MemoryDoor, NodeMode } from './memory-node.ts'
import type { MemoryTransportComponents } from './memory-transport.ts'
import type { NodeTraffic, ObservedMessage } from './traffic.ts'
import type { Clock } from '../../interface/clock.ts'
import type { PeerId, Transport } from '@libp2p/interface'

/** Milliseconds one way: from the next town to the far side of the world */
export const DEFAULT_MIN_DELAY = 10
export const DEFAULT_MAX_DELAY = 120

/** Ports that are given out for port 0 start where systems' ephemeral ones do */
const FIRST_FREE_PORT = 49_152

export interface MemoryNetworkInit {
  /** @default systemClock */
  clock?: Clock
  /** Decides the delays. @default 1 */
  seed?: number
  /** Shortest way between two nodes, in ms. @default 10 */
  minDelay?: number
  /** Longest way between two nodes, in ms. @default 120 */
  maxDelay?: number
}

export interface MemoryTransportOptions {
  /** Nodes of one position have the same delays to all others. @default the peer id */
  position?: string
}

/**
 * A network of libp2p nodes in one process. Each pair of positions has its own
 * delay, the same in both directions, drawn evenly between the shortest and the
 * longest; it is pipelined, so that messages written together arrive together.
 * A dial takes one round trip. Nodes can be made dead in several ways, and what
 * they write is counted.
 *
 * @example
 *
 * ```ts
 * import { createLibp2p } from 'libp2p'
 * import { MemoryNetwork } from 'portolan/testing'
 *
 * const network = new MemoryNetwork({ seed: 7 })
 * const server = await createLibp2p({ addresses: { listen: ['/ip4/192.0.2.1/tcp/4001'] }, transports: [network.transport()] })
 * const client = await createLibp2p({ transports: [network.transport()] })
 * await client.dial(server.getMultiaddrs())
 * network.setMode(server.peerId, 'gone')
 * await Promise.all([client.stop(), server.stop()])
 * ```
 */
export class MemoryNetwork {
  readonly clock: Clock
  readonly seed: number
  readonly minDelay: number
  readonly maxDelay: number
  /** @internal */
  readonly traffic = new Traffic()
  readonly #nodes = new Map<string, MemoryNode>()
  readonly #doors = new Map<string, MemoryDoor>()
  #nextPort = FIRST_FREE_PORT

  constructor ({ clock = systemClock, seed = 1, minDelay = DEFAULT_MIN_DELAY, maxDelay = DEFAULT_MAX_DELAY }: MemoryNetworkInit = {}) {
    if (!(minDelay >= 0 && minDelay <= maxDelay && maxDelay < Infinity)) {
      throw new InvalidOptionError(`minDelay and maxDelay must be milliseconds from 0 on, the longer not below the shorter, not ${minDelay} and ${maxDelay}`)
    }

    this.clock = clock
    this.seed = seed
    this.minDelay = minDelay
    this.maxDelay = maxDelay
  }

  /** A transport for one node: pass it in `transports` of `createLibp2p` */
  transport (options: MemoryTransportOptions = {}): (components: MemoryTransportComponents) => Transport {
    return components => {
      const node = new MemoryNode(components.peerId, options.position)
      const known = this.#nodes.get(node.id)
      // a node that starts again is the same node, with what befell it
      this.#nodes.set(node.id, known ?? node)
      return new MemoryTransport(components, { network: this, node: known ?? node })
    }
  }

  mode (peer: PeerId | string): NodeMode {
    return this.#node(peer).mode
  }

  setMode (peer: PeerId | string, mode: NodeMode): void {
    const node = this.#node(peer)
    node.mode = mode

    if (mode === 'refused') {
      for (const connection of [...node.ways]) {
        connection.abort(new ConnectionFailedError(`${node.id} has ended`))
      }
    }
  }

  /** Milliseconds from one position to another, and back */
  delay (a: string, b: string): number {
    if (a === b) {
      return this.minDelay
    }

    const pair = a < b ? `${this.seed}|${a}|${b}` : `${this.seed}|${b}|${a}`
    return this.minDelay + seededRandom(fnv1a(pair)).next() * (this.maxDelay - this.minDelay)
  }

  /** Milliseconds between two nodes, one way */
  delayBetween (a: PeerId | string, b: PeerId | string): number {
    return this.delay(this.#node(a).position, this.#node(b).position)
  }

  /** What a node has written and dialled since it joined, or all nodes together */
  sent (peer?: PeerId | string): NodeTraffic {
    return peer == null ? this.traffic.total() : this.traffic.of(peer.toString())
  }

  /** Shows every chunk at the moment it is written, until the returned function is called */
  watch (watcher: (message: ObservedMessage) => void): () => void {
    return this.traffic.watch(watcher)
  }

  /** @internal */
  door (address: string): MemoryDoor | undefined {
    return this.#doors.get(address)
  }

  /** @internal */
  openDoor (address: string, door: MemoryDoor): string {
    const free = address.endsWith('/tcp/0') ? `${address.slice(0, -1)}${this.#nextPort++}` : address

    if (this.#doors.has(free)) {
      throw new InvalidMultiaddrError(`Somebody listens on ${free} already`)
    }

    this.#doors.set(free, door)
    return free
  }

  /** @internal */
  closeDoor (address: string): void {
    this.#doors.delete(address)
  }

  #node (peer: PeerId | string): MemoryNode {
    const node = this.#nodes.get(peer.toString())

    if (node == null) {
      throw new InvalidOptionError(`${peer.toString()} is no node of this network`)
    }

    return node
  }
}

/** FNV-1a over UTF-16 units: spreads names over seeds */
function fnv1a (text: string): number {
  let hash = 0x811c9dc5

  for (let i = 0; i < text.length; i++) {
    hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193)
  }

  return hash >>> 0
}
