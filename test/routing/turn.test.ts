import { describe, expect, it } from 'vitest'
import { blockKey } from '../../src/block/key.ts'
import { numbered, world } from './support/world.ts'
import type { CID } from 'multiformats/cid'

describe('the queue for a slot', () => {
  it('lets a read whose provider failed it go ahead of its equals, and behind whoever matters more', async () => {
    const { network, clock, manager } = await world({
      routing: { limits: { global: 1 }, hedge: { share: 0, initial: 0, shadowShare: 0 } }
    })
    const good = network.add('good')
    const bad = network.add('bad', { down: true }, { unlisted: true })
    const block = (n: number): CID => network.block(numbered(n))
    const [failed, first, equal, urgent] = [block(1), block(2), block(3), block(4)] as const
    const reads = [manager.retrieve(failed, { providers: ['http://bad.example'] })]
    // each has found its provider and is in the queue before the attempt of the first has failed
    reads.push(manager.retrieve(first))
    reads.push(manager.retrieve(equal))
    await clock.advance(20)
    reads.push(manager.retrieve(urgent, { priority: 1 }))
    await clock.run(Promise.all(reads))
    expect(bad.requestCount).toBe(1)
    expect(good.requests.map(({ key }) => key)).toEqual([first, urgent, failed, equal].map(cid => blockKey(cid)))
    await manager.stop()
  })
})
