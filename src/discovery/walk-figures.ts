import { TimeSamples } from './kad/time-samples.ts'
import type { KadPeer } from './kad/kad-client.ts'
import type { WalkOptions } from './kad/walker.ts'
import type { Clock } from '../interface/clock.ts'
import type { Percentiles } from '../interface/stats.ts'

/** What lookups in the DHT cost and found since the start; plain JSON. Refreshes and announcements are not among them. */
export interface WalkStats {
  readonly begun: number
  /** Until the nearest had answered; the others failed, or were left when the block had come */
  readonly ended: number
  readonly failed: number
  /** Peers that were asked, and what they did: `late` ones are no longer waited for, and may answer yet */
  readonly asked: number
  readonly answered: number
  readonly late: number
  readonly errors: number
  /** Peers among the nearest that were known to be dead, and so left alone */
  readonly passedOver: number
  /** Different providers in each lookup, and times that one was named */
  readonly providers: number
  readonly named: number
  /** Parts of answers that made no sense, or were beyond the bounds */
  readonly skipped: number
  /** Answers on the way to the farthest of the nearest, of the last 256 lookups */
  readonly hops: Percentiles
  /** Milliseconds until a first provider was named, and until the end, of the same */
  readonly firstProvider: Percentiles
  readonly end: Percentiles
}

/** Counts lookups as they pass. An addition for each message, a sort of 256 numbers for whoever asks. */
export class WalkFigures {
  readonly #clock: Pick<Clock, 'now'>
  readonly #counts = { begun: 0, ended: 0, failed: 0, asked: 0, answered: 0, late: 0, errors: 0, passedOver: 0, providers: 0, named: 0, skipped: 0 }
  readonly #hops = new TimeSamples()
  readonly #first = new TimeSamples()
  readonly #ends = new TimeSamples()

  constructor (clock: Pick<Clock, 'now'>) {
    this.#clock = clock
  }

  /** One lookup, as `find` makes it with these options */
  async * watch<O extends WalkOptions> (options: O, find: (options: O) => AsyncIterable<KadPeer>): AsyncGenerator<KadPeer, void, undefined> {
    const counts = this.#counts
    const began = this.#clock.now()
    const known = new Set<string>()
    counts.begun++

    try {
      yield * this.#named(known, began, find({
        ...options,
        onProgress: event => {
          switch (event.phase) {
            case 'ask':
              counts.asked++
              break
            case 'answer':
              counts.answered++
              counts.skipped += event.skipped
              break
            case 'late':
              counts.late++
              break
            case 'error':
              counts.errors++
              break
            default:
              counts.ended++
              counts.passedOver += event.result.passedOver
              this.#hops.add(event.result.hops)
              this.#ends.add(event.result.took)
          }
          options.onProgress?.(event)
        }
      }))
    } catch (err) {
      counts.failed += options.signal.aborted ? 0 : 1
      throw err
    }
  }

  stats (): WalkStats {
    return { ...this.#counts, hops: percentiles(this.#hops), firstProvider: percentiles(this.#first), end: percentiles(this.#ends) }
  }

  async * #named (known: Set<string>, began: number, peers: AsyncIterable<KadPeer>): AsyncGenerator<KadPeer, void, undefined> {
    const counts = this.#counts

    for await (const peer of peers) {
      if (known.size === 0) {
        this.#first.add(this.#clock.now() - began)
      }
      counts.named++
      counts.providers += known.has(peer.id) ? 0 : 1
      known.add(peer.id)
      yield peer
    }
  }
}

function percentiles (samples: TimeSamples): Percentiles {
  const at = (share: number): number | undefined => {
    const value = samples.quantile(share, 1)
    return value == null ? undefined : Math.round(value * 1_000) / 1_000
  }
  return samples.count === 0 ? {} : { p50: at(0.5), p90: at(0.9), p99: at(0.99) }
}
