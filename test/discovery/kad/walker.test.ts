import all from 'it-all'
import { CID } from 'multiformats/cid'
import { sha256 } from 'multiformats/hashes/sha2'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { recordedRequest } from '../recorded-request.ts'
import { TEST_PROTOCOL, kadNet, walkerOf } from './support/kad-net.ts'
import { madeUpPeer } from './support/peers.ts'
import { unhurriedClock } from './support/unhurried-clock.ts'
import { seededRandom } from '../../../src/clock/random.ts'
import { networksUnder } from '../../../src/discovery/kad/diverse.ts'
import { KadRequestError } from '../../../src/discovery/kad/kad-client.ts'
import { compareDistance, kadKey } from '../../../src/discovery/kad/kad-key.ts'
import { PeerTiming } from '../../../src/discovery/kad/peer-timing.ts'
import { Walker } from '../../../src/discovery/kad/walker.ts'
import { WalkFailedError } from '../../../src/discovery/kad/walk-run.ts'
import { addressPolicy } from '../../../src/provider/address.ts'
import { mergeProviders } from '../../../src/provider/merge.ts'
import { toProvider } from '../../../src/provider/provider.ts'
import { VirtualClock } from '../../../src/testing/virtual-clock.ts'
import type { KadNode, WalkingNode } from './support/kad-net.ts'
import type { KadAnswer, KadClient, KadPeer, KadRequestOptions } from '../../../src/discovery/kad/kad-client.ts'
import type { WalkProgress } from '../../../src/discovery/kad/walk-run.ts'
import type { Clock } from '../../../src/interface/clock.ts'

async function cidOf (text: string): Promise<CID> {
  return CID.createV1(0x55, await sha256.digest(new TextEncoder().encode(text)))
}

const ids = (peers: ReadonlyArray<{ readonly id: string }>): string[] => peers.map(({ id }) => id)

describe('a walker among kad-dht servers', () => {
  // of those that live nobody may be late, on a busy machine either
  const clock = unhurriedClock(8)
  let nodes: KadNode[]
  let ours: WalkingNode

  beforeAll(async () => {
    nodes = await kadNet(16)
  }, 60_000)

  afterAll(async () => {
    await Promise.all(nodes.map(async node => { await node.stop() }))
  })

  beforeEach(async () => {
    ours = await walkerOf(nodes[0] as KadNode, clock)
  })

  afterEach(() => {
    ours.stop()
  })

  it('finds who provides, as kad-dht does, and discloses each message', async () => {
    const cid = await cidOf('one')
    const first = nodes[0] as KadNode
    const providers = [nodes[5] as KadNode, nodes[9] as KadNode]
    await Promise.all(providers.map(async node => { await node.libp2p.contentRouting.provide(cid) }))
    const { request, entries, controller } = recordedRequest()
    const found = await all(ours.walker.findProviders(cid, { request, signal: controller.signal }))
    const theirs = await all(first.libp2p.contentRouting.findProviders(cid, { signal: controller.signal }))

    expect(ids(found).sort()).toEqual(ids(providers).sort())
    expect(ids(found).sort()).toEqual(theirs.map(({ id }) => id.toString()).sort())
    expect(found.every(({ addresses }) => addresses.length > 0)).toBe(true)
    expect(entries.map(({ observer }) => observer).sort()).toEqual(nodes.slice(1).map(({ id }) => `p2p:${id}`).sort())
    expect(new Set(entries.map(({ state, form, transport, audience }) => `${state} ${form} ${transport} ${audience}`))).toEqual(new Set(['sent multihash dht one']))
  })

  it('finds the nearest, as kad-dht does, though some are mute and some are gone', async () => {
    const preimage = new TextEncoder().encode('anything')
    const target = kadKey(preimage)
    const [mute, gone] = [nodes[3] as KadNode, nodes[7] as KadNode]
    await mute.libp2p.unhandle(TEST_PROTOCOL)
    await mute.libp2p.handle(TEST_PROTOCOL, () => {})
    await gone.stop()
    const events: WalkProgress[] = []
    const { closest, failed, asked } = await ours.walker.findClosest(preimage, { signal: AbortSignal.timeout(20_000), onProgress: event => { events.push(event) } })
    const live = nodes.slice(1).filter(node => node !== mute && node !== gone).map(node => node.asPeer())

    expect(ids(closest)).toEqual(ids(live.sort((a, b) => compareDistance(target, a.key, b.key))))
    expect([asked, failed]).toEqual([15, 1])
    expect(events.filter(({ phase }) => phase === 'late')).toMatchObject([{ peer: mute.id }])
    expect(events.filter(({ phase }) => phase === 'error')).toMatchObject([{ peer: gone.id, error: { name: 'KadRequestError' } }])
    expect(ours.timing.dead(mute.id, clock.now())).toBe(true)
    expect(ours.timing.dead(gone.id, clock.now())).toBe(true)
  })
})

/** Answers as it is told, on whatever clock */
class Told implements KadClient {
  readonly asked: string[] = []
  readonly aborted: string[] = []
  readonly #clock: Clock
  readonly #answers: ReadonlyMap<string, { after: number, answer: KadAnswer | Error }>

  constructor (clock: Clock, answers: ReadonlyMap<string, { after: number, answer: KadAnswer | Error }>) {
    this.#clock = clock
    this.#answers = answers
  }

  async findNode (peer: KadPeer, _key: Uint8Array, _disclosure: unknown, { signal, onReached }: KadRequestOptions): Promise<KadAnswer> {
    const { after, answer } = this.#answers.get(peer.id) ?? { after: Infinity, answer: new Error('never') }
    this.asked.push(peer.id)
    onReached?.({ rounds: 2 })
    signal.addEventListener('abort', () => { this.aborted.push(peer.id) })
    await this.#clock.sleep(after, { signal })

    if (answer instanceof Error) {
      throw answer
    }
    return answer
  }

  async getProviders (peer: KadPeer, multihash: Uint8Array, disclosure: unknown, options: KadRequestOptions): Promise<KadAnswer> {
    return this.findNode(peer, multihash, disclosure, options)
  }

  async addProviders (): Promise<void> {}
}

describe('a walk under way', () => {
  const random = seededRandom(9)
  const [a, b, c, provider] = Array.from({ length: 4 }, () => madeUpPeer(random)) as [KadPeer, KadPeer, KadPeer, KadPeer]
  const bare = { ...provider, addresses: [] }
  const empty: KadAnswer = { closer: [], providers: [], skipped: 0 }

  function walkerAmong (answers: Array<[KadPeer, number, KadAnswer | Error]>, table = answers.map(([peer]) => peer)): { walker: Walker, client: Told, clock: VirtualClock, timing: PeerTiming } {
    const clock = new VirtualClock()
    const client = new Told(clock, new Map(answers.map(([{ id }, after, answer]) => [id, { after, answer }])))
    const timing = new PeerTiming()
    return { walker: new Walker({ clock, client, table: { nearest: () => table }, timing }), client, clock, timing }
  }

  it('names providers as soon as somebody does, and again when an address is known', async () => {
    const { walker, clock } = walkerAmong([[a, 10, { ...empty, providers: [bare] }], [b, 50, { ...empty, providers: [provider, bare] }], [c, 300, { ...empty, providers: [provider] }]])
    const { request, controller } = recordedRequest({ clock })
    const times: Array<[number, number]> = []

    await clock.run((async () => {
      for await (const { addresses } of walker.findProviders(await cidOf('x'), { request, signal: controller.signal })) {
        times.push([clock.now(), addresses.length])
      }
    })())

    expect(times).toEqual([[10, 0], [50, 1]])
    expect(clock.now()).toBe(300)
    expect(clock.pending).toBe(0)
  })

  it('believes nobody about the addresses of a provider, only because it was the first to name it', async () => {
    const answers = Array.from({ length: 6 }, (_, i): [KadPeer, number, KadAnswer] => {
      const addresses = i === 1 ? ['/ip4/192.0.2.10/tcp/4001', '/ip4/203.0.113.0/tcp/0'] : Array.from({ length: 8 }, (_, port) => `/ip4/203.0.113.${i}/tcp/${port}`)
      return [madeUpPeer(random), 10 * (i + 1), { ...empty, providers: [{ ...provider, addresses }] }]
    })
    const { walker, clock } = walkerAmong(answers)
    const { request, controller } = recordedRequest({ clock })
    const found = await clock.run(all(walker.findProviders(await cidOf('x'), { request, signal: controller.signal })))

    // as often as the honest one cannot be pushed out, and what was told is not told again
    expect(found.map(({ id, addresses }) => [id, addresses.length])).toEqual([[provider.id, 8], [provider.id, 1], [provider.id, 8], [provider.id, 8]])
    const merged = found.map(({ id, addresses }) => ({ ...toProvider(`/p2p/${id}`, { source: 'dht' }), addresses })).reduce(mergeProviders)
    expect(merged.addresses).toContain('/ip4/192.0.2.10/tcp/4001')
  })

  it('hears whoever has it although one peer names a hundred others before', async () => {
    const liars = Array.from({ length: 100 }, (_, i) => madeUpPeer(seededRandom(1_000 + i)))
    const { walker, clock } = walkerAmong([[a, 10, { ...empty, providers: liars }], [b, 50, { ...empty, providers: [provider] }], [c, 300, empty]])
    const { request, controller } = recordedRequest({ clock })
    const found = await clock.run(all(walker.findProviders(await cidOf('x'), { request, signal: controller.signal })))

    expect(ids(found.slice(0, 3))).toEqual(ids([liars[0], liars[1], provider] as KadPeer[]))
    expect(ids(found).sort()).toEqual(ids([...liars, provider]).sort())
  })

  describe('whose first answer says of the nearest that they are where nobody is', () => {
    const key = kadKey(new TextEncoder().encode('wanted'))
    const preimage = new TextEncoder().encode('wanted')
    const everybody = Array.from({ length: 60 }, (_, i) => madeUpPeer(seededRandom(2_000 + i), [`/ip4/198.51.${i}.1/tcp/4001`])).sort((x, y) => compareDistance(key, x.key, y.key))
    const [near, far] = [everybody.slice(0, 20), everybody.slice(20)]
    const lies = (i: number): string => `/ip4/203.0.113.${i}/tcp/4001`

    /** Whoever is dialled elsewhere is not there: at once, or for ever */
    function poisoned (hangs: boolean, liars = 1): { walker: Walker, clock: VirtualClock, timing: PeerTiming } {
      const clock = new VirtualClock()
      const timing = new PeerTiming()
      const truth = new Map(everybody.map(({ id, addresses }) => [id, addresses[0]]))
      const client = {
        findNode: async (peer: KadPeer, _key: Uint8Array, _disclosure: unknown, { signal, onReached }: KadRequestOptions): Promise<KadAnswer> => {
          if (!peer.addresses.includes(truth.get(peer.id) as string)) {
            await clock.sleep(hangs ? 3_600_000 : 5, { signal })
            throw new KadRequestError('unreachable', 'nobody is there')
          }
          const isLiar = far.slice(0, liars).some(({ id }) => id === peer.id)
          onReached?.({ rounds: 2, dialled: isLiar ? 5 : 40, from: truth.get(peer.id) })
          await clock.sleep(isLiar ? 5 : 50, { signal })
          return { ...empty, closer: near.filter(({ id }) => id !== peer.id).map(known => isLiar ? { ...known, addresses: [lies(1), lies(2)] } : known) }
        }
      }
      return { walker: new Walker({ clock, client: client as unknown as KadClient, table: { nearest: () => far }, timing, networksOf: networksUnder(addressPolicy()) }), clock, timing }
    }

    it.each([[false, 1], [true, 1], [true, 3]])('they are found where the others say, in this lookup and the next', async (hangs, liars) => {
      const { walker, clock, timing } = poisoned(hangs, liars)

      for (let lookup = 0; lookup < 3; lookup++) {
        const { closest } = await clock.run(walker.findClosest(preimage, { signal: new AbortController().signal }))
        expect(ids(closest)).toEqual(ids(near))
      }
      expect(near.filter(({ id, addresses }) => timing.dead(id, clock.now(), addresses))).toEqual([])
      expect(clock.pending).toBe(0)
    })
  })

  it.each([[false, 10], [true, 6]])('is not spent on those whom a few make up, be they silent for ever (%j) or gone at once: %i of them', async (hangs, count) => {
    const preimage = new TextEncoder().encode('wanted')
    const key = kadKey(preimage)
    const honest = Array.from({ length: 200 }, (_, i) => madeUpPeer(seededRandom(3_000 + i), [`/ip4/198.51.${i}.1/tcp/4001`])).sort((x, y) => compareDistance(key, x.key, y.key))
    const [near, known] = [honest.slice(0, 20), honest.slice(40)]
    const made = Array.from({ length: 20_000 }, (_, i) => madeUpPeer(seededRandom(5_000 + i))).sort((x, y) => compareDistance(key, x.key, y.key)).slice(0, 200)
    const liars = new Map(known.slice(0, count).map(({ id }, i) => [id, i]))
    const madeUp = new Set(ids(made))
    const clock = new VirtualClock()
    const client = {
      findNode: async ({ id, addresses }: KadPeer, _key: Uint8Array, _disclosure: unknown, { signal, onReached }: KadRequestOptions): Promise<KadAnswer> => {
        if (madeUp.has(id)) {
          await clock.sleep(hangs ? 3_600_000 : 20, { signal })
          throw new KadRequestError('unreachable', 'nobody is there')
        }
        const liar = liars.get(id)
        onReached?.({ rounds: 2, dialled: 40, from: addresses[0] })
        await clock.sleep(liar == null ? 60 : 5, { signal })
        return { ...empty, closer: liar == null ? near.filter(peer => peer.id !== id) : made.slice(20 * liar, 20 * liar + 20) }
      }
    }
    const walker = new Walker({ clock, client: client as unknown as KadClient, table: { nearest: () => known.slice(0, 120) }, timing: new PeerTiming(), networksOf: networksUnder(addressPolicy()) })
    const { closest, end } = await clock.run(walker.findClosest(preimage, { signal: new AbortController().signal }))

    expect(ids(closest)).toEqual(ids(near))
    expect(end).not.toBe('exhausted')
  })

  it('takes back what is still asked when its reader leaves', async () => {
    const { walker, clock, client } = walkerAmong([[a, 10, { ...empty, providers: [provider] }], [b, Infinity, empty], [c, Infinity, empty]])
    const { request, controller } = recordedRequest({ clock })
    const found = walker.findProviders(await cidOf('x'), { request, signal: controller.signal })

    expect((await clock.run(found.next())).value).toEqual(provider)
    await found.return()
    expect(client.aborted.sort()).toEqual(ids([b, c]).sort())
    await clock.advance(0)
    expect(clock.pending).toBe(0)
  })

  it('learns nothing and tells nothing after its end', async () => {
    const { walker, clock, client, timing } = walkerAmong([[a, 10, { ...empty, providers: [provider] }], [b, 60, { ...empty, providers: [provider] }], [c, 90, new Error('broken')]])
    const { request, controller } = recordedRequest({ clock })
    const phases: string[] = []

    const providers = walker.findProviders(await cidOf('x'), { request, signal: controller.signal, onProgress: ({ phase }) => { phases.push(phase) } })
    expect(await clock.run(providers.next())).toMatchObject({ value: { id: provider.id } })
    await providers.return()
    const before = [JSON.stringify(timing.toJSON({ now: 0, wall: 0 })), phases.length]
    await clock.advance(60_000)

    expect([JSON.stringify(timing.toJSON({ now: 0, wall: 0 })), phases.length]).toEqual(before)
    expect([client.aborted.length, clock.pending]).toEqual([2, 0])
  })

  it('ends with the signal, at once', async () => {
    const { walker, clock, client } = walkerAmong([[a, Infinity, empty]])
    const controller = new AbortController()
    const result = walker.findClosest(a.key, { signal: controller.signal })
    controller.abort(new Error('enough'))

    await expect(result).rejects.toThrow('enough')
    expect(client.aborted).toEqual([a.id])
    await expect(walker.findClosest(a.key, { signal: controller.signal })).rejects.toThrow('enough')
    expect(client.asked).toEqual([a.id])
    await clock.advance(0)
    expect(clock.pending).toBe(0)
  })

  it('says why nobody was found', async () => {
    const { walker, clock } = walkerAmong([[a, 10, new Error('no route')], [b, 20, new Error('broken')]])
    const { request, controller } = recordedRequest({ clock })

    await expect(clock.run(all(walker.findProviders(await cidOf('x'), { request, signal: controller.signal })))).rejects.toMatchObject({
      name: 'WalkFailedError',
      message: 'The lookup failed: none of 2 peers of the DHT answered',
      errors: [{ message: 'no route' }, { message: 'broken' }]
    })
    await expect(walkerAmong([]).walker.findClosest(a.key, { signal: controller.signal })).rejects.toThrow('no peer of the DHT is known')
  })

  it('gives up those who never answer although nobody else does', async () => {
    const { walker, clock, client, timing } = walkerAmong([[a, Infinity, empty]])

    const failure: unknown = await clock.run(walker.findClosest(a.key, { signal: new AbortController().signal }).catch((error: unknown) => error))

    expect(failure).toBeInstanceOf(WalkFailedError)
    expect((failure as WalkFailedError).errors.map(({ name }: Error) => name)).toEqual(['TimeoutError'])
    expect(client.aborted).toEqual([a.id])
    // nobody else answered: it may be us
    expect(timing.silent).toBe(0)
  })

  it('waits for the dead once, and then no more', async () => {
    const dead = Array.from({ length: 6 }, () => madeUpPeer(random))
    const live = Array.from({ length: 30 }, () => madeUpPeer(random))
    const { walker, clock, client } = walkerAmong([...dead.map((peer): [KadPeer, number, KadAnswer] => [peer, Infinity, empty]), ...live.map((peer, i): [KadPeer, number, KadAnswer] => [peer, 100 + i, empty])])
    const { signal } = new AbortController()
    const first = await clock.run(walker.findClosest(dead[0]?.key as Uint8Array, { signal }))
    client.asked.length = 0
    const second = await clock.run(walker.findClosest(dead[0]?.key as Uint8Array, { signal }))

    expect(first.closest).toEqual(second.closest)
    expect(first.took).toBeGreaterThanOrEqual(400)
    expect(second.took).toBeLessThanOrEqual(130)
    expect(client.asked.filter(id => ids(dead).includes(id))).toEqual([])
    expect(second.passedOver).toBeGreaterThan(0)
  })

  it('tells its reader and its story when `onProgress` throws', async () => {
    const { walker, clock } = walkerAmong([[a, 10, empty]])
    const result = walker.findClosest(a.key, { signal: new AbortController().signal, onProgress: ({ phase }) => { if (phase === 'answer') { throw new Error('mine') } } })

    await expect(clock.run(result)).rejects.toThrow('mine')
    expect(clock.pending).toBe(0)
  })
})
