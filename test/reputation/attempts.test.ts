import { expect, it } from 'vitest'
import { numbered, settled, world } from '../routing/support/world.ts'

it('an attempt cancelled in the middle of its transfer had answered: its latency is exact', async () => {
  const { network, clock, manager, book } = await world()
  const provider = network.add('only', { latency: 40, throughput: 10 })
  const leaving = new AbortController()
  const reading = settled(manager.retrieve(network.block(numbered(1, 100_000)), { signal: leaving.signal }))
  await clock.advance(400)
  leaving.abort(new Error('enough'))
  await clock.advance(1)
  expect((await reading).error?.message).toBe('enough')
  expect(provider.requests[0]?.outcome).toBe('aborted')
  const { latency, rtt } = book.view(provider.id, provider.route, clock.now())
  expect(Math.exp(latency.mean)).toBeCloseTo(40)
  expect(rtt?.mean).toBeCloseTo(40)
  await manager.stop()
})
