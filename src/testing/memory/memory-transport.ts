import { ConnectionFailedError, InvalidMultiaddrError, serviceCapabilities, transportSymbol, TypedEventEmitter, UnexpectedPeerError } from '@libp2p/interface'
import { CODE_IP4, CODE_IP6, CODE_MEMORY, CODE_P2P, CODE_TCP, multiaddr } from '@multiformats/multiaddr'
import { MemoryWay } from './memory-way.ts'
import type { MemoryNetwork } from './memory-network.ts'
import type { MemoryDoor, MemoryNode } from './memory-node.ts'
import type { ComponentLogger, Connection, CreateListenerOptions, DialTransportOptions, Listener, ListenerEvents, PeerId, Transport, Upgrader } from '@libp2p/interface'
import type { Multiaddr } from '@multiformats/multiaddr'

export interface MemoryTransportComponents {
  readonly peerId: PeerId
  readonly logger: ComponentLogger
}

export interface MemoryTransportInit {
  readonly network: MemoryNetwork
  readonly node: MemoryNode
}

/** `/ip4/…/tcp/…`, `/ip6/…/tcp/…` and `/memory/…`, with or without a peer id: nothing of it reaches a real network */
export class MemoryTransport implements Transport {
  readonly [transportSymbol] = true as const
  readonly [Symbol.toStringTag] = 'portolan-testing-memory'
  readonly [serviceCapabilities]: string[] = ['@libp2p/transport']
  readonly #network: MemoryNetwork
  readonly #node: MemoryNode
  readonly #logger: ComponentLogger

  constructor (components: MemoryTransportComponents, { network, node }: MemoryTransportInit) {
    this.#network = network
    this.#node = node
    this.#logger = components.logger
  }

  async dial (address: Multiaddr, options: DialTransportOptions): Promise<Connection> {
    const { signal, upgrader } = options
    const { clock, traffic } = this.#network
    const node = this.#node

    signal.throwIfAborted()
    traffic.dialled(node.id)

    if (node.mode === 'refused') {
      throw new ConnectionFailedError(`${node.id} has ended`)
    }

    const known = this.#network.door(place(address))
    const delay = known == null ? this.#network.maxDelay : this.#network.delay(node.position, known.node.position)
    await clock.sleep(delay, { signal })

    // who opened or closed a door while we were under way
    const door = this.#network.door(place(address))

    if (silent(node) || door?.node.mode === 'gone') {
      await endOf(signal)
    }

    if (door == null || door.node.mode === 'refused') {
      await clock.sleep(delay, { signal })
      throw new ConnectionFailedError(`Nobody listens on ${address.toString()}`)
    }

    const way = new MemoryWay({
      clock,
      delay,
      traffic,
      dialler: node,
      listener: door.node,
      dialled: address.toString(),
      log: direction => this.#logger.forComponent(`libp2p:memory:connection:${direction}`)
    })

    try {
      const refusal = accept(door, way, node)
      await clock.sleep(delay, { signal })
      const refused = await refusal

      if (refused != null) {
        throw refused
      }

      if (door.node.mode === 'gone') {
        await endOf(signal)
      }

      const named = address.getComponents().findLast(component => component.code === CODE_P2P)?.value

      if (named != null && named !== door.node.id) {
        throw new UnexpectedPeerError(`${place(address)} is ${door.node.id}, not ${named}`)
      }

      return await upgrader.upgradeOutbound(way.outbound, {
        ...options,
        skipEncryption: true,
        skipProtection: true,
        remotePeer: door.node.peerId,
        muxerFactory: way.muxerFactory('outbound')
      })
    } catch (err) {
      way.outbound.abort(err instanceof Error ? err : new ConnectionFailedError(String(err)))
      throw err
    }
  }

  createListener ({ upgrader }: CreateListenerOptions): Listener {
    return new MemoryListener(this.#network, this.#node, upgrader)
  }

  listenFilter (addresses: Multiaddr[]): Multiaddr[] {
    return addresses.filter(reachable)
  }

  dialFilter (addresses: Multiaddr[]): Multiaddr[] {
    return addresses.filter(reachable)
  }
}

class MemoryListener extends TypedEventEmitter<ListenerEvents> implements Listener {
  readonly #network: MemoryNetwork
  readonly #node: MemoryNode
  readonly #upgrader: Upgrader
  readonly #closed = new AbortController()
  readonly #addresses: string[] = []

  constructor (network: MemoryNetwork, node: MemoryNode, upgrader: Upgrader) {
    super()
    this.#network = network
    this.#node = node
    this.#upgrader = upgrader
  }

  async listen (address: Multiaddr): Promise<void> {
    if (!reachable(address)) {
      throw new InvalidMultiaddrError(`A node in memory listens on /ip4, /ip6 with /tcp, or on /memory, not on ${address.toString()}`)
    }

    const opened = this.#network.openDoor(place(address), { node: this.#node, upgrader: this.#upgrader, signal: this.#closed.signal })
    this.#addresses.push(opened)
    this.#node.address = opened
    this.safeDispatchEvent('listening')
  }

  getAddrs (): Multiaddr[] {
    return this.#addresses.map(address => multiaddr(address))
  }

  async close (): Promise<void> {
    for (const address of this.#addresses.splice(0)) {
      this.#network.closeDoor(address)
    }

    this.#closed.abort(new ConnectionFailedError('The listener was closed'))
    this.safeDispatchEvent('close')
  }

  updateAnnounceAddrs (): void {}
}

/** The other end's upgrade; the dialler learns a way later that it was refused, so the reason is an answer here */
async function accept (door: MemoryDoor, way: MemoryWay, dialler: MemoryNode): Promise<Error | undefined> {
  try {
    await door.upgrader.upgradeInbound(way.inbound, {
      signal: door.signal,
      skipEncryption: true,
      skipProtection: true,
      remotePeer: dialler.peerId,
      muxerFactory: way.muxerFactory('inbound')
    })
    return undefined
  } catch (err) {
    const refused = new ConnectionFailedError(`${door.node.id} refused the connection: ${err instanceof Error ? err.message : String(err)}`)
    way.inbound.abort(refused)
    return refused
  }
}

function silent (node: MemoryNode): boolean {
  return node.mode === 'gone' || node.mode === 'mute'
}

/** Rejects when the signal aborts, and waits for it for ever */
async function endOf (signal: AbortSignal): Promise<never> {
  return new Promise<never>((_resolve, reject) => {
    const onAbort = (): void => { reject(signal.reason as Error) }

    if (signal.aborted) {
      onAbort()
    } else {
      signal.addEventListener('abort', onAbort, { once: true })
    }
  })
}

function reachable (address: Multiaddr): boolean {
  const [first, second, third, ...rest] = address.getComponents().filter(({ code }) => code !== CODE_P2P).map(({ code }) => code)
  return rest.length === 0 && third == null &&
    ((first === CODE_MEMORY && second == null) || ((first === CODE_IP4 || first === CODE_IP6) && second === CODE_TCP))
}

/** The address without the peer id */
function place (address: Multiaddr): string {
  const text = address.toString()
  const end = text.indexOf('/p2p/')
  return end < 0 ? text : text.slice(0, end)
}
