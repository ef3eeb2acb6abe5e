import { Key } from 'interface-datastore/key'
import { raceSignal } from '../../clock/race-signal.ts'
import type { Datastore } from 'interface-datastore'

/** Versioned: a later format starts a new prefix */
export const PREFIX = '/portolan/ledger/v1'
export const COUNTS = new Key(`${PREFIX}/counts`)

const CHUNKS = `${PREFIX}/chunks/`

/** Digits of a time in ms until the year 5138, so that names sort like numbers */
const NAME_LENGTH = 14

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
