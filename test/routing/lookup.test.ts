import { generateKeyPair } from '@libp2p/crypto/keys'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { multiaddr } from '@multiformats/multiaddr'
import { createHeliaLight } from 'helia'
import { describe, expect, it } from 'vitest'
import { blockKey } from '../../src/block/key.ts'
import { heliaRoutingSource } from '../../src/discovery/helia-routing-egress.ts'
import { DEFAULT_LOOKUP, lookup } from '../../src/routing/lookup.ts'
import { LatencyWindow } from '../../src/routing/latency-window.ts'
import { Timeline } from '../../src/routing/timeline.ts'
import { silentLogger } from '../../src/testing/silent-logger.ts'
import { recordedRequest } from '../discovery/recorded-request.ts'
import { numbered, settled, unpublished, world } from './support/world.ts'
import type { Provider, ProviderSource } from '../../src/interface/provider.ts'
import type { SimulatedProvider } from '../../src/testing/simulated-provider.ts'
import type { LookupParams } from '../../src/routing/lookup.ts'
import type { RecordedRequest } from '../discovery/recorded-request.ts'
import type { Provider as FoundProvider } from '@helia/interface'

const cid = unpublished(1)
const want = { cid, key: blockKey(cid) }
const peers = await Promise.all(Array.from({ length: 8 }, async () => peerIdFromPrivateKey(await generateKeyPair('Ed25519'))))

function provider (name: string, source = 'test'): Provider {
  return { id: `http:${name}.example`, addresses: [`http://${name}.example`], protocols: [], source, fallback: false, domains: [] }
}

interface Looked {
  readonly found: string[]
  readonly errors: string[]
  readonly timeline: Timeline
  readonly done: Promise<number>
}

function look (recorded: RecordedRequest, sources: ProviderSource[], params: Partial<LookupParams> = {}, answers?: LatencyWindow): Looked {
  const found: string[] = []
  const errors: string[] = []
  const timeline = new Timeline(cid.toString(), recorded.clock)
  const done = lookup({
    clock: recorded.clock,
    sources,
    want,
    request: recorded.request,
    timeline,
    params: { ...DEFAULT_LOOKUP, ...params },
    answers,
    onProvider: ({ id }) => { found.push(id) },
    onError: (source, err) => { errors.push(`${source}: ${err.message}`) }
  })
  return { found, errors, timeline, done }
}

const told = ({ timeline }: Looked): string => timeline.events.map(({ what }) => what).join('\n')

/** Names providers as fast as it is asked, for ever */
function flood (name: string): ProviderSource & { readonly asked: number, readonly left: boolean } {
  const state = { asked: 0, left: false }
  return {
    name,
    get asked () { return state.asked },
    get left () { return state.left },
    async * find () {
      try {
        for (;;) {
          yield provider(`${name}${state.asked++}`, name)
        }
      } finally {
        state.left = true
      }
    }
  }
}

describe('a source that has something to say of itself', () => {
  it('has a line of the story for it', async () => {
    const recorded = recordedRequest()
    const looked = look(recorded, [{
      name: 'dht',
      async * find (_want, request) {
        yield provider('a', 'dht')
        request.note?.('too many peers')
      }
    }])
    await recorded.clock.run(looked.done)
    expect(told(looked)).toBe('dht: too many peers\ndht named 1 provider in 0 ms')
    expect(recorded.notes).toEqual([])
  })
})

describe('a source that names a crowd', () => {
  it('crowds out no other, however late that one names its first', async () => {
    const recorded = recordedRequest()
    const late: ProviderSource = {
      name: 'late',
      async * find (_want, { signal }) {
        await recorded.clock.sleep(8_000, { signal })
        yield provider('good', 'late')
        yield provider('better', 'late')
      }
    }
    const crowd = flood('crowd')
    const looked = look(recorded, [crowd, late])
    await recorded.clock.run(looked.done)
    expect(looked.found.slice(-2)).toEqual(['http:good.example', 'http:better.example'])
    expect(looked.found).toHaveLength(DEFAULT_LOOKUP.maxProviders + 2)
    expect(looked.errors).toEqual([])
    expect(crowd.left).toBe(true)
  })

  it('has a quarter of the places for two seconds, then what is left, and costs next to nothing beyond that', async () => {
    const recorded = recordedRequest()
    const crowd = flood('crowd')
    const looked = look(recorded, [crowd])
    await recorded.clock.advance(1_999)
    expect(looked.found).toHaveLength(16)
    await recorded.clock.advance(1)
    expect(looked.found).toHaveLength(64)
    expect(await recorded.clock.run(looked.done)).toBe(0)
    expect(recorded.clock.now()).toBe(15_000)
    expect(crowd.asked).toBeLessThan(13_000)
    expect(told(looked)).toMatch(/^crowd named 64 providers \(and \d+ more that nobody needs\) and was left after 15000 ms$/)
    expect(recorded.clock.pending).toBe(0)
  })

  it('that ends has all places at once', async () => {
    const recorded = recordedRequest()
    const looked = look(recorded, [{
      name: 'list',
      async * find () {
        for (let i = 0; i < 70; i++) {
          yield provider(`p${i}`)
        }
      }
    }])
    await recorded.clock.run(looked.done)
    expect(looked.found).toHaveLength(64)
    expect(recorded.clock.now()).toBe(0)
    expect(told(looked)).toBe('list named 64 providers (and 6 more that nobody needs) in 0 ms')
  })
})

describe('a router among those of one node', () => {
  it('crowds out no other: each has places of its own', async () => {
    const recorded = recordedRequest()
    const found = (id: FoundProvider['id'], n: number, router: string): FoundProvider => ({ id, multiaddrs: [multiaddr(`/ip4/192.0.2.${n % 250}/tcp/4001`)], router, protocols: [], fallback: false })
    let poured = 0
    const liar = {
      name: 'liar',
      async * findProviders () {
        for (;;) {
          const key = await generateKeyPair('Ed25519')
          yield found(peerIdFromPrivateKey(key).toCID(), poured++, 'liar')
        }
      }
    }
    const walking = {
      name: 'dht',
      async * findProviders () {
        for (const [i, peer] of peers.entries()) {
          await recorded.clock.sleep(500)
          yield found(peer.toCID(), i, 'dht')
        }
      }
    }
    const { routing } = createHeliaLight({ routers: [liar, walking] })
    const source = heliaRoutingSource(() => routing, { logger: silentLogger, clock: recorded.clock })
    const looked = look(recorded, [source], { timeout: 6_000 })
    await recorded.clock.run(looked.done)
    const own = peers.map(peer => `p2p:${peer.toString()}`)
    expect(looked.found.filter(id => own.includes(id))).toEqual(own)
    expect(looked.found.length).toBeLessThanOrEqual(64 + own.length)
    expect(recorded.entries).toMatchObject([{ state: 'sent' }])
  })

  it('that pours out nonsense starves nobody', async () => {
    const recorded = recordedRequest()
    let poured = 0
    const source = heliaRoutingSource(() => ({
      async * findProviders () {
        for (;;) {
          poured++
          yield { id: cid, multiaddrs: [] }
        }
      }
    }), { logger: silentLogger, clock: recorded.clock })
    const looked = look(recorded, [source, { name: 'other', async * find () { yield provider('good') } }])
    expect(await recorded.clock.run(looked.done)).toBe(1)
    expect(looked.found).toEqual(['http:good.example'])
    expect(poured).toBeLessThan(13_000)
    expect(looked.errors).toEqual(['helia: no answer within 15000 ms'])
  })
})

describe('the time of a lookup', () => {
  it.each([
    ['is its own', { timeout: 1_000 }, 30_000, 1_000],
    ['is fifteen seconds by default', {}, 30_000, 15_000],
    ['ends inside the deadline of the read', {}, 5_000, 4_000]
  ])('%s, and a router that hangs is left behind then', async (_what, params, deadline, after) => {
    const recorded = recordedRequest({ deadline })
    let signal: AbortSignal | undefined
    const source = heliaRoutingSource(() => ({
      findProviders: (_cid, options) => {
        signal = options?.signal
        return { [Symbol.asyncIterator]: () => ({ next: async () => new Promise(() => {}), return: async () => new Promise(() => {}) }) }
      }
    }), { logger: silentLogger, clock: recorded.clock })
    const looked = look(recorded, [source], params)
    expect(await recorded.clock.run(looked.done)).toBe(1)
    expect(recorded.clock.now()).toBe(after)
    expect(looked.errors).toEqual([`helia: no answer within ${after} ms`])
    expect(signal?.aborted).toBe(true)
    expect(recorded.entries).toMatchObject([{ state: 'unknown' }])
    expect(recorded.clock.pending).toBe(0)
  })

  it('is what its sources are told', async () => {
    const recorded = recordedRequest()
    let deadline: number | undefined
    const looked = look(recorded, [{
      name: 'curious',
      async * find (_want, request) {
        deadline = request.deadline
        yield provider('a')
      }
    }])
    await recorded.clock.run(looked.done)
    expect(deadline).toBe(15_000)
  })

  it('over for one that named somebody is no failure', async () => {
    const recorded = recordedRequest()
    const looked = look(recorded, [{
      name: 'slow',
      async * find (_want, { signal }) {
        yield provider('a')
        await recorded.clock.sleep(60_000, { signal })
      }
    }])
    expect(await recorded.clock.run(looked.done)).toBe(0)
    expect(told(looked)).toBe('slow named 1 provider and was left after 15000 ms')
  })

  it('ends with the read: nobody is named after it, and nothing is left', async () => {
    const recorded = recordedRequest()
    const crowd = flood('crowd')
    const looked = look(recorded, [crowd])
    await recorded.clock.advance(100)
    recorded.controller.abort(new Error('enough'))
    expect(await recorded.clock.run(looked.done)).toBe(0)
    expect(looked.found).toHaveLength(16)
    expect([recorded.clock.pending, crowd.left]).toEqual([0, true])
  })
})

describe('a read', () => {
  it('gets the block from the one that a late router names, although another poured out liars first', async () => {
    const w = await world({ started: false, routing: { hedge: { share: 0, initial: 0, burst: 0 } } })
    for (let i = 0; i < 200; i++) {
      w.network.add(`bad${i}`, { has: 0, latency: 5 })
    }
    const good = w.network.add('good', { latency: 20 })
    const pouring: ProviderSource = {
      name: 'pouring',
      async * find () {
        for (const one of w.network.providers.values()) {
          if (one !== good) {
            yield one.provider
          }
        }
        await new Promise(() => {})
      }
    }
    const late: ProviderSource = {
      name: 'late',
      async * find (_want, { signal }) {
        await w.clock.sleep(1_500, { signal })
        yield { ...(w.network.providers.get('bad0') as SimulatedProvider).provider, source: 'late' }
        yield { ...good.provider, source: 'late' }
      }
    }
    const v = await world({ network: w.network, parts: { sources: [pouring, late] } })
    const read = await v.clock.run(settled(v.manager.retrieve(w.network.block(numbered(1)))))
    expect(read.value).toEqual(numbered(1))
    expect(v.clock.now()).toBeLessThan(2_000)
    await v.manager.stop()
  })
})

describe('a source for later', () => {
  interface Asked extends ProviderSource {
    readonly times: number[]
  }

  /** Names one after `ms`, or nobody, and remembers when it was asked */
  function source (recorded: RecordedRequest, name: string, ms: number, init: { later?: boolean, nobody?: boolean, fails?: boolean } = {}): Asked {
    const times: number[] = []
    return {
      name,
      later: init.later,
      times,
      async * find (_want, { signal }) {
        times.push(recorded.clock.now())
        await recorded.clock.sleep(ms, { signal })
        if (init.fails === true) {
          throw new Error('it is down')
        }
        if (init.nobody !== true) {
          yield provider(name, name)
        }
      }
    }
  }

  it('is asked at once when there is no other', async () => {
    const recorded = recordedRequest()
    const dht = source(recorded, 'dht', 10, { later: true })
    expect(await recorded.clock.run(look(recorded, [dht]).done)).toBe(0)
    expect(dht.times).toEqual([0])
  })

  it('waits half a second for the others while nothing is known of them', async () => {
    const recorded = recordedRequest()
    const dht = source(recorded, 'dht', 10, { later: true })
    const looked = look(recorded, [dht, source(recorded, 'router', 100)])
    await recorded.clock.run(looked.done)
    expect(dht.times).toEqual([500])
    expect(looked.found).toEqual(['http:router.example', 'http:dht.example'])
  })

  it('waits for as long as the others usually take, within bounds', async () => {
    for (const [usual, waited] of [[200, 200], [1, 50], [9_000, 2_000]] as const) {
      const answers = new LatencyWindow()
      for (let i = 0; i < 40; i++) {
        const recorded = recordedRequest()
        await recorded.clock.run(look(recorded, [source(recorded, 'router', usual)], {}, answers).done)
      }
      const recorded = recordedRequest()
      const dht = source(recorded, 'dht', 1, { later: true })
      await recorded.clock.run(look(recorded, [source(recorded, 'router', 5_000), dht], {}, answers).done)
      expect(dht.times, `usual ${usual}`).toEqual([waited])
      expect(answers.count).toBe(41)
    }
  })

  it('does not wait when the others have named nobody, or failed', async () => {
    const recorded = recordedRequest()
    const dht = source(recorded, 'dht', 10, { later: true })
    const looked = look(recorded, [source(recorded, 'empty', 30, { nobody: true }), source(recorded, 'broken', 20, { fails: true }), dht])
    expect(await recorded.clock.run(looked.done)).toBe(1)
    expect(dht.times).toEqual([30])
    expect(told(looked)).toContain('broken failed: it is down')
    expect(looked.found).toEqual(['http:dht.example'])
    expect(recorded.clock.pending).toBe(0)
  })

  it('is not asked, and leaves no timer, when the block came first', async () => {
    const recorded = recordedRequest()
    const dht = source(recorded, 'dht', 10, { later: true })
    const looked = look(recorded, [source(recorded, 'router', 100), dht])
    await recorded.clock.run(recorded.clock.sleep(300))
    recorded.controller.abort()
    await recorded.clock.run(looked.done)
    expect(dht.times).toEqual([])
    expect(recorded.clock.pending).toBe(0)
  })
})
