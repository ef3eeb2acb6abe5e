/**
 * The peer that our exchange is measured against: `POST /api/v0/cat` on a
 * running Kubo, from another Kubo. As a program, it prints the figures:
 * `node bench/exchange/kubo-from-kubo.ts`
 */
import { buildKubo } from '../../test/interop/kubo/build.ts'
import { startKubo } from '../../test/interop/kubo/daemon.ts'
import { digestOf, seededBytes } from '../../test/interop/sample-data.ts'
import { drainCat } from './drain-cat.ts'
import { compare, figuresLine, timed } from './transfer.ts'
import type { Contestant, Reading, TransferInit } from './transfer.ts'
import type { KuboDaemon } from '../../test/interop/kubo/daemon.ts'
import type { CID } from 'multiformats/cid'

const MIB = 1024 * 1024

export interface KuboFromKuboInit extends TransferInit {
  /** The `ipfs` command, see `buildKubo` */
  readonly binary: string
}

/** Two daemons with Kubo's own store on disk; the reader's is garbage-collected, and counted, before each read */
export async function kuboFromKubo ({ binary, seed, size, chunkSize, security }: KuboFromKuboInit): Promise<Contestant> {
  const daemons: KuboDaemon[] = []
  const stop = async (): Promise<void> => {
    await Promise.all(daemons.splice(0).map(async daemon => { await daemon.stop() }))
  }

  try {
    const server = await startKubo({ binary, security })
    daemons.push(server)
    const reader = await startKubo({ binary, security })
    daemons.push(reader)
    const root = await server.add(seededBytes(size, seed), { chunkSize })
    const digest = digestOf(seededBytes(size, seed))
    const leaves = Math.ceil(size / chunkSize)
    await reader.connect(server.multiaddrs[0] ?? '')

    return {
      name: `Kubo from Kubo, ${leaves} leaves, ${security}`,
      size,
      read: async () => await readByKubo(reader, { peerId: server.peerId, root, size, digest, leaves }),
      stop
    }
  } catch (err) {
    await stop()
    throw err
  }
}

export interface KuboReadInit {
  /** The one peer that the reader is connected to */
  readonly peerId: string
  readonly root: CID
  readonly size: number
  /** Of the file, see `digestOf` */
  readonly digest: string
  readonly leaves: number
}

/** One read by a connected Kubo from whoever is at the other end, of which the store beforehand held nothing */
export async function readByKubo (reader: KuboDaemon, { peerId, root, size, digest, leaves }: KuboReadInit): Promise<Reading> {
  const before = await reader.clear()
  const peers = await reader.peers()
  if (peers.length !== 1 || peers[0]?.peer !== peerId) {
    throw new Error(`the reader is connected to ${peers.length} peers, not to the server alone`)
  }

  const reading = await drainCat(reader.apiUrl, root, size)
  // from its own store, and not timed: the right bytes are there
  await timed(() => reader.cat(root, { offline: true }), digest)
  const fetched = (await reader.blocks()).length - before
  if (fetched < leaves) {
    throw new Error(`the reader stored ${fetched} blocks of at least ${leaves}`)
  }
  return reading
}

if (import.meta.main) {
  const { path: binary, reason } = await buildKubo({ log: console.error })
  if (binary == null) {
    throw new Error(reason)
  }

  for (const security of ['tls', 'noise'] as const) {
    for (const chunkSize of [MIB, MIB / 4]) {
      const pair = await kuboFromKubo({ binary, seed: 1, size: 64 * MIB, chunkSize, security })
      try {
        for (const figures of await compare([pair], 5)) {
          console.log(figuresLine(pair.name, figures))
        }
      } finally {
        await pair.stop()
      }
    }
  }
}
