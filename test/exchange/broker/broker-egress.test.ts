import { generateKeyPair } from '@libp2p/crypto/keys'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { describe, expect, it } from 'vitest'
import { blockKey } from '../../../src/block/key.ts'
import { blockVerifier } from '../../../src/block/verify.ts'
import { adoptedBrokerFetcher } from '../../../src/exchange/broker/broker-egress.ts'
import { raceBrokers } from '../../../src/exchange/broker/race-egress.ts'
import { toProvider } from '../../../src/provider/provider.ts'
import { silentLogger } from '../../../src/testing/silent-logger.ts'
import { MapBroker, block } from '../../helia/own-routing.ts'
import { recordedRequest } from '../../discovery/recorded-request.ts'
import type { AdoptedBrokerInit } from '../../../src/exchange/broker/broker-egress.ts'
import type { FetchError } from '../../../src/interface/errors.ts'
import type { Provider } from '../../../src/interface/provider.ts'
import type { Attempt, Want } from '../../../src/interface/request.ts'
import type { RecordedRequest } from '../../discovery/recorded-request.ts'
import type { BlockBroker } from '@helia/interface'
import type { CID } from 'multiformats/cid'

const one = await block('one')
const two = await block('two')
const verifier = blockVerifier()
const components = { logger: silentLogger, discloseAnnounce: () => recordedRequest().request.disclose({ observer: 'broker:x', form: 'cid', transport: 'foreign', audience: 'unbounded' }) }

function wantOf (cid: CID, maxBytes = 1000): Want {
  return { cid, key: blockKey(cid), maxBytes }
}

function attempting (recorded: RecordedRequest): { attempt: Attempt, phases: Array<string | number>, controller: AbortController } {
  const phases: Array<string | number> = []
  const controller = new AbortController()
  return {
    phases,
    controller,
    attempt: {
      request: recorded.request,
      signal: controller.signal,
      phase: phase => { phases.push(phase) },
      bytes: n => { phases.push(n) },
      verify: async bytes => { await verifier.verify(one.cid, bytes) }
    }
  }
}

async function outcome (broker: BlockBroker, init: AdoptedBrokerInit & { mode?: 'open' | 'strict' } = {}): Promise<{ outcome: string, message: string, entries: RecordedRequest['entries'] }> {
  const recorded = recordedRequest({ mode: init.mode })
  const fetcher = adoptedBrokerFetcher(broker, components, init)
  const err = await fetcher.fetch(wantOf(one.cid), { provider: 'broker:plain', transport: 'broker' }, attempting(recorded).attempt).then(() => undefined, (err: FetchError) => err)
  return { outcome: err?.outcome ?? 'delivered', message: err?.message ?? '', entries: recorded.entries }
}

function failing (err: unknown): BlockBroker {
  return { name: 'plain', retrieve: async () => { throw err } }
}

describe('an adopted broker as a fetcher', () => {
  it('stands for one provider of its own, and routes to no other', () => {
    const fetcher = adoptedBrokerFetcher(new MapBroker('plain'), components, { name: 'plain#2' })
    const [provider] = fetcher.standing()
    expect(provider).toEqual({ id: 'broker:plain#2', addresses: [], protocols: [], source: 'adopted', fallback: false, domains: ['broker:plain#2'] })
    expect(fetcher).toMatchObject({ name: 'broker:plain#2', transport: 'broker', trusted: false })
    expect(fetcher.routes(provider as Provider)).toEqual([{ provider: 'broker:plain#2', transport: 'broker' }])
    expect(fetcher.routes(toProvider('http://127.0.0.1:1', { source: 'router' }))).toEqual([])
  })

  it('is nobody when it only announces', () => {
    const fetcher = adoptedBrokerFetcher({ name: 'plain', announce: async () => {} }, components)
    expect(fetcher.standing()).toEqual([])
    expect(fetcher.routes({ id: 'broker:plain', addresses: [], protocols: [], source: 'x', fallback: false, domains: [] })).toEqual([])
  })

  it('delivers, says when, and discloses as foreign to an unbounded audience', async () => {
    const recorded = recordedRequest()
    const broker = new MapBroker('plain', one)
    const { attempt, phases } = attempting(recorded)
    const bytes = await adoptedBrokerFetcher(broker, components).fetch(wantOf(one.cid, 77), { provider: 'broker:plain', transport: 'broker' }, attempt)
    expect(bytes).toEqual(one.bytes)
    expect(phases).toEqual(['connected', 'first-byte', 3])
    expect(recorded.entries).toMatchObject([{ observer: 'broker:plain', form: 'cid', transport: 'foreign', audience: 'unbounded', state: 'sent' }])
    expect(broker.options[0]).toMatchObject({ maxSize: 77, signal: attempt.signal, providers: [] })
  })

  it('tells the broker about hints in its own words', async () => {
    const peer = peerIdFromPrivateKey(await generateKeyPair('Ed25519'))
    const hints = [
      toProvider(`/ip4/127.0.0.1/tcp/4001/p2p/${peer}`, { source: 'hint' }),
      toProvider(peer, { source: 'hint' }),
      toProvider('http://127.0.0.1:8080', { source: 'hint' })
    ]
    const told = async (name: string): Promise<unknown> => {
      const broker = new MapBroker(name, one)
      await adoptedBrokerFetcher(broker, components).fetch(wantOf(one.cid), { provider: `broker:${name}`, transport: 'broker' }, attempting(recordedRequest({ hints })).attempt)
      return broker.options[0]?.providers?.map(String)
    }
    const address = `/ip4/127.0.0.1/tcp/4001/p2p/${peer}`
    expect(await told('other')).toEqual([address, peer.toCID().toString(), '/ip4/127.0.0.1/tcp/8080/http'])
    expect(await told('bitswap')).toEqual([address, peer.toCID().toString()])
  })

  it('puts into the ledger whom the broker\'s events name, each once', async () => {
    const recorded = recordedRequest()
    const broker: BlockBroker = {
      name: 'plain',
      async retrieve (_, options) {
        for (const peer of ['QmA', 'QmB', 'QmA']) {
          options?.onProgress?.(new CustomEvent('bitswap:send-wantlist', { detail: { toString: () => peer } }) as never)
        }
        options?.onProgress?.(new CustomEvent('helia:block-broker:connect', { detail: { provider: undefined } }) as never)
        options?.onProgress?.(new CustomEvent('something:else') as never)
        return one.bytes
      }
    }
    await adoptedBrokerFetcher(broker, components).fetch(wantOf(one.cid), { provider: 'broker:plain', transport: 'broker' }, attempting(recorded).attempt)
    expect(recorded.entries.map(({ observer, audience, state }) => [observer, audience, state])).toEqual([
      ['broker:plain', 'unbounded', 'sent'], ['p2p:QmA', 'one', 'sent'], ['p2p:QmB', 'one', 'sent']
    ])
  })

  it('names at most 256 observers of one attempt', async () => {
    const recorded = recordedRequest()
    const broker: BlockBroker = {
      name: 'plain',
      async retrieve (_, options) {
        for (let i = 0; i < 1000; i++) {
          options?.onProgress?.(new CustomEvent('bitswap:send-wantlist', { detail: `peer${i}` }) as never)
        }
        return one.bytes
      }
    }
    await adoptedBrokerFetcher(broker, components).fetch(wantOf(one.cid), { provider: 'broker:plain', transport: 'broker' }, attempting(recorded).attempt)
    expect(recorded.entries).toHaveLength(257)
  })

  const named = (name: string, message = ''): Error => Object.assign(new Error(message), { name })
  it.each<[string, unknown]>([
    ['not-here', new Error('Unable to fetch raw block for CID x from any gateway')],
    ['not-here', new Error('Provider did not have block')],
    ['not-here', named('NotFoundError')],
    ['not-here', named('InsufficientProvidersError')],
    ['not-here', new Error('from gateway y, received 404 Not Found')],
    ['not-here', new AggregateError([new Error('received 404'), named('NotFoundError')])],
    ['overloaded', new AggregateError([new Error('received 404'), new Error('received 429 Too Many')])],
    ['overloaded', new Error('received 503 Service Unavailable')],
    ['unreachable', new AggregateError([new Error('received 404'), new Error('fetch failed')])],
    ['unreachable', new AggregateError([], 'Unable to fetch')],
    ['unreachable', new Error('fetch failed')],
    ['unreachable', 'just text'],
    ['stalled', named('TimeoutError')],
    ['stalled', named('AbortError')],
    ['invalid', named('InvalidMultihashError')],
    ['invalid', named('HashMismatchError')],
    ['invalid', new Error('Content-Length header (9) is greater than the limit (8).')]
  ])('reads %s from %s', async (expected, err) => {
    const result = await outcome(failing(err))
    expect(result.outcome).toBe(expected)
    expect(result.message).toContain('broker:plain')
    expect(result.entries).toMatchObject([{ state: 'unknown' }])
  })

  it('does not blame a broker for a liar that it dealt with itself', async () => {
    const result = await outcome({
      name: 'plain',
      async retrieve (_, options) {
        await options?.validateFn?.(two.bytes).catch((err: Error) => { expect(err.name).toBe('HashMismatchError') })
        throw new Error('Unable to fetch raw block from any gateway')
      }
    })
    expect(result.outcome).toBe('not-here')
  })

  it('blames it for one that it lets through, and for what is not bytes', async () => {
    expect((await outcome({ name: 'plain', retrieve: async (_, options) => { await options?.validateFn?.(two.bytes); return two.bytes } })).outcome).toBe('invalid')
    expect((await outcome({ name: 'plain', retrieve: async () => 'bytes' as unknown as Uint8Array })).outcome).toBe('invalid')
    expect((await outcome({ name: 'plain', retrieve: () => { throw new Error('at once') } })).outcome).toBe('unreachable')
  })

  it('is not used outside mode open unless it is trusted, and nothing is sent', async () => {
    const broker = new MapBroker('plain', one)
    const refused = await outcome(broker, { mode: 'strict' })
    expect(refused).toMatchObject({ outcome: 'cancelled', entries: [] })
    expect(broker.asked).toEqual([])
    expect((await outcome(broker, { mode: 'strict', trusted: true })).outcome).toBe('delivered')
  })

  it('is left at once when the attempt is aborted, and refused more once 256 retrievals ignore that', async () => {
    const broker = new MapBroker('deaf')
    const { promise, resolve } = Promise.withResolvers<void>()
    broker.held = promise
    const fetcher = adoptedBrokerFetcher(broker, components)
    const ask = async (abort: boolean): Promise<string> => {
      const recorded = recordedRequest()
      const { attempt, controller } = attempting(recorded)
      const fetching = fetcher.fetch(wantOf(one.cid), { provider: 'broker:deaf', transport: 'broker' }, attempt)
      if (abort) {
        controller.abort(new Error('enough'))
      }
      const outcome = await fetching.then(() => 'delivered', (err: FetchError) => err.outcome)
      expect(recorded.entries.every(({ state }) => state === 'unknown')).toBe(true)
      return outcome
    }
    for (let i = 0; i < 256; i++) {
      expect(await ask(true)).toBe('cancelled')
    }
    expect(await ask(false)).toBe('overloaded')
    expect(broker.asked).toHaveLength(256)

    resolve()
    await new Promise(resolve => { setImmediate(resolve) })
    expect(await ask(false)).toBe('not-here')
  })

  it('is not asked at all by an attempt that is over', async () => {
    const broker = new MapBroker('plain', one)
    const recorded = recordedRequest()
    const { attempt, controller } = attempting(recorded)
    controller.abort()
    await expect(adoptedBrokerFetcher(broker, components).fetch(wantOf(one.cid), { provider: 'broker:plain', transport: 'broker' }, attempt)).rejects.toMatchObject({ outcome: 'cancelled' })
    expect([broker.asked.length, recorded.entries.length]).toEqual([0, 0])
  })
})

describe('announcing to an adopted broker', () => {
  it('never rejects or waits, discloses, and gives up on one that never answers', async () => {
    const recorded = recordedRequest()
    const hanging = new MapBroker('hanging')
    const { promise, resolve } = Promise.withResolvers<void>()
    hanging.announcing = async () => promise
    const fetcher = adoptedBrokerFetcher(hanging, {
      ...components,
      discloseAnnounce: (_, observer) => recorded.request.disclose({ observer, form: 'cid', transport: 'foreign', audience: 'unbounded' })
    })
    for (let i = 0; i < 2000; i++) {
      await fetcher.announce(one.cid)
    }
    expect(hanging.announced).toHaveLength(1024)
    resolve()
    await new Promise(resolve => { setImmediate(resolve) })
    await fetcher.announce(one.cid)
    expect(hanging.announced).toHaveLength(1025)
    expect(recorded.entries).toHaveLength(1025)
    expect(recorded.entries.slice(0, 1024).every(({ state, observer }) => state === 'unknown' && observer === 'broker:hanging')).toBe(true)
  })

  it('does nothing where the broker does not want to know', async () => {
    await adoptedBrokerFetcher({ name: 'plain' }, { ...components, discloseAnnounce: () => { throw new Error('unexpected') } }).announce(one.cid)
  })
})

describe('a gateway broker', () => {
  const gateway = toProvider('http://127.0.0.1:8080', { source: 'router' })
  const broker = (fields: object): BlockBroker => Object.assign(new MapBroker('trustless-gateway'), fields)
  const unreachable = { ...components, reachable: () => false }

  it('is no provider of its own, but a way to gateways that only it may ask', () => {
    const fetcher = adoptedBrokerFetcher(broker({ allowLocal: true }), unreachable)
    expect(fetcher.standing()).toEqual([])
    expect(fetcher.routes(gateway)).toEqual([{ provider: 'http:127.0.0.1:8080', transport: 'broker', address: 'http://127.0.0.1:8080' }])
  })

  it.each([
    ['one that our own fetcher can ask', { allowLocal: true }, { ...components, reachable: () => true }, gateway],
    ['a local one that the user did not allow it', { allowLocal: false }, unreachable, gateway],
    ['one that came with a request', { allowLocal: true }, unreachable, { ...gateway, source: 'hint' }],
    ['a peer without HTTP', { allowLocal: true }, unreachable, { ...gateway, addresses: ['/ip4/127.0.0.1/tcp/1'] }]
  ])('is no way to %s', (_, fields, components, provider) => {
    expect(adoptedBrokerFetcher(broker(fields), components).routes(provider)).toEqual([])
  })

  it('is a provider of last resort when it adds to requests', () => {
    const fetcher = adoptedBrokerFetcher(broker({ allowLocal: true, transformRequestInit: (init: unknown) => init }), unreachable)
    expect(fetcher.standing()).toMatchObject([{ id: 'broker:trustless-gateway', fallback: true }])
    expect(fetcher.routes(gateway)).toEqual([])
  })
})

describe('racing brokers', () => {
  it('settles every disclosure: the winner\'s sent, the others\' unknown, also of one that ignores its signal', async () => {
    const recorded = recordedRequest()
    const deaf = new MapBroker('deaf')
    deaf.held = new Promise(() => {})
    const bytes = await raceBrokers(one.cid, [deaf, new MapBroker('without'), new MapBroker('with', one)], {}, ({ name }) =>
      recorded.request.disclose({ observer: `broker:${name}`, form: 'cid', transport: 'foreign', audience: 'unbounded' }))
    expect(bytes).toEqual(one.bytes)
    await new Promise(resolve => { setImmediate(resolve) })
    expect(recorded.entries.map(({ state }) => state)).toEqual(['unknown', 'unknown', 'sent'])
  })
})
