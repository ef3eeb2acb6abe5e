import { createServer } from 'node:http'
import { identify } from '@libp2p/identify'
import { noise } from '@libp2p/noise'
import { ping } from '@libp2p/ping'
import { tcp } from '@libp2p/tcp'
import { yamux } from '@libp2p/yamux'
import { multiaddr } from '@multiformats/multiaddr'
import { uriToMultiaddr } from '@multiformats/uri-to-multiaddr'
import { createLibp2p } from 'libp2p'
import { CID } from 'multiformats/cid'
import { sha256 } from 'multiformats/hashes/sha2'
import { bytesOf, encoded, fields, framed, frames, numberOf } from '../ledger/protobuf.ts'
import type { IncomingHttpHeaders, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Connection, IdentifyResult, Libp2p, Stream } from '@libp2p/interface'
import type { Libp2pOptions } from 'libp2p'

export const BITSWAP = '/ipfs/bitswap/1.2.0'
export const KAD = '/portolan-modes/kad/1.0.0'

const ADD_PROVIDER = 2
const GET_PROVIDERS = 3

/** One thing that a spy was told of a block, and by whom */
export interface Told {
  readonly what: 'want' | 'cancel' | 'lookup' | 'announcement' | 'presence' | 'block'
  readonly key: string
  readonly from: string
  /** Where it is said to be, in an announcement */
  readonly at?: readonly string[]
}

export interface PeerSpy {
  readonly id: string
  readonly address: string
  readonly libp2p: Libp2p
  readonly told: readonly Told[]
  /** What peers that connected said of themselves */
  readonly identified: readonly IdentifyResult[]
  learnt (cid: CID): readonly Told[]
  /** Asks a node over the connection that it opened, or over one of its own */
  ask (addresses: Parameters<Libp2p['dial']>[0], cid: CID): Promise<void>
}

export interface PeerSpyInit {
  readonly has?: ReadonlyArray<{ readonly cid: CID, readonly bytes: Uint8Array }>
  /** It answers nothing that is asked over bitswap */
  readonly silent?: boolean
  /** A server of the DHT, and whom it names as having everything. @default it is none */
  readonly names?: () => readonly PeerSpy[]
  /** What it is made of otherwise. @default TCP on loopback */
  readonly node?: Omit<Libp2pOptions, 'services'> & { readonly services?: Readonly<Record<string, (components: never) => object>> }
}

export const keyOf = (cid: CID): string => Buffer.from(cid.multihash.bytes).toString('base64url')

export async function block (text: string): Promise<{ cid: CID, bytes: Uint8Array }> {
  const bytes = new TextEncoder().encode(text)
  return { cid: CID.createV1(0x55, await sha256.digest(bytes)), bytes }
}

/** A libp2p node that speaks bitswap and the DHT by hand, and writes down what it is told, and under which identity */
export async function peerSpy (open: AsyncDisposableStack, { has = [], silent = false, names, node }: PeerSpyInit = {}): Promise<PeerSpy> {
  const told: Told[] = []
  const identified: IdentifyResult[] = []
  const blocks = new Map(has.map(({ cid, bytes }) => [keyOf(cid), bytes]))
  const libp2p = await createLibp2p({
    addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    connectionManager: { inboundConnectionThreshold: 1_000 },
    connectionMonitor: { enabled: false },
    ...node,
    services: { identify: identify(), ping: ping(), ...node?.services }
  })
  open.defer(async () => { await libp2p.stop() })
  libp2p.addEventListener('peer:identify', ({ detail }) => { identified.push(detail) })

  const onBitswap = (message: Uint8Array, connection: Connection): void => {
    const parts = fields(message)
    const from = connection.remotePeer.toString()
    const lines: Array<readonly [number, Uint8Array]> = []

    for (const entry of bytesOf(parts, 1).flatMap(list => bytesOf(fields(list), 1)).map(fields)) {
      const cid = CID.decode(bytesOf(entry, 1)[0] as Uint8Array)
      const bytes = blocks.get(keyOf(cid))
      const cancel = numberOf(entry, 3) === 1
      told.push({ what: cancel ? 'cancel' : 'want', key: keyOf(cid), from })
      if (!cancel) {
        lines.push(bytes == null || numberOf(entry, 4) === 1
          ? [4, encoded([1, cid.bytes], [2, bytes == null ? 1 : 0])]
          : [3, encoded([1, Buffer.from([1, cid.code, 0x12, 32])], [2, bytes])])
      }
    }
    for (const presence of bytesOf(parts, 4).map(fields)) {
      told.push({ what: numberOf(presence, 2) === 0 ? 'presence' : 'want', key: keyOf(CID.decode(bytesOf(presence, 1)[0] as Uint8Array)), from })
    }
    for (const [data] of bytesOf(parts, 3).map(payload => bytesOf(fields(payload), 2))) {
      Promise.resolve(sha256.digest(data as Uint8Array)).then(({ bytes }) => { told.push({ what: 'block', key: Buffer.from(bytes).toString('base64url'), from }) }, () => {})
    }
    if (lines.length > 0 && !silent) {
      connection.newStream(BITSWAP).then(async back => {
        back.send(framed(encoded([1, encoded()], ...lines)))
        await back.close()
      }).catch(() => {})
    }
  }

  const onDht = (message: Uint8Array, stream: Stream, from: string): void => {
    const parts = fields(message)
    const type = numberOf(parts, 1)
    const key = bytesOf(parts, 2)[0] ?? new Uint8Array()
    const what = type === GET_PROVIDERS ? 'lookup' : type === ADD_PROVIDER ? 'announcement' : undefined

    if (what != null) {
      const at = bytesOf(parts, 9).flatMap(provider => bytesOf(fields(provider), 2)).map(address => multiaddr(address).toString())
      told.push({ what, key: Buffer.from(key).toString('base64url'), from, ...what === 'announcement' ? { at } : {} })
    }
    if (type !== ADD_PROVIDER) {
      const named = type === GET_PROVIDERS ? names?.() ?? [] : []
      stream.send(framed(encoded([1, type], ...key.length > 0 ? [[2, key] as const] : [], ...named.map(peer => [9, recordOf(peer)] as const))))
    }
  }

  await libp2p.handle(BITSWAP, (stream, connection) => {
    const onBytes = frames(message => { onBitswap(message, connection) })
    stream.addEventListener('message', ({ data }) => { onBytes(data.subarray()) })
  }, { maxInboundStreams: 100, maxOutboundStreams: 100 })
  if (names != null) {
    await libp2p.handle(KAD, (stream, connection) => {
      const onBytes = frames(message => { onDht(message, stream, connection.remotePeer.toString()) })
      stream.addEventListener('message', ({ data }) => { onBytes(data.subarray()) })
      stream.addEventListener('remoteCloseWrite', () => { stream.close().catch(() => {}) })
    }, { maxInboundStreams: 100 })
  }

  return {
    id: libp2p.peerId.toString(),
    address: String(libp2p.getMultiaddrs()[0]),
    libp2p,
    told,
    identified,
    learnt: cid => told.filter(({ key }) => key === keyOf(cid)),
    async ask (addresses, cid) {
      const connection = await libp2p.dial(addresses)
      const stream = await connection.newStream(BITSWAP)
      stream.send(framed(encoded([1, encoded([1, encoded([1, cid.bytes], [2, 1], [4, 1], [5, 1])])])))
      await stream.close()
    }
  }
}

function recordOf ({ libp2p }: PeerSpy): Uint8Array {
  return encoded([1, libp2p.peerId.toMultihash().bytes], ...libp2p.getMultiaddrs().map(address => [2, address.decapsulateCode(421).bytes] as const), [3, 1])
}

/** Who has everything, according to a router. Nobody has this key. */
const SOMEBODY = '12D3KooWAvLJdWDqXdojUvY5mm9xFcCL77wBGtTdmzqiGbF8ZwvS'

export interface HttpSpy {
  readonly url: string
  /** Paths that were asked for */
  readonly asked: readonly string[]
  /** Connections that were opened */
  readonly connections: () => number
}

export interface HttpSpyInit {
  readonly has?: PeerSpyInit['has']
  /** URLs, or multiaddrs of whatever protocol */
  readonly names?: readonly string[]
  /** Where it sends everybody who asks it for anything, with this status */
  readonly redirects?: { readonly to: string, readonly status: number }
  /** It answers nobody before that */
  readonly until?: Promise<void>
  /** Is told the headers of each request */
  heard? (headers: IncomingHttpHeaders): void
}

/** A gateway with these blocks, and a delegated router that names providers for everything */
export async function httpSpy (open: AsyncDisposableStack, { has = [], names = [], redirects, until, heard }: HttpSpyInit = {}): Promise<HttpSpy> {
  const asked: string[] = []
  let connections = 0
  const answer = (path: string, res: ServerResponse): void => {
    const found = has.find(({ cid }) => path.startsWith(`/ipfs/${cid.toString()}`))

    if (redirects != null) {
      // what browsers take for a hint is nothing here
      res.writeHead(redirects.status, { location: `${redirects.to}${path}`, 'alt-svc': `http/1.1="${new URL(redirects.to).host}"; ma=60`, link: `<${redirects.to}>; rel=preconnect`, refresh: `0; url=${redirects.to}${path}` }).end()
    } else if (path.startsWith('/routing/v1/')) {
      const lines = names.map(url => JSON.stringify({ Schema: 'peer', ID: SOMEBODY, Addrs: [url.startsWith('/') ? url : uriToMultiaddr(url).toString()], Protocols: [url.startsWith('/ip4/') ? 'transport-bitswap' : 'transport-ipfs-gateway-http'] }))
      res.setHeader('content-type', 'application/x-ndjson')
      res.end(lines.map(line => `${line}\n`).join(''))
    } else if (found == null || path.includes('format=car')) {
      res.writeHead(404).end()
    } else {
      res.setHeader('content-type', 'application/vnd.ipld.raw')
      res.end(found.bytes)
    }
  }
  const server = createServer((req, res) => {
    const path = req.url ?? ''
    asked.push(path)
    heard?.(req.headers)
    Promise.resolve(until).then(() => { answer(path, res) }, () => {})
  })
  server.on('connection', () => { connections++ })
  await new Promise<void>(resolve => { server.listen(0, '127.0.0.1', resolve) })
  open.defer(async () => {
    server.closeAllConnections()
    await new Promise<void>(resolve => { server.close(() => { resolve() }) })
  })
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, asked, connections: () => connections }
}
