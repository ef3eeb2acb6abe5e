/**
 * A node of ours in a process of its own, so that nothing else shares its event
 * loop. Does what its parent says (`own-commands.ts`) and ends with it. Use it
 * through `ownProcess`.
 */
import { createHash } from 'node:crypto'
import { channel } from 'node:diagnostics_channel'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { unixfs } from '@helia/unixfs'
import { multiaddr } from '@multiformats/multiaddr'
import { fixedSize } from 'ipfs-unixfs-importer/chunker'
import { CID } from 'multiformats/cid'
import { seededBytes } from '../../test/interop/sample-data.ts'
import { accountExternalMemory, getFilesystem } from '../../src/index.ts'
import { ownNode, ownStore } from './own-node.ts'
import type { OwnCommands, OwnIdentity, OwnReading, ReadInit } from './own-commands.ts'
import type { Socket } from 'node:net'

/** 64 MiB take half a second */
const READ_TIMEOUT = 120_000

// as `portolan serve` does
accountExternalMemory()
const folder = await mkdtemp(join(tmpdir(), 'portolan-own-'))
const sockets = new Set<Socket>()
for (const name of ['net.client.socket', 'net.server.socket']) {
  channel(name).subscribe(event => { sockets.add((event as { socket: Socket }).socket) })
}

const node = await ownNode(folder)
const files = getFilesystem(node.helia)
const blockstore = ownStore(node)

let stored = 0
let declined = 0
let onStored = (): void => {}
const put = blockstore.put.bind(blockstore)
blockstore.put = async (cid, bytes, options) => {
  const result = await put(cid, bytes, options)
  stored++
  onStored()
  return result
}
const admit = blockstore.admit.bind(blockstore)
blockstore.admit = async (cid, bytes, options) => {
  const kept = await admit(cid, bytes, options)
  // what is declined is not on disk, and a read that leaves it out is not what is measured
  declined += kept ? 0 : 1
  stored += kept ? 1 : 0
  onStored()
  return kept
}

function received (): number {
  return [...sockets].reduce((sum, socket) => sum + socket.bytesRead, 0)
}

function count (): number {
  const { authored, fetched } = blockstore.stats().blocks
  return authored + fetched
}

/** Bytes are counted and dropped, as those of Kubo's `cat` are; that they were right is found out from the store, afterwards */
async function read ({ root, providers, offset, length, blocks = 0 }: ReadInit): Promise<OwnReading> {
  const cid = CID.parse(root)
  const before = { stored, declined, received: received() }
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  promise.catch(() => {}) // heard of when the file has been read
  onStored = () => {
    if (stored - before.stored >= blocks) {
      resolve()
    } else if (declined > before.declined) {
      reject(new Error('the cache declined a block'))
    }
  }
  let first: number | undefined
  let size = 0
  const cpu = process.cpuUsage()
  const begun = performance.now()

  for await (const piece of files.cat(cid, { providers: providers.map(address => multiaddr(address)), offset, length, signal: AbortSignal.timeout(READ_TIMEOUT) })) {
    first ??= performance.now()
    size += piece.byteLength
  }
  onStored()
  await promise

  const ended = performance.now()
  const { user, system } = process.cpuUsage(cpu)
  return {
    ms: ended - begun,
    firstByteMs: (first ?? ended) - begun,
    size,
    received: received() - before.received,
    stored: stored - before.stored,
    cpu: (user + system) / 1000
  }
}

const storeMethods = {
  has: blockstore.has.bind(blockstore),
  get: blockstore.get.bind(blockstore)
}

function * repeated (seed: number, size: number, period: number): Generator<Uint8Array> {
  for (let left = size; left > 0; left -= period) {
    yield * seededBytes(Math.min(left, period), seed)
  }
}

type Handlers = { [C in keyof OwnCommands]: (init: Parameters<OwnCommands[C]>[0]) => ReturnType<OwnCommands[C]> | Promise<ReturnType<OwnCommands[C]>> }

const handlers: Handlers = {
  async add ({ seed, size, chunkSize, period = size }) {
    const before = stored
    const seen = new Set<string>()
    // what repeats is written once
    const store = {
      ...storeMethods,
      put: async (cid: CID, bytes: Uint8Array): Promise<CID> => {
        const key = cid.toString()
        if (!seen.has(key)) {
          seen.add(key)
          await blockstore.put(cid, bytes)
        }
        return cid
      }
    }
    const root = await unixfs({ blockstore: store } as never).addByteStream(repeated(seed, size, period), { rawLeaves: true, chunker: fixedSize({ chunkSize }) })
    return { root: root.toString(), blocks: stored - before }
  },
  async connect (init) {
    await node.libp2p.dial(multiaddr(init.multiaddr), { signal: AbortSignal.timeout(READ_TIMEOUT) })
  },
  async clear () {
    const had = count()
    // and gives back the space, or that would be done while it is measured
    await blockstore.clear({ authored: true })
    return had
  },
  count,
  async keys () {
    const cids = []
    for await (const { cid } of blockstore.getAll()) {
      cids.push(cid.toString())
    }
    return cids
  },
  read,
  async digest ({ root }) {
    const hash = createHash('sha256')
    for await (const piece of files.cat(CID.parse(root), { offline: true })) {
      hash.update(piece)
    }
    return hash.digest('hex')
  },
  usage () {
    const { user, system } = process.cpuUsage()
    return { rss: process.memoryUsage.rss(), cpu: (user + system) / 1000, served: node.contentRouting.stats().exchange?.bitswap?.serving?.blocks ?? 0 }
  }
}

process.on('message', (message: { id: number, command: keyof OwnCommands, init: never }) => {
  void (async () => {
    try {
      const result = await handlers[message.command](message.init)
      process.send?.({ id: message.id, result })
    } catch (err) {
      process.send?.({ id: message.id, error: err instanceof Error ? err.stack ?? err.message : String(err) })
    }
  })()
})

process.once('disconnect', () => {
  void (async () => {
    try {
      await node.stop()
    } finally {
      await rm(folder, { recursive: true, force: true, maxRetries: 3 })
      process.exit()
    }
  })()
})

const identity: OwnIdentity = { peerId: node.libp2p.peerId.toString(), multiaddrs: node.libp2p.getMultiaddrs().map(String) }
process.send?.(identity)
