import { watchMetrics } from './collector-metrics.ts'
import { OpenMap } from './open-map.ts'
import type { SeenStream, StreamWatch } from './stream-watch.ts'
import type { Connection, Metrics, Stream } from '@libp2p/interface'

/** Sees the streams of a node that was made with `collectorMetrics`, from its first one on */
export class TrackedStreams implements StreamWatch {
  readonly exact = true
  readonly #connections = new OpenMap<Connection, true>()
  readonly #seen: SeenStream
  readonly stop: () => void

  private constructor (seen: SeenStream, watch: (watcher: (stream: Stream) => void) => () => void) {
    this.#seen = seen
    this.stop = watch(stream => { this.#track(stream) })
  }

  /** @returns undefined where the node was not made with `collectorMetrics` */
  static of (metrics: Metrics | undefined, seen: SeenStream): TrackedStreams | undefined {
    const watch = watchMetrics(metrics)
    return watch == null ? undefined : new TrackedStreams(seen, watch)
  }

  opened (connection: Connection): void {
    this.#connections.set(connection, true)

    for (const stream of connection.streams) {
      // those without a protocol are told of when they have one
      if (stream.protocol !== '') {
        this.#seen(connection, stream)
      }
    }
  }

  closed (connection: Connection): void {
    this.#connections.delete(connection)
  }

  look (): void {}

  /** The stream does not say whose it is */
  #track (stream: Stream): void {
    const connection = this.#connections.findKey(({ streams }) => streams.includes(stream))

    if (connection != null) {
      this.#seen(connection, stream)
    }
  }
}
