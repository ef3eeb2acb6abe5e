import { describe, expect, it } from 'vitest'
import { ParsedHint } from '../../src/provider/parsed-hint.ts'
import { toProvider } from '../../src/provider/provider.ts'
import { numbered, settled, world } from './support/world.ts'
import type { CID } from 'multiformats/cid'

const hint = (name: string): string => `http://${name}.example`

describe('hints', () => {
  it('that join a read still waiting for its lookup are asked at once', async () => {
    const { network, clock, manager } = await world({ lookupDelay: 5_000 })
    network.add('known', { latency: 20 }, { unlisted: true })
    const cid = network.block(numbered(1))
    const first = manager.retrieve(cid)
    await clock.advance(100)
    const second = manager.retrieve(cid, { providers: [hint('known')] })
    await clock.run(Promise.all([first, second]))
    expect(clock.now()).toBeLessThan(500)
    await manager.stop()
  })

  it('of a session get past a remembered miss', async () => {
    const { network, clock, manager } = await world()
    network.add('known', { latency: 20 }, { unlisted: true })
    const cid = network.block(numbered(1))
    expect((await clock.run(settled(manager.retrieve(cid)))).error?.name).toBe('NotFoundError')
    const session = manager.createSession(cid, { providers: [hint('known')] })
    expect((await clock.run(settled(session.retrieve(cid)))).value).toEqual(numbered(1))
    await manager.stop()
  })

  it('added to a session get past a remembered miss', async () => {
    const { network, clock, manager } = await world()
    network.add('known', { latency: 20 }, { unlisted: true })
    const cid = network.block(numbered(1))
    const session = manager.createSession(cid)
    expect((await clock.run(settled(session.retrieve(cid)))).error?.name).toBe('NotFoundError')
    session.addProvider(hint('known'))
    expect((await clock.run(settled(session.retrieve(cid)))).value).toEqual(numbered(1))
    await manager.stop()
  })

  it('of a session are asked even where every place of the root is taken by a deliverer', async () => {
    const { network, clock, manager } = await world({ routing: { affinity: { providers: 1 } } })
    network.add('old', { latency: 20 })
    network.add('hinted', { latency: 20 }, { unlisted: true })
    const root = network.block(numbered(1))
    await clock.run(manager.retrieve(root))
    const old = network.providers.get('old')
    if (old != null) {
      old.behaviour.has = 0
    }
    const session = manager.createSession(root, { providers: [hint('hinted')] })
    const result = await clock.run(settled(session.retrieve(network.block(numbered(2)))))
    expect(result.value).toEqual(numbered(2))
    await manager.stop()
  })

  it('of a session are asked before a lookup tells anybody, as those of a read are', async () => {
    const { network, clock, manager } = await world()
    network.add('known', { latency: 20 }, { unlisted: true })
    const cid = network.block(numbered(1))
    const session = manager.createSession(cid, { providers: [hint('known')] })
    await clock.run(session.retrieve(cid))
    expect(network.lookups).toBe(0)
    await manager.stop()
  })

  it('of a session are read once, however many blocks are read', async () => {
    const read: string[] = []
    const { network, clock, manager } = await world({
      parts: {
        parseHint: (hint, source) => {
          read.push(String(hint))
          return toProvider(hint, { source })
        }
      }
    })
    network.add('known', { latency: 20 }, { unlisted: true })
    network.add('own', { latency: 20 }, { unlisted: true })
    const cids = Array.from({ length: 5 }, (_, i) => network.block(numbered(i)))
    const session = manager.createSession(cids[0] as CID, { providers: [hint('known')] })
    for (const cid of cids) {
      await clock.run(session.retrieve(cid))
    }
    expect(read).toEqual([hint('known')])

    // and one that was read by whoever passes it on, not at all
    const own = toProvider(hint('own'), { source: 'hint' })
    await clock.run(manager.retrieve(network.block(numbered(9)), { providers: [new ParsedHint(hint('own'), own)] }))
    expect(read).toHaveLength(1)
    expect(network.providers.get('own')?.requestCount).toBe(1)
    await manager.stop()
  })
})
