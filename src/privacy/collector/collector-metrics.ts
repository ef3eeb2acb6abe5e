import { InvalidOptionError } from '../../interface/errors.ts'
import { quote } from '../../interface/quote.ts'
import { nullMetrics } from './null-metrics.ts'
import { wrap } from './shared-taps.ts'
import type { Metrics, Stream } from '@libp2p/interface'

/** Metrics of nodes made with `collectorMetrics`, and who wants to hear of their streams */
const watchers = new WeakMap<Metrics, Set<(stream: Stream) => void>>()

/**
 * For `createLibp2p({ metrics })`: tells collectors of each stream when its
 * protocol is agreed, and passes everything on to another implementation.
 *
 * @example
 *
 * ```ts
 * import { createLibp2p } from 'libp2p'
 * import { MetadataCollector, collectorMetrics } from 'portolan/privacy'
 *
 * const libp2p = await createLibp2p({ metrics: collectorMetrics() })
 * const collector = new MetadataCollector(libp2p)
 * console.log(collector.getStatistics().streams) // exact
 * await libp2p.stop()
 * ```
 */
export function collectorMetrics<Components> (inner?: (components: Components) => Metrics): (components: Components) => Metrics {
  if (inner != null && typeof inner !== 'function') {
    throw new InvalidOptionError(`collectorMetrics() passes on to other metrics of libp2p, as in collectorMetrics(prometheusMetrics()), and takes no options, got ${quote(inner)}`)
  }
  return components => {
    const metrics = inner?.(components) ?? nullMetrics()
    const listening = new Set<(stream: Stream) => void>()

    wrap(metrics, 'trackProtocolStream', original => stream => {
      original(stream)

      for (const watcher of listening) {
        watcher(stream)
      }
    })
    watchers.set(metrics, listening)
    return metrics
  }
}

/** @returns what begins to watch; undefined where the node was not made with `collectorMetrics` */
export function watchMetrics (metrics: Metrics | undefined): ((watcher: (stream: Stream) => void) => () => void) | undefined {
  const listening = metrics == null ? undefined : watchers.get(metrics)

  return listening == null
    ? undefined
    : watcher => {
      listening.add(watcher)
      return () => { listening.delete(watcher) }
    }
}
