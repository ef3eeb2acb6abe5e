import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { MemoryBlockstore } from 'blockstore-core'
import { LevelBlockstore } from 'blockstore-level'
import { MemoryDatastore } from 'datastore-core'
import { LevelDatastore } from 'datastore-level'
import { StoreError, StoreLockedError } from './errors.ts'
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
  const datastore = new LevelDatastore(join(directory, 'data'))

  // a database opens itself in the next microtask, and would take the lock and make the directory
  // readable for all before anybody asked; closing what is not open yet calls that off
  const calledOff = Promise.all([blockstore.db.close(), datastore.db.close()])

  return {
    blockstore,
    datastore,
    directory,
    async open () {
      await calledOff
      await privateDirectory(directory)
      await open(directory, blockstore)
      try {
        await open(directory, datastore)
      } catch (err) {
        await blockstore.close()
        throw err
      }
    },
    async close () {
      // both are closed, whatever the first one says
      for (const result of await Promise.allSettled([blockstore.close(), datastore.close()])) {
        if (result.status === 'rejected') {
          throw new StoreError(`the store ${directory} did not close cleanly`, { cause: result.reason })
        }
      }
    }
  }
}

async function open (directory: string, { db }: Openable): Promise<void> {
  try {
    // the database and not the store: the store's own error leaves out the code that tells a lock from damage
    await db.open({ createIfMissing: true })
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
