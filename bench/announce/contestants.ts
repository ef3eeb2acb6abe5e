import { EnhancedDHTDiscovery } from '../../src/discovery/enhanced-dht-discovery.ts'
import { silentLogger } from '../../src/testing/silent-logger.ts'
import type { DhtNetwork } from '../../src/testing/dht/dht-network.ts'
import type { DhtNode } from '../../src/testing/dht/dht-node.ts'
import type { CID } from 'multiformats/cid'

/** What it cost to announce some blocks */
export interface Announced {
  readonly publisher: string
  readonly lookups: number
  /** FIND_NODE and GET_PROVIDERS messages */
  readonly questions: number
  /** Times that something was written on streams of the DHT: records go many at a time */
  readonly writes: number
  /** Milliseconds */
  readonly took: number
}

/** Of dht.proto */
const QUESTIONS = new Set([3, 4])

async function counted (network: DhtNetwork, node: DhtNode, announce: () => Promise<number>): Promise<Announced> {
  let questions = 0
  let writes = 0
  const unwatch = network.memory.watch(({ from, protocol, bytes }) => {
    if (from === node.id && protocol === network.protocol) {
      writes++
      questions += QUESTIONS.has(messageType(bytes) ?? 0) ? 1 : 0
    }
  })
  const began = performance.now()

  try {
    const lookups = await announce()
    return { publisher: node.id, lookups, questions, writes, took: performance.now() - began }
  } finally {
    unwatch()
    await node.libp2p.stop()
  }
}

/** Through kad-dht: each block is a lookup of its own */
export async function announceByOne (network: DhtNetwork, cids: readonly CID[]): Promise<Announced> {
  const node = await network.add({ listen: true })

  return counted(network, node, async () => {
    let lookups = 0

    for (const cid of cids) {
      let looked = false

      for await (const event of node.libp2p.services.dht.provide(cid)) {
        looked ||= event.name === 'SEND_QUERY' && event.messageName === 'FIND_NODE'
      }
      lookups += looked ? 1 : 0
    }
    return lookups
  })
}

export async function announceBySweep (network: DhtNetwork, cids: readonly CID[], onProgress: (done: number, lookups: number) => void): Promise<Announced> {
  const node = await network.add({ listen: true })
  const { libp2p } = node
  const discovery = new EnhancedDHTDiscovery({
    peerId: libp2p.peerId,
    peerStore: libp2p.peerStore,
    connectionManager: { getConnections: libp2p.getConnections.bind(libp2p), openConnection: libp2p.dial.bind(libp2p) },
    events: libp2p,
    addressManager: { getAddresses: libp2p.getMultiaddrs.bind(libp2p) },
    logger: silentLogger
  }, { protocol: network.protocol })
  await discovery.start()

  return counted(network, node, async () => {
    let done = 0
    const { lookups } = await discovery.announce(cids, {
      onProgress: ({ detail }) => {
        done += detail.swept.length
        onProgress(done, detail.lookups)
      }
    })
    await discovery.stop()
    return lookups
  })
}

/** Of a message behind its length, whose first field is its type */
function messageType (bytes: Uint8Array): number | undefined {
  const at = bytes.findIndex(byte => byte < 0x80) + 1
  return bytes[at] === 0x08 ? bytes[at + 1] : undefined
}
