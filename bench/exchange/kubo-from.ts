import { startKubo } from '../../test/interop/kubo/daemon.ts'
import { digestOf, seededBytes } from '../../test/interop/sample-data.ts'
import { drainCat } from './drain-cat.ts'
import { timed } from './transfer.ts'
import type { KuboDaemon, StartKuboInit } from '../../test/interop/kubo/daemon.ts'
import type { FileInit, Serving } from './own-commands.ts'
import type { Contestant } from './transfer.ts'

/** `binary` is the `ipfs` command, see `buildKubo` */
export type KuboInit = Pick<StartKuboInit, 'binary' | 'security'>

export interface KuboServing extends Serving {
  readonly daemon: KuboDaemon
}

/** A daemon that has the file in Kubo's own store on disk */
export async function kuboServing (init: KuboInit, { seed, size, chunkSize }: FileInit): Promise<KuboServing> {
  const daemon = await startKubo(init)

  try {
    const root = await daemon.add(seededBytes(size, seed), { chunkSize })
    return {
      name: 'Kubo',
      daemon,
      peerId: daemon.peerId,
      multiaddr: daemon.multiaddrs[0] ?? '',
      root,
      size,
      digest: digestOf(seededBytes(size, seed)),
      blocks: 1 + (await daemon.rpc.lines('refs', { arg: root.toString(), recursive: true, unique: true })).length,
      stop: async () => { await daemon.stop() }
    }
  } catch (err) {
    await daemon.stop()
    throw err
  }
}

/** `POST /api/v0/cat` on a running daemon, connected to the server alone; its store is garbage-collected, and counted, before each read */
export async function kuboFrom (init: KuboInit, server: Serving, name = `Kubo from ${server.name}`): Promise<Contestant> {
  const reader = await startKubo(init)

  try {
    await reader.connect(server.multiaddr)
  } catch (err) {
    await reader.stop()
    throw err
  }

  return {
    name,
    size: server.size,

    async read () {
      const { peerId, root, size, digest, blocks } = server
      const before = await reader.clear()
      const peers = await reader.peers()
      if (peers.length !== 1 || peers[0]?.peer !== peerId) {
        throw new Error(`the reader is connected to ${peers.length} peers, not to the server alone`)
      }

      const reading = await drainCat(reader.apiUrl, root, size)
      // from its own store, and not timed: the right bytes are there
      await timed(() => reader.cat(root, { offline: true }), digest)
      const fetched = (await reader.blocks()).length - before
      if (fetched !== blocks) {
        throw new Error(`the reader stored ${fetched} blocks of ${blocks}`)
      }
      return reading
    },
    stop: async () => { await reader.stop() }
  }
}
