import { CID } from 'multiformats/cid'
import { digestOf, seededBytes } from '../../test/interop/sample-data.ts'
import { ownProcess } from './own-child.ts'
import type { OwnProcess } from './own-child.ts'
import type { FileInit, OwnReading, Serving } from './own-commands.ts'
import type { Contestant, Reading } from './transfer.ts'

/** A node of ours that has the file, and serves everybody */
export async function ownServing (file: FileInit): Promise<Serving> {
  const server = await ownProcess()

  try {
    return await servingOf(server, file)
  } catch (err) {
    await server.stop()
    throw err
  }
}

export async function servingOf (server: OwnProcess, file: FileInit): Promise<Serving> {
  const { root, blocks } = await server.tell('add', file)
  return {
    name: 'us',
    peerId: server.peerId,
    multiaddr: server.multiaddrs[0] ?? '',
    root: CID.parse(root),
    size: file.size,
    digest: digestOf(seededBytes(file.size, file.seed)),
    blocks,
    stop: async () => { await server.stop() }
  }
}

export interface OwnContestant extends Contestant {
  read (): Promise<Reading & OwnReading>
}

/** Our node, connected to those who have the file and told about them, reads it: with `cat`, onto its disk */
export async function ownFrom (servers: readonly Serving[], name: string, execArgv: readonly string[] = []): Promise<OwnContestant> {
  const reader = await ownProcess({ execArgv })
  const [{ root, size, digest, blocks }] = servers as readonly [Serving]

  try {
    for (const { multiaddr } of servers) {
      await reader.tell('connect', { multiaddr })
    }
  } catch (err) {
    await reader.stop()
    throw err
  }

  return {
    name,
    size,
    async read () {
      await reader.tell('clear', null)
      const left = await reader.tell('count', null)
      if (left > 0) {
        throw new Error(`${left} blocks are left in our store`)
      }
      const reading = await reader.tell('read', { root: root.toString(), providers: servers.map(({ multiaddr }) => multiaddr), blocks })
      const count = await reader.tell('count', null)
      if (reading.size !== size || count !== blocks) {
        throw new Error(`our node read ${reading.size} bytes of ${size}, and stored ${count} blocks of ${blocks}`)
      }
      if (reading.received < size) {
        throw new Error(`only ${reading.received} of ${size} bytes came from the other node`)
      }
      if (await reader.tell('digest', { root: root.toString() }) !== digest) {
        throw new Error('what our node stored is not the file')
      }
      return reading
    },
    stop: async () => { await reader.stop() }
  }
}
