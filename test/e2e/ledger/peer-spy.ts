import { identify } from '@libp2p/identify'
import { noise } from '@libp2p/noise'
import { ping } from '@libp2p/ping'
import { tcp } from '@libp2p/tcp'
import { createLibp2p } from 'libp2p'
import { CID } from 'multiformats/cid'
import { sha256 } from 'multiformats/hashes/sha2'
import { lastingYamux } from '../../../src/config/lasting-yamux.ts'
import { heardConnections } from './heard-connections.ts'
import { keyOf } from './http-spy.ts'
import { bytesOf, encoded, fields, framed, frames, numberOf } from './protobuf.ts'
import type { Channel, Sightings } from './sightings.ts'
import type { Connection, Libp2p, PeerId, PrivateKey, Stream } from '@libp2p/interface'
import type { Multiaddr } from '@multiformats/multiaddr'

export const BITSWAP = '/ipfs/bitswap/1.2.0'

/** What becomes of a stream that is opened to it, and of what is asked on it */
export type PeerConduct = 'good' | 'missing' | 'silent' | 'wrong' | 'late' | 'refuse' | 'abort' | 'hangup'

export interface PeerSpyInit {
  readonly sightings: Sightings
  /** By the multihash in base64url */
  readonly blocks: ReadonlyMap<string, Uint8Array>
  /** @default always good */
  readonly conduct?: (what: 'stream' | 'message') => PeerConduct
  /** It is a server of the DHT: whom it names for a multihash, and whom it knows. @default it is none */
  readonly dht?: {
    readonly protocol: string
    readonly providers: (key: string) => readonly PeerSpy[]
    readonly neighbours: () => readonly PeerSpy[]
  }
  /** @default one of its own */
  readonly privateKey?: PrivateKey
  /** The transport by which it is reached. @default TCP on loopback */
  readonly transport?: ReturnType<typeof tcp>
}

export interface PeerSpy {
  readonly id: string
  readonly peerId: PeerId
  /** With the peer id at the end */
  readonly address: string
  readonly libp2p: Libp2p
  /** Asks the node for a block, or whether it has it, over the connection that there is, or one of its own */
  ask (node: Multiaddr[], cid: CID, type: 'block' | 'have'): Promise<void>
  close (): Promise<void>
}

const LATE = 20
const GET_PROVIDERS = 3
const ADD_PROVIDER = 2
const FIND_NODE = 4

/** A peer that speaks bitswap and the DHT by hand, and writes down whatever it is told */
export async function peerSpy (init: PeerSpyInit): Promise<PeerSpy> {
  const { sightings, blocks, conduct = () => 'good', dht } = init
  let observer = ''
  /** By the address that they come from */
  const heard = new Map<string, Channel>()
  const libp2p = await createLibp2p({
    ...init.privateKey == null ? {} : { privateKey: init.privateKey },
    addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
    transports: [heardConnections(init.transport ?? tcp(), ({ remoteAddr }) => {
      const channel = sightings.channel(observer, 'any')
      heard.set(remoteAddr.toString(), channel)
      sightings.see(channel, observer, 'dial', 'none')
      return () => { sightings.broke(channel, 'node') }
    })],
    connectionEncrypters: [noise()],
    streamMuxers: [lastingYamux({})],
    connectionManager: { inboundConnectionThreshold: 10_000, maxConnections: 10_000, maxIncomingPendingConnections: 10_000 },
    connectionMonitor: { enabled: false },
    services: { identify: identify(), ping: ping() }
  })

  observer = `p2p:${libp2p.peerId.toString()}`

  const connections = new WeakMap<Connection, Channel>()
  const channelOf = (connection: Connection): Channel => {
    const known = connections.get(connection)
    if (known != null) {
      return known
    }
    const [from = ''] = connection.remoteAddr.toString().split('/p2p/')
    const channel = heard.get(from) ?? sightings.channel(observer, 'any')
    heard.delete(from)
    connections.set(connection, channel)
    connection.addEventListener('close', ({ error, local }) => { sightings.broke(channel, local === true ? 'spy' : 'node', error == null) })
    return channel
  }

  libp2p.addEventListener('connection:open', ({ detail }) => { channelOf(detail) })

  const onBitswap = (stream: Stream, connection: Connection): void => {
    const channel = watch(stream, connection, 'bitswap')
    if (conduct('stream') === 'refuse') {
      stream.abort(new Error('The spy wants no stream'))
      return
    }
    stream.addEventListener('message', ({ data }) => { onBytes(data.subarray()) })
    const onBytes = frames(message => { onMessage(message, connection, stream, channel) })
  }

  const onMessage = (message: Uint8Array, connection: Connection, stream: Stream, channel: Channel): void => {
    const parts = fields(message)
    const wants: Array<{ cid: CID, have: boolean }> = []

    for (const list of bytesOf(parts, 1)) {
      for (const entry of bytesOf(fields(list), 1).map(fields)) {
        const cid = CID.decode(bytesOf(entry, 1)[0] as Uint8Array)
        const cancel = numberOf(entry, 3) === 1
        sightings.see(channel, observer, 'bitswap', 'cid', keyOf(cid.toString()), cancel ? 'cancelled' : 'asked', numberOf(entry, 4) === 1 ? 'have' : undefined)
        if (!cancel) {
          wants.push({ cid, have: numberOf(entry, 4) === 1 })
        }
      }
    }
    for (const payload of bytesOf(parts, 3).map(fields)) {
      const digest = sha256.digest(bytesOf(payload, 2)[0] as Uint8Array)
      Promise.resolve(digest).then(({ bytes }) => { sightings.see(channel, observer, 'bitswap', 'cid', Buffer.from(bytes).toString('base64url'), 'answered') }, () => {})
    }
    for (const presence of bytesOf(parts, 4).map(fields)) {
      sightings.see(channel, observer, 'bitswap', 'cid', keyOf(CID.decode(bytesOf(presence, 1)[0] as Uint8Array).toString()), 'answered')
    }
    if (wants.length > 0) {
      answer(wants, connection, stream, conduct('message')).catch(() => {
        // what it answers by is a stream of its own: that one says how it ended
      })
    }
  }

  const answer = async (wants: ReadonlyArray<{ cid: CID, have: boolean }>, connection: Connection, stream: Stream, how: PeerConduct): Promise<void> => {
    if (how === 'silent') {
      return
    }
    if (how === 'abort') {
      stream.abort(new Error('The spy breaks the stream'))
      return
    }
    if (how === 'hangup') {
      // not while a stream is being opened, which yamux would write to all the same
      setTimeout(() => { connection.abort(new Error('The spy hangs up')) }, 0)
      return
    }
    if (how === 'late') {
      await new Promise(resolve => setTimeout(resolve, LATE))
    }
    const lines: Array<readonly [number, Uint8Array]> = [[1, encoded()]]
    for (const { cid, have } of wants) {
      const bytes = how === 'missing' ? undefined : blocks.get(keyOf(cid.toString()))
      lines.push(bytes == null || have
        ? [4, encoded([1, cid.bytes], [2, bytes == null ? 1 : 0])]
        : [3, encoded([1, Buffer.from([cid.version, cid.code, 0x12, 32])], [2, how === 'wrong' ? bytes.map(byte => byte ^ 1) : bytes])])
    }
    const back = await connection.newStream(BITSWAP)
    back.send(framed(encoded(...lines)))
    await back.close()
  }

  const onDht = (stream: Stream, connection: Connection): void => {
    const channel = watch(stream, connection, 'dht')
    if (conduct('stream') === 'refuse') {
      stream.abort(new Error('The spy wants no stream'))
      return
    }
    const onBytes = frames(message => {
      const parts = fields(message)
      const type = numberOf(parts, 1)
      const key = bytesOf(parts, 2)[0] ?? new Uint8Array()
      const subject = Buffer.from(key).toString('base64url')

      if (type === GET_PROVIDERS || type === ADD_PROVIDER) {
        sightings.see(channel, observer, 'dht', 'multihash', subject)
      } else if (type === FIND_NODE) {
        // whether that is a peer, a block or nothing at all is known to whoever compares
        sightings.see(channel, observer, 'dht', 'peer', subject)
      }
      const how = conduct('message')
      if (type === ADD_PROVIDER || how === 'silent' || stream.status !== 'open') {
        return
      }
      if (how === 'abort' || how === 'hangup') {
        stream.abort(new Error('The spy breaks the stream'))
        return
      }
      const named = type === GET_PROVIDERS && how !== 'missing' ? dht?.providers(subject) ?? [] : []
      const reply = encoded(
        [1, type],
        ...(key.length > 0 ? [[2, key] as const] : []),
        ...(dht?.neighbours() ?? []).slice(0, 20).map(peer => [8, peerOf(peer)] as const),
        ...named.map(peer => [9, peerOf(peer)] as const)
      )
      setTimeout(() => { if (stream.status === 'open') { stream.send(framed(reply)) } }, how === 'late' ? LATE : 0)
    })
    stream.addEventListener('message', ({ data }) => { onBytes(data.subarray()) })
    stream.addEventListener('remoteCloseWrite', () => { stream.close().catch(() => {}) })
  }

  const watch = (stream: Stream, connection: Connection, carries: 'bitswap' | 'dht'): Channel => {
    const channel = sightings.channel(observer, carries, channelOf(connection))
    let ended = false
    stream.addEventListener('remoteCloseWrite', () => { ended = true })
    stream.addEventListener('close', ({ error, local }) => {
      if (error != null) {
        sightings.broke(channel, local === true ? 'spy' : 'node')
      } else if (!ended) {
        // its connection was closed over it
        sightings.broke(channel, 'node')
      }
    })
    return channel
  }

  await libp2p.handle(BITSWAP, onBitswap, { maxInboundStreams: 1_000, maxOutboundStreams: 1_000 })
  if (dht != null) {
    await libp2p.handle(dht.protocol, onDht, { maxInboundStreams: 1_000 })
  }

  return {
    id: libp2p.peerId.toString(),
    peerId: libp2p.peerId,
    get address () {
      return String(libp2p.getMultiaddrs()[0])
    },
    libp2p,
    async ask (node, cid, type) {
      const connection = await libp2p.dial(node)
      const stream = await connection.newStream(BITSWAP)
      stream.send(framed(encoded([1, encoded([1, encoded([1, cid.bytes], [2, 1], [4, type === 'have' ? 1 : 0], [5, 1])])])))
      await stream.close()
    },
    async close () {
      await libp2p.stop()
    }
  }
}

function peerOf (peer: PeerSpy): Uint8Array {
  const addresses = peer.libp2p.getMultiaddrs().map(address => address.decapsulateCode(421).bytes)
  return encoded([1, peer.peerId.toMultihash().bytes], ...addresses.map(bytes => [2, bytes] as const), [3, 1])
}
