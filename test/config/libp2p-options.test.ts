import { noise } from '@libp2p/noise'
import { tls } from '@libp2p/tls'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p } from 'libp2p'
import { describe, expect, it, onTestFinished } from 'vitest'
import { MAX_STREAM_WINDOW, libp2pOptions } from '../../src/config/libp2p-options.ts'
import { addressPolicy } from '../../src/provider/address.ts'
import { addressesOf, loopback, node as plainNode } from '../exchange/lease/nodes.ts'
import type { Libp2pInit } from '../../src/config/libp2p-options.ts'
import type { AddressPolicy } from '../../src/provider/address.ts'
import type { Connection, Libp2p, Stream } from '@libp2p/interface'

const LISTEN = { listen: ['/ip4/127.0.0.1/tcp/0'] }
const PEER = '12D3KooWGC6TvWhfapngX6wvJHMYvKpDMXPb3ZnCZ6dMoaMtimQ5'

async function ours (init: Libp2pInit = {}, policy: AddressPolicy = loopback): Promise<Libp2p> {
  const libp2p = await createLibp2p(libp2pOptions(init, { policy }))
  onTestFinished(async () => { await libp2p.stop() })
  return libp2p
}

async function dial (client: Libp2p, server: Libp2p): Promise<{ connection: Connection, steps: string[] }> {
  const steps: string[] = []
  const connection = await client.dial(multiaddr(addressesOf(server)[0] ?? ''), { onProgress: ({ type }) => { steps.push(type) } })
  return { connection, steps }
}

describe('a connection', () => {
  it('between two nodes of ours is in TLS, and agrees on the muxer within the handshake', async () => {
    const { connection, steps } = await dial(await ours(), await ours(LISTEN))

    expect(connection).toMatchObject({ encryption: '/tls/1.0.0', multiplexer: '/yamux/1.0.0' })
    expect(steps).toContain('upgrader:encrypt-outbound-connection')
    expect(steps).not.toContain('upgrader:multiplex-outbound-connection')
  })

  it.each([['Noise', noise, '/noise'], ['TLS', tls, '/tls/1.0.0']])('to and from a peer that knows %s only works, the muxer included', async (_, encrypter, protocol) => {
    const peer = await plainNode({ connectionEncrypters: [encrypter()] })
    const server = await ours(LISTEN)
    const out = await dial(await ours(), peer)
    const inward = await dial(peer, server)

    expect([out.connection.encryption, inward.connection.encryption]).toEqual([protocol, protocol])
    expect([...out.steps, ...inward.steps]).not.toContain('upgrader:multiplex-outbound-connection')
  })

  it('over a WebSocket works as well', async () => {
    const server = await ours({ listen: ['/ip4/127.0.0.1/tcp/0/ws'] })
    const { connection } = await dial(await ours(), server)

    expect(connection).toMatchObject({ encryption: '/tls/1.0.0', remotePeer: server.peerId })
  })

  it('lets a reader pause for as long as it likes, however far its window has grown', async () => {
    const [server, client] = [await ours(LISTEN), await ours()]
    const size = 33_554_432
    await server.handle('/test/1', async (stream: Stream) => {
      const chunk = new Uint8Array(65_536)
      for (let sent = 0; sent < size; sent += chunk.byteLength) {
        if (!stream.send(chunk)) {
          await new Promise(resolve => { stream.addEventListener('drain', resolve, { once: true }) })
        }
      }
      await stream.close()
    })
    const { connection } = await dial(client, server)
    // what makes windows grow: a peer that is far away
    Object.defineProperty((connection as unknown as { muxer: object }).muxer, 'rtt', { get: () => 1_000, set: () => {} })
    const stream = await connection.newStream('/test/1')
    let read = 0
    let pauses = 0
    const done = Promise.withResolvers<void>()
    stream.addEventListener('close', ({ error }) => {
      if (error != null) {
        done.reject(error)
      }
    })
    stream.addEventListener('message', ({ data }) => {
      read += data.byteLength
      if (read >= size) {
        done.resolve()
      } else if (read > size / 2 && pauses === 0) {
        pauses++
        stream.pause()
        settled(connection, stream).then(() => { stream.resume() }, done.reject)
      }
    })
    await done.promise

    expect([read, pauses]).toEqual([size, 1])
  })
})

/** Resolves when all has come that the window allows: when 20 round trips over the same connection bring nothing more */
async function settled (connection: Connection, stream: Stream): Promise<void> {
  const { muxer } = connection as unknown as { muxer: { ping (): Promise<number> } }
  const { readBuffer } = stream as unknown as { readBuffer: { byteLength: number } }

  for (let before = -1, still = 0; still < 20; still++) {
    await muxer.ping()
    still = readBuffer.byteLength === before ? still : 0
    before = readBuffer.byteLength
  }
  expect(readBuffer.byteLength).toBeGreaterThan(MAX_STREAM_WINDOW / 2)
}

describe('an address over a transport that there is none for', () => {
  it.each([
    ['/ip4/127.0.0.1/udp/0/quic-v1', 'QUIC'], ['/ip6/::/udp/4480/quic', 'QUIC'], ['/ip4/127.0.0.1/udp/0/quic-v1/webtransport', 'WebTransport'], ['/ip4/127.0.0.1/udp/0/webrtc-direct', 'WebRTC'], ['/unix/%2Ftmp%2Fx', 'a socket in the file system']
  ])('%s is refused, also beside others that would do', (text, transport) => {
    const message = expect.stringContaining(`"${text}": it leads over ${transport}, for which this node has no transport`) as string

    expect(() => libp2pOptions({ listen: [...LISTEN.listen, text] })).toThrow(expect.objectContaining({ name: 'InvalidOptionError', message }))
  })

  it('an address without a port is none to listen on', () => {
    expect(() => libp2pOptions({ listen: ['/ip4/127.0.0.1'] })).toThrow(expect.objectContaining({ name: 'InvalidOptionError', message: expect.stringContaining('"/ip4/127.0.0.1": it has no TCP port') as string }))
  })

  it('is none to join a DHT through', () => {
    const peer = `/ip4/8.8.8.8/udp/4001/quic-v1/p2p/${PEER}`

    expect(() => libp2pOptions({ bootstrap: [`/ip4/8.8.8.8/tcp/4001/p2p/${PEER}`, peer] })).toThrow(expect.objectContaining({ name: 'InvalidOptionError', message: expect.stringMatching(/^bootstrap must be .*QUIC, for which this node has no transport$/) as string }))
  })
})

describe('many clients at once', () => {
  it('have limits above those of libp2p', () => {
    expect(libp2pOptions(LISTEN).connectionManager).toMatchObject({ maxConnections: 300, inboundConnectionThreshold: 50, maxIncomingPendingConnections: 128 })
  })

  it('from one address are let in, where libp2p takes five', async () => {
    const server = await ours(LISTEN)
    const clients = await Promise.all(Array.from({ length: 30 }, async () => plainNode({ addresses: { listen: [] } })))
    const dialled = await Promise.allSettled(clients.map(async client => dial(client, server)))

    expect(dialled.filter(({ status }) => status === 'fulfilled')).toHaveLength(30)
  })
})

describe('addresses that libp2p learns by itself', () => {
  const denies = async (init: Libp2pInit, text: string, policy?: AddressPolicy): Promise<boolean> => await libp2pOptions(init, { policy }).connectionGater?.denyDialMultiaddr?.(multiaddr(text)) ?? false

  it.each(['/ip4/127.0.0.1/tcp/4001', '/ip4/10.0.0.1/tcp/4001', '/ip6/::1/tcp/4001', '/ip4/169.254.169.254/tcp/80', '/dns4/localhost/tcp/4001', '/ip4/8.8.8.8/tcp/22', '/ip4/8.8.8.8/tcp/443/tls/sni/localhost/ws', '/unix/%2Ftmp%2Fx'])('%s is not dialled', async text => {
    expect(await denies({}, text)).toBe(true)
    expect(await denies({}, `${text}/p2p/${PEER}`)).toBe(true)
    expect(await denies({ bootstrap: [`/dnsaddr/bootstrap.libp2p.io/p2p/${PEER}`], listen: ['/ip4/127.0.0.1/tcp/4480', '/ip4/10.0.0.2/tcp/4480'] }, text)).toBe(true)
  })

  it.each(['/ip4/8.8.8.8/tcp/4001', '/dns4/example.com/tcp/443/wss', '/ip6/2606:4700::1/tcp/4001'])('%s is', async text => {
    expect(await denies({}, text)).toBe(false)
  })

  it('are those of bootstrap peers, wherever these are', async () => {
    const bootstrap = [`/ip4/10.0.0.1/tcp/4001/p2p/${PEER}`, `/ip6/fd12:3456:789a::1/tcp/4001/p2p/${PEER}`, `/dns4/seed.lan/tcp/4001/p2p/${PEER}`, `/ip4/8.8.8.8/tcp/4001/p2p/${PEER}`]
    expect(await Promise.all(bootstrap.map(async text => denies({ bootstrap }, text)))).toEqual([false, false, false, false])
    // beside a public one they are the exception, not the rule
    expect(await denies({ bootstrap }, '/ip4/10.0.0.1/tcp/4002')).toBe(true)
    expect(await denies({ bootstrap }, '/ip4/10.0.0.2/tcp/4001')).toBe(true)
  })

  it('are those of their networks where all of them are private, but no place for credentials', async () => {
    const lan = { bootstrap: [`/ip4/10.0.0.1/tcp/4001/p2p/${PEER}`, `/ip6/fd12:3456:789a::1/tcp/4001/p2p/${PEER}`, `/ip4/100.100.1.1/tcp/4001/p2p/${PEER}`] }
    const texts = ['/ip4/10.200.0.1/tcp/4001', '/ip6/fd12:3456:789a:1::2/tcp/4001', '/ip4/10.0.0.1/tcp/22', '/ip6/fd12:3456:789b::2/tcp/4001', '/ip4/192.168.1.1/tcp/4001', '/ip4/169.254.169.254/tcp/80', '/ip4/100.100.100.200/tcp/80', '/ip6/fd00:ec2::254/tcp/80']

    expect(await Promise.all(texts.map(async text => denies(lan, text)))).toEqual([false, false, true, true, true, true, true, true])
    expect(await denies({ listen: ['/ip4/192.168.1.5/tcp/4480'] }, '/ip4/192.168.1.9/tcp/4001')).toBe(false)
    expect(await denies({ listen: ['/ip4/0.0.0.0/tcp/4480'] }, '/ip4/192.168.1.9/tcp/4001')).toBe(true)
  })

  it('are those that the policy lets through', async () => {
    expect(await denies({}, '/ip4/10.0.0.9/tcp/4001', addressPolicy({ allow: ['10.0.0.0/24'] }))).toBe(false)
  })
})
