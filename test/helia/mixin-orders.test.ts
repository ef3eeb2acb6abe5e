import { withBitswap } from '@helia/bitswap'
import { withHTTP } from '@helia/http'
import { withLibp2pLight } from '@helia/libp2p'
import { createHeliaLight } from 'helia'
import { describe, expect, it } from 'vitest'
import { heliaMixin } from '../../src/compose.ts'
import { undiciTransport } from '../../src/exchange/http/undici-egress.ts'
import { loopbackProvider } from '../../src/testing/loopback-provider.ts'
import { sampleFile } from '../../src/testing/sample-file.ts'
import { MapBroker, OwnRouting, block, brokersOf, read, wrap } from './own-routing.ts'
import { loopbackLibp2p } from './loopback-libp2p.ts'
import type { HeliaContentRouting } from '../../src/helia/helia-routing.ts'
import type { Helia } from '@helia/interface'
import type { HeliaWithLibp2p } from '@helia/libp2p'
import type { ServiceMap } from '@libp2p/interface'
import type { CID } from 'multiformats/cid'

const MIXINS = {
  libp2p: (helia: Helia) => withLibp2pLight(helia, loopbackLibp2p()),
  bitswap: (helia: Helia) => withBitswap(helia as HeliaWithLibp2p<ServiceMap>),
  http: (helia: Helia) => withHTTP(helia, { delegatedRouters: [], recursiveGateways: [] }),
  early: (helia: Helia) => {
    helia.addBlockBroker(new MapBroker('early'))
    return helia
  }
}
type Step = keyof typeof MIXINS | 'ours'

function permutations (steps: readonly Step[]): Step[][] {
  return steps.length === 0 ? [[]] : steps.flatMap(step => permutations(steps.filter(other => other !== step)).map(rest => [step, ...rest]))
}

// bitswap inside libp2p cannot start, wrapped or not: it finds no libp2p
const orders = permutations(['libp2p', 'bitswap', 'http', 'early', 'ours']).filter(order => order.indexOf('libp2p') < order.indexOf('bitswap'))

describe('in every order of mixins, over three restarts', () => {
  it('there are sixty of them', () => {
    expect(orders).toHaveLength(60)
  })

  it.each(orders.map(order => [order.join(' '), order] as const))('%s', async (_, order) => {
    const routing = new OwnRouting()
    let helia: Helia = createHeliaLight({ blockBrokers: [new MapBroker('given')] })
    for (const step of order) {
      helia = step === 'ours' ? wrap(helia, routing) : MIXINS[step](helia)
    }
    const wrapped = helia as Helia & { contentRouting: HeliaContentRouting }
    const names = ['bitswap', 'early', 'given', 'trustless-gateway']
    let restored: unknown[] = []

    try {
      for (let round = 0; round < 3; round++) {
        await helia.start()
        expect(brokersOf(helia).map(({ name }) => name)).toEqual(['content-routing'])
        expect(names.every(name => helia.hasBlockBroker(name))).toBe(true)

        const one = await block(`${round}`)
        routing.add(one)
        expect(await read(helia.blockstore.get(one.cid))).toBe(`${round}`)

        if (round === 1) {
          helia.addBlockBroker(new MapBroker('late'))
          names.push('late')
          wrapped.contentRouting.disable()
          expect(brokersOf(helia).map(({ name }) => name).sort()).toEqual([...names].sort())
          wrapped.contentRouting.enable()
        }

        await helia.stop()
        const brokers = [...brokersOf(helia)]
        expect(brokers.map(({ name }) => name).sort()).toEqual([...names].sort())
        // the very same objects in the same order as after the last stop, and the late one behind them
        restored.forEach((broker, i) => { expect(brokers[i]).toBe(broker) })
        restored = brokers
      }
      expect(routing).toMatchObject({ starts: 3, stops: 3, running: false })
    } finally {
      await helia.stop()
    }
  })
})

describe('in orders of every kind, over three restarts', () => {
  const real = heliaMixin(({ policy }) => undiciTransport({ policy }))

  it.each<[string, Step[]]>([
    ['ours first', ['ours', 'libp2p', 'bitswap', 'http', 'early']],
    ['ours between libp2p and bitswap', ['early', 'libp2p', 'ours', 'bitswap', 'http']],
    ['ours between the brokers', ['http', 'libp2p', 'bitswap', 'ours', 'early']],
    ['ours last', ['libp2p', 'bitswap', 'http', 'early', 'ours']]
  ])('with all of content routing and a gateway: %s', async (_, order) => {
    const file = await sampleFile({ size: 200_000, chunkSize: 16_384 })
    const provider = await loopbackProvider({ blocks: file.blocks })
    // what only the given broker has: two blocks for each round
    const own = await Promise.all(Array.from({ length: 8 }, async (_, i) => block(`given ${i}`)))
    let helia: Helia = createHeliaLight({ blockBrokers: [new MapBroker('given', ...own)] })
    for (const step of order) {
      helia = step === 'ours' ? real(helia, { providers: [provider.url] }) : MIXINS[step](helia)
    }
    const { contentRouting } = helia as Helia & { contentRouting: HeliaContentRouting }
    const names = ['bitswap', 'early', 'given', 'trustless-gateway']
    const [ahead, ...leaves] = file.others
    let asked = 0
    let restored: unknown[] = []

    try {
      for (let round = 0; round < 4; round++) {
        await helia.start()
        expect(brokersOf(helia).map(({ name }) => name)).toEqual(['content-routing'])

        // one block each through the node, through a session of it, and past it
        const [plain, inSession, direct] = leaves.slice(3 * round) as [CID, CID, CID]
        const session = helia.blockstore.createSession(file.root)
        expect((await bytesOf(helia.blockstore.get(plain))).byteLength).toBeGreaterThan(0)
        expect((await bytesOf(session.get(inSession))).byteLength).toBeGreaterThan(0)
        expect((await contentRouting.retrieve(direct)).byteLength).toBeGreaterThan(0)
        asked += 3
        expect(provider.requests).toHaveLength(asked)

        if (round === 1) {
          helia.addBlockBroker(new MapBroker('late'))
          names.push('late')
        }

        contentRouting.disable()
        expect(brokersOf(helia).map(({ name }) => name).sort()).toEqual([...names].sort())
        // the node's own way again, for an open session too
        expect(await read(helia.blockstore.get((own[2 * round] as { cid: CID }).cid))).toBe(`given ${2 * round}`)
        expect(await read(session.get((own[2 * round + 1] as { cid: CID }).cid))).toBe(`given ${2 * round + 1}`)
        contentRouting.enable()
        session.close()
        expect(provider.requests).toHaveLength(asked)

        await helia.stop()
        const brokers = [...brokersOf(helia)]
        expect(brokers.map(({ name }) => name).sort()).toEqual([...names].sort())
        restored.forEach((broker, i) => { expect(brokers[i]).toBe(broker) })
        restored = brokers
        expect(contentRouting.stats().inFlight).toEqual({ flights: 0, attempts: 0, queued: 0, sessions: 0 })
        await expect(contentRouting.retrieve(ahead as CID)).rejects.toMatchObject({ name: 'NotRunningError' })
      }
      // what was learnt outlives the restarts
      expect(contentRouting.stats().providers.find(({ id }) => id === provider.url.replace('://', ':'))).toMatchObject({ delivered: 12, standing: 'good' })
    } finally {
      await helia.stop()
      await provider.close()
    }
  })
})

describe('a node wrapped after it started', () => {
  it('is taken over with libp2p and bitswap running, given back and restarted', async () => {
    const routing = new OwnRouting()
    const started = await withBitswap(withLibp2pLight(createHeliaLight(), loopbackLibp2p())).start()
    const [bitswap] = brokersOf(started)
    const helia = wrap(started, routing)

    try {
      for (let round = 0; round < 3; round++) {
        expect(brokersOf(helia).map(({ name }) => name)).toEqual(['content-routing'])
        helia.contentRouting.disable()
        expect(brokersOf(helia)).toEqual([bitswap])
        helia.contentRouting.enable()
        await helia.stop()
        expect(brokersOf(helia)).toEqual([bitswap])
        await helia.start()
      }
    } finally {
      await helia.stop()
    }
  })
})

describe('init.enabled: false', () => {
  it('leaves every seam alone until it is enabled, before or after the start', async () => {
    const one = await block('one')
    const given = new MapBroker('given', one)
    const routing = new OwnRouting().add(one)
    const helia = wrap(createHeliaLight({ blockBrokers: [given] }), routing, { enabled: false })
    const untouched = (): void => {
      expect(brokersOf(helia)).toEqual([given])
      for (const [target, name] of [[helia, 'addBlockBroker'], [helia, 'hasBlockBroker'], [helia.blockstore, 'createSession'], [helia.routing, 'findProviders']] as const) {
        expect(Object.hasOwn(target, name)).toBe(name === 'findProviders' && findProvidersIsOwn)
      }
    }
    const findProvidersIsOwn = Object.hasOwn(helia.routing, 'findProviders')

    try {
      await helia.start()
      untouched()
      expect(helia.contentRouting.enabled).toBe(false)
      expect(await read(helia.blockstore.get(one.cid))).toBe('one')
      expect([given.asked.length, routing.asked.length]).toEqual([1, 0])
      // asked for by name it works all the same
      expect(await helia.contentRouting.retrieve(one.cid)).toEqual(one.bytes)

      helia.contentRouting.enable()
      helia.contentRouting.enable()
      expect(brokersOf(helia).map(({ name }) => name)).toEqual(['content-routing'])
      helia.contentRouting.disable()
      helia.contentRouting.disable()
      untouched()

      await helia.stop()
      helia.contentRouting.enable()
      untouched()
      await helia.start()
      expect(brokersOf(helia).map(({ name }) => name)).toEqual(['content-routing'])
      await helia.stop()
      helia.contentRouting.disable()
      await helia.start()
      untouched()
    } finally {
      await helia.stop()
    }
  })
})

describe('other wrappers of the same methods', () => {
  it('keeps working under one that came later, which is not removed', async () => {
    const helia = await wrap(createHeliaLight(), new OwnRouting()).start()
    const added: string[] = []
    const addBlockBroker = helia.addBlockBroker.bind(helia)
    helia.addBlockBroker = broker => {
      added.push('theirs')
      addBlockBroker(broker)
    }

    try {
      for (let i = 0; i < 3; i++) {
        helia.addBlockBroker(new MapBroker(`late ${i}`))
        expect(brokersOf(helia)).toHaveLength(1)
        helia.contentRouting.disable()
        expect(brokersOf(helia)).toHaveLength(2 * i + 1)
        helia.addBlockBroker(new MapBroker(`plain ${i}`))
        expect(brokersOf(helia)).toHaveLength(2 * i + 2)
        helia.contentRouting.enable()
      }
      expect(added).toHaveLength(6)
    } finally {
      await helia.stop()
    }
  })
})

async function bytesOf (chunks: Iterable<Uint8Array> | AsyncIterable<Uint8Array>): Promise<Buffer> {
  const parts: Uint8Array[] = []
  for await (const chunk of chunks) {
    parts.push(chunk)
  }
  return Buffer.concat(parts)
}
