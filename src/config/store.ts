import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { MemoryBlockstore } from 'blockstore-core'
import { LevelBlockstore } from 'blockstore-level'
import { MemoryDatastore } from 'datastore-core'
import { LevelDatastore } from 'datastore-level'
import { StoreError, StoreLockedError } from './errors.ts'
import { PeerRecordWrites } from './peer-record-writes.ts'
import { privateDirectory } from './private-file.ts'
import { toStoreError } from './store-problem.ts'
import type { Blockstore } from 'interface-blockstore'
import type { Datastore } from 'interface-datastore'

/** Where a node keeps its blocks and records */
export interface NodeStore {
  readonly blockstore: Blockstore
  readonly datastore: Datastore
  /** The directory; absent in memory */
  readonly directory?: string
  open (): Promise<void>
  /** Gives the directory free for another process */
  close (): Promise<void>
}

interface Openable {
  readonly db: { open (options?: object): Promise<void>, close (): Promise<void> }
}

/**
 * LevelDB for blocks. They are noise to a compressor: compressing is a sixth of
 * the time that writing takes. They are written to the log, and once more from
 * memory when `writeBufferSize` bytes are full: 4 MiB, which it has by itself, are
 * four blocks, and each such file is one more to be merged. Twice as much is held
 * in memory while blocks come faster than the disk takes them.
 */
const BLOCK_DATABASE = { compression: false, writeBufferSize: 33_554_432, maxFileSize: 33_554_432 }

/** A store that is gone with the process */
export function memoryStore (): NodeStore {
  return { blockstore: new MemoryBlockstore(), datastore: new MemoryDatastore(), async open () {}, async close () {} }
}

/**
 * A store below a directory, for this process alone while it is open. The lock
 * is the database's own, held by the operating system: it is gone with the
 * process, however that ends.
 */
export function directoryStore (directory: string): NodeStore {
  const blockstore = new LevelBlockstore(join(directory, 'blocks'))
  const records = new LevelDatastore(join(directory, 'data'))
  const datastore = new PeerRecordWrites(records)

  // a database opens itself in the next microtask, and would take the lock and make the directory
  // readable for all before anybody asked; closing what is not open yet calls that off
  const calledOff = Promise.all([blockstore.db.close(), records.db.close()])

  return {
    blockstore,
    datastore,
    directory,
    async open () {
      await calledOff
      await privateDirectory(directory)
      await open(directory, blockstore, BLOCK_DATABASE)
      try {
        await open(directory, records)
      } catch (err) {
        await blockstore.close()
        throw err
      }
    },
    async close () {
      // both are closed, whatever the first one says
      const settled = datastore.close()
      for (const result of await Promise.allSettled([settled, blockstore.close(), settled.catch(() => {}).then(async () => records.close())])) {
        if (result.status === 'rejected') {
          throw new StoreError(`the store ${directory} did not close cleanly`, { cause: result.reason })
        }
      }
    }
  }
}

async function open (directory: string, { db }: Openable, options: object = {}): Promise<void> {
  try {
    // the database and not the store: the store's own error leaves out the code that tells a lock from damage
    await db.open({ createIfMissing: true, ...options })
  } catch (err) {
    const cause = (err as { cause?: { code?: string, message?: string } }).cause
    const why = cause?.message ?? (err as Error).message

    if (cause?.code === 'LEVEL_LOCKED') {
      throw new StoreLockedError(`the store ${directory} is in use by another process`, { cause: err })
    }
    const problem = toStoreError(cause ?? err, directory)
    if (problem instanceof StoreError) {
      throw problem
    }
    throw new StoreError(cause?.code === 'LEVEL_CORRUPTION'
      ? `the store ${directory} is damaged (${why}); its blocks can be fetched again: move its directories blocks and data away (identity.key stays) and start once more`
      : `the store ${directory} cannot be opened: ${why}`, { cause: err })
  }
}

/** Whether another process has the store below a directory open; makes nothing where there is none */
export async function isStoreLocked (directory: string): Promise<boolean> {
  // the database's own file; where it is missing there is nothing to lock
  if (!existsSync(join(directory, 'blocks', 'LOCK'))) {
    return false
  }
  const store = directoryStore(directory)
  try {
    await store.open()
  } catch (err) {
    if (err instanceof StoreLockedError) {
      return true
    }
    throw err
  }
  await store.close()
  return false
}
