import { generateKeyPair } from '@libp2p/crypto/keys'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { beforeAll, describe, expect, it } from 'vitest'
import { seededRandom } from '../../../src/clock/random.ts'
import { AddressBook } from '../../../src/discovery/addresses/address-book.ts'
import { MAX_PROBES, PROBE_TICK, Prober } from '../../../src/discovery/addresses/prober.ts'
import { silentLogger } from '../../../src/testing/silent-logger.ts'
import { VirtualClock } from '../../../src/testing/virtual-clock.ts'
import { recordedRequest } from '../recorded-request.ts'
import type { ProbeConnections } from '../../../src/discovery/addresses/probe-egress.ts'
import type { Clock } from '../../../src/interface/clock.ts'
import type { Connection } from '@libp2p/interface'
import type { Multiaddr } from '@multiformats/multiaddr'

const TICK = 2 * PROBE_TICK

type Behaviour = 'there' | 'gone' | 'refused' | 'denied' | 'no transport'

/** The network as it looks to a dialler */
class Network {
  readonly dialled: string[] = []
  readonly open: Connection[] = []
  readonly behaviours = new Map<string, Behaviour>()
  readonly closed: string[] = []
  active = 0
  most = 0

  readonly connections = {
    getConnections: () => this.open,
    dial: async (addresses: Multiaddr[], { signal }: { signal: AbortSignal }): Promise<Connection> => this.#dial(String(addresses[0]), signal)
  } as unknown as ProbeConnections

  async #dial (address: string, signal: AbortSignal): Promise<Connection> {
    this.dialled.push(address)
    this.most = Math.max(this.most, ++this.active)
    const behaviour = this.behaviours.get(address.replace(/\/p2p\/.*/, '')) ?? 'gone'

    try {
      if (behaviour === 'gone') {
        await new Promise((_resolve, reject) => { signal.addEventListener('abort', () => { reject(signal.reason as Error) }) })
      }
      if (behaviour !== 'there') {
        throw Object.assign(new Error(behaviour), { name: behaviour === 'denied' ? 'DialDeniedError' : behaviour === 'no transport' ? 'NoValidAddressesError' : 'ConnectionFailedError' })
      }
      return { id: address, streams: [], close: async () => { this.closed.push(address) } } as unknown as Connection
    } finally {
      this.active--
    }
  }
}

function setUp (clockOf: (virtual: VirtualClock) => Clock = virtual => virtual): { clock: VirtualClock, network: Network, book: AddressBook, prober: Prober, entries: ReturnType<typeof recordedRequest>['entries'] } {
  const clock = new VirtualClock()
  const network = new Network()
  const book = new AddressBook()
  const { request, entries } = recordedRequest({ clock })
  const prober = new Prober({
    book,
    clock: clockOf(clock),
    random: seededRandom(1),
    log: silentLogger.forComponent('test'),
    connections: () => network.connections,
    disclose: peer => request.with({ purpose: 'probe' }).disclose({ observer: `p2p:${peer}`, form: 'none', transport: 'dial', audience: 'one' }),
    check: async address => [address]
  })
  return { clock, network, book, prober, entries }
}

const at = (n: number): string => `/ip4/192.0.2.${n}/tcp/4001`

describe('the prober', () => {
  let peers: string[]
  let first: string
  let second: string

  beforeAll(async () => {
    peers = await Promise.all(Array.from({ length: 60 }, async () => peerIdFromPrivateKey(await generateKeyPair('Ed25519')).toString()))
    ;[first, second] = peers as [string, string]
  })

  it('finds out who is there, tells nothing but that it is here, and lets go', async () => {
    const { clock, network, book, prober, entries } = setUp()
    network.behaviours.set(at(1), 'there')
    network.behaviours.set(at(2), 'refused')
    book.told(first, [at(1)], clock.now())
    book.told(second, [at(2)], clock.now())
    book.worth(first, 'named', clock.now())
    book.worth(second, 'named', clock.now())
    prober.start()
    await clock.run(clock.sleep(TICK))
    prober.stop()

    expect(network.dialled.sort()).toEqual([`${at(1)}/p2p/${first}`, `${at(2)}/p2p/${second}`].sort())
    expect(network.closed).toEqual([`${at(1)}/p2p/${first}`])
    expect(book.counts()).toMatchObject({ good: 1, dead: 1 })
    expect(prober.stats()).toEqual({ probes: 2, reached: 1, failed: 1 })
    expect(entries.map(({ purpose, form, transport, observer, state }) => ({ purpose, form, transport, observer, state })).sort((a, b) => a.state.localeCompare(b.state))).toEqual([
      { purpose: 'probe', form: 'none', transport: 'dial', observer: `p2p:${first}`, state: 'sent' },
      { purpose: 'probe', form: 'none', transport: 'dial', observer: `p2p:${second}`, state: 'unknown' }
    ])
    expect(clock.pending).toBe(0)
  })

  it('tries nobody who is not worth it', async () => {
    const { clock, network, book, prober } = setUp()
    book.told(first, [at(1)], clock.now())
    prober.start()
    await clock.run(clock.sleep(10 * TICK))
    prober.stop()
    expect(network.dialled).toEqual([])
  })

  it('has twenty probes under way at most, whoever hangs', async () => {
    const { clock, network, book, prober } = setUp()
    for (const [i, peer] of peers.entries()) {
      book.told(peer, [at(i + 1)], clock.now())
      book.worth(peer, 'named', clock.now())
    }
    prober.start()
    await clock.run(clock.sleep(PROBE_TICK * 1.26))
    expect(network.dialled).toHaveLength(MAX_PROBES)
    await clock.run(clock.sleep(PROBE_TICK * 3))
    prober.stop()
    expect(network.dialled.length).toBeGreaterThanOrEqual(60)
    expect(network.most).toBe(MAX_PROBES)
    // nobody answered: it may be us
    expect(book.counts().dead).toBe(0)
  })

  it('believes that they are gone when it is connected to somebody', async () => {
    const { clock, network, book, prober } = setUp()
    network.open.push({ remotePeer: { toString: () => second } } as unknown as Connection)
    book.told(first, [at(1)], clock.now())
    book.worth(first, 'named', clock.now())
    // connected: no reason to dial it
    book.told(second, [at(2)], clock.now())
    book.worth(second, 'named', clock.now())
    prober.start()
    await clock.run(clock.sleep(TICK))
    prober.stop()
    expect(network.dialled).toEqual([`${at(1)}/p2p/${first}`])
    expect(book.counts()).toMatchObject({ dead: 1 })
  })

  it('learns nothing of an address when the node did not try, and forgets it when it never will', async () => {
    const { clock, network, book, prober, entries } = setUp()
    network.behaviours.set(at(1), 'denied')
    network.behaviours.set(at(2), 'no transport')
    book.alive(clock.now())
    book.told(first, [at(1)], clock.now())
    book.told(second, [at(2)], clock.now())
    book.worth(first, 'named', clock.now())
    book.worth(second, 'named', clock.now())
    prober.start()
    await clock.run(clock.sleep(TICK))
    prober.stop()
    expect(book.get(first, at(1))?.failures).toBe(0)
    expect(book.get(second, at(2))).toBe(undefined)
    expect(entries.map(({ state }) => state)).toEqual(['not-sent', 'not-sent'])
  })

  it('lets the network come back after a sleep', async () => {
    let slept = 0
    const { clock, network, book, prober } = setUp(virtual => ({
      now: () => virtual.now() + slept,
      wall: () => virtual.wall() + slept,
      schedule: (ms, fn) => virtual.schedule(ms, fn),
      sleep: virtual.sleep,
      timeout: virtual.timeout
    }))
    book.told(first, [at(1)], clock.now())
    book.worth(first, 'delivered', clock.now())
    prober.start()
    slept = 3_600_000
    await clock.run(clock.sleep(PROBE_TICK * 1.26))
    expect(network.dialled).toEqual([])
    await clock.run(clock.sleep(PROBE_TICK * 1.26))
    expect(network.dialled).toHaveLength(1)
    prober.stop()
  })

  it('ends what is under way when it is stopped, and does nothing after that', async () => {
    const { clock, network, book, prober } = setUp()
    book.alive(clock.now())
    book.told(first, [at(1)], clock.now())
    book.worth(first, 'named', clock.now())
    prober.start()
    while (network.active === 0) {
      await clock.run(clock.sleep(1_000))
    }
    prober.stop()
    await clock.run(clock.sleep(0))
    expect(network.active).toBe(0)
    expect(clock.pending).toBe(0)
    expect(book.get(first, at(1))?.failures).toBe(0)
    prober.stop()
  })
})
