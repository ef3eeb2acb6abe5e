import { multiaddr } from '@multiformats/multiaddr'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { MemoryNetwork } from '../../../src/testing/memory/memory-network.ts'
import { STREAM_WINDOW } from '../../../src/testing/memory/memory-stream.ts'
import { arrivals, place, PROTOCOL, streamBetween, streamsOf } from './nodes.ts'
import type { Place } from './nodes.ts'
import type { Connection, Libp2p, Stream } from '@libp2p/interface'

const SERVER = '/ip4/192.0.2.1/tcp/4001'

async function pair (init = {}): Promise<{ here: Place, client: Libp2p, server: Libp2p, near: Stream, far: Stream, connection: Connection }> {
  const here = place(init)
  const client = await here.node()
  const server = await here.node(SERVER)
  const [near, far] = await streamBetween(here, client, server)
  const connection = client.getConnections()[0] as Connection
  return { here, client, server, near, far, connection }
}

describe('delays', () => {
  it('are the same both ways, between the bounds, and drawn by the seed', () => {
    fc.assert(fc.property(fc.integer({ min: 0, max: 2 ** 31 }), fc.string(), fc.string(), (seed, a, b) => {
      const network = new MemoryNetwork({ seed })
      const delay = network.delay(a, b)
      expect(delay).toBe(network.delay(b, a))
      expect(delay).toBe(new MemoryNetwork({ seed }).delay(a, b))
      expect(delay).toBeGreaterThanOrEqual(10)
      expect(delay).toBeLessThanOrEqual(120)
    }))
  })

  it('spread evenly over the range', () => {
    const network = new MemoryNetwork()
    const delays = Array.from({ length: 1000 }, (_, i) => network.delay('a', `node ${i}`))
    const quarters = [0, 1, 2, 3].map(i => delays.filter(delay => Math.floor((delay - 10) / 27.5) === i).length)

    for (const quarter of quarters) {
      expect(quarter).toBeGreaterThan(200)
      expect(quarter).toBeLessThan(300)
    }
  })

  it.each([[-1, 10], [20, 10], [Number.NaN, 10], [0, Infinity]])('refuses bounds of %s to %s ms', (minDelay, maxDelay) => {
    expect(() => new MemoryNetwork({ minDelay, maxDelay })).toThrow(expect.objectContaining({ name: 'InvalidOptionError' }))
  })

  it('are those of the position where two nodes share one', async () => {
    const { network, node } = place({ minDelay: 10, maxDelay: 120 })
    const server = await node(SERVER)
    const [one, two, other] = [await node(undefined, { position: 'here' }), await node(undefined, { position: 'here' }), await node()]
    expect(network.delayBetween(one.peerId, server.peerId)).toBe(network.delayBetween(two.peerId, server.peerId))
    expect(network.delayBetween(other.peerId, server.peerId)).not.toBe(network.delayBetween(two.peerId, server.peerId))
  })
})

describe('dialling', () => {
  it('takes one round trip, and both ends know whom they speak to', async () => {
    const { clock, node } = place()
    const [client, server] = [await node(), await node(SERVER)]
    const connection = await clock.run(client.dial(multiaddr(SERVER)))
    expect(clock.now()).toBe(100)
    expect(connection.remotePeer.toString()).toBe(server.peerId.toString())
    expect(server.getConnections().map(({ remotePeer }) => remotePeer.toString())).toEqual([client.peerId.toString()])
  })

  it.each(['/ip6/2001:db8::1/tcp/4001', '/memory/somewhere'])('reaches %s', async listen => {
    const { clock, node } = place()
    const [client, server] = [await node(), await node(listen)]
    const connection = await clock.run(client.dial(server.getMultiaddrs()))
    expect(connection.status).toBe('open')
  })

  it('fails after a round trip where nobody listens', async () => {
    const { clock, node } = place()
    const client = await node()
    await expect(clock.run(client.dial(multiaddr('/ip4/192.0.2.9/tcp/4001')))).rejects.toThrow('Nobody listens on /ip4/192.0.2.9/tcp/4001')
    expect(clock.now()).toBe(100)
  })

  it('fails where somebody else listens than the one who was named', async () => {
    const { clock, node } = place()
    const [client, other] = [await node(), await node('/ip4/192.0.2.2/tcp/4001')]
    const server = await node(SERVER)
    await expect(clock.run(client.dial(multiaddr(`${SERVER}/p2p/${other.peerId.toString()}`)))).rejects.toMatchObject({ name: 'UnexpectedPeerError' })
    await clock.advance(200)
    expect(server.getConnections()).toEqual([])
  })

  it('ends with its signal, and the other end hears of it', async () => {
    const { clock, node } = place()
    const [client, server] = [await node(), await node(SERVER)]
    const controller = new AbortController()
    const dial = client.dial(multiaddr(SERVER), { signal: controller.signal })
    dial.catch(() => {})
    await clock.advance(75)
    expect(server.getConnections()).toHaveLength(1)
    controller.abort(new Error('enough'))
    await expect(dial).rejects.toThrow()
    await clock.advance(75)
    expect(server.getConnections()).toHaveLength(0)
  })

  it('gives out free ports, and no address twice', async () => {
    const { node } = place()
    const one = await node('/ip4/192.0.2.1/tcp/0')
    const two = await node('/ip4/192.0.2.1/tcp/0')
    expect(one.getMultiaddrs()[0]?.toString()).not.toBe(two.getMultiaddrs()[0]?.toString())
    await node(SERVER)
    await expect(node(SERVER)).rejects.toThrow(`Somebody listens on ${SERVER} already`)
  })

  it('finds nobody any more where a node has stopped', async () => {
    const { clock, node } = place()
    const [client, server] = [await node(), await node(SERVER)]
    await server.stop()
    await expect(clock.run(client.dial(multiaddr(SERVER)))).rejects.toThrow('Nobody listens')
  })
})

describe('streams', () => {
  it('agree on a protocol in one round trip', async () => {
    const { clock, node } = place()
    const [client, server] = [await node(), await node(SERVER)]
    await streamsOf(server)
    const connection = await clock.run(client.dial(multiaddr(SERVER)))
    const before = clock.now()
    const stream = await clock.run(connection.newStream(PROTOCOL))
    expect(clock.now() - before).toBe(100)
    expect(stream.protocol).toBe(PROTOCOL)
    await expect(clock.run(connection.newStream('/nobody/speaks/this'))).rejects.toMatchObject({ name: 'UnsupportedProtocolError' })
  })

  it('deliver eight messages written together together', async () => {
    const { here: { clock }, near, far } = await pair()
    const seen = arrivals(clock, far)
    const start = clock.now()

    for (let i = 0; i < 8; i++) {
      near.send(new Uint8Array(100))
    }

    await clock.advance(1000)
    expect(seen.map(({ at }) => at - start)).toEqual(Array.from({ length: 8 }, () => 50))
  })

  it('deliver messages written apart as far apart', async () => {
    const { here: { clock }, near, far } = await pair()
    const seen = arrivals(clock, far)
    const start = clock.now()

    for (let i = 0; i < 4; i++) {
      near.send(new Uint8Array(100))
      await clock.advance(10)
    }

    await clock.advance(1000)
    expect(seen.map(({ at }) => at - start)).toEqual([50, 60, 70, 80])
  })

  it('carry copies: who wrote may write into the same memory again', async () => {
    const { here: { clock }, near, far } = await pair()
    const seen: number[] = []
    far.addEventListener('message', ({ data }) => { seen.push(...data.subarray()) })
    const buffer = Uint8Array.of(1, 2, 3)
    near.send(buffer)
    buffer.fill(9)
    await clock.advance(50)
    expect(seen).toEqual([1, 2, 3])
  })

  it('close by halves: the other direction goes on', async () => {
    const { here: { clock }, near, far } = await pair()
    const [toFar, toNear] = [arrivals(clock, far), arrivals(clock, near)]
    near.send(new Uint8Array(10))
    await near.close()
    await clock.advance(50)
    expect(toFar).toHaveLength(1)
    expect([far.remoteWriteStatus, far.status]).toEqual(['closed', 'open'])
    far.send(new Uint8Array(20))
    await far.close()
    await clock.advance(50)
    expect(toNear.map(({ bytes }) => bytes)).toEqual([20])
    expect([near.status, far.status]).toEqual(['closed', 'closed'])
  })

  it('are reset at the other end when they are aborted', async () => {
    const { here: { clock }, near, far } = await pair()
    near.abort(new Error('enough'))
    expect([near.status, far.status]).toEqual(['aborted', 'open'])
    await clock.advance(50)
    expect(far.status).toBe('reset')
    expect(() => { far.send(new Uint8Array(1)) }).toThrow(expect.objectContaining({ name: 'StreamStateError' }))
  })

  it('hold back who writes more than is read, and lose nothing', async () => {
    const { here: { clock }, near, far } = await pair()
    const seen = arrivals(clock, far)
    far.pause()
    const content = new Uint8Array(3 * STREAM_WINDOW)
    expect(near.send(content)).toBe(false)
    await clock.advance(1000)
    expect([seen, far.readBufferLength]).toEqual([[], STREAM_WINDOW])
    const start = clock.now()
    far.resume()
    await clock.advance(1000)
    expect(seen.map(({ at, bytes }) => [at - start, bytes])).toEqual([[0, STREAM_WINDOW], [100, STREAM_WINDOW], [200, STREAM_WINDOW]])
    expect(near.writableNeedsDrain).toBe(false)
  })

  it('count what is pushed back by a reader once', async () => {
    const { here: { clock }, near, far } = await pair()
    let messages = 0
    const again = new Promise<void>(resolve => {
      far.addEventListener('message', ({ data }) => {
        if (++messages === 1) {
          far.unshift(data)
        } else {
          resolve()
        }
      })
    })
    near.send(new Uint8Array(STREAM_WINDOW))
    await clock.advance(50)
    await again
    await clock.advance(50)
    expect(near.send(new Uint8Array(STREAM_WINDOW + 1))).toBe(false)
  })

  it('end with their connection, at both ends', async () => {
    const { here: { clock }, near, far, server, connection } = await pair()
    await clock.run(connection.close())
    await clock.advance(50)
    expect(server.getConnections()).toEqual([])
    expect(far.status).not.toBe('open')
    expect(near.status).not.toBe('open')
  })
})

describe('the dead', () => {
  it('who are gone let a dial hang until its signal ends, and say nothing more', async () => {
    const { here: { clock, network, node }, near, far, server } = await pair()
    const seen = [arrivals(clock, near), arrivals(clock, far)]
    network.setMode(server.peerId, 'gone')
    near.send(new Uint8Array(1))
    far.send(new Uint8Array(1))
    const other = await node()
    const controller = new AbortController()
    const dial = other.dial(multiaddr(SERVER), { signal: controller.signal })
    let failed = false
    dial.catch(() => { failed = true })
    await clock.advance(5_000)
    expect(failed).toBe(false)
    controller.abort()
    await expect(dial).rejects.toMatchObject({ name: 'AbortError' })
    expect(seen).toEqual([[], []])
    expect([near.status, far.status]).toEqual(['open', 'open'])
  })

  it('who are mute accept connections and data, and never answer', async () => {
    const { clock, network, node } = place()
    const [client, server] = [await node(), await node(SERVER)]
    const streams = await streamsOf(server)
    network.setMode(server.peerId, 'mute')
    const connection = await clock.run(client.dial(multiaddr(SERVER)))
    expect(clock.now()).toBe(100)
    const controller = new AbortController()
    const opening = connection.newStream(PROTOCOL, { signal: controller.signal })
    opening.catch(() => {})
    await clock.advance(5_000)
    expect([streams.length, connection.status]).toEqual([0, 'open'])
    controller.abort()
    await expect(opening).rejects.toThrow()
  })

  it('who have ended reset their connections and refuse new ones', async () => {
    const { here: { clock, network, node }, near, server, connection } = await pair()
    network.setMode(server.peerId, 'refused')
    await clock.advance(50)
    expect([near.status, connection.status]).toEqual(['closed', 'reset'])
    const other = await node()
    const before = clock.now()
    await expect(clock.run(other.dial(multiaddr(SERVER)))).rejects.toThrow('Nobody listens')
    expect(clock.now() - before).toBe(100)
  })

  it('come back', async () => {
    const { clock, network, node } = place()
    const [client, server] = [await node(), await node(SERVER)]
    network.setMode(server.peerId, 'gone')
    expect(network.mode(server.peerId)).toBe('gone')
    network.setMode(server.peerId, 'live')
    const connection = await clock.run(client.dial(multiaddr(SERVER)))
    expect(connection.status).toBe('open')
  })

  it('still receive what was under way before they died, not what others wrote later', async () => {
    const { here: { clock, network }, near, far, client } = await pair()
    const seen = arrivals(clock, far)
    near.send(new Uint8Array(1))
    await clock.advance(10)
    network.setMode(client.peerId, 'gone')
    near.send(new Uint8Array(2))
    await clock.advance(100)
    expect(seen.map(({ bytes }) => bytes)).toEqual([1])
  })

  it('must be nodes of the network', () => {
    const { network } = place()
    expect(() => { network.setMode('12D3KooWnobody', 'gone') }).toThrow(expect.objectContaining({ name: 'InvalidOptionError' }))
  })
})

describe('what is counted', () => {
  it('is messages and bytes by node and protocol, and dials', async () => {
    const { here: { network }, near, far, client, server } = await pair()
    const seen: Array<[string, string, string, number]> = []
    const stop = network.watch(({ from, to, protocol, bytes }) => { seen.push([from, to, protocol, bytes.byteLength]) })
    near.send(new Uint8Array(10))
    near.send(new Uint8Array(20))
    far.send(new Uint8Array(5))
    stop()
    far.send(new Uint8Array(5))
    const [a, b] = [client.peerId.toString(), server.peerId.toString()]
    expect(seen).toEqual([[a, b, PROTOCOL, 10], [a, b, PROTOCOL, 20], [b, a, PROTOCOL, 5]])
    expect(network.sent(a)).toMatchObject({ dials: 1, sent: { [PROTOCOL]: { messages: 2, bytes: 30 } } })
    expect(network.sent(b)).toMatchObject({ dials: 0, sent: { [PROTOCOL]: { messages: 2, bytes: 10 } } })
    expect(network.sent().sent[PROTOCOL]).toEqual({ messages: 4, bytes: 40 })
    expect(network.sent(a).sent['/multistream/1.0.0']?.messages).toBeGreaterThan(0)
  })
})

describe('when all have stopped', () => {
  it('nothing is scheduled any more', async () => {
    const { here: { clock }, client, server, near } = await pair()
    near.send(new Uint8Array(10))
    await clock.run(Promise.all([client.stop(), server.stop()]))
    await clock.advance(100)
    expect(clock.pending).toBe(0)
  })
})
