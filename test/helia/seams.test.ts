import { readFileSync } from 'node:fs'
import { trustlessGatewayBlockBroker } from '@helia/trustless-gateway-client'
import { createHeliaLight } from 'helia'
import drain from 'it-drain'
import { describe, expect, it } from 'vitest'
import { SUPPORTED_HELIA, heliaSeams, isSupportedVersion } from '../../src/helia/seams.ts'
import { tellProviders, toldProviders } from '../../src/provider/told-providers.ts'
import { FLOORS } from '../architecture/rules/lockfile.ts'
import { MapBroker, block, brokersOf, read } from './own-routing.ts'
import type { Helia, Provider } from '@helia/interface'

/**
 * What is built on, seam by seam, on a plain node: when one of these fails after
 * an upgrade, Helia has moved it, and src/helia must follow.
 */
describe('the seams of helia >=7.1.15 <8', () => {
  it('the installed one is in that range', () => {
    const { version } = JSON.parse(readFileSync(new URL('../../node_modules/helia/package.json', import.meta.url), 'utf8')) as { version: string }
    expect(isSupportedVersion({ name: 'helia', version })).toBe(true)
    expect(createHeliaLight().info).toEqual({ name: 'helia', version })
  })

  it('the oldest that is said to be supported is the one that these tests run against, wherever it is said', () => {
    const text = (path: string): string => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8')
    const { version } = JSON.parse(text('node_modules/helia/package.json')) as { version: string }
    const { dependencies } = JSON.parse(text('package.json')) as { dependencies: Record<string, string> }
    expect(SUPPORTED_HELIA).toBe(`>=${version} <8`)
    expect(dependencies.helia).toBe(`^${version}`)
    expect(FLOORS.helia?.version).toBe(version)
    expect(text('README.md')).toContain(`Helia ${version} or newer`)
    expect(text('docs/architecture.md')).toContain(`Helia ${version} `)
    expect(text('CHANGELOG.md')).toContain(`Helia ${version} and newer`)
  })

  it.each([
    ['7.1.15', true], ['7.1.16', true], ['7.2.0', true], ['7.10.0', true],
    ['7.1.14', false], ['7.1.9', false], ['7.0.99', false], ['6.9.9', false], ['8.0.0', false], ['10.1.10', false]
  ])('%s: supported %s', (version, supported) => {
    expect(isSupportedVersion({ name: 'helia', version })).toBe(supported)
  })

  it('knows nothing about a node of another name or no version', () => {
    expect([{ name: 'mine', version: '1.0.0' }, { name: 'helia' }, undefined].map(isSupportedVersion)).toEqual([true, true, true])
  })

  it('all are found on a plain node', () => {
    const broker = new MapBroker('plain')
    const helia = createHeliaLight({ blockBrokers: [broker] })
    expect(heliaSeams(helia).brokers).toEqual([broker])
  })

  it.each<[string, (helia: Helia) => void]>([
    ['helia.blockBrokers is not a list', helia => { Object.assign(helia, { blockBrokers: undefined }) }],
    ['does not share its list', helia => { Object.assign(helia, { blockBrokers: [] }) }],
    ['helia.blockstore.unwrap() is not a blockstore', helia => { Object.assign(helia.blockstore, { unwrap: undefined }) }],
    ['helia.blockstore.unwrap().unwrap() is not a blockstore', helia => { Object.assign((helia.blockstore as unknown as { unwrap (): object }).unwrap(), { unwrap: () => ({}) }) }],
    ['helia.addMixin is not a function', helia => { Object.assign(helia, { addMixin: undefined }) }],
    ['helia.routing has no findProviders', helia => { Object.assign(helia, { routing: undefined }) }],
    ['helia.events is not an event target', helia => { Object.assign(helia, { events: undefined }) }],
    ['helia.blockstore.createSession is not a function', helia => { Object.assign(helia.blockstore, { createSession: undefined }) }]
  ])('a missing one is named: %s', (message, breakIt) => {
    const helia = createHeliaLight()
    breakIt(helia)
    expect(() => heliaSeams(helia)).toThrow(expect.objectContaining({ name: 'UnsupportedHeliaError', message: expect.stringContaining(message) }))
    expect(() => heliaSeams(helia)).toThrow(SUPPORTED_HELIA)
  })

  it('the node and its blockstore share one array of brokers, read at each get', async () => {
    const { cid } = await block('x')
    const [first, second] = [new MapBroker('first'), new MapBroker('second')]
    const helia = createHeliaLight({ blockBrokers: [first] })
    await expect(read(helia.blockstore.get(cid))).rejects.toThrow()
    brokersOf(helia).splice(0, 1, second)
    await expect(read(helia.blockstore.get(cid))).rejects.toThrow()
    expect([first.asked.length, second.asked.length]).toEqual([1, 1])
    const late = new MapBroker('late')
    helia.addBlockBroker(late)
    expect(brokersOf(helia)).toEqual([second, late])
  })

  it('"start" is dispatched after all mixins, synchronously, with the node started; mixins start in order', async () => {
    const events: string[] = []
    const helia = createHeliaLight()
    helia.events.addEventListener('start', () => { events.push(`event ${helia.status}`) })
    for (const name of ['a', 'b']) {
      helia.addMixin({ name, start: node => { events.push(`${name} ${node.status}`) }, stop: node => { events.push(`stop ${name} ${node.status}`) } })
    }
    await helia.start()
    events.push('after')
    await helia.stop()
    expect(events).toEqual(['a starting', 'b starting', 'event started', 'after', 'stop a stopping', 'stop b stopping'])
  })

  it('a mixin that is added while mixins start is started too', async () => {
    const events: string[] = []
    const helia = createHeliaLight()
    helia.addMixin({ name: 'a', start: node => { node.addMixin({ name: 'b', start: () => { events.push('b') } }) } })
    await helia.start()
    await helia.stop()
    expect(events).toEqual(['b'])
  })

  it('brokers in the list are started before mixins and stopped after them, at every start', async () => {
    const events: string[] = []
    const broker = Object.assign(new MapBroker('plain'), { start: () => { events.push('start') }, stop: () => { events.push('stop') } })
    const helia = createHeliaLight({ blockBrokers: [broker] })
    helia.addMixin({ name: 'm', start: () => { events.push('mixin start') }, stop: () => { events.push('mixin stop') } })
    await helia.start()
    await helia.stop()
    expect([...new Set(events)]).toEqual(['start', 'mixin start', 'mixin stop', 'stop'])
  })

  it('retrieve gets every option of the caller, and a validateFn; Helia hashes when it was not called', async () => {
    const one = await block('one')
    const broker = new MapBroker('plain', one)
    const helia = createHeliaLight({ blockBrokers: [broker] })
    await read(helia.blockstore.get(one.cid, { contentRouting: false, timeout: 5, providers: [one.cid] } as object))
    expect(broker.options[0]).toMatchObject({ contentRouting: false, timeout: 5, providers: [one.cid], validateFn: expect.any(Function), signal: expect.any(AbortSignal) })

    const lying = new MapBroker('lying')
    lying.retrieve = async () => new Uint8Array(3)
    await expect(read(createHeliaLight({ blockBrokers: [lying] }).blockstore.get(one.cid))).rejects.toMatchObject({
      name: 'LoadBlockFailedError', errors: [{ name: 'InvalidMultihashError' }]
    })
  })

  it('a broker\'s error is errors[0] of the LoadBlockFailedError, a caller\'s abort too', async () => {
    const { cid } = await block('x')
    const broker = new MapBroker('plain')
    const helia = createHeliaLight({ blockBrokers: [broker] })
    await expect(read(helia.blockstore.get(cid))).rejects.toMatchObject({ name: 'LoadBlockFailedError', errors: [{ message: `plain did not have ${cid}` }] })

    const controller = new AbortController()
    broker.retrieve = async (_, options) => {
      controller.abort(new Error('enough'))
      options?.signal?.throwIfAborted()
      return new Uint8Array()
    }
    await expect(read(helia.blockstore.get(cid, { signal: controller.signal }))).rejects.toMatchObject({ errors: [{ message: 'enough' }] })
  })

  it('announce is called before a put and after a fetch, awaited, and a rejection fails the put', async () => {
    const one = await block('one')
    const broker = new MapBroker('plain', one)
    const helia = createHeliaLight({ blockBrokers: [broker] })
    await read(helia.blockstore.get(one.cid))
    expect(broker.announced).toEqual([one.cid.toString()])
    const two = await block('two')
    broker.announcing = async () => { throw new Error('no') }
    await expect(helia.blockstore.put(two.cid, two.bytes)).rejects.toThrow('no')
    expect(await helia.blockstore.has(two.cid)).toBe(false)
  })

  it('createSession(root, options) is synchronous, hands brokers the options without the root, and throws without brokers', async () => {
    const one = await block('one')
    const broker = new MapBroker('plain', one)
    const given: unknown[][] = []
    const createSession = broker.createSession.bind(broker)
    broker.createSession = (...args: []) => {
      given.push(args)
      return createSession(...args)
    }
    const options = { maxProviders: 3 }
    const helia = createHeliaLight({ blockBrokers: [broker] })
    const session = helia.blockstore.createSession(one.cid, options)
    expect(given).toEqual([[options]])
    expect(await read(session.get(one.cid))).toBe('one')
    session.close()
    await expect(read(session.get(one.cid))).rejects.toThrow()
    expect(() => createHeliaLight().blockstore.createSession(one.cid)).toThrow(expect.objectContaining({ name: 'InvalidConfigurationError' }))
  })

  it('unwrap() is the store that fetches and announces, unwrap().unwrap() the user\'s own behind identity CIDs; pins use the former', async () => {
    const one = await block('one')
    const broker = new MapBroker('plain', one)
    const helia = createHeliaLight({ blockBrokers: [broker] })
    const { networked, store } = heliaSeams(helia)
    expect(await store.has(one.cid)).toBe(false)
    await expect(read(store.get(one.cid))).rejects.toMatchObject({ name: 'NotFoundError' })
    expect(await read(networked.get(one.cid))).toBe('one')
    expect(await store.has(one.cid)).toBe(true)
    const pinned = await block('pinned')
    broker.blocks.set(pinned.cid.toString(), pinned.bytes)
    await drain(helia.pins.add(pinned.cid))
    expect(broker.asked).toContain(pinned.cid.toString())
  })

  it('the gateway broker hands its options, symbols included, to the routing it was given', async () => {
    const { cid } = await block('x')
    const seen: unknown[] = []
    const helia = createHeliaLight()
    Object.assign(helia.routing, {
      findProviders: async function * (_: unknown, options: object): AsyncGenerator<Provider> {
        seen.push(toldProviders(options))
      }
    })
    const broker = trustlessGatewayBlockBroker({ allowLocal: true })(helia)
    await expect(broker.retrieve?.(cid, tellProviders([]))).rejects.toThrow('from any gateway')
    expect(seen).toEqual([[]])
    expect(broker).toMatchObject({ name: 'trustless-gateway', allowLocal: true })
  })
})
