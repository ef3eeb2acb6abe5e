import { watchMetrics } from './collector-metrics.ts'
import type { SeenStream, StreamWatch } from './stream-watch.ts'
import type { Connection, Metrics, Stream } from '@libp2p/interface'

/** Sees the streams of a node that was made with `collectorMetrics`, from its first one on */
export class TrackedStreams implements StreamWatch {
  readonly exact = true
  readonly #connections = new Set<Connection>()
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
    this.#connections.add(connection)

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
    for (const connection of this.#connections) {
      if (connection.streams.includes(stream)) {
        this.#seen(connection, stream)
        return
      }
    }
  }
}
