import { existsSync } from 'node:fs'
import { readdir, stat, statfs } from 'node:fs/promises'
import { join } from 'node:path'
import { MemoryBlockstore } from 'blockstore-core'
import { LevelDatastore } from 'datastore-level'
import { openBlockCache } from '../cache/open-block-cache.ts'
import { DEFAULT_MAX_BYTES, MIN_MAX_BYTES } from '../cache/params.ts'
import { systemClock } from '../clock/system-clock.ts'
import { StoreError, StoreLockedError } from './errors.ts'
import { MemoryRecords } from './memory-records.ts'
import { MendedRecords } from './mended-records.ts'
import { NodeCache } from './node-cache.ts'
import { openDatabase } from './open-database.ts'
import { PeerRecordWrites } from './peer-record-writes.ts'
import { privateDirectory } from './private-file.ts'
import { toStoreError } from './store-problem.ts'
import { takeOverBlocks } from './take-over.ts'
import type { BlockCacheOptions } from '../cache/open-block-cache.ts'
import type { BlockCache } from '../interface/cache.ts'
import type { ComponentLogger } from '../interface/logger.ts'
import type { Blockstore } from 'interface-blockstore'
import type { Datastore } from 'interface-datastore'

/** Where a node keeps its blocks and records */
export interface NodeStore {
  readonly blockstore: Blockstore
  readonly datastore: Datastore
  /** The blockstore, where it is a cache: absent in memory */
  readonly cache?: BlockCache
  /** The directory; absent in memory */
  readonly directory?: string
  open (): Promise<void>
  /** Gives the directory free for another process */
  close (): Promise<void>
}

export interface DirectoryStoreInit extends Pick<BlockCacheOptions, 'memoryBytes' | 'shares' | 'verifier' | 'shared' | 'request'> {
  /** What the blocks may take on disk. @default 10 GiB, or half of what is free there if that is less */
  maxBytes?: number
  logger?: ComponentLogger
}

/** Of what is free on the disk, for a cache that nobody gave a size: the machine has other work too */
const FREE_SHARE = 0.5

/** A store that is gone with the process */
export function memoryStore (): NodeStore {
  return { blockstore: new MemoryBlockstore(), datastore: new MemoryRecords(), async open () {}, async close () {} }
}

/**
 * A store below a directory, for this process alone while it is open. The locks are held by the operating system: they
 * are gone with the process, however that ends.
 */
export function directoryStore (directory: string, init: DirectoryStoreInit = {}): NodeStore {
  const path = join(directory, 'cache')
  const cache = new NodeCache(async () => openCache(directory, { ...init, path }))
  const records = new MendedRecords(directory)
  const datastore = new PeerRecordWrites(records)

  // a database opens itself in the next microtask, and would take the lock and make the directory
  // readable for all before anybody asked; closing what is not open yet calls that off
  const calledOff = records.db.close()

  return {
    blockstore: cache,
    datastore,
    cache,
    directory,
    async open () {
      await calledOff
      await privateDirectory(directory)
      await openDatabase(directory, records)
      try {
        await cache.open()
        const log = init.logger?.forComponent('portolan:store')
        await takeOverBlocks({ directory, cache, clock: systemClock, log: log ?? Object.assign(() => {}, { error () {}, trace () {} }) })
      } catch (err) {
        await Promise.allSettled([cache.close(), records.close()])
        throw err
      }
    },
    async close () {
      // both are closed, whatever the first one says
      const settled = datastore.close()
      // the error of the first one is told by its own result
      for (const result of await Promise.allSettled([settled, cache.close(), settled.catch(() => {}).then(async () => records.close())])) {
        if (result.status === 'rejected') {
          throw new StoreError(`the store ${directory} did not close cleanly`, { cause: result.reason })
        }
      }
    }
  }
}

async function openCache (directory: string, { maxBytes, ...options }: BlockCacheOptions): Promise<BlockCache> {
  try {
    return await openBlockCache({ ...options, maxBytes: maxBytes ?? await roomFor(options.path) })
  } catch (err) {
    switch ((err as Error).name) {
      case 'CacheLockedError': throw new StoreLockedError(`the store ${directory} is in use by another process`, { cause: err })
      case 'CacheFormatError': throw new StoreError(`the store ${directory} cannot be opened: ${(err as Error).message}; move ${options.path} away and start once more, or choose another directory with --store DIR`, { cause: err })
      default: throw toStoreError(err, directory)
    }
  }
}

/** What a cache may take when nobody said so. What it holds already is not taken from it because the rest of the disk has filled up */
async function roomFor (path: string): Promise<number> {
  const { bavail, bsize } = await statfs(existsSync(path) ? path : join(path, '..'))
  return Math.max(MIN_MAX_BYTES, Math.min(DEFAULT_MAX_BYTES, Math.floor((bavail * bsize + await sizeOf(path)) * FREE_SHARE)))
}

async function sizeOf (path: string): Promise<number> {
  if (!existsSync(path)) {
    return 0
  }
  const entries = await readdir(path, { recursive: true, withFileTypes: true })
  const sizes = await Promise.all(entries.filter(entry => entry.isFile()).map(async entry => (await stat(join(entry.parentPath, entry.name))).size))
  return sizes.reduce((sum, size) => sum + size, 0)
}

/** Whether another process has the store below a directory open; makes nothing where there is none */
export async function isStoreLocked (directory: string): Promise<boolean> {
  // the database's own file; where it is missing there is nothing to lock
  if (!existsSync(join(directory, 'data', 'LOCK'))) {
    return false
  }
  const records = new LevelDatastore(join(directory, 'data'))
  await records.db.close()
  try {
    await openDatabase(directory, records)
  } catch (err) {
    if (err instanceof StoreLockedError) {
      return true
    }
    throw err
  }
  await records.close()
  return false
}
