import { Key } from 'interface-datastore/key'
import { raceSignal } from '../../clock/race-signal.ts'
import type { Erases } from '../../interface/erases.ts'
import type { Datastore } from 'interface-datastore'

/** Versioned: a later format starts a new prefix */
export const PREFIX = '/portolan/ledger/v1'
export const COUNTS = new Key(`${PREFIX}/counts`)

const CHUNKS = `${PREFIX}/chunks/`

/** Digits of a time in ms until the year 5138, so that names sort like numbers */
const NAME_LENGTH = 14

const LAST_NAME = 10 ** NAME_LENGTH - 1

/**
 * A name that no chunk has: after the last one, and not before now. Where that has too many digits, by a file that somebody put
 * there or a clock that is far off, it is any free one: what it names would not be found again.
 */
export function freeName (last: number, wall: number, taken: ReadonlySet<number | undefined>): number {
  const now = Number.isFinite(wall) ? Math.max(1, Math.min(LAST_NAME, Math.floor(wall))) : 1
  let name = last < LAST_NAME ? Math.max(last + 1, now) : now

  while (taken.has(name)) {
    name = name % LAST_NAME + 1
  }
  return name
}

export function chunkKey (name: number): Key {
  return new Key(`${CHUNKS}${String(name).padStart(NAME_LENGTH, '0')}`)
}

/** Of a chunk; undefined for the key of anything else */
export function nameOf (key: Key | undefined): number | undefined {
  const name = key?.toString().startsWith(CHUNKS) === true ? key.baseNamespace() : ''
  return name.length === NAME_LENGTH && /^\d+$/.test(name) ? Number(name) : undefined
}

/** All of it or nothing, where the datastore can; a key alone is deleted */
export async function commit (datastore: Datastore, changes: ReadonlyArray<[Key] | [Key, Uint8Array]>, signal: AbortSignal): Promise<void> {
  const batch = datastore.batch()

  for (const [key, value] of changes) {
    if (value == null) {
      batch.delete(key)
    } else {
      batch.put(key, value)
    }
  }
  await raceSignal(Promise.resolve(batch.commit({ signal })), signal)
}

/**
 * Deletes what names peers and CIDs, from the disk too where the datastore can: a database notes what was deleted, and keeps it until it
 * writes that part anew. Before, too: what stands beside its own deletion may be written together with it.
 */
export async function erase (datastore: Datastore & Partial<Erases>, keys: readonly Key[], signal: AbortSignal): Promise<void> {
  if (keys.length === 0) {
    return
  }
  await raceSignal(Promise.resolve(datastore.erase?.(PREFIX, { signal })), signal)
  await commit(datastore, keys.map(key => [key]), signal)
  await raceSignal(Promise.resolve(datastore.erase?.(PREFIX, { signal })), signal)
}

/** Undefined for what is not there */
export async function valueOf (datastore: Datastore, key: Key, signal: AbortSignal): Promise<Uint8Array | undefined> {
  try {
    return await datastore.get(key, { signal })
  } catch (err) {
    if ((err as Error).name === 'NotFoundError') {
      return undefined
    }
    throw err
  }
}
