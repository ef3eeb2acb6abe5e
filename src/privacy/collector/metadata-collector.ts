import { InvalidOptionError } from '../../interface/errors.ts'
import { quote } from '../../interface/quote.ts'
import { MAX_ADDRESS, MAX_AGENT, MAX_PROTOCOL, bounded } from './bounded-text.ts'
import { collectorParams } from './collector-params.ts'
import { OpenMap } from './open-map.ts'
import { SampledStreams } from './sampled-streams.ts'
import { Seen } from './seen.ts'
import { isOver, tapStream, unread } from './stream-tap.ts'
import { TrackedStreams } from './tracked-streams.ts'
import { WrappedConnections } from './wrapped-connections.ts'
import type { CollectorParams, MetadataCollectorInit } from './collector-params.ts'
import type { ObservedPeers } from './peer-table.ts'
import type { SeenStream, StreamWatch } from './stream-watch.ts'
import type { CollectorStatistics, ObservationSource, Observations } from '../../interface/privacy.ts'
import type { Connection, IdentifyResult, Libp2p, Logger, Peer, PeerId, PeerUpdate, Stream } from '@libp2p/interface'

/** Own addresses and protocols that an observation carries: nodes have 5 to 20 of each */
const MAX_OWN = 128

const decoder = new TextDecoder()

/** What is needed of a libp2p node */
export type WatchedLibp2p = Pick<Libp2p, 'peerId' | 'addEventListener' | 'removeEventListener' | 'getConnections' | 'getProtocols' | 'getMultiaddrs' | 'peerStore' | 'metrics' | 'logger'>

/** What a libp2p node can do, and nothing that only holds one */
const METHODS = ['addEventListener', 'removeEventListener', 'getConnections', 'getProtocols', 'getMultiaddrs'] as const satisfies Array<keyof WatchedLibp2p>

/**
 * Watches a libp2p node: who is connected, since when, by what way, and what they
 * speak. It sends nothing, and the node needs no preparation; it may have been
 * started long ago.
 *
 * @example
 *
 * ```ts
 * import { createLibp2p } from 'libp2p'
 * import { MetadataCollector } from 'portolan/privacy'
 *
 * const libp2p = await createLibp2p()
 * const collector = new MetadataCollector(libp2p, { streams: 'wrap' })
 * console.log(collector.getStatistics().uniquePeers)
 * collector.detach()
 * await libp2p.stop()
 * ```
 */
export class MetadataCollector implements ObservationSource {
  readonly #libp2p: WatchedLibp2p
  readonly #params: CollectorParams
  readonly #log: Logger
  readonly #seen: Seen
  readonly #watch: StreamWatch
  /** Of each connection that is watched, the streams that are not over */
  readonly #taps = new OpenMap<Connection, Map<Stream, (isOver?: boolean) => void>>()
  #agent?: string
  #detached = false

  constructor (libp2p: WatchedLibp2p, init: MetadataCollectorInit = {}) {
    checkWatched(libp2p)
    this.#libp2p = libp2p
    this.#params = collectorParams(init)
    this.#log = libp2p.logger.forComponent('portolan:privacy:collector')
    this.#seen = new Seen(this.#params)
    this.#watch = this.#streamWatch((connection, stream) => { this.#onStream(connection, stream) })

    libp2p.addEventListener('connection:open', this.#onOpen)
    libp2p.addEventListener('connection:close', this.#onClose)
    libp2p.addEventListener('peer:identify', this.#onIdentify)
    libp2p.addEventListener('self:peer:update', this.#onSelf)

    const open = libp2p.getConnections().sort((a, b) => a.timeline.open - b.timeline.open)

    for (const connection of open) {
      this.#attach(connection, () => { this.#seen.found(connection) })
    }

    this.#readStore(open.map(({ remotePeer }) => remotePeer)).catch(err => { this.#log.error('what is known of peers cannot be read - %e', err) })
  }

  /** What is known of each peer, by id; the records change as more is seen */
  get peers (): ObservedPeers {
    this.#seen.expire()
    return this.#seen.peers
  }

  getStatistics (): CollectorStatistics {
    this.#look()
    return this.#seen.statistics(this.#watch.exact)
  }

  /** A copy of everything that is kept, as of now */
  observations (): Observations {
    this.#look()
    const { ledger } = this.#params
    const seen = this.#seen.observations(this.#watch.exact)

    return {
      ...seen,
      self: {
        peer: this.#libp2p.peerId.toString(),
        ...(this.#agent == null ? {} : { agent: this.#agent }),
        protocols: this.#libp2p.getProtocols().slice(0, MAX_OWN).map(protocol => bounded(protocol, MAX_PROTOCOL)),
        addresses: this.#libp2p.getMultiaddrs().slice(0, MAX_OWN).map(address => bounded(address.toString(), MAX_ADDRESS))
      },
      ...(ledger == null ? {} : { exposures: ledger.entries({ since: seen.from }), unaccounted: ledger.unaccounted() })
    }
  }

  /** Forgets all that was seen. Connections that are open come back with what they do next. */
  clear (): void {
    this.#seen.clear()
  }

  /** Leaves the node as it was. What was seen can still be read. */
  detach (): void {
    this.#detached = true
    this.#libp2p.removeEventListener('connection:open', this.#onOpen)
    this.#libp2p.removeEventListener('connection:close', this.#onClose)
    this.#libp2p.removeEventListener('peer:identify', this.#onIdentify)
    this.#libp2p.removeEventListener('self:peer:update', this.#onSelf)
    this.#watch.stop()

    for (const connection of [...this.#taps.keys()]) {
      this.#untap(connection)
    }
  }

  #streamWatch (seen: SeenStream): StreamWatch {
    const { streams, clock, sampleInterval } = this.#params
    return streams === 'wrap'
      ? new WrappedConnections(seen)
      : TrackedStreams.of(this.#libp2p.metrics, seen) ?? new SampledStreams(seen, clock, sampleInterval)
  }

  readonly #onOpen = ({ detail: connection }: CustomEvent<Connection>): void => {
    this.#attach(connection, () => { this.#seen.opened(connection) })
  }

  readonly #onClose = ({ detail: connection }: CustomEvent<Connection>): void => {
    const streams = this.#taps.get(connection)

    if (streams == null) {
      return
    }

    this.#watch.closed(connection)

    for (const stream of streams.keys()) {
      // it came in, and may be read when the connection has gone
      this.#carried(connection, 'received', unread(stream), stream.protocol)
    }

    this.#untap(connection, true)
    this.#seen.closed(connection)
  }

  readonly #onIdentify = ({ detail }: CustomEvent<IdentifyResult>): void => { this.#seen.identified(detail) }

  readonly #onSelf = ({ detail }: CustomEvent<PeerUpdate>): void => { this.#agent = agentOf(detail.peer) }

  #attach (connection: Connection, record: () => void): void {
    if (this.#taps.has(connection) || this.#params.allowed?.has(connection.remotePeer.toString()) === false) {
      return
    }

    this.#taps.set(connection, new Map())
    record()
    this.#watch.opened(connection)

    if (hasClosed(connection)) {
      // while it was being made: nobody will say so
      this.#onClose(new CustomEvent('connection:close', { detail: connection }))
    }
  }

  #onStream (connection: Connection, stream: Stream): void {
    const streams = this.#taps.get(connection)

    if (streams == null || streams.has(stream)) {
      return
    }

    const protocol = bounded(stream.protocol, MAX_PROTOCOL)
    this.#seen.stream(connection, protocol)

    if (!this.#watch.exact) {
      return
    }

    if (isOver(stream)) {
      // before whoever opened it was given it: nobody will say so again
      this.#carried(connection, 'received', unread(stream), protocol)
    } else {
      streams.set(stream, tapStream(stream, {
        sent: bytes => { this.#carried(connection, 'sent', bytes, protocol) },
        received: bytes => { this.#carried(connection, 'received', bytes, protocol) },
        ended: () => {
          streams.get(stream)?.(true)
          streams.delete(stream)
        }
      }))
    }
  }

  #carried (connection: Connection, kind: 'sent' | 'received', bytes: number, protocol: string): void {
    if (bytes > 0) {
      this.#seen.carried(connection, kind, bytes, protocol)
    }
  }

  #untap (connection: Connection, isOver = false): void {
    for (const release of this.#taps.get(connection)?.values() ?? []) {
      release(isOver)
    }
    this.#taps.delete(connection)
  }

  #look (): void {
    this.#seen.expire()

    if (!this.#detached) {
      this.#watch.look()
    }
  }

  /** What was told before anybody watched */
  async #readStore (peers: readonly PeerId[]): Promise<void> {
    for (const id of [this.#libp2p.peerId, ...peers]) {
      if (this.#detached) {
        return
      }
      if (await this.#libp2p.peerStore.has(id)) {
        const peer = await this.#libp2p.peerStore.get(id)

        if (id === this.#libp2p.peerId) {
          this.#agent ??= agentOf(peer)
        } else if (this.#seen.peers.get(id)?.supported == null) {
          this.#seen.identified({ peerId: id, agentVersion: agentOf(peer), protocols: peer.protocols })
        }
      }
    }
  }
}

function hasClosed ({ status }: Connection): boolean {
  return status !== 'open' && status !== 'closing'
}

function agentOf (peer: Peer): string | undefined {
  const bytes = peer.metadata.get('AgentVersion')
  return bytes == null ? undefined : bounded(decoder.decode(bytes), MAX_AGENT)
}

function checkWatched (libp2p: unknown): void {
  const node = (libp2p ?? {}) as Readonly<Record<string, unknown>>

  if (METHODS.some(name => typeof node[name] !== 'function')) {
    const what = typeof libp2p === 'object' && libp2p != null && 'libp2p' in libp2p
      ? 'something that has one: pass its libp2p, as in new MetadataCollector(helia.libp2p)'
      : `${quote(libp2p)}: pass the libp2p of your Helia node (helia.libp2p, once it has started), or what createLibp2p() gave`
    throw new InvalidOptionError(`a MetadataCollector watches a libp2p node, and got ${what}`)
  }
}
