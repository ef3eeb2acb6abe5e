import { generateKeyPair } from '@libp2p/crypto/keys'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { multiaddr } from '@multiformats/multiaddr'
import all from 'it-all'
import { CID } from 'multiformats/cid'
import { describe, expect, it } from 'vitest'
import { blockKey } from '../../src/block/key.ts'
import { MAX_CONNECTED_PEERS, connectedPeersSource } from '../../src/discovery/connected-peers.ts'
import { heliaRoutingSource, mayBeAsked } from '../../src/discovery/helia-routing-egress.ts'
import { libp2pProviding, libp2pRoutingSource } from '../../src/discovery/libp2p-routing-egress.ts'
import { namedProvidersSource } from '../../src/discovery/named-providers.ts'
import { providing } from '../../src/discovery/provide-egress.ts'
import { addressPolicy } from '../../src/provider/address.ts'
import { toProvider } from '../../src/provider/provider.ts'
import { silentLogger } from '../../src/testing/silent-logger.ts'
import { recordedRequest } from './recorded-request.ts'
import type { ConnectedLibp2p } from '../../src/discovery/connected-libp2p.ts'
import type { FindsProviders } from '../../src/discovery/helia-routing-egress.ts'
import type { Provider, ProviderSource } from '../../src/interface/provider.ts'
import type { ProviderRecord } from '../../src/provider/provider.ts'
import type { RecordedRequest } from './recorded-request.ts'

const cid = CID.parse('bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy')
const want = { cid, key: blockKey(cid) }
const peers = await Promise.all(Array.from({ length: 40 }, async () => peerIdFromPrivateKey(await generateKeyPair('Ed25519'))))
const record = (i: number): ProviderRecord => ({ id: (peers[i] ?? peers[0])?.toCID() as CID, multiaddrs: [multiaddr(`/ip4/10.0.0.${i}/tcp/4001`)], router: 'test-router' })
const id = (i: number): string => `p2p:${String(peers[i])}`

type Find = FindsProviders['findProviders']

const SOURCES: Array<[string, (find: Find, recorded: RecordedRequest) => ProviderSource]> = [
  ['helia', (findProviders, { clock }) => heliaRoutingSource(() => ({ findProviders }), { logger: silentLogger, clock })],
  ['libp2p', (findProviders, { clock }) => libp2pRoutingSource(() => ({ findProviders }), { logger: silentLogger, clock })]
]

describe.each(SOURCES)('providers found by the routers of %s', (name, make) => {
  it('are streamed as they come, under one disclosure', async () => {
    const recorded = recordedRequest()
    const source = make(async function * () {
      yield record(0)
      yield record(1)
    }, recorded)
    expect(source).toMatchObject({ name })
    expect(source.lastResort).toBeUndefined()

    const iterator = source.find(want, recorded.request)[Symbol.asyncIterator]()
    expect((await iterator.next()).value).toMatchObject({ id: id(0), fallback: false })
    expect(recorded.entries).toMatchObject([{ observer: `router:${name}`, form: 'cid', transport: 'foreign', audience: 'unbounded', state: 'sent' }])
    expect((await iterator.next()).value).toMatchObject({ id: id(1) })
    expect((await iterator.next()).done).toBe(true)
    expect(recorded.clock.pending).toBe(0)
  })

  it('leave out records that make no sense', async () => {
    const recorded = recordedRequest()
    const source = make(async function * () {
      yield { id: cid, multiaddrs: [] }
      yield null as unknown as ProviderRecord
      yield record(1)
    }, recorded)
    expect((await all(source.find(want, recorded.request))).map(({ id }) => id)).toEqual([id(1)])
  })

  it.each(['NoRoutersAvailableError', 'NoContentRoutersError'].filter(error => error.startsWith(name === 'helia' ? 'NoRouters' : 'NoContent')))('are none, and nothing was sent, at %s', async error => {
    const recorded = recordedRequest()
    const source = make(async function * () {
      throw Object.assign(new Error('none'), { name: error })
    }, recorded)
    expect(await all(source.find(want, recorded.request))).toEqual([])
    expect(recorded.entries).toMatchObject([{ state: 'not-sent' }])
  })

  it('throw the router\'s error when it found nobody, and keep what was found otherwise', async () => {
    const recorded = recordedRequest()
    const failing = (found: number): ProviderSource => make(async function * () {
      for (let i = 0; i < found; i++) {
        yield record(i)
      }
      throw new Error('router broke')
    }, recorded)
    await expect(all(failing(0).find(want, recorded.request))).rejects.toThrow('router broke')
    expect(await all(failing(2).find(want, recorded.request))).toHaveLength(2)
    expect(recorded.entries.map(({ state }) => state)).toEqual(['unknown', 'sent'])
    expect(recorded.clock.pending).toBe(0)
  })

  it('end when the request is aborted although the router hangs, even in its clean-up', async () => {
    const recorded = recordedRequest()
    let signal: AbortSignal | undefined
    const source = make((_, options) => {
      signal = options?.signal
      return {
        [Symbol.asyncIterator]: () => ({
          next: async () => new Promise(() => {}),
          return: async () => new Promise(() => {})
        })
      }
    }, recorded)
    const finding = all(source.find(want, recorded.request))
    recorded.controller.abort(new Error('enough'))
    expect(await finding).toEqual([])
    expect(signal?.aborted).toBe(true)
    expect(recorded.entries).toMatchObject([{ state: 'unknown' }])
    expect(recorded.clock.pending).toBe(0)
  })

  it('are not looked for when the request is over', async () => {
    const recorded = recordedRequest()
    recorded.controller.abort()
    const source = make(() => { throw new Error('unexpected') }, recorded)
    expect(await all(source.find(want, recorded.request))).toEqual([])
    expect(recorded.entries.every(({ state }) => state === 'not-sent')).toBe(true)
  })

  it('are no longer looked for when the consumer leaves', async () => {
    const recorded = recordedRequest()
    let signal: AbortSignal | undefined
    const source = make(async function * (_, options) {
      signal = options?.signal
      yield record(0)
      yield record(1)
    }, recorded)
    const iterator = source.find(want, recorded.request)[Symbol.asyncIterator]()
    expect((await iterator.next()).value).toMatchObject({ id: id(0) })
    await iterator.return?.()
    expect(signal?.aborted).toBe(true)
    expect(recorded.clock.pending).toBe(0)
  })
})

describe('heliaRoutingSource', () => {
  it('finds nobody while there is no routing', async () => {
    const recorded = recordedRequest()
    expect(await all(heliaRoutingSource(() => undefined, { logger: silentLogger, clock: recorded.clock }).find(want, recorded.request))).toEqual([])
    expect(recorded.entries).toEqual([])
  })
})

describe('publishing through routers', () => {
  it.each([
    ['helia', (provide: () => Promise<void>) => providing('helia', () => ({ provide }))],
    ['libp2p', (provide: () => Promise<void>) => libp2pProviding({ contentRouting: { provide, findProviders: async function * () {} } })]
  ])('%s: is disclosed, and not tried again where there is nobody', async (name, make) => {
    const recorded = recordedRequest()
    await make(async () => {})(cid, recorded.request)
    await expect(make(async () => { throw new Error('broke') })(cid, recorded.request)).rejects.toThrow('broke')
    await expect(make(async () => { throw Object.assign(new Error('none'), { name: 'NoRoutersAvailableError' }) })(cid, recorded.request)).rejects.toMatchObject({ name: 'AbortError', message: 'none' })
    expect(recorded.entries.map(({ observer, state }) => [observer, state])).toEqual([[`router:${name}`, 'sent'], [`router:${name}`, 'unknown'], [`router:${name}`, 'not-sent']])
  })

  it('ends with the request although the router does not', async () => {
    const recorded = recordedRequest()
    const publishing = providing('helia', () => ({ provide: async () => new Promise(() => {}) }))(cid, recorded.request)
    recorded.controller.abort(new Error('enough'))
    await expect(publishing).rejects.toThrow('enough')
  })
})

describe('namedProvidersSource', () => {
  it('names the same providers for every CID and tells nobody', async () => {
    const recorded = recordedRequest({ mode: 'strict' })
    const provider = toProvider('http://127.0.0.1:1', { source: 'operator' })
    const source = namedProvidersSource([provider])
    expect(source.name).toBe('operator')
    expect(await all(source.find(want, recorded.request))).toEqual([provider])
    expect(recorded.entries).toEqual([])
  })
})

describe('connectedPeersSource', () => {
  type Connection = ReturnType<ConnectedLibp2p['getConnections']>[number]
  const bitswap = ['/ipfs/bitswap/1.2.0']
  const connection = (i: number, fields: Partial<Connection> = {}): Connection => ({
    remotePeer: peers[i] as Connection['remotePeer'], remoteAddr: multiaddr(`/ip4/10.0.0.${i}/tcp/4001`), status: 'open', ...fields
  })
  const node = (connections: Connection[], protocols: (peer: string) => readonly string[] = () => bitswap): ConnectedLibp2p => ({
    getConnections: () => connections,
    peerStore: { get: async (peer: { toString (): string }) => ({ protocols: protocols(peer.toString()) }) }
  })
  const find = async (libp2p: () => ConnectedLibp2p | undefined, recorded = recordedRequest()): Promise<Provider[]> => {
    return all(connectedPeersSource(libp2p, { logger: silentLogger, policy: addressPolicy() }).find(want, recorded.request))
  }

  it('names connected peers that speak bitswap, nearest first, each once, and tells nobody', async () => {
    const recorded = recordedRequest()
    const found = await find(() => node([connection(0), connection(1, { rtt: 50 }), connection(2, { rtt: 5 }), connection(1, { rtt: 60 })]), recorded)
    expect(found.map(({ id }) => id)).toEqual([id(2), id(1), id(0)])
    expect(found[0]).toMatchObject({ source: 'connected', protocols: ['transport-bitswap'], addresses: [`/ip4/10.0.0.2/tcp/4001/p2p/${String(peers[2])}`] })
    expect(recorded.entries).toEqual([])
    expect(connectedPeersSource(() => undefined, { logger: silentLogger })).toMatchObject({ name: 'connected', lastResort: true })
  })

  it.each(['balanced', 'strict'] as const)('names nobody in mode %s', async mode => {
    expect(await find(() => node([connection(0)]), recordedRequest({ mode }))).toEqual([])
  })

  it('names at most sixteen', async () => {
    expect(await find(() => node(peers.map((_, i) => connection(i))))).toHaveLength(MAX_CONNECTED_PEERS)
    expect(MAX_CONNECTED_PEERS).toBe(16)
  })

  it('leaves out closing and limited connections and other protocols, and names last who is not identified yet', async () => {
    const found = await find(() => node([
      connection(0, { status: 'closing' }), connection(1, { limits: { bytes: 1n } }), connection(2), connection(3), connection(4)
    ], peer => {
      if (peer === String(peers[3])) {
        throw new Error('not in the peer store')
      }
      return peer === String(peers[2]) ? ['/ipfs/kad/1.0.0'] : bitswap
    }))
    expect(found.map(({ id }) => id)).toEqual([id(4), id(3)])
  })

  it.each(['balanced', 'strict'] as const)('names nobody in mode %s', async mode => {
    expect(await find(() => { throw new Error('not even looked at') }, recordedRequest({ mode }))).toEqual([])
  })

  it('names nobody before there is a node, and stops with the request although the peer store hangs', async () => {
    expect(await find(() => { throw new Error('NotStarted') })).toEqual([])
    expect(await find(() => undefined)).toEqual([])
    const recorded = recordedRequest()
    const finding = find(() => ({ ...node([connection(0), connection(1)]), peerStore: { get: async () => new Promise(() => {}) } }), recorded)
    recorded.controller.abort()
    expect(await finding).toEqual([])
  })
})

describe('routers of a node of which not all can be watched by name', () => {
  it.each([
    ['strict', ['mine'], [true, true], true], ['strict', ['mine'], [true, false], false], ['strict', [], [true], false], ['strict', ['mine'], undefined, false],
    ['balanced', [], [false], true], ['open', [], undefined, true]
  ] as const)('may be asked in mode %s with %j named and %j seen whole: %s', (mode, trusted, whole, may) => {
    const routers = whole?.map(isWhole => ({ isWhole })) as unknown as Parameters<typeof mayBeAsked>[1]['routers']
    expect(mayBeAsked(recordedRequest({ mode }).request, { routers, trusted: new Set(trusted) })).toBe(may)
  })
})
