/** Sends events through a node, which is watched or not, and says by how much the process has grown; through `memory` */
import { generateKeyPairFromSeed } from '@libp2p/crypto/keys'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { multiaddr } from '@multiformats/multiaddr'
import { DisclosureLedger, MetadataCollector } from '../../src/index.privacy.ts'
import { Disclosure } from '../../src/interface/disclosure.ts'
import { echoNode } from './loopback-nodes.ts'
import type { Growth, TrafficKind } from './memory.ts'
import type { Ledger } from '../../src/index.privacy.ts'
import type { PeerId } from '@libp2p/interface'

const events = Number(process.argv[2])
const isWatched = process.argv[3] === 'watched'
const kind = (process.argv[4] ?? 'messages') as TrafficKind
const MIB = 1024 ** 2
/** Twice what is kept, so that the tables are full and turn over */
const PEERS = 2_000
/** A connection opens, sends so many messages on streams of so many each, and closes */
const MESSAGES = 44
const PER_STREAM = 11
/** So many events come with a disclosure */
const DISCLOSED = 10
const PROTOCOLS = ['/ipfs/bitswap/1.2.0', '/ipfs/kad/1.0.0', '/ipfs/ping/1.0.0']

/** As much of a stream as can be wrapped */
class BareStream extends EventTarget {
  readonly status = 'open'
  readonly readBufferLength = 0
  readonly protocol: string

  constructor (protocol: string) {
    super()
    this.protocol = protocol
  }

  send (): boolean { return true }
  push (): void {}
  unshift (): void {}
}

class BareConnection extends EventTarget {
  readonly id: string
  readonly remotePeer: PeerId
  readonly remoteAddr: ReturnType<typeof multiaddr>
  readonly direction = 'inbound'
  readonly encryption = '/noise'
  readonly multiplexer = '/yamux/1.0.0'
  readonly status = 'open'
  readonly streams: unknown[] = []
  readonly muxer = new EventTarget()
  readonly timeline = { open: 0 }
  readonly newStream = (): void => {}

  constructor (n: number, peer: PeerId) {
    super()
    this.id = `connection-${n}`
    this.remotePeer = peer
    this.remoteAddr = multiaddr(`/ip4/198.51.${n % 200}.${n % 250}/tcp/${1_024 + n % 60_000}`)
  }
}

const node = await echoNode()
const peers: PeerId[] = []
for (let n = 0; n < PEERS; n++) {
  const seed = new Uint8Array(32)
  new DataView(seed.buffer).setUint32(0, n)
  peers.push(peerIdFromPrivateKey(await generateKeyPairFromSeed('Ed25519', seed)))
}

/** Connections that carry nothing, of peers who come back or of ones that come once */
async function visits (from: number): Promise<void> {
  for (let n = from; n < from + events / 2; n++) {
    const connection = new BareConnection(n, kind === 'strangers' ? { toString: () => `stranger-${n}` } as PeerId : peers[n % PEERS] as PeerId)
    node.dispatchEvent(new CustomEvent('connection:open', { detail: connection }) as never)
    node.dispatchEvent(new CustomEvent('connection:close', { detail: connection }) as never)
    if (n % 100 === 0) {
      await new Promise(resolve => { setImmediate(resolve) })
    }
  }
}

/** Opens, streams, messages both ways and closes, all of which a collector sees */
async function messages (ledger: Ledger): Promise<void> {
  const [block, message] = [new Uint8Array(1_024), new Uint8Array(100)]

  for (let seen = 0, n = 0; seen < events; n++) {
    const peer = peers[n % PEERS] as PeerId
    const connection = new BareConnection(n, peer)
    node.dispatchEvent(new CustomEvent('connection:open', { detail: connection }) as never)

    for (let i = 0; i < MESSAGES; i += PER_STREAM) {
      const stream = new BareStream(PROTOCOLS[i % PROTOCOLS.length] as string)
      connection.muxer.dispatchEvent(new CustomEvent('stream', { detail: stream }))

      for (let k = 0; k < PER_STREAM; k++) {
        if (k % 2 === 0) {
          stream.dispatchEvent(Object.assign(new Event('message'), { data: block }))
        } else {
          (stream.send as (data: Uint8Array) => boolean)(message)
        }
        if ((i + k) % DISCLOSED === 0) {
          new Disclosure(ledger, { observer: `p2p:${peer.toString()}`, form: 'cid', transport: 'bitswap', audience: 'one' }, { request: `r${n}`, purpose: 'read', key: `key-${n}-${i + k}`, at: Date.now() }).sent()
        }
      }
      seen += PER_STREAM + 1
    }
    node.dispatchEvent(new CustomEvent('connection:close', { detail: connection }) as never)
    seen += 2
    if (n % 100 === 0) {
      // promises and finalizers have their turn, as between real messages
      await new Promise(resolve => { setImmediate(resolve) })
    }
  }
}

/** After the engine has given back what it holds empty */
function collected (): number {
  for (let i = 0; i < 4; i++) {
    // with options it collects and compacts: the types of Node do not know them
    (globalThis.gc as unknown as (options: object) => void)({ type: 'major', execution: 'sync', flavor: 'last-resort' })
  }
  return process.memoryUsage.rss()
}

async function traffic (ledger: Ledger, round: number): Promise<void> {
  await (kind === 'messages' ? messages(ledger) : visits(round * events))
}

// the same events with nobody watching: code is compiled, and the engine has what it needs for them itself
await traffic({ intended: () => {}, settled: () => {} }, 0)
const compact = globalThis.gc == null ? undefined : collected()
const before = process.memoryUsage.rss()

const ledger = isWatched ? new DisclosureLedger() : undefined
const collector = isWatched ? new MetadataCollector(node, { streams: 'wrap', ledger }) : undefined
await traffic(ledger ?? { intended: () => {}, settled: () => {} }, 1)
const growth = ((compact == null ? process.memoryUsage.rss() : collected()) - (compact ?? before)) / MIB

const { uniquePeers = 0, totalConnections = 0, totalStreams = 0, bytesReceived = 0, bytesSent = 0 } = collector?.getStatistics() ?? {}
const seen = 2 * totalConnections + totalStreams + bytesReceived / 1_024 + bytesSent / 100

if (isWatched && seen < events) {
  throw new Error(`The collector saw ${seen} of ${events} events`)
}

const report: Growth = { growth, events: seen, peers: uniquePeers, disclosures: ledger?.stats().entries ?? 0 }
process.send?.(report)
collector?.detach()
await node.stop()
process.disconnect()
