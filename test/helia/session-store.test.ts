import { createHeliaLight } from 'helia'
import all from 'it-all'
import { CID } from 'multiformats/cid'
import { afterEach, describe, expect, it } from 'vitest'
import { MapBroker, OwnRouting, block, gate, read, wrap } from './own-routing.ts'
import type { ParsedHint } from '../../src/provider/parsed-hint.ts'
import type { HeliaContentRouting } from '../../src/helia/helia-routing.ts'
import type { Helia, SessionBlockstore } from '@helia/interface'

const nodes: Helia[] = []

async function start (routing: OwnRouting, ...brokers: MapBroker[]): Promise<Helia & { contentRouting: HeliaContentRouting }> {
  const helia = wrap(createHeliaLight({ blockBrokers: brokers }), routing)
  nodes.push(helia)
  return helia.start()
}

afterEach(async () => {
  await Promise.all(nodes.splice(0).map(async helia => helia.stop()))
})

const leaf = await block('root')
// a codec with links: nobody needs to be told about raw leaves
const root = { cid: CID.createV1(0x70, leaf.cid.multihash), bytes: leaf.bytes }
const child = await block('child')
const other = await block('other')

describe('a session of a wrapped node', () => {
  it('fetches through one session of content routing that knows the root', async () => {
    const routing = new OwnRouting().add(root, child)
    const helia = await start(routing)
    const session = helia.blockstore.createSession(root.cid)
    expect(await read(session.get(root.cid))).toBe('root')
    expect(await read(session.get(child.cid))).toBe('child')

    expect(routing.sessions).toHaveLength(1)
    expect(routing.sessions[0]?.root).toBe(root.cid.toString())
    expect(routing.asked.map(({ cid, session }) => [cid, session])).toEqual([root, child].map(({ cid }) => [cid.toString(), root.cid.toString()]))
    expect(await helia.blockstore.has(child.cid)).toBe(true)
    expect(routing.available_).toContain(child.cid.toString())
  })

  it('serves what is local and tells the session of content routing about it', async () => {
    const routing = new OwnRouting().add(child)
    const helia = await start(routing)
    await helia.blockstore.put(root.cid, root.bytes)
    const session = helia.blockstore.createSession(root.cid)
    expect(await read(session.get(root.cid))).toBe('root')
    expect(await read(session.get(child.cid))).toBe('child')
    expect(await read(session.get(child.cid))).toBe('child')
    expect(await read(session.get(root.cid))).toBe('root')
    expect(routing.sessions[0]?.seen).toEqual([root.cid, root.cid].map(String))
    expect(routing.asked).toHaveLength(1)
  })

  it('serves what is local even when content routing cannot be told', async () => {
    const routing = new OwnRouting()
    routing.createSession = () => { throw new Error('no') }
    const helia = await start(routing)
    await helia.blockstore.put(root.cid, root.bytes)
    expect(await read(helia.blockstore.createSession(root.cid).get(root.cid))).toBe('root')
  })

  it.each([
    ['at creation', { offline: true }, {}],
    ['per read', {}, { offline: true }]
  ])('never asks anybody when offline %s, children included', async (_, creation, perRead) => {
    const routing = new OwnRouting().add(root, child)
    const broker = new MapBroker('plain', root, child)
    const helia = await start(routing, broker)
    await helia.blockstore.put(root.cid, root.bytes)
    const session = helia.blockstore.createSession(root.cid, creation)

    expect(await read(session.get(root.cid, perRead))).toBe('root')
    await expect(read(session.get(child.cid, perRead))).rejects.toMatchObject({ name: 'BlockNotFoundWhileOfflineError' })
    helia.contentRouting.disable()
    await expect(read(session.get(child.cid, perRead))).rejects.toMatchObject({ name: 'BlockNotFoundWhileOfflineError' })
    expect([routing.asked.length, routing.sessions.length, broker.asked.length]).toEqual([0, 0, 0])
  })

  it('hands on hints, of its creation, of a read and of addPeer, leaving out what is none', async () => {
    const routing = new OwnRouting().add(root, child)
    const helia = await start(routing)
    const bogus = { toString: () => 'bogus' } as unknown as CID
    const session = helia.blockstore.createSession(root.cid, { providers: [other.cid, bogus] })
    await session.addPeer(child.cid)
    await read(session.get(root.cid))
    expect(routing.sessions[0]?.hints).toEqual([other.cid, child.cid].map(String))

    await session.addPeer(root.cid)
    expect(routing.sessions[0]?.hints).toHaveLength(3)
    await read(session.get(child.cid, { providers: [other.cid] } as object))
    expect(routing.asked[1]?.options.providers?.map(String)).toEqual([other.cid.toString()])
  })

  it('hands on what it has read: nobody reads a hint again', async () => {
    const routing = new OwnRouting().add(root, child)
    const helia = await start(routing)
    const session = helia.blockstore.createSession(root.cid, { providers: [other.cid] })
    await read(session.get(root.cid, { providers: [child.cid] } as object))
    const [created, asked] = [routing.sessions[0]?.options.providers, routing.asked[0]?.options.providers]
    expect([created, asked].map(hints => hints?.map(hint => (hint as ParsedHint).provider.id))).toEqual([[`p2p:${other.cid}`], [`p2p:${child.cid}`]])
  })

  it('remembers at most 64 peers, whoever adds them', async () => {
    const routing = new OwnRouting().add(root)
    const helia = await start(routing)
    const session = helia.blockstore.createSession(root.cid)
    for (let i = 0; i < 100; i++) {
      await session.addPeer(other.cid)
    }
    await read(session.get(root.cid))
    expect(routing.sessions[0]?.hints).toHaveLength(64)
  })

  it('accepts what Helia accepts, and outlives the signal it was created with', async () => {
    const routing = new OwnRouting().add(root)
    const helia = await start(routing)
    const controller = new AbortController()
    const session = helia.blockstore.createSession(root.cid, { minProviders: 1, maxProviders: 5, signal: controller.signal })
    controller.abort()
    expect(await read(session.get(root.cid))).toBe('root')
    expect(() => helia.blockstore.createSession(root.cid, { signal: controller.signal })).toThrow()
  })

  it('fails as a session of the node does, with the reason inside', async () => {
    const helia = await start(new OwnRouting())
    await expect(read(helia.blockstore.createSession(root.cid).get(root.cid))).rejects.toMatchObject({
      name: 'LoadBlockFailedError', errors: [{ name: 'NotFoundError' }], message: expect.stringContaining(`nobody has ${root.cid}`)
    })
  })

  it('stops waiting when the reader does, and throws for every use after close', async () => {
    const routing = new OwnRouting().add(root, child)
    routing.held = gate().opened
    const helia = await start(routing)
    const session = helia.blockstore.createSession(root.cid)
    const controller = new AbortController()
    let asked = routing.nextAsk()
    const aborted = read(session.get(root.cid, { signal: controller.signal }))
    await asked
    controller.abort(new Error('enough'))
    await expect(aborted).rejects.toThrow('enough')

    asked = routing.nextAsk()
    const closed = read(session.get(root.cid))
    await asked
    session.close()
    session.close()
    await expect(closed).rejects.toThrow('was closed')
    expect(routing.sessions[0]?.closed).toBe(true)

    const uses: Array<() => unknown> = [
      async () => read(session.get(root.cid)),
      async () => session.has(root.cid),
      async () => session.put(root.cid, root.bytes),
      async () => session.delete(root.cid),
      async () => session.addPeer(root.cid),
      async () => all(session.getMany([root.cid])),
      async () => all(session.putMany([])),
      async () => all(session.deleteMany([])),
      async () => all(session.getAll())
    ]
    for (const use of uses) {
      await expect(use()).rejects.toMatchObject({ name: 'AbortError', message: expect.stringContaining('was closed') })
    }
  })

  it('puts, lists and deletes in the store of the node', async () => {
    const routing = new OwnRouting().add(child)
    const broker = new MapBroker('plain')
    const helia = await start(routing, broker)
    const session = helia.blockstore.createSession(root.cid)
    await session.put(root.cid, root.bytes)
    expect(await all(session.putMany([{ cid: other.cid, bytes: other.bytes }]))).toEqual([other.cid])
    expect(broker.announced).toEqual([root.cid, other.cid].map(String))
    expect([await session.has(root.cid), await session.has(child.cid)]).toEqual([true, false])

    const pairs = await all(session.getMany([root.cid, child.cid]))
    const many = await Promise.all(pairs.map(async ({ cid, bytes }) => [cid, await read(bytes)]))
    expect(many).toEqual([[root.cid, 'root'], [child.cid, 'child']])
    expect(await all(session.getAll())).toHaveLength(3)

    await session.delete(root.cid)
    expect(await all(session.deleteMany([other.cid]))).toEqual([other.cid])
    expect((await all(session.getAll())).map(({ cid }) => cid.multihash.bytes)).toEqual([child.cid.multihash.bytes])
  })

  it('fetches a block that was evicted between looking and reading', async () => {
    const routing = new OwnRouting().add(root)
    const helia = await start(routing)
    const { store } = storeOf(helia)
    const has = store.has.bind(store)
    store.has = cid => cid.equals(root.cid) || has(cid)
    expect(await read(helia.blockstore.createSession(root.cid).get(root.cid))).toBe('root')
    expect(routing.asked).toHaveLength(1)
  })

  it('gives the reader the block although the store is full', async () => {
    const routing = new OwnRouting().add(root)
    const helia = await start(routing)
    const { store } = storeOf(helia)
    store.put = () => { throw new Error('disk full') }
    expect(await read(helia.blockstore.createSession(root.cid).get(root.cid))).toBe('root')
    expect(routing.available_).toEqual([])
  })

  it('serves identity CIDs without asking anybody', async () => {
    const routing = new OwnRouting()
    const helia = await start(routing)
    const { identity } = await import('multiformats/hashes/identity')
    const cid = CID.createV1(0x55, identity.digest(root.bytes))
    expect(await read(helia.blockstore.createSession(cid).get(cid))).toBe('root')
    expect(routing.asked).toHaveLength(0)
  })

  it('is over when the node restarts for content routing, not for the reader', async () => {
    const routing = new OwnRouting().add(root, child)
    const helia = await start(routing)
    const session = helia.blockstore.createSession(root.cid)
    await read(session.get(root.cid))
    await helia.stop()
    await helia.start()
    expect(await read(session.get(child.cid))).toBe('child')
    expect(routing.sessions.map(({ closed }) => closed)).toEqual([true, false])
  })
})

describe('a session that asks not to be routed', () => {
  it.each([
    ['at creation', { contentRouting: false }, {}],
    ['per read', {}, { contentRouting: false }]
  ])('reads through the session of the node: %s', async (_, creation, perRead) => {
    const routing = new OwnRouting().add(root)
    const broker = new MapBroker('plain', root)
    const helia = await start(routing, broker)
    const session = helia.blockstore.createSession(root.cid, creation as object)
    expect(await read(session.get(root.cid, perRead as object))).toBe('root')
    expect([routing.asked.length, broker.asked.length, broker.sessions]).toEqual([0, 1, 1])
    expect(helia.hasBlockBroker('content-routing')).toBe(true)
    session.close()
  })
})

describe('switching with sessions open', () => {
  it('goes on through a session of the node, and back', async () => {
    const routing = new OwnRouting().add(root, other)
    const broker = new MapBroker('plain', child)
    const helia = await start(routing, broker)
    const session = helia.blockstore.createSession(root.cid)
    expect(await read(session.get(root.cid))).toBe('root')

    helia.contentRouting.disable()
    expect(await read(session.get(child.cid))).toBe('child')
    expect([broker.sessions, broker.asked.length]).toEqual([1, 1])

    helia.contentRouting.enable()
    expect(await read(session.get(other.cid))).toBe('other')
    expect(routing.asked).toHaveLength(2)
    expect(routing.sessions).toHaveLength(1)
    session.close()
  })

  it('lets reads in flight finish on the way they started', async () => {
    const routing = new OwnRouting().add(root)
    const broker = new MapBroker('plain', child)
    const [routed, plain] = [gate(), gate()]
    routing.held = routed.opened
    broker.held = plain.opened
    const helia = await start(routing, broker)
    const session = helia.blockstore.createSession(root.cid)

    const asked = routing.nextAsk()
    const first = [read(session.get(root.cid)), read(helia.blockstore.get(root.cid))]
    await asked
    helia.contentRouting.disable()
    const second = [read(session.get(child.cid)), read(helia.blockstore.get(child.cid))]
    await until(() => broker.asked.length === 2)
    helia.contentRouting.enable()
    routed.open()
    plain.open()

    expect(await Promise.all(first)).toEqual(['root', 'root'])
    expect(await Promise.all(second)).toEqual(['child', 'child'])
    expect(broker.asked).toEqual([child.cid, child.cid].map(String))
  })

  it('reads on where the node knows no sessions of its own', async () => {
    const routing = new OwnRouting().add(root)
    const broker = new MapBroker('plain', child)
    Object.assign(broker, { createSession: undefined })
    const helia = await start(routing, broker)
    const session = helia.blockstore.createSession(root.cid)
    await read(session.get(root.cid))
    helia.contentRouting.disable()
    expect(await read(session.get(child.cid))).toBe('child')
    session.close()
  })

  it('closes the node\'s session with its own, and a replaced one when its last reader has left', async () => {
    const routing = new OwnRouting()
    const broker = new MapBroker('plain', root, child)
    const helia = await start(routing, broker)
    const made: SessionBlockstore[] = []
    helia.contentRouting.disable()
    const native = helia.blockstore.createSession.bind(helia.blockstore)
    helia.blockstore.createSession = (...args) => {
      const session = native(...args)
      made.push(session)
      return session
    }
    helia.contentRouting.enable()
    const session = helia.blockstore.createSession(root.cid)
    helia.contentRouting.disable()

    const held = gate()
    broker.held = held.opened
    const slow = read(session.get(root.cid))
    await until(() => broker.asked.length === 1)
    helia.contentRouting.enable()
    helia.contentRouting.disable()
    broker.held = Promise.resolve()
    expect(await read(session.get(child.cid))).toBe('child')
    expect(made).toHaveLength(2)
    expect(await made[0]?.has(root.cid)).toBe(false)
    held.open()
    expect(await slow).toBe('root')
    await expect(read(made[0]?.get(root.cid) ?? [])).rejects.toThrow()
    session.close()
    await expect(read(made[1]?.get(root.cid) ?? [])).rejects.toThrow()
  })
})

describe('a session made past the blockstore', () => {
  it('is routed too, with its first block as the root', async () => {
    const routing = new OwnRouting().add(root, child)
    const helia = await start(routing)
    const session = storeOf(helia).networked.createSession(root.cid, { providers: [other.cid] })
    await session.addPeer(child.cid)
    expect(await read(session.get(root.cid))).toBe('root')
    expect(await read(session.get(child.cid))).toBe('child')
    await session.addPeer(root.cid)
    expect(routing.sessions).toMatchObject([{ root: root.cid.toString(), hints: [other.cid, child.cid, root.cid].map(String) }])
    session.close()
  })

  it('stays offline when told so', async () => {
    const routing = new OwnRouting().add(root)
    const helia = await start(routing)
    const session = storeOf(helia).networked.createSession(root.cid, { offline: true })
    await expect(read(session.get(root.cid))).rejects.toMatchObject({ name: 'LoadBlockFailedError', errors: [{ name: 'OfflineError' }] })
    expect(routing.asked).toHaveLength(0)
  })
})

async function until (condition: () => boolean): Promise<void> {
  while (!condition()) {
    await new Promise(resolve => { setImmediate(resolve) })
  }
}

interface StoreLike {
  has (cid: CID): boolean | Promise<boolean>
  put (...args: unknown[]): unknown
}

function storeOf (helia: Helia): { networked: Helia['blockstore'], store: StoreLike } {
  const networked = (helia.blockstore as unknown as { unwrap (): Helia['blockstore'] & { unwrap (): StoreLike } }).unwrap()
  return { networked, store: networked.unwrap() }
}
