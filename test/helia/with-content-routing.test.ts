import { createHeliaLight } from 'helia'
import { afterEach, describe, expect, it } from 'vitest'
import { MapBroker, OwnRouting, block, brokersOf, gate, read, wrap } from './own-routing.ts'
import type { Helia } from '@helia/interface'

const nodes: Helia[] = []
const keep = <H extends Helia>(helia: H): H => {
  nodes.push(helia)
  return helia
}
const node = (...brokers: MapBroker[]): Helia => keep(createHeliaLight({ blockBrokers: brokers }))

afterEach(async () => {
  await Promise.all(nodes.splice(0).map(async helia => helia.stop()))
})

describe('withContentRouting', () => {
  it('is the sole broker while the node runs and puts the same brokers back in their order', async () => {
    const first = new MapBroker('first')
    const second = new MapBroker('second')
    const helia = wrap(node(first, second), new OwnRouting())
    const list = brokersOf(helia)
    expect(list).toEqual([first, second])

    for (let i = 0; i < 3; i++) {
      await helia.start()
      expect(brokersOf(helia)).toBe(list)
      expect(list.map(broker => broker.name)).toEqual(['content-routing'])
      await helia.stop()
      expect(list).toHaveLength(2)
      expect(list[0]).toBe(first)
      expect(list[1]).toBe(second)
    }
  })

  it('starts and stops content routing with the node', async () => {
    const routing = new OwnRouting()
    const helia = wrap(node(), routing)
    await helia.start()
    expect(routing.running).toBe(true)
    await helia.stop()
    expect(routing.running).toBe(false)
    await helia.start()
    expect(routing).toMatchObject({ running: true, starts: 2, stops: 1 })
    await helia.stop()
    await helia.stop()
    expect(routing).toMatchObject({ running: false, starts: 2, stops: 2 })
  })

  it('fetches what the node lacks, through its own blockstore, and keeps it there', async () => {
    const hello = await block('hello')
    const routing = new OwnRouting().add(hello)
    const helia = await wrap(node(), routing).start()

    expect(await read(helia.blockstore.get(hello.cid))).toBe('hello')
    expect(await read(helia.blockstore.get(hello.cid))).toBe('hello')
    expect(routing.asked).toHaveLength(1)
    expect(routing.asked[0]?.options.store).toBe(false)
    expect(routing.available_).toContain(hello.cid.toString())
  })

  it('has Helia refuse wrong bytes: its own hashing is untouched', async () => {
    const hello = await block('hello')
    const routing = new OwnRouting()
    routing.blocks.set(hello.cid.toString(), new TextEncoder().encode('hullo'))
    const helia = await wrap(node(), routing).start()

    await expect(read(helia.blockstore.get(hello.cid))).rejects.toMatchObject({ name: 'LoadBlockFailedError' })
    expect(await helia.blockstore.has(hello.cid)).toBe(false)
  })

  it('passes on options, hints and the reason of a failure', async () => {
    const hello = await block('hello')
    const routing = new OwnRouting()
    const helia = await wrap(node(), routing).start()
    const peer = await block('peer')
    const options = { timeout: 77, priority: 3, client: 'c', maxSize: 1000, skipNegativeCache: true, mode: 'strict', providers: [peer.cid] }

    await expect(read(helia.blockstore.get(hello.cid, options))).rejects.toMatchObject({
      name: 'LoadBlockFailedError', errors: [{ name: 'NotFoundError', message: `nobody has ${hello.cid}` }]
    })
    expect(routing.asked[0]?.options).toMatchObject({ timeout: 77, priority: 3, client: 'c', maxBlockSize: 1000, skipNegativeCache: true, mode: 'strict' })
    expect(routing.asked[0]?.options.providers?.map(String)).toEqual([peer.cid.toString()])
  })

  it('stops waiting when the caller does, although content routing goes on', async () => {
    const hello = await block('hello')
    const routing = new OwnRouting().add(hello)
    const held = gate()
    routing.held = held.opened
    const helia = await wrap(node(), routing).start()
    const controller = new AbortController()
    const asked = routing.nextAsk()
    const reading = read(helia.blockstore.get(hello.cid, { signal: controller.signal }))

    await asked
    controller.abort(new Error('enough'))
    await expect(reading).rejects.toMatchObject({ errors: [{ message: 'enough' }] })
    held.open()
  })

  it('can be used before the node starts only to switch it, and says so', async () => {
    const hello = await block('hello')
    const helia = wrap(node(), new OwnRouting().add(hello))
    const { contentRouting } = helia

    await expect(contentRouting.retrieve(hello.cid)).rejects.toMatchObject({ name: 'NotRunningError', message: expect.stringContaining('helia.start()') })
    await expect(read(contentRouting.retrieveContent(hello.cid))).rejects.toMatchObject({ name: 'NotRunningError' })
    await expect(contentRouting.announce(hello.cid)).rejects.toMatchObject({ name: 'NotRunningError' })
    expect(() => contentRouting.createSession(hello.cid)).toThrow(expect.objectContaining({ name: 'NotRunningError' }))
    expect(contentRouting.stats()).toEqual({ own: true })
    expect(contentRouting.explain(hello.cid)).toBeUndefined()

    await helia.start()
    expect(helia.contentRouting).toBe(contentRouting)
    expect(await contentRouting.retrieve(hello.cid)).toEqual(hello.bytes)
    await helia.stop()
    await expect(contentRouting.retrieve(hello.cid)).rejects.toMatchObject({ name: 'NotRunningError' })
  })

  it('wraps a node that has started: reads wait for content routing to start', async () => {
    const hello = await block('hello')
    const routing = new OwnRouting().add(hello)
    const started = gate()
    routing.startHeld = started.opened
    const helia = wrap(await node(new MapBroker('plain')).start(), routing)
    expect(brokersOf(helia).map(broker => broker.name)).toEqual(['content-routing'])

    const reads = [read(helia.blockstore.get(hello.cid)), helia.contentRouting.retrieve(hello.cid)]
    expect(routing.asked).toHaveLength(0)
    started.open()
    expect(await Promise.all(reads)).toEqual(['hello', hello.bytes])

    await helia.stop()
    await helia.start()
    expect(routing.starts).toBe(2)
    expect(brokersOf(helia).map(broker => broker.name)).toEqual(['content-routing'])
  })

  it('gives a started node back when content routing cannot start', async () => {
    const hello = await block('hello')
    const plain = new MapBroker('plain', hello)
    const routing = new OwnRouting()
    const started = gate()
    routing.startHeld = started.opened.then(() => { throw new Error('no datastore') })
    const helia = wrap(await node(plain).start(), routing)
    const early = helia.contentRouting.retrieve(hello.cid)

    started.open()
    await expect(early).rejects.toThrow('no datastore')
    expect(brokersOf(helia)).toEqual([plain])
    expect(await read(helia.blockstore.get(hello.cid))).toBe('hello')
  })

  it('tries to start again when it is enabled after that', async () => {
    const hello = await block('hello')
    const routing = new OwnRouting().add(hello)
    routing.startHeld = Promise.reject(new Error('no datastore'))
    const helia = wrap(await node().start(), routing)
    await expect(helia.contentRouting.retrieve(hello.cid)).rejects.toThrow('no datastore')
    routing.startHeld = Promise.resolve()
    helia.contentRouting.enable()
    expect(await read(helia.blockstore.get(hello.cid))).toBe('hello')
  })

  it('does not take over a node that is stopping, whoever enables it', async () => {
    const plain = new MapBroker('plain')
    const routing = new OwnRouting()
    const stopped = gate()
    routing.stop = async () => stopped.opened
    const helia = await wrap(node(plain), routing).start()
    const stopping = helia.stop()
    helia.contentRouting.enable()
    expect(brokersOf(helia)).toEqual([plain])
    stopped.open()
    await stopping
    expect(brokersOf(helia)).toEqual([plain])
  })

  it('lets a node fail to start with the reason when content routing cannot, and start later', async () => {
    const routing = new OwnRouting()
    routing.startHeld = Promise.reject(new Error('no datastore'))
    const helia = wrap(node(), routing)
    await expect(helia.start()).rejects.toThrow('no datastore')
    await helia.stop()

    routing.startHeld = Promise.resolve()
    await helia.start()
    expect(routing.running).toBe(true)
    expect(brokersOf(helia).map(broker => broker.name)).toEqual(['content-routing'])
  })

  it('adopts brokers that come late, and keeps them after it is gone', async () => {
    const routing = new OwnRouting()
    const early = new MapBroker('early')
    const helia = await wrap(node(early), routing).start()
    const late = new MapBroker('late')
    const made = new MapBroker('made')
    const smuggled = new MapBroker('smuggled')

    helia.addBlockBroker(late)
    helia.addBlockBroker(components => {
      expect(components.logger).toBe(helia.logger)
      return made
    })
    expect(brokersOf(helia).map(broker => broker.name)).toEqual(['content-routing'])
    expect(['early', 'late', 'made', 'content-routing', 'other'].map(name => helia.hasBlockBroker(name))).toEqual([true, true, true, true, false])

    brokersOf(helia).push(smuggled)
    helia.contentRouting.disable()
    expect(brokersOf(helia)).toEqual([early, late, made, smuggled])
    expect(helia.hasBlockBroker('content-routing')).toBe(false)
  })

  it('refuses to wrap a node twice, and a bad option, leaving the node as it was', async () => {
    const helia = wrap(node(), new OwnRouting())
    expect(() => wrap(helia, new OwnRouting())).toThrow(expect.objectContaining({ name: 'InvalidOptionError', message: expect.stringContaining('not wrapped yet') }))

    const other = node()
    expect(() => wrap(other, new OwnRouting(), { enabled: 'yes' as unknown as boolean })).toThrow(expect.objectContaining({ name: 'InvalidOptionError', message: expect.stringContaining('enabled') }))
    expect('contentRouting' in other).toBe(false)
    await other.start()
  })

  it('refuses a node whose broker list is not the one its blockstore uses', () => {
    const helia = node()
    Object.assign(helia, { blockBrokers: [] })
    expect(() => wrap(helia, new OwnRouting())).toThrow(expect.objectContaining({ name: 'UnsupportedHeliaError', message: expect.stringContaining('share') }))
    expect('contentRouting' in helia).toBe(false)
  })

  it('stops content routing even for those who hold the stop of the bare node', async () => {
    const routing = new OwnRouting()
    const helia = node(new MapBroker('plain'))
    const stop = helia.stop.bind(helia)
    await wrap(helia, routing).start()
    await stop()
    expect(routing.running).toBe(false)
    expect(brokersOf(helia).map(broker => broker.name)).toEqual(['plain'])
  })

  it('gives the node back and stops before anything of the node does', async () => {
    const events: string[] = []
    const plain = new MapBroker('plain')
    const helia = node(plain)
    helia.addMixin({ name: 'inner', stop: () => { events.push(`inner, ${brokersOf(helia).map(broker => broker.name).join()}`) } })
    const routing = new OwnRouting()
    routing.stop = async () => { events.push('content routing') }
    await wrap(helia, routing).start()
    await helia.stop()
    expect(events).toEqual(['content routing', 'inner, plain'])
  })

  it('stops the node although content routing fails to stop', async () => {
    const routing = new OwnRouting()
    routing.stop = async () => { throw new Error('stuck') }
    const helia = await wrap(node(), routing).start()
    await helia.stop()
    expect(helia.status).toBe('stopped')
  })
})

describe('announcing', () => {
  it('tells adopted brokers and content routing, and no broker can fail or delay a put', async () => {
    const hello = await block('hello')
    const rejecting = new MapBroker('rejecting')
    rejecting.announcing = async () => { throw new Error('no') }
    const throwing = new MapBroker('throwing')
    throwing.announce = () => { throw new Error('no') }
    const hanging = new MapBroker('hanging')
    hanging.announcing = async () => new Promise(() => {})
    const routing = new OwnRouting()
    const helia = await wrap(node(rejecting, throwing, hanging), routing).start()

    await helia.blockstore.put(hello.cid, hello.bytes)
    expect(rejecting.announced).toEqual([hello.cid.toString()])
    expect(hanging.announced).toEqual([hello.cid.toString()])
    expect(routing.available_).toEqual([hello.cid.toString()])
  })

  it('survives content routing throwing', async () => {
    const hello = await block('hello')
    const routing = new OwnRouting()
    routing.available = () => { throw new Error('no') }
    const helia = await wrap(node(), routing).start()
    await helia.blockstore.put(hello.cid, hello.bytes)
    expect(await helia.blockstore.has(hello.cid)).toBe(true)
  })
})

describe('contentRouting: false', () => {
  it('goes straight to the brokers the node would have raced, with what the caller passed', async () => {
    const hello = await block('hello')
    const without = new MapBroker('without')
    const having = new MapBroker('having', hello)
    const silent = new MapBroker('silent')
    silent.held = new Promise(() => {})
    const routing = new OwnRouting().add(hello)
    const helia = await wrap(node(silent, without, having), routing).start()

    expect(await read(helia.blockstore.get(hello.cid, { contentRouting: false, own: 'option' } as object))).toBe('hello')
    expect(routing.asked).toHaveLength(0)
    expect([silent, without, having].map(broker => broker.asked.length)).toEqual([1, 1, 1])
    expect(having.options[0]).toMatchObject({ own: 'option' })
    expect(silent.options[0]?.signal?.aborted).toBe(true)
  })

  it('does not let one lying broker hide an honest one', async () => {
    const hello = await block('hello')
    const lying = new MapBroker('lying')
    lying.retrieve = async () => new TextEncoder().encode('lies')
    const honest = new MapBroker('honest', hello)
    const held = gate()
    honest.held = held.opened
    const helia = await wrap(node(lying, honest), new OwnRouting()).start()
    const reading = read(helia.blockstore.get(hello.cid, { contentRouting: false } as object))
    held.open()
    expect(await reading).toBe('hello')
  })

  it('fails as the plain node does', async () => {
    const hello = await block('hello')
    const helia = await wrap(node(), new OwnRouting()).start()
    await expect(read(helia.blockstore.get(hello.cid, { contentRouting: false } as object))).rejects.toMatchObject({
      name: 'LoadBlockFailedError', errors: [{ name: 'InvalidConfigurationError' }]
    })

    const one = await wrap(node(new MapBroker('one')), new OwnRouting()).start()
    await expect(read(one.blockstore.get(hello.cid, { contentRouting: false } as object))).rejects.toMatchObject({
      name: 'LoadBlockFailedError', errors: [{ message: `one did not have ${hello.cid}` }]
    })
  })
})
