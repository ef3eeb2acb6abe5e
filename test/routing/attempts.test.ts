import { describe, expect, it } from 'vitest'
import { blockKey } from '../../src/block/key.ts'
import { sampleFile } from '../../src/testing/sample-file.ts'
import { numbered, world } from './support/world.ts'
import type { HedgeParams } from '../../src/routing/hedge-budget.ts'
import type { World } from './support/world.ts'

const hint = (name: string): string => `http://${name}.example`

/** Reads a block whose size no link told: taken for a usual leaf */
async function readBig ({ manager, network }: World, n: number, providers: readonly string[]): Promise<void> {
  await manager.retrieve(network.block(numbered(n)), { providers: providers.map(hint) })
}

/** Big blocks usually take 300 ms, and of late everybody read small ones, which take 5 */
async function afterManySmall (hedge: Partial<HedgeParams>): Promise<World> {
  const w = await world({ routing: { hedge: { shadowShare: 0, ...hedge } } })
  const { network, clock, manager } = w
  network.add('near', { latency: 5 })
  network.add('big1', { latency: 300 }, { unlisted: true })
  network.add('big2', { latency: 300 }, { unlisted: true })

  for (let n = 0; n < 30; n++) {
    await clock.run(readBig(w, n, ['big1', 'big2']))
  }

  for (const seed of [1, 2]) {
    const file = await sampleFile({ size: 150 * 1_024, chunkSize: 1_024, seed })
    const session = manager.createSession(file.root)

    for (const cid of [file.root, ...file.others]) {
      network.put(cid, file.blocks.get(blockKey(cid)) as Uint8Array)
      await clock.run(session.retrieve(cid))
    }

    session.close()
  }

  return w
}

describe('what is usual for a block', () => {
  it('goes by blocks of its size: a big one is not hedged at the pace of small ones', async () => {
    const w = await afterManySmall({ share: 1 })
    const { sent } = w.manager.stats().hedges

    for (let n = 100; n < 110; n++) {
      await w.clock.run(readBig(w, n, ['big1', 'big2']))
    }

    expect(w.manager.stats().hedges.sent).toBe(sent)
    await w.manager.stop()
  })

  it('goes by blocks of its size: nobody new is given up on a big one at the pace of small ones', async () => {
    const w = await afterManySmall({ share: 0, initial: 0 })
    const newcomers = ['new1', 'new2'].map(name => w.network.add(name, { latency: 800 }, { unlisted: true }))
    await w.clock.run(readBig(w, 100, ['new1', 'new2']))
    expect(newcomers.flatMap(({ requests }) => requests.map(({ outcome }) => outcome))).toEqual(['answered'])
    await w.manager.stop()
  })
})
