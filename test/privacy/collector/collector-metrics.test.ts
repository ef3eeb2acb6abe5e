import { expect, it } from 'vitest'
import { collectorMetrics } from '../../../src/privacy/collector/collector-metrics.ts'
import { listeningAddress } from '../../../src/privacy/collector/listening-address.ts'
import { nullMetrics } from '../../../src/privacy/collector/null-metrics.ts'
import { ECHO, exchange, node, until, watched } from './support/nodes.ts'
import type { Metrics } from '@libp2p/interface'

/** Metrics as others write them: a class with private fields, which is started and stopped */
class OtherMetrics {
  readonly #tracked: string[] = []
  readonly registered: string[] = []
  started = 0

  constructor () {
    Object.assign(this, { ...nullMetrics(), ...this.methods() })
  }

  get tracked (): readonly string[] {
    return this.#tracked
  }

  start (): void {
    this.started++
  }

  stop (): void {
    this.started--
  }

  methods (): Partial<Metrics> {
    return {
      trackProtocolStream: ({ protocol }) => { this.#tracked.push(protocol) },
      registerMetricGroup: ((name: string) => { this.registered.push(name) }) as Metrics['registerMetricGroup']
    }
  }
}

it('passes everything on to another implementation, which is what the node shows', async () => {
  const other = new OtherMetrics()
  const [a, b] = await Promise.all([node({ metrics: collectorMetrics(() => other as unknown as Metrics) }), node()])
  expect(a.metrics).toBe(other)
  expect(other.started).toBe(1)
  expect(other.registered.length).toBeGreaterThan(0)

  const collector = watched(a)
  const connection = await a.dial(listeningAddress(b))
  await exchange(connection, 100)
  await until('identify is done', () => connection.streams.length === 0)
  expect(collector.getStatistics()).toMatchObject({ streams: 'exact', totalStreams: 3 })
  expect(other.tracked).toContain(ECHO)

  collector.detach()
  await exchange(connection, 100)
  expect(other.tracked.filter(protocol => protocol === ECHO)).toHaveLength(2)
  expect(collector.getStatistics().totalStreams).toBe(3)
  await a.stop()
  expect(other.started).toBe(0)
})

it('leaves the metrics of a node alone that was made without it', async () => {
  const metrics = nullMetrics()
  const { trackProtocolStream } = metrics
  const collector = watched(await node({ metrics: () => metrics }))
  expect(metrics.trackProtocolStream).toBe(trackProtocolStream)
  expect(collector.getStatistics().streams).toBe('sampled')
})
