import { afterEach, describe, expect, it } from 'vitest'
import { DEFAULT_SERVE_LIMITS, serveLimits } from '../../../../src/exchange/bitswap/server/limits.ts'
import { BitswapServer } from '../../../../src/exchange/bitswap/server/server.ts'
import { PeerStalledError } from '../../../../src/exchange/bitswap/server/serving.ts'
import { silentLogger } from '../../../../src/testing/silent-logger.ts'
import { VirtualClock } from '../../../../src/testing/virtual-clock.ts'
import { cidOf, Disclosures, message, numberOf, numbers, NumberedStore, want } from './support.ts'
import type { OutgoingMessage } from '../../../../src/exchange/bitswap/message.ts'
import type { ServePolicy } from '../../../../src/exchange/bitswap/server/policy.ts'
import type { BitswapServerComponents, BitswapServerInit } from '../../../../src/exchange/bitswap/server/server.ts'
import type { TransmitOptions } from '../../../../src/exchange/bitswap/server/serving.ts'

const KiB = 1_024
const MiB = 1_048_576
const PEER = '12D3KooWPeerThatIsServed1'
const OTHER = '12D3KooWPeerThatIsServed2'

/** Peers at the other end, each with its pace in bytes per ms; 0 never reads */
class Network {
  readonly clock: VirtualClock
  readonly pace = new Map<string, number>()
  readonly messages: Array<{ peer: string, message: OutgoingMessage, at: number }> = []
  readonly aborted: Array<{ peer: string, reason: unknown }> = []
  /** Bytes of blocks handed over and not yet taken */
  outstanding = 0
  peak = 0
  /** Presences handed over and not yet taken */
  answers = 0
  /** Answers to the next writes: an error breaks the stream */
  readonly breaks: Error[] = []
  /** Streams that are never there */
  readonly refusals: Error[] = []
  writes = 0

  constructor (clock: VirtualClock) {
    this.clock = clock
  }

  readonly transmit = async (peer: string, message: OutgoingMessage, { signal, progress, onWriting, disclosures }: TransmitOptions): Promise<void> => {
    const bytes = (message.blocks ?? []).reduce((sum, block) => sum + block.bytes.byteLength, 0)
    const pace = this.pace.get(peer) ?? Infinity
    const refused = this.refusals.shift()
    if (refused != null) {
      throw refused
    }
    const broken = this.breaks.shift()
    onWriting()
    this.writes++
    this.outstanding += bytes
    this.answers += message.presences?.length ?? 0
    this.peak = Math.max(this.peak, this.outstanding)

    try {
      if (broken != null) {
        throw broken
      }

      if (pace === 0) {
        await this.clock.sleep(1e12, { signal })
      }

      for (let left = bytes; left > 0 && pace !== Infinity; left -= 64 * KiB) {
        await this.clock.sleep(Math.min(left, 64 * KiB) / pace, { signal })
        progress()
      }

      this.messages.push({ peer, message, at: this.clock.now() })
      disclosures.forEach(disclosure => { disclosure.sent() })
    } catch (err) {
      if (signal.aborted) {
        this.aborted.push({ peer, reason: signal.reason })
      }

      throw err
    } finally {
      this.outstanding -= bytes
      this.answers -= message.presences?.length ?? 0
    }
  }

  blocksTo (peer: string): number[] {
    return this.messages.filter(one => one.peer === peer).flatMap(one => (one.message.blocks ?? []).map(block => numberOf(block.cid)))
  }

  presencesTo (peer: string): string[] {
    return this.messages.filter(one => one.peer === peer).flatMap(one => (one.message.presences ?? []).map(({ cid, type }) => `${numberOf(cid)} ${type}`))
  }
}

const servers: BitswapServer[] = []

function setup (init: BitswapServerInit = {}, components: Partial<BitswapServerComponents> & { slow?: number } = {}): {
  clock: VirtualClock
  store: NumberedStore
  network: Network
  disclosures: Disclosures
  server: BitswapServer
} {
  const clock = new VirtualClock()
  const { slow, ...rest } = components
  const store = new NumberedStore(slow == null ? undefined : async () => clock.sleep(slow))
  const network = new Network(clock)
  const disclosures = new Disclosures()
  const server = new BitswapServer({ store, clock, logger: silentLogger, transmit: network.transmit, disclose: disclosures.disclose, ...rest }, { policy: 'everyone', ...init })
  servers.push(server)
  server.start()
  return { clock, store, network, disclosures, server }
}

afterEach(() => {
  for (const server of servers.splice(0)) {
    server.stop()
  }
})

describe('who is served', () => {
  const cases: Array<[string, ServePolicy | undefined, string[]]> = [
    ['nobody by default', undefined, []],
    ['nobody', 'none', []],
    ['everyone', 'everyone', [PEER, OTHER]],
    ['those whom we chose', 'peers', [OTHER]],
    ['those on the list', { allow: [PEER] }, [PEER]]
  ]

  it.each(cases)('%s', async (_, policy, served) => {
    const { clock, store, network, server } = setup({ policy }, { chosen: peer => peer === OTHER })
    store.fill(1, 1, 100)

    for (const peer of [PEER, OTHER]) {
      server.received(peer, message([want(1)]))
    }

    await clock.advance(1_000)
    expect([PEER, OTHER].filter(peer => network.blocksTo(peer).length > 0)).toEqual(served)
    expect(server.stats().refused).toBe(2 - served.length)
  })

  it('a refused peer cannot tell what is here, and nothing was looked up or disclosed', async () => {
    const { clock, store, network, disclosures, server } = setup({ policy: 'none' })
    store.fill(1, 1, 100)
    server.received(PEER, message([want(1, { sendDontHave: true }), want(2, { sendDontHave: true, type: 'have' }), want(3)]))
    await clock.advance(1_000)
    expect(network.presencesTo(PEER)).toEqual(['1 dont-have', '2 dont-have'])
    expect(store.reads).toEqual([])
    expect(store.lookups).toBe(0)
    expect(disclosures.count()).toBe(0)
    expect(server.stats()).toMatchObject({ refused: 3, refusalsTold: 2, dontHaves: 0, wants: 0 })
  })

  it('can be changed at any time: what was wanted is dropped, what is on its way arrives whole', async () => {
    const { clock, store, network, server } = setup()
    store.fill(0, 100, MiB)
    network.pace.set(PEER, 1_000)
    server.received(PEER, message(numbers(100).map(n => want(n))))
    await clock.advance(100)
    server.disable()
    await clock.advance(60_000)
    expect(network.blocksTo(PEER)).toEqual([0])
    expect(network.aborted).toEqual([])
    expect(server.stats()).toMatchObject({ policy: 'none', wants: 0, memory: 0 })
    server.setPolicy({ allow: [PEER] })
    server.received(PEER, message([want(7)]))
    await clock.advance(60_000)
    expect(network.blocksTo(PEER)).toEqual([0, 7])
    expect(server.stats().policy).toBe('allow-list')
  })

  it.each([['somebody'], [{}], [{ allow: 'x' }], [{ allow: [7] }], [{ allow: ['../etc'] }], [{ allow: Array(10_001).fill(PEER) }]])('a policy that makes no sense (%j) is an error, and the one before stays', policy => {
    const { server } = setup()
    expect(() => { server.setPolicy(policy as ServePolicy) }).toThrow(expect.objectContaining({ name: 'InvalidOptionError' }))
    expect(server.policy).toBe('everyone')
    expect(() => new BitswapServer({} as unknown as BitswapServerComponents, { policy: policy as ServePolicy })).toThrow()
  })
})

describe('answers', () => {
  it.each([['at once', undefined], ['after a while', 3]])('blocks, presences and absences, from a store that answers %s; each disclosed and settled', async (_, slow) => {
    const { clock, store, network, disclosures, server } = setup({}, { slow })
    store.fill(0, 20, 10 * KiB)
    server.received(PEER, message([
      ...numbers(5).map(n => want(n)),
      ...numbers(5, 5).map(n => want(n, { type: 'have' })),
      ...numbers(5, 100).map(n => want(n, { type: 'have', sendDontHave: true })),
      ...numbers(5, 200).map(n => want(n))
    ]))
    await clock.advance(1_000)
    expect(network.blocksTo(PEER).sort()).toEqual(numbers(5))
    expect(network.presencesTo(PEER).sort()).toEqual([...numbers(5, 100).map(n => `${n} dont-have`), ...numbers(5, 5).map(n => `${n} have`)])
    expect(network.messages.length).toBeLessThanOrEqual(4)
    expect(disclosures.count()).toBe(15)
    expect(disclosures.count('sent')).toBe(15)
    expect(disclosures.entries.every(entry => entry.purpose === 'serve' && entry.observer === `p2p:${PEER}`)).toBe(true)
    expect(server.stats()).toMatchObject({ blocks: 5, bytes: 50 * KiB, haves: 5, dontHaves: 5, wants: 10, awaited: 10, memory: 0, peers: 1, sending: 0 })
  })

  it('a block that arrives is sent to all who wait for it', async () => {
    const { clock, store, network, server } = setup()
    server.received(PEER, message([want(1)]))
    server.received(OTHER, message([want(1, { type: 'have' })]))
    await clock.advance(10)
    store.fill(1, 1, 2 * KiB)
    server.arrived(cidOf(1), 2 * KiB)
    server.arrived(cidOf(99))
    await clock.advance(10)
    expect(network.blocksTo(PEER)).toEqual([1])
    expect(network.presencesTo(OTHER)).toEqual(['1 have'])
  })

  it('what the store cannot read is not there: said, counted, and no harm to others', async () => {
    const { clock, store, network, server } = setup({ limits: { readTimeout: 500 } }, { slow: 1 })
    store.fill(1, 1, 100).fill(2, 1, 3 * MiB)
    store.get = (get => cid => {
      if (numberOf(cid) === 3) {
        throw new Error('disk on fire')
      }

      return numberOf(cid) === 4 ? (async function * () { yield await new Promise<Uint8Array>(() => {}) })() : get.call(store, cid)
    })(store.get)
    server.received(PEER, message(numbers(4, 1).map(n => want(n, { sendDontHave: true }))))
    await clock.advance(1_000)
    expect(network.blocksTo(PEER)).toEqual([1])
    expect(network.presencesTo(PEER).sort()).toEqual(['2 dont-have', '3 dont-have', '4 dont-have'])
    expect(server.stats()).toMatchObject({ readFailures: 3, memory: 0 })
  })

  it('a store that throws or hangs at lookups is no harm either', async () => {
    const { clock, store, network, server } = setup({ limits: { readTimeout: 500 } })
    store.has = cid => {
      if (numberOf(cid) === 1) {
        throw new Error('disk on fire')
      }

      return new Promise<boolean>(() => {})
    }
    server.received(PEER, message([want(1, { type: 'have', sendDontHave: true }), want(2, { type: 'have', sendDontHave: true })]))
    await clock.advance(1_000)
    expect(network.presencesTo(PEER).sort()).toEqual(['1 dont-have', '2 dont-have'])
    expect(server.stats().readFailures).toBe(2)
  })

  it('a stream that broke is tried once more; a peer to whom none holds is given up', async () => {
    const { clock, store, network, disclosures, server } = setup()
    store.fill(0, 3, 100)
    network.breaks.push(new Error('reset'))
    server.received(PEER, message([want(0)]))
    await clock.advance(100)
    expect(network.blocksTo(PEER)).toEqual([0])
    expect([disclosures.count('unknown'), disclosures.count('sent')]).toEqual([1, 1])
    network.breaks.push(new Error('reset'), new Error('reset'))
    server.received(PEER, message([want(1), want(77)]))
    await clock.advance(100)
    expect(server.stats()).toMatchObject({ broken: 1, wants: 0, memory: 0 })
    server.received(PEER, message([want(2)]))
    await clock.advance(100)
    expect(network.blocksTo(PEER)).toEqual([0, 2])
  })

  it('a peer to whom no stream can be opened was told nothing', async () => {
    const { clock, store, network, disclosures, server } = setup()
    store.fill(0, 1, 100)
    network.refusals.push(new Error('no stream'))
    server.received(PEER, message([want(0)]))
    await clock.advance(100)
    expect(network.blocksTo(PEER)).toEqual([0])
    expect([disclosures.count('not-sent'), disclosures.count('unknown'), disclosures.count('sent')]).toEqual([1, 0, 1])
  })

  it('nothing is written of what may not be disclosed', async () => {
    const { clock, store, network, server } = setup({}, { disclose: () => { throw new Error('no') } })
    store.fill(1, 1, 100)
    server.received(PEER, message([want(1)]))
    await clock.advance(100)
    expect(network.writes).toBe(0)
    expect(server.stats().broken).toBe(1)
  })
})

describe('peers that do not read', () => {
  it('slow nobody, hold a bounded share, and are given up with a name', async () => {
    const stalled: string[] = []
    const { clock, store, network, server } = setup({ onStalled: peer => { stalled.push(peer) } })
    store.fill(0, 2_000, MiB)
    network.pace.set(PEER, 100_000)
    server.received(PEER, message(numbers(300).map(n => want(n))))
    const alone = await timeOf(clock, () => network.blocksTo(PEER).length === 300)

    for (const p of numbers(200)) {
      network.pace.set(`stuck-${p}`, 0)
      server.received(`stuck-${p}`, message(numbers(1_000).map(n => want(n))))
    }

    server.received(PEER, message(numbers(300, 1_000).map(n => want(n))))
    const beside = await timeOf(clock, () => network.blocksTo(PEER).length === 600)
    expect(beside).toBeLessThan(alone * 1.1)
    expect(server.stats().memoryPeak).toBeLessThanOrEqual(DEFAULT_SERVE_LIMITS.memory)
    expect(network.peak).toBeLessThanOrEqual(DEFAULT_SERVE_LIMITS.memory)
    await clock.advance(80_000)
    expect(new Set(stalled).size).toBe(200)
    expect(network.aborted.filter(({ reason }) => reason instanceof PeerStalledError)).toHaveLength(200)
    expect(network.aborted.filter(({ reason }) => !(reason instanceof PeerStalledError))).toHaveLength(server.stats().setBack)
    expect(server.stats()).toMatchObject({ stalled: 200, wants: 0, memory: 0, sending: 0 })
  })

  it('delay no newcomer, though fifty more of them come every second', async () => {
    const delay = async (stuckPerSecond: number, size: number): Promise<{ delays: number[], served: number, peak: number }> => {
      const { clock, store, network, server } = setup()
      store.fill(0, 100, size)
      const asked = new Map<string, number>()
      let stuck = 0

      for (let ms = 0; ms < 10_000; ms += 20) {
        for (; stuck < ms / 1_000 * stuckPerSecond; stuck++) {
          network.pace.set(`stuck-${stuck}`, 0)
          server.received(`stuck-${stuck}`, message(numbers(100).map(n => want(n))))
        }
        if (ms % 500 === 0) {
          // 64 KiB every 20 ms
          network.pace.set(`newcomer-${ms}`, 3_277)
          asked.set(`newcomer-${ms}`, clock.now())
          server.received(`newcomer-${ms}`, message(numbers(4).map(n => want(n))))
        }
        await clock.advance(20)
      }
      await clock.advance(2_000)

      const first = [...asked].map(([peer, at]) => (network.messages.find(message => message.peer === peer)?.at ?? Infinity) - at)
      const served = [...asked.keys()].filter(peer => network.blocksTo(peer).length === 4).length
      server.stop()
      return { delays: first.sort((a, b) => a - b), served, peak: network.peak }
    }

    for (const size of [MiB, 256 * KiB]) {
      const alone = await delay(0, size)
      const beside = await delay(50, size)
      expect(beside.served).toBe(20)
      expect(beside.delays[10]).toBeLessThanOrEqual((alone.delays[10] ?? 0) + 50)
      expect(beside.delays.at(-1)).toBeLessThanOrEqual((alone.delays.at(-1) ?? 0) + 100)
      expect(beside.peak).toBeLessThanOrEqual(DEFAULT_SERVE_LIMITS.memory)
    }
  })

  it('may be far away: what made room for others is sent again, whole', async () => {
    const { clock, store, network, server } = setup()
    store.fill(0, 200, MiB)
    // a second until the first 64 KiB are through
    network.pace.set('far', 64)
    server.received('far', message([want(0), want(1), want(500, { sendDontHave: true })]))
    await clock.advance(10)

    for (const p of numbers(60)) {
      network.pace.set(`stuck-${p}`, 0)
      server.received(`stuck-${p}`, message(numbers(4).map(n => want(n))))
    }
    await clock.advance(1_500)
    expect(server.stats().setBack).toBeGreaterThan(0)
    expect(network.aborted.some(({ peer }) => peer === 'far')).toBe(true)
    await clock.advance(120_000)
    expect(network.blocksTo('far').sort()).toEqual([0, 1])
    expect(network.presencesTo('far')).toEqual(['500 dont-have'])
  })

  it('cannot fill the tables: a thousand with a thousand wants each are held in what a few may hold', async () => {
    for (const rest of [{ type: 'have' as const }, { sendDontHave: true }]) {
      const lists = numbers(4).map(part => message(numbers(1_024, part * 1_024).map(n => want(n, rest))))
      const { clock, store, network, server } = setup({}, { slow: 1 })
      store.fill(0, 2_000, 2 * KiB)

      for (const p of numbers(1_000)) {
        network.pace.set(`stuck-${p}`, 0)
        server.received(`stuck-${p}`, lists[p % 4] ?? message([]))
        if (p % 20 === 0) {
          await clock.advance(2)
        }
      }
      await clock.advance(20)
      const { wants, memoryPeak, peers } = server.stats()
      expect(wants).toBeLessThanOrEqual(DEFAULT_SERVE_LIMITS.wants)
      expect(memoryPeak).toBeLessThanOrEqual(DEFAULT_SERVE_LIMITS.memory)
      expect(peers).toBe(1_000)
      // answers in memory: those handed over, and as many again
      expect(network.answers).toBeLessThanOrEqual(1_000 * 64)

      network.pace.set('reader', 100_000)
      server.received('reader', message(numbers(10).map(n => want(n))))
      await clock.advance(500)
      expect(network.blocksTo('reader')).toHaveLength(10)
      server.stop()
    }
  }, 60_000)

  it('are not heard again for a while', async () => {
    const { clock, store, network, server } = setup({ limits: { stallTimeout: 1_000, stallPause: 5_000 } })
    store.fill(0, 3, 100)
    network.pace.set(PEER, 0)
    server.received(PEER, message([want(0)]))
    await clock.advance(1_500)
    expect(server.stats().stalled).toBe(1)
    network.pace.delete(PEER)
    server.gone(PEER)
    server.received(PEER, message([want(1)]))
    await clock.advance(100)
    expect(network.messages).toEqual([])
    expect(server.stats().paused).toBe(1)
    await clock.advance(5_000)
    server.received(PEER, message([want(2)]))
    await clock.advance(100)
    expect(network.blocksTo(PEER)).toEqual([2])
  })

  it('are not those who read slowly', async () => {
    const { clock, store, network, server } = setup()
    store.fill(0, 3, 2 * MiB)
    network.pace.set(PEER, 15)
    server.received(PEER, message(numbers(3).map(n => want(n))))
    await clock.advance(3 * 2 * MiB / 15 + 1_000)
    expect(network.blocksTo(PEER)).toEqual([0, 1, 2])
    expect(server.stats().stalled).toBe(0)
  })

  it('do not keep presence answers coming without end', async () => {
    const { clock, store, network, server } = setup()
    store.fill(0, 100_000, MiB)
    network.pace.set(PEER, 0)

    for (const n of numbers(100)) {
      server.received(PEER, message(numbers(1_000, n * 1_000).map(m => want(m, { type: 'have' }))))
      await clock.advance(10)
    }

    expect(server.stats().wants).toBeLessThanOrEqual(1_024)
    expect(store.lookups).toBeLessThan(3_000)
  })
})

describe('fair shares', () => {
  it('a greedy peer and a modest one on the same wire', async () => {
    const { clock, store, network, server } = setup({ limits: { memory: 8 * MiB } }, { slow: 2 })
    store.fill(0, 3_000, MiB)
    network.pace.set(PEER, 1_000)
    network.pace.set(OTHER, 1_000)
    server.received(PEER, message(numbers(1_024).map(n => want(n, { priority: 1_000_000 }))))
    await clock.advance(10_000)
    const before = network.blocksTo(PEER).length
    server.received(OTHER, message(numbers(50, 2_000).map(n => want(n))))
    await clock.advance(50_000)
    const greedy = network.blocksTo(PEER).length - before
    expect(Math.abs(network.blocksTo(OTHER).length - greedy)).toBeLessThanOrEqual(5)
  })

  it('a thousand peers are all served', async () => {
    const { clock, store, network, server } = setup({}, { slow: 1 })
    store.fill(0, 50, 60 * KiB)

    for (const p of numbers(1_000)) {
      network.pace.set(`peer-${p}`, 1_000)
      server.received(`peer-${p}`, message(numbers(3).map(n => want(n))))
    }

    await clock.advance(5_000)
    const blocks = new Map<string, number>()

    for (const one of network.messages) {
      blocks.set(one.peer, (blocks.get(one.peer) ?? 0) + (one.message.blocks?.length ?? 0))
    }

    expect(blocks.size).toBe(1_000)
    expect([...new Set(blocks.values())]).toEqual([3])
    expect(server.stats().memoryPeak).toBeLessThanOrEqual(DEFAULT_SERVE_LIMITS.memory)
  })
})

describe('its life', () => {
  it('who leaves takes everything along', async () => {
    const { clock, store, network, disclosures, server } = setup({}, { slow: 5 })
    store.fill(0, 100, MiB)
    network.pace.set(PEER, 0)
    server.received(PEER, message([...numbers(100).map(n => want(n)), want(999)]))
    await clock.advance(100)
    server.gone(PEER)
    server.gone(PEER)
    server.gone('never there')
    await clock.advance(100)
    expect(server.stats()).toMatchObject({ peers: 0, wants: 0, awaited: 0, memory: 0, sending: 0, broken: 0 })
    expect(network.aborted).toHaveLength(1)
    expect(disclosures.count('intended')).toBe(0)
  })

  it('nothing is left after a stop, in the middle of everything', async () => {
    const { clock, store, network, disclosures, server } = setup({}, { slow: 5 })
    store.fill(0, 1_000, MiB)

    for (const p of numbers(20)) {
      network.pace.set(`peer-${p}`, p)
      server.received(`peer-${p}`, message(numbers(100).map(n => want(n))))
    }

    await clock.advance(42)
    server.stop()
    server.stop()
    await clock.advance(10)
    expect(clock.pending).toBe(0)
    expect(network.outstanding).toBe(0)
    expect(disclosures.count('intended')).toBe(0)
    expect(server.stats()).toMatchObject({ peers: 0, wants: 0, memory: 0 })
    server.received(PEER, message([want(1)]))
    server.gone(PEER)
    server.arrived(cidOf(1))
    await clock.advance(100)
    expect(network.blocksTo(PEER)).toEqual([])
    server.start()
    server.received(PEER, message([want(1)]))
    await clock.advance(100)
    expect(network.blocksTo(PEER)).toEqual([1])
  })

  it('keeps no timer while it has nothing to do', async () => {
    const { clock, store, server } = setup({}, { slow: 1 })
    store.fill(0, 10, 100)
    server.received(PEER, message([want(1), want(55)]))
    await clock.advance(2_000)
    expect(clock.pending).toBe(0)
  })

  it('messages without wants mean nothing to it', () => {
    const { server } = setup()
    server.received(PEER, message([]))
    expect(server.stats().peers).toBe(0)
  })
})

describe('limits', () => {
  it.each<[Record<string, number>, RegExp]>([
    [{ memory: 1 }, /memory/],
    [{ memoryPerPeer: 1_000 }, /memoryPerPeer/],
    [{ blockBytes: 4_194_304 }, /blockBytes/],
    [{ wantsPerPeer: 0 }, /wantsPerPeer/],
    [{ stallTimeout: Number.NaN }, /stallTimeout/],
    [{ batchDelay: -1 }, /batchDelay/],
    [{ peers: 1.5 }, /peers/],
    [{ typo: 1 }, /typo/]
  ])('%j is refused by name', (limits, name) => {
    expect(() => serveLimits(limits)).toThrow(expect.objectContaining({ name: 'InvalidOptionError', message: expect.stringMatching(name) as string }))
  })

  it('are the documented ones by default', () => {
    expect(serveLimits({ memory: undefined })).toEqual(DEFAULT_SERVE_LIMITS)
  })
})

async function timeOf (clock: VirtualClock, done: () => boolean): Promise<number> {
  const start = clock.now()

  while (!done()) {
    await clock.advance(10)

    if (clock.now() - start > 600_000) {
      throw new Error('never done')
    }
  }

  return clock.now() - start
}
