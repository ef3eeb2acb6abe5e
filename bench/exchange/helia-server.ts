/**
 * Runs in a process of its own, as a server does: imports the file, tells its
 * parent where it is, and ends with it. Use it through `heliaFromHelia`.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { unixfs } from '@helia/unixfs'
import { fixedSize } from 'ipfs-unixfs-importer/chunker'
import { seededBytes } from '../../test/interop/sample-data.ts'
import { heliaNode } from './helia-node.ts'
import type { TransferInit } from './transfer.ts'

export interface HeliaServing {
  readonly root: string
  readonly multiaddrs: readonly string[]
}

const { seed, size, chunkSize, security } = JSON.parse(process.argv[2] ?? '') as TransferInit
const folder = await mkdtemp(join(tmpdir(), 'portolan-helia-'))
const helia = await heliaNode(folder, security)

process.once('disconnect', () => {
  void (async () => {
    try {
      await helia.stop()
    } finally {
      await rm(folder, { recursive: true, force: true, maxRetries: 3 })
      process.exit()
    }
  })()
})

const root = await unixfs(helia).addByteStream(seededBytes(size, seed), { rawLeaves: true, chunker: fixedSize({ chunkSize }) })
const serving: HeliaServing = { root: root.toString(), multiaddrs: helia.libp2p.getMultiaddrs().map(String) }
process.send?.(serving)
