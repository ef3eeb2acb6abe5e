/**
 * Plain Helia from plain Helia over `@helia/bitswap`, in a session that is told
 * the provider. As a program, it prints the figures:
 * `node bench/exchange/helia-from-helia.ts`
 */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { unixfs } from '@helia/unixfs'
import { multiaddr } from '@multiformats/multiaddr'
import { CID } from 'multiformats/cid'
import { digestOf, seededBytes } from '../../test/interop/sample-data.ts'
import { heliaNode } from './helia-node.ts'
import { compare, figuresLine, timed } from './transfer.ts'
import type { HeliaServing } from './helia-server.ts'
import type { Contestant, TransferInit } from './transfer.ts'

const MIB = 1024 * 1024

/** A node in a new process imports 64 MiB in seconds */
const START_TIMEOUT = 60_000
/** Helia reads 64 MiB in a second, on a busy machine in three */
const READ_TIMEOUT = 120_000
const STOP_TIMEOUT = 10_000

/**
 * The reader is a new node with a new store for each read, connected before the
 * clock starts, in the process of the bench, which does nothing else meanwhile.
 * Ours is one node in a process of its own, whose store is emptied.
 */
export async function heliaFromHelia (init: TransferInit): Promise<Contestant> {
  const { seed, size, chunkSize, security } = init
  const child = fork(new URL('./helia-server.ts', import.meta.url), [JSON.stringify(init)], { execArgv: [] })
  const exited = once(child, 'exit')
  const stop = async (): Promise<void> => {
    if (child.connected) {
      child.disconnect()
    }
    const hard = setTimeout(() => { child.kill('SIGKILL') }, STOP_TIMEOUT)
    await exited
    clearTimeout(hard)
  }

  try {
    const [serving] = await Promise.race([
      once(child, 'message', { signal: AbortSignal.timeout(START_TIMEOUT) }) as Promise<[HeliaServing]>,
      exited.then(([code]) => { throw new Error(`the server ended with exit code ${code}`) })
    ])
    const digest = digestOf(seededBytes(size, seed))
    const server = multiaddr(serving.multiaddrs[0] ?? '')
    const root = CID.parse(serving.root)

    return {
      name: `Helia from Helia, ${Math.ceil(size / chunkSize)} leaves, ${security}`,
      size,
      async read () {
        const folder = await mkdtemp(join(tmpdir(), 'portolan-helia-'))
        const helia = await heliaNode(folder, security)
        try {
          const signal = AbortSignal.timeout(READ_TIMEOUT)
          await helia.libp2p.dial(server, { signal })
          return await timed(() => catInSession(helia, root, server, signal), digest)
        } finally {
          await helia.stop()
          await rm(folder, { recursive: true, force: true, maxRetries: 3 })
        }
      },
      stop
    }
  } catch (err) {
    await stop()
    throw err
  }
}

async function * catInSession (helia: Awaited<ReturnType<typeof heliaNode>>, root: CID, server: ReturnType<typeof multiaddr>, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  const session = helia.blockstore.createSession(root, { providers: [server] })
  try {
    yield * unixfs({ blockstore: session }).cat(root, { signal })
  } finally {
    session.close()
  }
}

if (import.meta.main) {
  for (const security of ['tls', 'noise'] as const) {
    const pair = await heliaFromHelia({ seed: 1, size: 64 * MIB, chunkSize: MIB, security })
    try {
      for (const figures of await compare([pair], 5)) {
        console.log(`${pair.name}: ${figuresLine(figures)}`)
      }
    } finally {
      await pair.stop()
    }
  }
}
