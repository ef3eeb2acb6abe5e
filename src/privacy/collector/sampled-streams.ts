import { OpenMap } from './open-map.ts'
import type { SeenStream, StreamWatch } from './stream-watch.ts'
import type { Clock } from '../../interface/clock.ts'
import type { Connection, Stream } from '@libp2p/interface'

/** Sees the streams that are open whenever it looks, now and then: a lower bound */
export class SampledStreams implements StreamWatch {
  readonly exact = false
  readonly #clock: Pick<Clock, 'schedule'>
  readonly #seen: SeenStream
  readonly #interval: number
  readonly #connections = new OpenMap<Connection, true>()
  readonly #known = new WeakSet<Stream>()
  #cancel?: () => void

  constructor (seen: SeenStream, clock: Pick<Clock, 'schedule'>, interval: number) {
    this.#seen = seen
    this.#clock = clock
    this.#interval = interval
  }

  opened (connection: Connection): void {
    this.#connections.set(connection, true)
    this.#lookAt(connection)
    this.#schedule()
  }

  closed (connection: Connection): void {
    this.#lookAt(connection)
    this.#connections.delete(connection)

    if (this.#connections.size === 0) {
      this.stop()
    }
  }

  look (): void {
    for (const connection of this.#connections.keys()) {
      this.#lookAt(connection)
    }
  }

  stop (): void {
    this.#cancel?.()
    this.#cancel = undefined
  }

  #schedule (): void {
    this.#cancel ??= this.#clock.schedule(this.#interval, () => {
      this.#cancel = undefined
      this.look()
      this.#schedule()
    })
  }

  #lookAt (connection: Connection): void {
    for (const stream of connection.streams) {
      if (stream.protocol !== '' && !this.#known.has(stream)) {
        this.#known.add(stream)
        this.#seen(connection, stream)
      }
    }
  }
}
