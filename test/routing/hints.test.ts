import { describe, expect, it } from 'vitest'
import { numbered, settled, world } from './support/world.ts'

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
})
