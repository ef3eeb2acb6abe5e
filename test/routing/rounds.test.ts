import { describe, expect, it } from 'vitest'
import { FetchError } from '../../src/interface/errors.ts'
import { numbered, settled, world } from './support/world.ts'
import type { BlockFetcher } from '../../src/interface/fetcher.ts'

const hint = (name: string): string => `http://${name}.example`

describe('rounds', () => {
  it('wait for Retry-After when there is nobody else', async () => {
    const asked: number[] = []
    const { network } = await world({ started: false })
    const busy = network.add('busy')
    const fetcher: BlockFetcher = {
      ...network.fetcher,
      fetch: async (_want, _route, attempt) => {
        asked.push(network.clock.now())

        if (asked.length === 1) {
          throw new FetchError('overloaded', 'busy: 503 Service Unavailable', { provider: busy.id, retryAfter: 7_000 })
        }

        attempt.phase('first-byte')
        return numbered(1)
      }
    }
    const { manager, clock } = await world({ network, parts: { fetchers: [fetcher] } })
    expect((await clock.run(settled(manager.retrieve(network.block(numbered(1)))))).value).toEqual(numbered(1))
    expect(asked).toHaveLength(2)
    expect(asked[1]).toBeGreaterThanOrEqual(7_000)
    expect(asked[1]).toBeLessThan(8_000)
    await manager.stop()
  })

  it('are not used up by a hedge timer, a joiner or the end of a lookup while the next one is waited for', async () => {
    const { network, clock, manager } = await world()
    const only = network.add('only', { down: true })
    const cid = network.block(numbered(1))
    const reading = settled(manager.retrieve(cid))
    await clock.advance(100)
    const joining = settled(manager.retrieve(cid, { providers: [hint('only')] }))
    await clock.advance(300)
    only.behaviour.down = false
    expect((await clock.run(reading)).value).toEqual(numbered(1))
    expect((await joining).value).toEqual(numbered(1))
    expect(clock.now()).toBeLessThan(3_000)
    await manager.stop()
  })
})
