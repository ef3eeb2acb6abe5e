import all from 'it-all'
import { base58btc } from 'multiformats/bases/base58'
import { CID } from 'multiformats/cid'
import { sha256 } from 'multiformats/hashes/sha2'
import { beforeAll, describe, expect, it } from 'vitest'
import { seededRandom } from '../../../src/clock/random.ts'
import { commonPrefixLength, compareDistance, kadKey } from '../../../src/discovery/kad/kad-key.ts'
import { PeerTiming } from '../../../src/discovery/kad/peer-timing.ts'
import { Walker } from '../../../src/discovery/kad/walker.ts'
import { WaryWalker } from '../../../src/discovery/kad/wary-walker.ts'
import { VirtualClock } from '../../../src/testing/virtual-clock.ts'
import { recordedRequest } from '../recorded-request.ts'
import { madeUpPeer } from './support/peers.ts'
import type { KadAnswer, KadClient, KadPeer, KadRequestOptions } from '../../../src/discovery/kad/kad-client.ts'
import type { RecordedRequest } from '../recorded-request.ts'

const HONEST = 500
const SYBILS = 60
/** Bits that the ids of an attacker share with the key: of 500 honest peers one in eight keys has one that near */
const NEAR = 12

/** Ids whose keys begin as the target does, found by trying: as anybody can */
function crafted (target: Uint8Array, count: number): KadPeer[] {
  const bytes = Uint8Array.from({ length: 34 }, (_, i) => [0x12, 0x20][i] ?? 7)
  const view = new DataView(bytes.buffer)
  const made: KadPeer[] = []

  for (let i = 0; made.length < count; i++) {
    view.setUint32(2, i)
    const key = kadKey(bytes)
    if (commonPrefixLength(target, key) >= NEAR) {
      made.push({ id: base58btc.baseEncode(bytes), key, addresses: ['/ip4/198.51.100.1/tcp/4001'] })
    }
  }
  return made
}

/** Everybody knows everybody, and names the twenty nearest: in an eclipse, made-up ones */
class Net implements KadClient {
  readonly random = seededRandom(1)
  readonly clock = new VirtualClock()
  readonly honest = Array.from({ length: HONEST }, () => madeUpPeer(this.random))
  readonly provider = madeUpPeer(this.random)
  readonly asked: string[] = []
  readonly silent = new Set<string>()
  readonly log: string[] = []
  readonly wary: WaryWalker
  readonly walker: Walker
  sybils: KadPeer[] = []
  holders = new Set<string>()

  constructor () {
    const { clock, random } = this
    this.walker = new Walker({ clock, client: this, timing: new PeerTiming(), table: { nearest: (key, count) => nearest(key, this.known, count) } })
    const log = Object.assign((_format: string, ...args: unknown[]) => { this.log.push(args.map(String).join(' ')) }, { error: () => {}, trace: () => {}, enabled: true, newScope: () => log })
    this.wary = new WaryWalker({ clock, random, log: log as never, client: this, walker: this.walker })
  }

  async findNode (peer: KadPeer, preimage: Uint8Array, _disclosure: unknown, { signal, onReached }: KadRequestOptions): Promise<KadAnswer> {
    onReached?.({ rounds: 2 })
    await this.clock.sleep(this.silent.has(peer.id) ? 3_600_000 : 50, { signal })
    return { closer: nearest(kadKey(preimage), [...this.honest, ...this.sybils], 21).filter(({ id }) => id !== peer.id).slice(0, 20), providers: [], skipped: 0 }
  }

  async getProviders (peer: KadPeer, multihash: Uint8Array, disclosure: { sent (): void }, options: KadRequestOptions): Promise<KadAnswer> {
    this.asked.push(peer.id)
    disclosure.sent()
    const answer = await this.findNode(peer, multihash, disclosure, options)
    return { ...answer, providers: this.holders.has(peer.id) ? [this.provider] : [] }
  }

  async addProviders (): Promise<void> {}

  /** Our own table: nobody in it keeps the record, for then no eclipse would help */
  get known (): KadPeer[] {
    return this.honest.filter(({ id }) => !this.holders.has(id)).slice(0, 150)
  }

  /** Refreshes, as a node that runs makes them */
  async refresh (times: number): Promise<void> {
    for (let i = 0; i < times; i++) {
      const preimage = Uint8Array.from({ length: 34 }, () => Math.floor(this.random.next() * 256))
      await this.clock.run(this.wary.findClosest(preimage, { signal: AbortSignal.timeout(10_000) }))
    }
  }

  /** Somebody provides it: the twenty nearest honest peers keep the record */
  async provide (cid: CID): Promise<void> {
    this.holders = new Set(nearest(kadKey(cid.multihash.bytes), this.honest, 20).map(({ id }) => id))
  }

  async find (from: Pick<WaryWalker, 'findProviders'>, cid: CID, { request, controller }: RecordedRequest = recordedRequest()): Promise<KadPeer[]> {
    return this.clock.run(all(from.findProviders(cid, { request, signal: controller.signal })))
  }
}

function nearest (key: Uint8Array, peers: readonly KadPeer[], count: number): KadPeer[] {
  return peers.toSorted((a, b) => compareDistance(key, a.key, b.key)).slice(0, count)
}

describe('a key that is eclipsed', () => {
  let cid: CID
  let sybils: KadPeer[]

  beforeAll(async () => {
    cid = CID.createV1(0x55, await sha256.digest(new TextEncoder().encode('wanted')))
    sybils = crafted(kadKey(cid.multihash.bytes), SYBILS)
  })

  it('is found all the same, where a plain lookup asks made-up peers only', async () => {
    const net = new Net()
    await net.provide(cid)
    await net.refresh(16)
    net.sybils = sybils
    const plain = await net.find(net.walker, cid)
    expect(plain).toEqual([])
    expect(net.wary.stats().denseRegions).toBe(0)

    const story = recordedRequest()
    const before = net.asked.length
    const found = await net.find(net.wary, cid, story)
    expect(found.map(({ id }) => id)).toContain(net.provider.id)
    expect(net.wary.stats().denseRegions).toBe(1)
    expect(net.log.join()).toContain(`so near to ${cid.toString()} where`)
    expect(story.notes).toEqual([expect.stringContaining(`so near to ${cid.toString()} where`)])
    // each question is disclosed, and there is an end to them
    const asked = net.asked.slice(before)
    expect(story.entries.filter(({ form }) => form === 'multihash').map(({ observer, state }) => `${observer} ${state}`)).toEqual(asked.map(id => `p2p:${id} sent`))
    // and who is asked about keys beside it learns where it is
    expect(new Set(story.entries.filter(({ form }) => form !== 'multihash').map(({ form, transport }) => `${form} ${transport}`))).toEqual(new Set(['prefix dht']))
    expect(asked.length).toBeLessThan(200 + 60)
    expect(new Set(asked).size).toBe(asked.length)
  })

  it('costs a lookup nothing more where nobody made up ids', async () => {
    const net = new Net()
    const story = recordedRequest()
    await net.provide(cid)
    await net.refresh(16)
    expect((await net.find(net.walker, cid)).map(({ id }) => id)).toEqual([net.provider.id])
    const plain = net.asked.length
    expect((await net.find(net.wary, cid, story)).map(({ id }) => id)).toEqual([net.provider.id])
    expect(story.notes).toEqual([])
    expect(net.asked.length - plain).toBeLessThanOrEqual(plain)
    expect(net.wary.stats().denseRegions).toBe(0)
    expect(net.wary.stats().networkSize).toBeGreaterThan(350)
    expect(net.wary.stats().networkSize).toBeLessThan(700)
  })

  it('is not suspected before the size of the network is known', async () => {
    const net = new Net()
    net.sybils = sybils
    await net.find(net.wary, cid)
    expect(net.wary.stats()).toEqual({ networkSize: undefined, denseRegions: 0 })
  })

  it('is looked for with what answers: those around who say nothing cost their time, and no more', async () => {
    const net = new Net()
    await net.provide(cid)
    await net.refresh(16)
    net.sybils = sybils
    const holders = [...net.holders]
    holders.slice(0, 10).forEach(id => { net.silent.add(id) })
    const started = net.clock.now()
    const found = await net.find(net.wary, cid)
    expect(found.map(({ id }) => id)).toContain(net.provider.id)
    expect(net.clock.now() - started).toBeLessThan(60_000)
    expect(net.clock.pending).toBe(0)
  })

  it('is given up when the reader leaves', async () => {
    const net = new Net()
    await net.refresh(16)
    net.sybils = sybils
    const story = recordedRequest()
    const reading = net.find(net.wary, cid, story)
    const outcome = reading.then(() => 'ended', (err: unknown) => (err as Error).name)
    // the walk is over by then, and those around are being asked
    await net.clock.run(net.clock.sleep(1))
    while (net.wary.stats().denseRegions === 0) {
      await net.clock.run(net.clock.sleep(10))
    }
    story.controller.abort()
    expect(await outcome).toBe('AbortError')
    expect(net.clock.pending).toBe(0)
  })
})
