import { concat } from 'uint8arrays/concat'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { recordedRequest } from '../recorded-request.ts'
import { TEST_PROTOCOL, kadNode } from './support/kad-net.ts'
import { madeUpPeer } from './support/peers.ts'
import { seededRandom } from '../../../src/clock/random.ts'
import { systemClock } from '../../../src/clock/system-clock.ts'
import { Libp2pKadClient } from '../../../src/discovery/kad/kad-client-egress.ts'
import { MAX_RECORDS } from '../../../src/discovery/kad/kad-client.ts'
import { encodeProvider } from '../../../src/discovery/kad/kad-message.ts'
import { bytesField, numberField, varint } from '../../../src/discovery/kad/protobuf.ts'
import { silentLogger } from '../../../src/testing/silent-logger.ts'
import type { KadNode } from './support/kad-net.ts'
import type { KadConnections } from '../../../src/discovery/kad/kad-client-egress.ts'
import type { Reach } from '../../../src/discovery/kad/kad-client.ts'
import type { Disclosure, DisclosureEntry } from '../../../src/interface/disclosure.ts'
import type { Stream } from '@libp2p/interface'
import type { Multiaddr } from '@multiformats/multiaddr'

const KEY = Uint8Array.from([0x12, 0x20, ...new Uint8Array(32).fill(9)])
const OTHER = '/portolan-test/other/1.0.0'
/** An empty answer to GET_PROVIDERS, behind its length */
const EMPTY = Uint8Array.of(2, 8, 3)

describe('a client of the DHT', () => {
  let server: KadNode
  let ours: KadNode
  let client: Libp2pKadClient
  let answer: (stream: Stream, question: number) => void
  let opened: Stream[]

  beforeAll(async () => {
    [server, ours] = await Promise.all([kadNode(), kadNode({ protocol: '/portolan-test/unused/1.0.0' })])
    await server.libp2p.handle(OTHER, stream => {
      let questions = 0
      opened.push(stream)
      stream.addEventListener('message', () => { answer(stream, ++questions) })
    })
  })

  afterAll(async () => {
    await Promise.all([server.stop(), ours.stop()])
  })

  beforeEach(() => {
    opened = []
    answer = stream => { stream.send(EMPTY) }
    client = clientOf(OTHER)
  })

  afterEach(() => {
    client.stop()
  })

  function clientOf (protocol: string): Libp2pKadClient {
    const { connectionManager } = ours.libp2p.services.components
    return new Libp2pKadClient({ clock: systemClock, logger: silentLogger, connectionManager, self: ours.id }, { protocol })
  }

  /** Where the server is */
  function at (): string | undefined {
    return ours.libp2p.getConnections(server.libp2p.peerId)[0]?.remoteAddr.toString()
  }

  function disclosed (): { disclosure: Disclosure, entries: DisclosureEntry[], controller: AbortController } {
    const { request, entries, controller } = recordedRequest()
    return { disclosure: request.disclose({ observer: `p2p:${server.id}`, form: 'multihash', transport: 'dht', audience: 'one' }), entries, controller }
  }

  async function ask (on = client, peer = server.asPeer()): Promise<{ outcome: string, state: string, reach: Reach[] }> {
    const { disclosure, controller } = disclosed()
    const reach: Reach[] = []

    const outcome = await on.getProviders(peer, KEY, disclosure, { signal: controller.signal, onReached: how => { reach.push(how) } })
      .then(({ closer, providers }) => `${closer.length} ${providers.length}`, (error: Error & { reason?: string }) => `${error.name} ${error.reason}`)
    return { outcome, state: disclosure.state, reach }
  }

  it('dials no relay that an answer names', async () => {
    const dialled: string[] = []
    const connectionManager = { getConnections: () => [], openConnection: async (addresses: Multiaddr[]) => { dialled.push(...addresses.map(address => address.toString())); throw new Error('Nobody is there') } } as unknown as KadConnections
    const asking = new Libp2pKadClient({ clock: systemClock, logger: silentLogger, connectionManager, self: ours.id }, { protocol: OTHER })
    const relayed = `/ip4/192.0.2.1/tcp/1/p2p/${madeUpPeer(seededRandom(1)).id}/p2p-circuit`

    expect(await ask(asking, { ...server.asPeer(), addresses: [relayed] })).toMatchObject({ outcome: 'KadRequestError unreachable', state: 'not-sent' })
    expect(dialled).toEqual([])
    await ask(asking, { ...server.asPeer(), addresses: [relayed, '/ip4/192.0.2.1/tcp/2'] })
    expect(dialled).toEqual([`/ip4/192.0.2.1/tcp/2/p2p/${server.id}`])
    asking.stop()
  })

  it('dials, then opens a stream, then asks again on it', async () => {
    await ours.libp2p.hangUp(server.libp2p.peerId)
    const answers = [await ask(), await ask()]

    expect(answers.map(({ outcome, state }) => `${outcome} ${state}`)).toEqual(['0 0 sent', '0 0 sent'])
    expect(answers.map(({ reach }) => reach)).toEqual([[{ rounds: 2, dialled: expect.any(Number) as number, from: at() }], [{ rounds: 1, from: at() }]])
    expect([opened.length, client.resting]).toEqual([1, 1])
  })

  it('says in time that a peer is there already', async () => {
    await ask()
    const { disclosure, controller } = disclosed()
    let reach: Reach | undefined
    const asked = client.getProviders(server.asPeer(), KEY, disclosure, { signal: controller.signal, onReached: how => { reach = how } })

    expect(reach).toEqual({ rounds: 1, from: at() })
    await asked
  })

  it('opens another stream when the one that rested has ended', async () => {
    answer = (stream, question) => {
      if (question === 1) {
        stream.send(EMPTY)
      } else {
        stream.abort(new Error('enough'))
      }
    }

    expect((await ask()).state).toBe('sent')
    // what was said on the first may have been read, and was said once more
    expect(await ask()).toMatchObject({ outcome: '0 0', state: 'unknown', reach: [{ rounds: 1 }, { rounds: 2 }] })
    expect(opened).toHaveLength(2)
  })

  it('asks nothing more on a stream over which more was said than asked', async () => {
    answer = stream => { stream.send(concat([EMPTY, EMPTY])) }

    expect((await ask()).outcome).toBe('0 0')
    expect(client.resting).toBe(0)
  })

  it('reads the beginning of an answer with all that provide a popular block, and does not wait for the rest', async () => {
    const random = seededRandom(6)
    const named = (field: number): Uint8Array => bytesField(field, encodeProvider(madeUpPeer(random, Array.from({ length: 8 }, (_, i) => `/ip4/192.0.2.${i}/udp/4001/quic-v1/webtransport`))))
    const providers = Array.from({ length: 200 }, () => named(9))
    const message = concat([numberField(1, 3), ...Array.from({ length: 20 }, () => named(8)), ...Array.from({ length: 40 }, () => providers).flat()])
    // the end never comes
    answer = stream => { stream.send(concat([varint(message.byteLength), message.subarray(0, 300_000)])) }

    expect(message.byteLength).toBeGreaterThan(1_048_576)
    expect(await ask()).toMatchObject({ outcome: '20 100', state: 'sent' })
    expect(client.resting).toBe(0)
  })

  it.each([
    ['garbage', Uint8Array.of(3, 255, 255, 255), 'KadMessageError truncated'],
    ['an answer to something else', Uint8Array.of(2, 8, 4), 'KadMessageError type'],
    ['a length beyond bounds', Uint8Array.of(255, 255, 255, 127), 'KadMessageError too-large'],
    ['a length without end', new Uint8Array(12).fill(128), 'KadMessageError varint']
  ])('names what is wrong with %s', async (_, bytes, outcome) => {
    answer = stream => { stream.send(bytes) }

    expect(await ask()).toMatchObject({ outcome })
    expect(client.resting).toBe(outcome.endsWith('varint') || outcome.endsWith('large') ? 0 : 1)
  })

  it('tells a stream that breaks before its answer', async () => {
    answer = stream => { stream.abort(new Error('no')) }
    expect(await ask()).toMatchObject({ outcome: 'KadRequestError broken', state: 'unknown' })
  })

  it('tells a stream that ends before its answer', async () => {
    answer = stream => { stream.close().catch(() => {}) }
    expect(await ask()).toMatchObject({ outcome: 'KadRequestError broken', state: 'unknown' })
  })

  it('tells a peer that does not speak the protocol, and has told it nothing', async () => {
    const another = clientOf('/portolan-test/nobody/1.0.0')
    expect(await ask(another)).toMatchObject({ outcome: 'KadRequestError refused', state: 'not-sent' })
    another.stop()
  })

  it('tells a peer that is not there, and looks nobody up who has no address', async () => {
    const random = seededRandom(5)

    expect(await ask(client, madeUpPeer(random, ['/ip4/127.0.0.1/tcp/1']))).toMatchObject({ outcome: 'KadRequestError unreachable', state: 'not-sent', reach: [] })
    expect(await ask(client, madeUpPeer(random, []))).toMatchObject({ outcome: 'KadRequestError unreachable', state: 'not-sent', reach: [] })
    expect(await ask(client, { ...madeUpPeer(random), id: 'nonsense' })).toMatchObject({ outcome: 'KadRequestError unreachable', state: 'not-sent' })
  })

  it('ends with its signal although nobody answers', async () => {
    const asked = Promise.withResolvers<void>()
    answer = () => { asked.resolve() }
    const { disclosure, controller } = disclosed()
    const pending = client.getProviders(server.asPeer(), KEY, disclosure, { signal: controller.signal })
    await asked.promise
    controller.abort(new Error('over'))

    await expect(pending).rejects.toThrow('over')
    expect(disclosure.state).toBe('sent')
    await expect(client.getProviders(server.asPeer(), KEY, disclosed().disclosure, { signal: controller.signal })).rejects.toThrow('over')
  })

  it('ends with its signal although an answer drips, and lets go of the stream', async () => {
    const dripped = Promise.withResolvers<void>()
    const ended = Promise.withResolvers<void>()
    answer = stream => {
      stream.addEventListener('close', () => { ended.resolve() })
      stream.send(varint(100_000))
      let bytes = 0
      const drip = (): void => {
        if (stream.status === 'open') {
          stream.send(Uint8Array.of(0))
          if (++bytes === 50) {
            dripped.resolve()
          }
          setImmediate(drip)
        }
      }
      drip()
    }
    const { disclosure, controller } = disclosed()
    const pending = client.getProviders(server.asPeer(), KEY, disclosure, { signal: controller.signal })
    await dripped.promise
    controller.abort(new Error('over'))

    await expect(pending).rejects.toThrow('over')
    await ended.promise
    expect([disclosure.state, client.resting]).toEqual(['sent', 0])
  })

  it('ends everything when it is stopped', async () => {
    await ask()
    const asked = Promise.withResolvers<void>()
    answer = () => { asked.resolve() }
    const pending = ask()
    await asked.promise
    client.stop()

    expect(await pending).toMatchObject({ outcome: 'KadRequestError broken' })
    expect(client.resting).toBe(0)
    expect(await ask()).toMatchObject({ outcome: 'KadRequestError broken', state: 'not-sent' })
    client.start()
    answer = stream => { stream.send(EMPTY) }
    expect(await ask()).toMatchObject({ outcome: '0 0' })
  })

  it('tells kad-dht who provides, and knows that it was taken', async () => {
    const dht = clientOf(TEST_PROTOCOL)
    const self = { id: ours.id, addresses: ['/ip4/127.0.0.1/tcp/9'] }
    const { disclosure, controller } = disclosed()
    await dht.addProviders(server.asPeer(), [{ multihash: KEY, disclosure }], self, { signal: controller.signal })
    expect(disclosure.state).toBe('sent')

    // whoever asks is left out, so another one asks
    const another = new Libp2pKadClient({ clock: systemClock, logger: silentLogger, connectionManager: ours.libp2p.services.components.connectionManager, self: 'another' }, { protocol: TEST_PROTOCOL })
    const { providers } = await another.getProviders(server.asPeer(), KEY, disclosed().disclosure, { signal: controller.signal })
    expect(providers.map(({ id }) => id)).toEqual([ours.id])
    expect(providers[0]?.addresses).toContain('/ip4/127.0.0.1/tcp/9')
    expect(dht.resting).toBe(1)
    dht.stop()
    another.stop()
  })

  it('tells of a thousand blocks, many at once, and knows that all were taken though it stops right after', async () => {
    const self = { id: ours.id, addresses: ['/ip4/127.0.0.1/tcp/9'] }
    const { controller } = disclosed()
    const records = Array.from({ length: 1_000 }, (_, i) => ({ multihash: Uint8Array.from([0x12, 0x20, ...new Uint8Array(30).fill(7), i >> 8, i & 0xff]), disclosure: disclosed().disclosure }))

    for (let i = 0; i < records.length; i += MAX_RECORDS) {
      const dht = clientOf(TEST_PROTOCOL)
      await dht.addProviders(server.asPeer(), records.slice(i, i + MAX_RECORDS), self, { signal: controller.signal })
      dht.stop()
    }
    expect(records.every(({ disclosure }) => disclosure.state === 'sent')).toBe(true)

    const another = new Libp2pKadClient({ clock: systemClock, logger: silentLogger, connectionManager: ours.libp2p.services.components.connectionManager, self: 'another' }, { protocol: TEST_PROTOCOL })
    for (let i = 0; i < records.length; i += 25) {
      const answers = await Promise.all(records.slice(i, i + 25).map(async ({ multihash }) => another.getProviders(server.asPeer(), multihash, disclosed().disclosure, { signal: controller.signal })))
      expect(answers.every(({ providers }) => providers.length === 1 && providers[0]?.id === ours.id)).toBe(true)
    }
    another.stop()
  })

  it('says that none is known to be taken when one of many is refused', async () => {
    const dht = clientOf(TEST_PROTOCOL)
    const { controller } = disclosed()
    const records = [KEY, Uint8Array.of(1, 2, 3)].map(multihash => ({ multihash, disclosure: disclosed().disclosure }))

    await expect(dht.addProviders(server.asPeer(), records, { id: ours.id, addresses: [] }, { signal: controller.signal })).rejects.toThrow(expect.objectContaining({ name: 'KadRequestError', reason: 'broken' }))
    expect(records.map(({ disclosure }) => disclosure.state)).toEqual(['unknown', 'unknown'])
    expect(dht.resting).toBe(0)
    dht.stop()
  })

  it('tells neither nothing nor too many, nor of an address that is none', async () => {
    const { controller, disclosure } = disclosed()
    const many = Array.from({ length: MAX_RECORDS + 1 }, () => ({ multihash: KEY, disclosure }))
    const options = { signal: controller.signal }
    await expect(client.addProviders(server.asPeer(), [], { id: ours.id, addresses: [] }, options)).rejects.toThrow(RangeError)
    await expect(client.addProviders(server.asPeer(), many, { id: ours.id, addresses: [] }, options)).rejects.toThrow('1 to 64 blocks at once, not 65')
    await expect(client.addProviders(server.asPeer(), many.slice(1), { id: ours.id, addresses: ['nowhere'] }, options)).rejects.toThrow()
    expect(disclosure.state).toBe('not-sent')
    expect(opened).toHaveLength(0)
  })

  it('passes on no address that may not be used', async () => {
    const dht = new Libp2pKadClient({ clock: systemClock, logger: silentLogger, connectionManager: ours.libp2p.services.components.connectionManager, self: 'another' }, { protocol: TEST_PROTOCOL, usable: () => false })
    const { controller, disclosure } = disclosed()
    await dht.addProviders(server.asPeer(), [{ multihash: KEY, disclosure }], { id: ours.id, addresses: ['/ip4/127.0.0.1/tcp/9'] }, { signal: controller.signal })
    const { providers } = await dht.getProviders(server.asPeer(), KEY, disclosed().disclosure, { signal: controller.signal })

    expect(providers.map(({ id, addresses }) => [id, addresses])).toEqual([[ours.id, []]])
    dht.stop()
  })
})
