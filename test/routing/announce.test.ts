import { describe, expect, it } from 'vitest'
import { numbered, settled, unpublished, world } from './support/world.ts'
import type { CID } from 'multiformats/cid'

describe('announce', () => {
  it('works again after a restart', async () => {
    const provided: string[] = []
    const { network, manager } = await world({ parts: { provide: async cid => { provided.push(cid.toString()) } } })
    const cid = network.block(numbered(1))
    await manager.announce(cid)
    await manager.stop()
    await manager.start()
    await manager.announce(cid)
    expect(provided).toHaveLength(2)
    await manager.stop()
  })

  it('says that content routing is not running', async () => {
    const provided: string[] = []
    const { network, manager } = await world({ started: false, parts: { provide: async cid => { provided.push(cid.toString()) } } })
    const cid = network.block(numbered(1))
    await expect(manager.announce(cid)).rejects.toMatchObject({ name: 'NotRunningError' })
    await manager.start()
    await manager.stop()
    await expect(manager.announce(cid)).rejects.toMatchObject({ name: 'NotRunningError' })
    expect(provided).toHaveLength(0)
  })

  it('during a read that then finds nobody leaves no remembered miss', async () => {
    const { network, clock, manager } = await world({ lookupDelay: 100 })
    network.add('peer')
    const cid = unpublished(1)
    const reading = settled(manager.retrieve(cid))
    await clock.advance(120)
    manager.available(cid)
    expect((await clock.run(reading)).error?.name).toBe('NotFoundError')
    const asked = network.requests
    await clock.run(settled(manager.retrieve(cid)))
    expect(network.requests).toBe(asked + 1)
    await manager.stop()
  })

  it('refuses what is no CID by name, after the ones before it', async () => {
    const provided: string[] = []
    const w = await world({ parts: { provide: async cid => { provided.push(cid.toString()) } } })
    const { error } = await settled(w.manager.announce([unpublished(1), 'no' as unknown as CID]))
    expect(error?.name).toBe('InvalidCIDError')
    await w.clock.advance(0)
    expect(provided).toEqual([unpublished(1).toString()])
    expect(w.manager.stats().announced).toMatchObject({ pending: 0 })
    await w.manager.stop()
  })

  it('tells of every CID that could not be announced, and announces the others', async () => {
    const provide = async (cid: CID): Promise<void> => {
      if (cid.equals(unpublished(2))) {
        // a mistake in a router is not tried again
        throw new TypeError('no such table')
      }
    }
    const w = await world({ parts: { provide } })
    const { error } = await settled(w.manager.announce([unpublished(1), unpublished(2), unpublished(3)]))
    expect(error?.errors?.map(({ message }) => message)).toEqual([`Could not announce ${unpublished(2)}: no such table`])
    expect(w.manager.stats().announced).toEqual({ done: 2, failed: 1, pending: 0 })
    await w.manager.stop()
  })

  it('reads nothing and tells nobody where it is refused', async () => {
    const provided: string[] = []
    const w = await world({ parts: { provide: async cid => { provided.push(cid.toString()) }, mayAnnounce: () => { throw new Error('serves nobody') } } })
    let read = 0
    const cids = (function * () { read++; yield unpublished(1) })()
    expect((await settled(w.manager.announce(cids))).error?.message).toBe('serves nobody')
    expect([provided, read, w.manager.stats().announced]).toEqual([[], 0, { done: 0, failed: 0, pending: 0 }])
    await w.manager.stop()
  })

  it('is ended for one or many, wherever it is scheduled', async () => {
    const withdrawn: string[] = []
    const cancelled: string[] = []
    const cids = [unpublished(1), unpublished(2)]
    const w = await world({
      parts: {
        withdraw: async cid => { withdrawn.push(cid.toString()) },
        together: () => ({
          announce: async () => ({ swept: [], lookups: 0 }),
          cancel: cids => [...cids].map(cid => cancelled.push(cid.toString())).length
        })
      }
    })
    await w.manager.cancel(cids[0] as CID)
    await w.manager.cancel((async function * () { yield * cids })())
    expect([cancelled, withdrawn]).toEqual([[cids[0], ...cids].map(String), [cids[0], ...cids].map(String)])
    expect((await settled(w.manager.cancel(['no' as unknown as CID]))).error?.name).toBe('InvalidCIDError')
    await w.manager.stop()
    expect((await settled(w.manager.cancel(cids))).error?.name).toBe('NotRunningError')
  })

  it('is not waited for for ever where ending it hangs', async () => {
    const w = await world({ parts: { withdraw: async (_, { signal }) => { await new Promise((_resolve, reject) => { signal.addEventListener('abort', () => { reject(signal.reason as Error) }) }) } } })
    const { error } = await w.clock.run(settled(w.manager.cancel(unpublished(1))))
    expect(error?.name).toBe('TimeoutError')
    await w.manager.stop()
  })

  it('makes a remembered miss forgotten also where nothing publishes records', async () => {
    const w = await world()
    w.network.add('peer')
    const cid = unpublished(1)
    await w.clock.run(settled(w.manager.retrieve(cid)))
    await w.manager.announce(cid)
    await w.clock.run(settled(w.manager.retrieve(cid)))
    expect(w.network.requests).toBe(2)
    await w.manager.stop()
  })

  it('during a read with a larger limit leaves no remembered miss', async () => {
    const w = await world({ lookupDelay: 100 })
    w.network.add('peer')
    const cid = unpublished(1)
    const reading = settled(w.manager.retrieve(cid, { maxBlockSize: 4_000_000 }))
    await w.clock.advance(120)
    w.manager.available(cid)
    await w.clock.run(reading)
    await w.clock.run(settled(w.manager.retrieve(cid)))
    expect(w.network.requests).toBe(2)
    await w.manager.stop()
  })
})
