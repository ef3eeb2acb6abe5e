import { once } from 'node:events'
import { connect as connectTcp, createServer } from 'node:net'
import { Duplex } from 'node:stream'
import { TLSSocket, connect as connectTls } from 'node:tls'
import { generateKeyPair } from '@libp2p/crypto/keys'
import { tcp } from '@libp2p/tcp'
import { tls } from '@libp2p/tls'
import { generateCertificate } from '@libp2p/tls/utils'
import { webSockets } from '@libp2p/websockets'
import { multiaddr } from '@multiformats/multiaddr'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { socketTls } from '../../src/config/socket-tls-egress.ts'
import { tcpConnection } from '../../src/config/tcp-connection-egress.ts'
import { addressesOf, node } from '../exchange/lease/nodes.ts'
import type { ping } from '@libp2p/ping'
import type { ConnectionEncrypter, Libp2p, Stream } from '@libp2p/interface'
import type { Libp2pOptions } from 'libp2p'
import type { AddressInfo, Socket } from 'node:net'

type Encrypter = NonNullable<Libp2pOptions['connectionEncrypters']>[number]

const MIB = 1_048_576
const PROTOCOL = '/portolan/test/1.0.0'
/** A peer id that no node of these tests has */
const STRANGER = '12D3KooWGC6TvWhfapngX6wvJHMYvKpDMXPb3ZnCZ6dMoaMtimQ5'
/** How a peer says in multistream-select that TLS comes next, and the length of the answer */
const SELECT_TLS = Buffer.from('\x13/multistream/1.0.0\n\x0b/tls/1.0.0\n')

const both: Array<[string, () => Encrypter, () => Encrypter]> = [
  ['ours dials ours', socketTls, socketTls],
  ['ours dials @libp2p/tls', socketTls, tls],
  ['@libp2p/tls dials ours', tls, socketTls]
]

async function peer (encrypter: Encrypter = socketTls(), options: Partial<Libp2pOptions> = {}): Promise<Libp2p> {
  return node({ connectionEncrypters: [encrypter], connectionManager: { inboundConnectionThreshold: 1_000, maxConnections: 1_000 }, ...options })
}

function address (libp2p: Libp2p): ReturnType<typeof multiaddr> {
  return multiaddr(addressesOf(libp2p)[0] ?? '')
}

function seeded (length: number): Buffer {
  return Buffer.alloc(length, Buffer.from(Uint8Array.from({ length: 997 }, (_, i) => i * 31)))
}

async function write (stream: Stream, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.byteLength; at += 200_000) {
    if (!stream.send(bytes.subarray(at, at + 200_000))) {
      await once(stream, 'drain')
    }
  }
}

/** All that comes until the other side ends */
function collect (stream: Stream): { chunks: Buffer[], ended: Promise<Buffer> } {
  const chunks: Buffer[] = []
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>()
  stream.addEventListener('message', ({ data }) => { chunks.push(Buffer.from(data.subarray())) })
  stream.addEventListener('remoteCloseWrite', () => { resolve(Buffer.concat(chunks)) })
  stream.addEventListener('close', ({ error }) => { error == null ? resolve(Buffer.concat(chunks)) : reject(error) })
  promise.catch(() => {})
  return { chunks, ended: promise }
}

async function echo (server: Libp2p): Promise<void> {
  await server.handle(PROTOCOL, async stream => {
    const bytes = await collect(stream).ended
    await write(stream, bytes)
    await stream.close()
  })
}

/** A server that a peer may dial, which does with each connection as it is told */
async function listener (onSocket: (socket: Socket) => void): Promise<{ port: number, closed: Promise<unknown> }> {
  const { promise, resolve } = Promise.withResolvers<unknown>()
  const server = createServer(socket => {
    socket.on('error', () => {})
    socket.once('close', resolve)
    onSocket(socket)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => { server.close() })
  return { port: (server.address() as AddressInfo).port, closed: promise }
}

/** A connection between two nodes by way of sockets that the test holds */
async function proxied (client: Libp2p, server: Libp2p): Promise<{ sockets: Socket[], port: number }> {
  const sockets: Socket[] = []
  const target = address(server).toString()
  const { port } = await listener(near => {
    const far = connectTcp(Number(/tcp\/(\d+)/.exec(target)?.[1]), '127.0.0.1')
    far.on('error', () => {})
    near.pipe(far).pipe(near)
    // what breaks on one side breaks on the other
    near.once('close', broken => { broken ? far.resetAndDestroy() : far.destroySoon() })
    far.once('close', broken => { broken ? near.resetAndDestroy() : near.destroySoon() })
    sockets.push(near, far)
  })
  await client.dial(multiaddr(`/ip4/127.0.0.1/tcp/${port}/p2p/${server.peerId.toString()}`))
  return { sockets, port }
}

/** Until the client has said ClientHello */
function onHello (socket: Socket, then: () => void): void {
  let got = Buffer.alloc(0)
  const answered = { yes: false }
  socket.on('data', bytes => {
    got = Buffer.concat([got, bytes])
    if (!answered.yes && got.byteLength >= SELECT_TLS.byteLength) {
      answered.yes = true
      socket.write(SELECT_TLS)
    }
    if (got.byteLength > SELECT_TLS.byteLength) {
      then()
    }
  })
}

async function closed (socket: Socket): Promise<void> {
  socket.on('error', () => {})
  if (!socket.closed) {
    await new Promise<void>(resolve => { socket.once('close', () => { resolve() }) })
  }
}

function tcpHandles (): number {
  return process.getActiveResourcesInfo().filter(name => /TCPSocket|TLSWrap/.test(name)).length
}

describe('TLS over the socket itself', () => {
  it.each(both)('%s: 8 MiB there and back, the muxer agreed on within the handshake', async (_, dialer, listening) => {
    const [client, server] = [await peer(dialer()), await peer(listening())]
    await echo(server)
    const steps: string[] = []
    const connection = await client.dial(address(server), { onProgress: ({ type }) => { steps.push(type) } })
    const stream = await connection.newStream(PROTOCOL)
    const answer = collect(stream)
    const sent = seeded(8 * MIB)
    await write(stream, sent)
    await stream.close()

    expect((await answer.ended).equals(sent)).toBe(true)
    expect(connection).toMatchObject({ encryption: '/tls/1.0.0', multiplexer: '/yamux/1.0.0' })
    expect(connection.remotePeer.equals(server.peerId)).toBe(true)
    expect(steps).not.toContain('upgrader:multiplex-outbound-connection')
  })

  it('finds the socket of every TCP connection in this version of libp2p, on both sides', async () => {
    const found: boolean[] = []
    const watched: Encrypter = components => {
      const encrypter = socketTls()(components as never)
      return {
        protocol: encrypter.protocol,
        async secureInbound (connection, options) {
          found.push(tcpConnection(connection) != null)
          return encrypter.secureInbound(connection, options)
        },
        async secureOutbound (connection, options) {
          found.push(tcpConnection(connection) != null)
          return encrypter.secureOutbound(connection, options)
        }
      } as ConnectionEncrypter
    }
    const [client, server] = [await peer(watched), await peer(watched)]
    await client.dial(address(server))

    expect(found, '@libp2p/tcp shows its socket no more: socket-tls falls back to @libp2p/tls').toEqual([true, true])
  })

  it('leaves a WebSocket to @libp2p/tls', async () => {
    const options = { addresses: { listen: ['/ip4/127.0.0.1/tcp/0/ws'] }, transports: [webSockets()] }
    const [client, server] = [await peer(socketTls(), options), await peer(socketTls(), options)]
    await echo(server)
    const stream = await client.dialProtocol(address(server), PROTOCOL)
    const answer = collect(stream)
    await write(stream, seeded(MIB))
    await stream.close()

    expect((await answer.ended).equals(seeded(MIB))).toBe(true)
    expect(client.getConnections()[0]?.encryption).toBe('/tls/1.0.0')
  })

  it.each(both)('%s: a peer of another name is refused, and both sides let go', async (_, dialer, listening) => {
    const [client, server] = [await peer(dialer()), await peer(listening())]
    const wrong = multiaddr(address(server).toString().replace(/\/p2p\/.*/, `/p2p/${STRANGER}`))

    await expect(client.dial(wrong)).rejects.toThrow()
    expect(client.getConnections()).toEqual([])
    await vi.waitFor(() => { expect(server.getConnections()).toEqual([]) })
  })
})

describe('a handshake that fails', () => {
  it('for the caller has left: the socket is closed', async () => {
    const caller = new AbortController()
    const { port, closed: over } = await listener(socket => { onHello(socket, () => { caller.abort(new Error('has left')) }) })
    const client = await peer()

    await expect(client.dial(multiaddr(`/ip4/127.0.0.1/tcp/${port}`), { signal: caller.signal })).rejects.toThrow('has left')
    await over
  })

  it.each<[string, (socket: Socket) => void]>([
    ['is answered with garbage', socket => { socket.write(seeded(4_096)) }],
    ['is answered with an alert', socket => { socket.write(Buffer.from([0x15, 3, 3, 0, 2, 2, 40])) }],
    ['is reset', socket => { socket.resetAndDestroy() }],
    ['is ended', socket => { socket.end() }]
  ])('as it %s: the dial fails at once, and the socket is closed', async (_, answer) => {
    const { port, closed: over } = await listener(socket => { onHello(socket, () => { answer(socket) }) })
    const client = await peer()

    await expect(client.dial(multiaddr(`/ip4/127.0.0.1/tcp/${port}`))).rejects.toThrow(/\w/)
    await over
    expect(client.getConnections()).toEqual([])
  })

  it.each<[string, (socket: Socket) => void]>([
    ['says garbage', socket => { socket.write(Buffer.concat([SELECT_TLS, seeded(4_096)])) }],
    ['ends', socket => { socket.end(SELECT_TLS) }],
    ['ends in the middle of ClientHello', socket => { socket.end(Buffer.concat([SELECT_TLS, Buffer.from([22, 3, 1, 2, 0, 1, 0, 1])])) }]
  ])('for the dialling peer %s: the socket is closed', async (_, say) => {
    const server = await peer()
    const socket = connectTcp(Number(/tcp\/(\d+)/.exec(address(server).toString())?.[1]), '127.0.0.1')
    socket.resume()
    say(socket)
    await closed(socket)

    expect(server.getConnections()).toEqual([])
  })

  it('not for ClientHello that came with what is before it, in one piece', async () => {
    const server = await peer()
    const socket = connectTcp(Number(/tcp\/(\d+)/.exec(address(server).toString())?.[1]), '127.0.0.1')
    onTestFinished(() => { socket.destroy() })
    await once(socket, 'connect')
    let skipped = 0
    const early = new Duplex({
      read () {},
      write (chunk: Buffer, _, callback) {
        // what multistream-select says goes out with the first record
        socket.write(skipped++ === 0 ? Buffer.concat([SELECT_TLS, chunk]) : chunk)
        callback()
      }
    })
    let answered = Buffer.alloc(0)
    socket.on('data', (bytes: Buffer) => {
      const before = Math.max(0, answered.byteLength - SELECT_TLS.byteLength)
      answered = Buffer.concat([answered, bytes])
      early.push(answered.subarray(SELECT_TLS.byteLength + before))
    })
    const secure = connectTls({ socket: early, ...await generateCertificate(await generateKeyPair('Ed25519')), rejectUnauthorized: false, ALPNProtocols: ['/yamux/1.0.0', 'libp2p'] })
    onTestFinished(() => { secure.destroy() })
    await once(secure, 'secureConnect')

    expect(secure.alpnProtocol).toBe('/yamux/1.0.0')
    await vi.waitFor(() => { expect(server.getConnections()).toHaveLength(1) })
  })

  it('for a peer without a certificate: it is not let in', async () => {
    const server = await peer()
    const socket = connectTcp(Number(/tcp\/(\d+)/.exec(address(server).toString())?.[1]), '127.0.0.1')
    socket.write(SELECT_TLS)
    let got = 0
    while (got < SELECT_TLS.byteLength) {
      const [bytes] = await once(socket, 'data') as [Buffer]
      got += bytes.byteLength
    }
    const secure = connectTls({ socket, rejectUnauthorized: false, minVersion: 'TLSv1.3', ALPNProtocols: ['/yamux/1.0.0'] })
    secure.resume()
    await closed(secure)

    expect(server.getConnections()).toEqual([])
  })
})

describe('an open connection', () => {
  /** What the two ends of a connection and of a stream are told when it breaks */
  async function ending (encrypter: () => Encrypter, end: (sockets: Socket[], connections: Array<ReturnType<Libp2p['getConnections']>[number]>) => unknown): Promise<unknown> {
    const [client, server] = [await peer(encrypter()), await peer(encrypter())]
    const inbound = Promise.withResolvers<Stream>()
    await server.handle(PROTOCOL, stream => { inbound.resolve(stream) })
    const { sockets, port } = await proxied(client, server)
    const near = await client.dialProtocol(multiaddr(`/ip4/127.0.0.1/tcp/${port}/p2p/${server.peerId.toString()}`), PROTOCOL)
    near.send(seeded(10))
    const streams = [near, await inbound.promise]
    const connections = [client.getConnections()[0]!, server.getConnections()[0]!]
    const told = Promise.all(streams.map(async stream => new Promise<string>(resolve => {
      stream.addEventListener('close', ({ error }) => { resolve(`${stream.status} ${error?.name ?? 'no error'}`) })
    })))
    const over = Promise.all(connections.map(async connection => new Promise(resolve => { connection.addEventListener('close', resolve) })))
    await end(sockets, connections)
    await over

    return { streams: await told, connections: connections.map(({ status }) => status) }
  }

  it.each<[string, Parameters<typeof ending>[1]]>([
    ['is reset on the way', sockets => { sockets.forEach(socket => { socket.resetAndDestroy() }) }],
    ['is cut on the way', sockets => { sockets.forEach(socket => { socket.end() }) }],
    ['is aborted by who dialled', (_, [client]) => { client?.abort(new Error('enough')) }],
    ['is aborted by who was dialled', (_, [, server]) => { server?.abort(new Error('enough')) }],
    ['gets what is not TLS', sockets => { sockets[0]?.unpipe(); sockets[0]?.write(seeded(5_000)) }]
  ])('that %s ends for everybody as it does with @libp2p/tls', async (_, end) => {
    expect(await ending(socketTls, end)).toEqual(await ending(tls, end))
  })

  // @libp2p/tls itself loses what its socket holds when the connection is closed
  it.each(both)('%s: closed by ours, it says all that was written before', async (_, dialer, listening) => {
    for (const closer of [dialer === socketTls && 'client', listening === socketTls && 'server'].filter(name => name !== false)) {
      const [client, server] = [await peer(dialer()), await peer(listening())]
      const inbound = Promise.withResolvers<Stream>()
      await server.handle(PROTOCOL, stream => { inbound.resolve(stream) })
      const near = await client.dialProtocol(address(server), PROTOCOL)
      near.send(Buffer.of(1))
      const far = await inbound.promise
      const [writer, reader, node] = closer === 'client' ? [near, far, client] : [far, near, server]
      const got = collect(reader)
      await write(writer, seeded(3 * MIB))
      await writer.close()
      await node.getConnections()[0]?.close()

      expect((await got.ended).subarray(-3 * MIB).equals(seeded(3 * MIB))).toBe(true)
      await vi.waitFor(() => { expect([client.getConnections(), server.getConnections()]).toEqual([[], []]) })
    }
  })

  it('that is aborted while it closes is gone, whether or not the other side reads', async () => {
    const before = tcpHandles()
    const [client, server] = [await peer(), await peer()]
    const { sockets } = await proxied(client, server)
    await server.handle(PROTOCOL, () => {})
    sockets[0]?.unpipe()
    sockets[0]?.pause()
    const connection = client.getConnections()[0]!
    const closing = new AbortController()
    const closes = connection.close({ signal: closing.signal })
    closes.catch(() => {})
    connection.abort(new Error('enough'))
    closing.abort()
    await closes.catch(() => {})
    sockets.forEach(socket => { socket.destroy() })
    await Promise.all([client.stop(), server.stop()])
    await vi.waitFor(() => { expect(tcpHandles()).toBeLessThanOrEqual(before) })
  })

  it('whose reader pauses holds up its writer, and goes on where it was', async () => {
    const [client, server] = [await peer(), await peer()]
    const sent = { bytes: 0 }
    const total = 64 * MIB
    await server.handle(PROTOCOL, async stream => {
      const block = seeded(MIB)
      while (sent.bytes < total) {
        sent.bytes += block.byteLength
        if (!stream.send(block)) {
          await once(stream, 'drain')
        }
      }
      await stream.close()
    })
    const stream = await client.dialProtocol(address(server), PROTOCOL)
    const paused = Promise.withResolvers<void>()
    let got = 0
    const ended = new Promise(resolve => { stream.addEventListener('remoteCloseWrite', resolve) })
    stream.addEventListener('message', ({ data }) => {
      if (got === 0) {
        stream.pause()
        paused.resolve()
      }
      got += data.byteLength
    })
    await paused.promise
    // each answer comes after all that the server could write before it
    for (let i = 0; i < 20; i++) {
      await (client.services as unknown as { ping: ReturnType<ReturnType<typeof ping>> }).ping.ping(server.peerId)
    }
    expect(sent.bytes).toBeLessThan(8 * MIB)

    stream.resume()
    await ended
    expect(got).toBe(total)
  })

  it('to a peer that reads nothing at all holds a bounded part of what is to be sent', async () => {
    const [client, server] = [await peer(), await peer()]
    const { sockets, port } = await proxied(client, server)
    await server.handle(PROTOCOL, () => {})
    const stream = await client.dialProtocol(multiaddr(`/ip4/127.0.0.1/tcp/${port}/p2p/${server.peerId.toString()}`), PROTOCOL)
    sockets[0]?.unpipe()
    sockets[0]?.pause()
    let sent = 0
    while (stream.send(seeded(100_000))) {
      sent += 100_000
    }

    expect(sent).toBeLessThan(16 * MIB)
    client.getConnections()[0]?.abort(new Error('enough'))
    expect(stream.status).toBe('aborted')
  })

  it('that says nothing for as long as the transport waits is broken', async () => {
    const [client, server] = [await peer(socketTls(), { transports: [tcp({ outboundSocketInactivityTimeout: 500 })] }), await peer()]
    await client.dial(address(server))
    const connection = client.getConnections()[0]!
    const { promise, resolve } = Promise.withResolvers<string>()
    connection.addEventListener('close', () => { resolve(connection.status) })

    expect(await promise).toBe('aborted')
  })
})

it('whoever destroys the socket below TLS, and whatever is said after it, the process lives and keeps nothing', async () => {
  const before = tcpHandles()
  const certificate = await generateCertificate(await generateKeyPair('Ed25519'))
  const server = createServer(socket => {
    socket.on('error', () => {})
    const secure = new TLSSocket(socket, { ...certificate, isServer: true })
    secure.on('error', () => {})
    secure.resume()
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => { server.close() })
  const ends: Array<(socket: Socket) => unknown> = [socket => socket.destroy(), socket => socket.resetAndDestroy(), socket => { socket.destroySoon() }]

  // of native code that uses what is freed, most times nothing is seen
  for (let i = 0; i < 300; i++) {
    const socket = connectTcp((server.address() as AddressInfo).port, '127.0.0.1')
    socket.on('data', () => {})
    await once(socket, 'connect')
    const connection = Object.assign(new EventTarget(), { socket, readBuffer: Buffer.alloc(0), readStatus: 'readable', abort () {}, sendClose () {}, listenerCount: () => 0 })
    Object.assign(connection.readBuffer, { consume () {} })
    const secure = tcpConnection(connection as never)!.take(raw => connectTls({ socket: raw, rejectUnauthorized: false }))
    await once(secure, 'secureConnect')
    const over = Promise.all([closed(socket), closed(secure)])
    ends[i % ends.length]?.(socket)
    secure.write(seeded(50))
    secure.destroy()
    await over
  }
  server.close()
  await vi.waitFor(() => { expect(tcpHandles()).toBeLessThanOrEqual(before) })
})

it('200 connections that were opened and closed leave no handle', async () => {
  const [client, server] = [await peer(), await peer()]
  const before = tcpHandles()
  for (let i = 0; i < 200; i++) {
    const connection = await client.dial(address(server), { force: true })
    if (i % 4 === 3) {
      connection.abort(new Error('enough'))
      await vi.waitFor(() => { expect(server.getConnections().length).toBe(0) })
    } else {
      // the server knows of it a little later
      const [other] = await vi.waitFor(() => {
        const connections = server.getConnections()
        expect(connections).toHaveLength(1)
        return connections
      })
      await (i % 2 === 0 ? connection : other)?.close()
    }
  }

  await vi.waitFor(() => {
    expect([client.getConnections().length, server.getConnections().length]).toEqual([0, 0])
    expect(tcpHandles()).toBeLessThanOrEqual(before)
  })
})
