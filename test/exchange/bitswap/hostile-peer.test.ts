import { multiaddr } from '@multiformats/multiaddr'
import { afterEach, describe, expect, it } from 'vitest'
import { bitswapSpy } from '../../../bench/exchange/bitswap-spy.ts'
import { encodeMessage } from '../../../src/exchange/bitswap/encode-message.ts'
import { MAX_MESSAGE_SIZE } from '../../../src/exchange/bitswap/message.ts'
import { VirtualClock } from '../../../src/testing/virtual-clock.ts'
import { attempt, failure, routeTo, sample, wantOf } from './attempt.ts'
import { MAY_SAY, nothing } from './fake-streams.ts'
import { client } from './nodes.ts'
import type { Client } from './nodes.ts'
import type { BitswapSpy, BitswapSpyInit } from '../../../bench/exchange/bitswap-spy.ts'
import type { BitswapFault, BitswapFaultEvent } from '../../../src/exchange/bitswap/network.ts'
import type { Connection, Stream } from '@libp2p/interface'

const MODERN = '/ipfs/bitswap/1.2.0'
const toStop: Array<{ stop (): Promise<void> }> = []

afterEach(async () => {
  await Promise.all(toStop.splice(0).map(async node => { await node.stop() }))
})

interface World {
  readonly node: Client
  readonly peer: BitswapSpy
  readonly faults: readonly BitswapFaultEvent[]
  /** Resolves with the first fault of that kind */
  fault (kind: BitswapFault): Promise<BitswapFaultEvent>
  /** An honest peer is served meanwhile */
  others (): Promise<void>
}

async function world (init: BitswapSpyInit = {}, ours: Parameters<typeof client>[0] = {}): Promise<World> {
  const faults: BitswapFaultEvent[] = []
  let waiting: Array<() => void> = []
  const good = await sample(999, 10_000)
  const [node, peer, honest] = await Promise.all([
    client({
      ...ours,
      network: {
        ...ours.network,
        onFault: event => {
          faults.push(event)
          const told = waiting
          waiting = []
          told.forEach(resolve => { resolve() })
        }
      }
    }),
    bitswapSpy(init),
    bitswapSpy({ answer: wants => wants.every(({ cancel }) => cancel) ? undefined : { blocks: [good] } })
  ])
  toStop.push(node, peer, honest)
  await node.libp2p.dial(peer.multiaddrs.map(address => multiaddr(address)))
  await node.libp2p.dial(honest.multiaddrs.map(address => multiaddr(address)))

  return {
    node,
    peer,
    faults,
    async fault (kind) {
      for (;;) {
        const found = faults.find(({ fault }) => fault === kind)
        if (found != null) {
          return found
        }
        await new Promise<void>(resolve => { waiting.push(resolve) })
      }
    },
    async others () {
      expect(await node.fetcher.fetch(wantOf(good), routeTo(honest.peer), attempt())).toEqual(good.bytes)
      expect(faults.filter(event => event.peer === honest.peer)).toEqual([])
    }
  }
}

async function closed (stream: Stream): Promise<void> {
  if (stream.status === 'open' || stream.status === 'closing') {
    await new Promise<void>(resolve => { stream.addEventListener('close', () => { resolve() }) })
  }
}

const varint = (value: number): number[] => value < 0x80 ? [value] : [(value % 0x80) | 0x80, ...varint(Math.floor(value / 0x80))]

describe('a peer', () => {
  it.each<[string, Uint8Array]>([
    ['announces 1 TiB', Uint8Array.from(varint(2 ** 40))],
    ['announces more than 4 MiB', Uint8Array.from(varint(MAX_MESSAGE_SIZE + 1))],
    ['announces a length without end', new Uint8Array(1_000).fill(0xff)],
    ['sends noise', Uint8Array.from({ length: 64 }, (_, i) => (i * 77 + 13) % 256)]
  ])('that %s loses the stream, and nobody else does', async (_, bytes) => {
    const { node, peer, fault, others } = await world()
    const stream = await peer.open()
    stream.send(bytes)

    expect(await fault('malformed')).toMatchObject({ peer: peer.peer })
    await closed(stream)
    await others()
    expect(node.network.size.incoming).toBe(0)
  })

  it('that breaks off a message is told apart from one that resets', async () => {
    const { peer, fault, others } = await world()
    const stream = await peer.open()
    stream.send(encodeMessage({ blocks: [await sample(1)] }, MODERN)[0]?.subarray(0, 5) ?? new Uint8Array(0))
    await stream.close()

    expect((await fault('malformed')).message).toMatch(/ends/)
    await others()
  })

  it('that sends what nobody asked for is reported, and hashing is not spent on it', async () => {
    const { node, peer, fault, others } = await world()
    await peer.say({ blocks: [await sample(1, 1_000_000)] })

    expect(await fault('unsolicited')).toMatchObject({ peer: peer.peer })
    expect(node.verifier.hashed).toBe(0)
    await others()
  })

  it('that goes on sending it is cut off', async () => {
    // nothing comes back to it with time
    const { peer, fault, others } = await world({}, { clock: new VirtualClock() })
    const stream = await peer.open()
    const block = await sample(1, 500_000)

    for (let i = 0; i < 20 && stream.status === 'open'; i++) {
      encodeMessage({ blocks: [block] }, MODERN).forEach(piece => { stream.status === 'open' && stream.send(piece) })
    }

    await fault('excess')
    await closed(stream)
    await others()
  })

  it('that begins one want-list after the other gets no more memory than its share', async () => {
    const { peer, fault, others } = await world({}, { clock: new VirtualClock() })
    const list = new Uint8Array(900_000)
    const before = process.memoryUsage().arrayBuffers
    // fewer bytes than it may say, and more than it may leave unfinished
    const streams = await Promise.all(Array.from({ length: 9 }, async () => peer.open()))

    for (const stream of streams) {
      if (stream.status === 'open') {
        // a want-list of 1 000 000 bytes, of which a tenth is missing
        stream.send(Uint8Array.from([...varint(1_000_004), 0x0a, ...varint(1_000_000)]))
        stream.send(list)
      }
    }

    await fault('excess')
    await until(() => streams.filter(({ status }) => status === 'open').length === 4)
    // the sender's buffers count too
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(64_000_000)
    await others()
  })

  it('that is slow to hear of a CANCEL may send the block for which it came, however large', async () => {
    const [block, other] = [await sample(1, 2_000_000), await sample(2)]
    const { node, peer, faults } = await world({}, { clock: new VirtualClock() })
    const said = await peer.open()
    nothing(MAY_SAY - 100_000).forEach(message => { said.send(message) })
    await said.close()
    await until(() => node.network.size.incoming === 0)
    const recorded = attempt()
    const fetching = failure(node.fetcher.fetch(wantOf(block), routeTo(peer.peer), recorded))
    await peer.until(({ wants }) => wants.length === 1)
    recorded.abort()
    await fetching
    await peer.say({ blocks: [block] })

    const last = node.fetcher.fetch(wantOf(other), routeTo(peer.peer), attempt())
    await peer.until(({ wants }) => wants.length === 2)
    await peer.say({ blocks: [other] })
    expect(await last).toEqual(other.bytes)
    expect(faults).toEqual([])
  })

  it('that sends other bytes than it was asked for fails that want, as invalid', async () => {
    const [asked, sent] = [await sample(1), await sample(2)]
    const { node, peer, others } = await world({ answer: wants => wants.every(({ cancel }) => cancel) ? undefined : { blocks: [{ cid: asked.cid, bytes: sent.bytes }] } })
    const recorded = attempt()

    expect(await failure(node.fetcher.fetch(wantOf(asked), routeTo(peer.peer), recorded))).toMatchObject({ outcome: 'invalid' })
    await peer.until(({ cancels }) => cancels.length === 1)
    await others()
  })

  it('that sends more bytes than a block may have fails that want, and they are not kept', async () => {
    const asked = await sample(1)
    const { node, peer } = await world({ answer: wants => wants.every(({ cancel }) => cancel) ? undefined : { blocks: [{ cid: asked.cid, bytes: new Uint8Array(3_000_000) }] } })
    const recorded = attempt()

    expect(await failure(node.fetcher.fetch(wantOf(asked), routeTo(peer.peer), recorded))).toMatchObject({ outcome: 'invalid' })
    expect(node.verifier.hashed).toBe(0)
    expect(recorded.arrived).toBe(0)
  })

  it('that was asked for something, and was told to forget it, may still send it, once', async () => {
    const [block, last] = [await sample(1), await sample(2)]
    const { node, peer, fault, faults } = await world()
    const recorded = attempt()
    const fetching = failure(node.fetcher.fetch(wantOf(block), routeTo(peer.peer), recorded))
    await peer.until(({ wants }) => wants.length === 1)
    recorded.abort()
    await fetching

    await peer.say({ blocks: [block] })
    // something else is on its way, so only its hash tells which it is
    const other = node.fetcher.fetch(wantOf(last), routeTo(peer.peer), attempt())
    await peer.until(({ wants }) => wants.length === 2)
    await peer.say({ blocks: [last] })
    expect(await other).toEqual(last.bytes)
    expect(faults).toEqual([])

    await peer.say({ blocks: [last] })
    await peer.say({ blocks: [block] })
    expect((await fault('unsolicited')).peer).toBe(peer.peer)
  })

  it('that opens streams for nothing loses its connection', async () => {
    const { node, peer, fault, others } = await world()
    const [connection] = peer.libp2p.getConnections() as [Connection]
    const lost = new Promise<void>(resolve => { connection.addEventListener('close', () => { resolve() }) })

    for (let i = 0; i < 200 && connection.status === 'open'; i++) {
      try {
        (await peer.open()).abort(new Error('reset by the test'))
      } catch {
        // the connection is gone: what the test waits for
        break
      }
    }

    expect(await fault('flood')).toMatchObject({ peer: peer.peer })
    await lost
    await others()
    expect(node.network.size.incoming).toBe(0)
  })

  it('that says a byte a minute is not listened to for long', async () => {
    const clock = new VirtualClock()
    const { node, peer, fault } = await world({}, { clock })
    const stream = await peer.open()
    const frame = encodeMessage({ wants: [{ cid: (await sample(1)).cid, type: 'block', priority: 1 }] }, MODERN)[0] as Uint8Array
    stream.send(frame.subarray(0, 1))
    await until(() => node.network.size.incoming === 1 && node.libp2p.getConnections().length > 0)
    // the byte has arrived when a ping that was sent after it has
    await peer.libp2p.getConnections()[0]?.newStream('/ipfs/id/1.0.0')
    await clock.advance(20_000)

    expect(await fault('slow')).toMatchObject({ peer: peer.peer })
    await closed(stream)
    expect(node.network.size.incoming).toBe(0)
  })

  it('that opens streams and is silent is not waited for', async () => {
    const clock = new VirtualClock()
    const { node, peer } = await world({}, { clock })
    const streams = await Promise.all(Array.from({ length: 10 }, async () => peer.open()))
    await until(() => node.network.size.incoming === 10)
    await clock.advance(60_000)
    await Promise.all(streams.map(closed))
    expect(node.network.size.incoming).toBe(0)
  })

  it('gets no more streams than its share', async () => {
    const { node, peer, others } = await world()
    await Promise.allSettled(Array.from({ length: 80 }, async () => peer.open()))
    await until(() => node.network.size.incoming === 64)
    await others()
    expect(node.network.size.incoming).toBe(64)
  })

  it('that reads nothing is given up, and holds nobody up', async () => {
    const clock = new VirtualClock()
    const { node, peer, fault, others } = await world({ deaf: true }, { clock })
    const [connection] = node.libp2p.getConnections(peer.libp2p.peerId) as [Connection]
    const block = await sample(1, 2_000_000)
    const recorded = attempt()
    const signal = new AbortController().signal
    const disclosure = recorded.request.disclose({ observer: `p2p:${peer.peer}`, form: 'cid', transport: 'bitswap', audience: 'one' })
    const writing = failure(node.network.write({ peer: peer.peer, connection, lane: 'answers' }, () => ({ message: { blocks: [block] }, disclosures: [disclosure] }), { signal }))
    await peer.until(({ streams }) => streams.length === 1)
    await others()
    // a want is not stuck behind the block
    const wanted = attempt()
    const fetching = failure(node.fetcher.fetch(wantOf(block), routeTo(peer.peer), wanted))
    await peer.until(({ streams }) => streams.length === 2)
    await clock.advance(60_000)

    expect(await fault('not-reading')).toMatchObject({ peer: peer.peer })
    expect(await writing).toMatchObject({ outcome: 'stalled' })
    expect(recorded.entries).toMatchObject([{ state: 'unknown' }])
    wanted.abort()
    await fetching
  })
})

/** Waits for the network, not for time: every turn of the loop may bring it */
async function until (condition: () => boolean): Promise<void> {
  while (!condition()) {
    await new Promise<void>(resolve => { setImmediate(resolve) })
  }
}
