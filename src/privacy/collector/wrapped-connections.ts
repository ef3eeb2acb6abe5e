import { onceProtocolKnown } from './protocol-known.ts'
import { OpenMap } from './open-map.ts'
import { SharedTaps, wrap } from './shared-taps.ts'
import { isOver } from './stream-tap.ts'
import type { SeenStream, StreamWatch } from './stream-watch.ts'
import type { Connection, Stream } from '@libp2p/interface'

/** What libp2p's connections have and their type does not show */
interface MuxedConnection extends Connection {
  readonly muxer?: EventTarget
}

const outgoing = new SharedTaps<Connection, (stream: Stream) => void>((connection, observers) => wrap(connection, 'newStream', newStream => async (...args) => {
  const stream = await newStream(...args)

  for (const observer of observers) {
    observer(stream)
  }
  return stream
}))

/**
 * Sees the streams of connections that are there already: of those opened here by
 * their connection's own `newStream`, of those opened there by the muxer's event.
 */
export class WrappedConnections implements StreamWatch {
  readonly #seen: SeenStream
  readonly #stops = new OpenMap<Connection, Set<() => void>>()
  /** Told of when their protocol was agreed, before `newStream` gives them to whoever opens them */
  readonly #known = new WeakSet<Stream>()
  #exact = true

  constructor (seen: SeenStream) {
    this.#seen = seen
  }

  /** Not where a muxer is hidden: streams opened there go unseen */
  get exact (): boolean {
    return this.#exact
  }

  opened (connection: Connection): void {
    const { muxer } = connection as MuxedConnection
    const see = (stream: Stream): void => { this.#seen(connection, stream) }
    const stops = new Set<() => void>([outgoing.add(connection, stream => {
      if (!this.#known.has(stream)) {
        see(stream)
      }
    })])
    this.#stops.set(connection, stops)

    // identify asks at the same event, before anybody outside libp2p hears of it
    for (const stream of connection.streams) {
      awaitProtocol(stream, stops, () => {
        this.#known.add(stream)
        see(stream)
      })
    }

    if (typeof muxer?.addEventListener === 'function') {
      const onStream = (event: Event): void => { awaitProtocol((event as CustomEvent<Stream>).detail, stops, see) }
      muxer.addEventListener('stream', onStream)
      stops.add(() => { muxer.removeEventListener('stream', onStream) })
    } else if (connection.multiplexer != null) {
      this.#exact = false
    }
  }

  closed (connection: Connection): void {
    const stops = this.#stops.get(connection)
    this.#stops.delete(connection)

    for (const stop of [...stops ?? []]) {
      stop()
    }
  }

  look (): void {}

  stop (): void {
    for (const connection of [...this.#stops.keys()]) {
      this.closed(connection)
    }
  }
}

function awaitProtocol (stream: Stream, stops: Set<() => void>, see: (stream: Stream) => void): void {
  if (stream.protocol !== '') {
    see(stream)
    return
  }
  if (isOver(stream)) {
    // before anybody was told of it: nothing will be agreed
    return
  }
  let forget = (): void => {}

  const stop = (): void => {
    forget()
    stream.removeEventListener('close', stop)
    stops.delete(stop)
  }

  forget = onceProtocolKnown(stream, () => {
    stop()
    see(stream)
  })
  // given up before a protocol was agreed
  stream.addEventListener('close', stop)
  stops.add(stop)
}
