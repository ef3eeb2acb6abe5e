import { FsBlockstore } from 'blockstore-fs'
import { LevelBlockstore } from 'blockstore-level'
import { openBlockCache } from '../../src/index.ts'
import type { Blockstore } from 'interface-blockstore'

/**
 * A store as its users would open it: none of them syncs a write, all of them have handed it to the operating system.
 * They are compared in a process that has loaded Helia and libp2p, as that of whoever needs a blockstore for Helia has:
 * garbage costs more there, because the heap is marked anew for every few megabytes that anybody reads.
 */
export interface Contestant {
  readonly name: 'own' | 'fs' | 'level'
  /** @param memoryBytes - what ours may hold in memory; the others leave that to the page cache */
  open (path: string, memoryBytes: number): Promise<OpenStore>
}

export interface OpenStore {
  readonly store: Blockstore
  close (): Promise<void>
}

const GIB = 1024 ** 3

export const CONTESTANTS: readonly Contestant[] = [
  {
    name: 'own',
    async open (path, memoryBytes) {
      const store = await openBlockCache({ path, maxBytes: 16 * GIB, memoryBytes, transitBytes: memoryBytes })
      return { store, close: async () => store.close() }
    }
  },
  {
    name: 'fs',
    async open (path) {
      const store = new FsBlockstore(path)
      await store.open()
      return { store, close: async () => { await store.close() } }
    }
  },
  {
    name: 'level',
    async open (path) {
      const store = new LevelBlockstore(path)
      await store.open()
      return { store, close: async () => store.close() }
    }
  }
]
