/** What is around the node that soaks: a gateway and a peer that hold the block that is asked for, and visitors; forked by `soak-process` */
import { setTimeout as sleep } from 'node:timers/promises'
import { generateKeyPair } from '@libp2p/crypto/keys'
import { multiaddr } from '@multiformats/multiaddr'
import { MemoryBlockstore } from 'blockstore-core'
import { blockKey } from '../../../src/block/key.ts'
import { seededRandom } from '../../../src/clock/random.ts'
import { contentRoutingFor, listeningAddress } from '../../../src/index.ts'
import { loopbackProvider } from '../../../src/testing/loopback-provider.ts'
import { soakBlock, soakNode } from './soak-nodes.ts'
import type { FromWorld, ToWorld } from './soak-nodes.ts'
import type { LocalStore } from '../../../src/interface/cache.ts'
import type { BlockKey } from '../../../src/interface/provider.ts'
import type { PrivateKey } from '@libp2p/interface'

/** More than the collector keeps: they come, are forgotten, and come again */
const VISITORS = 60
const AT_ONCE = 2
/** Between two visits, in ms: what libp2p holds of a connection until its deadlines have passed should be little */
const PAUSE = 200

const tell = (message: FromWorld): void => { process.send?.(message) }
const random = seededRandom(1)
const server = await soakNode()
const store = new MemoryBlockstore()
const blocks = new Map<BlockKey, Uint8Array>()
const gateway = await loopbackProvider({ blocks })
const serving = contentRoutingFor(server, { serve: 'everyone' }, { store: store as unknown as LocalStore })
await serving.start()

let visits = 0
let going = true
let visiting: Promise<unknown> = Promise.resolve()
let held = (await soakBlock(-1)).cid

/** Comes, says something and goes: closing, without a word, or as a process that ends */
async function visit (address: string, privateKey: PrivateKey): Promise<void> {
  const visitor = await soakNode(privateKey)
  const connection = await visitor.dial(multiaddr(address))
  await visitor.services.ping.ping(connection.remotePeer)
  const how = random.next()
  if (how < 0.3) {
    await connection.close()
  } else if (how < 0.6) {
    connection.abort(new Error('left'))
  }
  await visitor.stop()
  visits++
}

async function receive (message: ToWorld): Promise<void> {
  switch (message.type) {
    case 'visit': {
      const keys = await Promise.all(Array.from({ length: VISITORS }, async () => generateKeyPair('Ed25519')))
      visiting = Promise.all(Array.from({ length: AT_ONCE }, async (_, lane) => {
        for (let i = lane; going; i += AT_ONCE) {
          await visit(message.address, keys[i % VISITORS] as PrivateKey)
          await sleep(PAUSE)
        }
      }))
      break
    }
    case 'hold': {
      const { cid, bytes } = await soakBlock(message.n)
      blocks.clear()
      gateway.clear()
      await store.delete(held)
      held = cid
      if (message.by === 'gateway') {
        blocks.set(blockKey(cid), bytes)
      } else {
        await store.put(cid, bytes)
      }
      tell({ type: 'held', n: message.n })
      break
    }
    case 'end':
      going = false
      await visiting
      tell({ type: 'ended', visits })
      await serving.stop()
      await Promise.all([server.stop(), gateway.close()])
      process.disconnect()
  }
}

process.on('message', message => {
  receive(message as ToWorld).catch(err => {
    console.error(err)
    process.exit(1)
  })
})
process.on('disconnect', () => { process.exit(0) })
tell({ type: 'ready', gateway: gateway.url, peer: listeningAddress(server).toString() })
