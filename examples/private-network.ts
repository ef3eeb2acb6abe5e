/**
 * A network of your own: a handful of nodes that speak a DHT protocol nobody else
 * speaks, and know nobody but each other. One announces, another finds and
 * reads; then the node that all of them joined through is gone, and the reader
 * comes back all the same, through peers that it remembers.
 *
 *     node examples/private-network.ts
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { createPortolan, getFilesystem } from '../src/index.ts'
import type { Portolan, PortolanInit } from '../src/index.ts'

// what all nodes of the network have in common. On a LAN the addresses would be 10.1.0.0/16 and the like.
const network: PortolanInit = {
  dhtProtocol: '/example-network/kad/1.0.0',
  allowAddresses: ['127.0.0.0/8']
}
// and those that keep its records: with some of them a network needs nothing else
const server: PortolanInit = { ...network, dhtServer: true, listen: ['/ip4/127.0.0.1/tcp/0'], serve: 'everyone' }

const directory = await mkdtemp(join(tmpdir(), 'portolan-private-network-'))
const running = new Set<Portolan>()

async function start (init: PortolanInit): Promise<Portolan> {
  const node = await createPortolan(init)
  running.add(node)
  return node
}

async function stop (node: Portolan): Promise<void> {
  running.delete(node)
  await node.stop()
}

const addressesOf = (node: Portolan): string[] => node.libp2p.getMultiaddrs().map(String)
const nameOf = (node: Portolan): string => `…${node.libp2p.peerId.toString().slice(-6)}`
const peersOf = (node: Portolan): number => node.discovery?.stats().peers ?? 0

/** Nodes that have just started get to know each other within two seconds */
async function until (what: () => boolean): Promise<void> {
  for (let waited = 0; !what() && waited < 20_000; waited += 50) {
    await setTimeout(50)
  }
}

/** Puts a file into one node and tells the others */
async function publish (node: Portolan, text: string): ReturnType<ReturnType<typeof getFilesystem>['addBytes']> {
  const cid = await getFilesystem(node.helia).addBytes(new TextEncoder().encode(text))
  const { discovery } = node
  const announced = await discovery?.announce([cid])
  const holders = announced?.swept[0]?.holders ?? 0
  console.log(`  ${nameOf(node)} has ${cid}\n  and told ${holders} peers, which took ${announced?.lookups} lookup`)
  return cid
}

async function read (node: Portolan, cid: Awaited<ReturnType<typeof publish>>): Promise<void> {
  let text = ''
  for await (const bytes of node.contentRouting.retrieveContent(cid)) {
    text += new TextDecoder().decode(bytes)
  }
  console.log(`  ${nameOf(node)} read: ${text}\n`)
  console.log(String(node.contentRouting.explain(cid)).replace(/^/gm, '  '))
}

try {
  console.log('1. Five nodes, the first of which the others are told of')
  const first = await start(server)
  const bootstrap = addressesOf(first)
  const servers = await Promise.all(Array.from({ length: 4 }, async () => start({ ...server, bootstrap })))
  const [holder = first] = servers
  await until(() => servers.every(node => peersOf(node) >= 4))
  console.log([first, ...servers].map(node => `  ${nameOf(node)} knows ${peersOf(node)} peers`).join('\n'))

  console.log('\n2. One of them announces a file')
  const chart = await publish(holder, 'a chart of the coast')

  console.log('\n3. A reader joins, which serves nobody, and finds it')
  const reader = await start({ ...network, store: directory, bootstrap })
  await read(reader, chart)
  await until(() => (reader.discovery?.stats().joining.remembered ?? 0) >= 4)
  const { lookups, joining } = reader.discovery?.stats() ?? {}
  console.log(`\n  lookups: ${lookups?.lookups}, peers that it remembers: ${joining?.remembered}`)

  console.log('\n4. The reader is stopped, and the node that it had joined through is gone for good')
  await stop(reader)
  await stop(first)
  const atlas = await publish(holder, 'an atlas of all coasts')

  console.log('\n5. The reader comes back, and is told of nobody else')
  const again = await start({ ...network, store: directory, bootstrap })
  await read(again, atlas)
  await until(() => again.libp2p.getPeers().length >= servers.length)
  console.log(`\n  of the ${joining?.remembered} peers that it remembered ${servers.length} are left, and it is connected to ${again.libp2p.getPeers().length}`)
} finally {
  await Promise.all([...running].map(async node => node.stop()))
  await rm(directory, { recursive: true, force: true, maxRetries: 3 })
}
