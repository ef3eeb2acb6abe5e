import { holdDirectory } from '../cache/disk/held-directories.ts'
import { StoreError, StoreLockedError } from './errors.ts'
import { toStoreError } from './store-problem.ts'

interface Openable {
  readonly db: {
    readonly location: string
    open (options?: object): Promise<void>
    close (): Promise<void>
    once (event: 'closed', listener: () => void): unknown
  }
}

/** Opens a database below the directory of a store, or says what is wrong with it */
export async function openDatabase (directory: string, { db }: Openable): Promise<void> {
  let release: (() => void) | undefined
  try {
    release = await holdDirectory(db.location)
    if (release == null) {
      throw new StoreLockedError(`the store ${directory} is in use by this process already`)
    }
    // the database and not the store: the store's own error leaves out the code that tells a lock from damage
    await db.open({ createIfMissing: true })
  } catch (err) {
    release?.()
    throw explain(err, directory)
  }
  // whoever closes it
  db.once('closed', release)
}

function explain (err: unknown, directory: string): unknown {
  if (err instanceof StoreLockedError) {
    return err
  }
  const cause = (err as { cause?: { code?: string, message?: string } }).cause
  const why = cause?.message ?? (err as Error).message

  if (cause?.code === 'LEVEL_LOCKED') {
    return new StoreLockedError(`the store ${directory} is in use by another process`, { cause: err })
  }
  const problem = toStoreError(cause ?? err, directory)
  if (problem instanceof StoreError) {
    return problem
  }
  return new StoreError(cause?.code === 'LEVEL_CORRUPTION'
    ? `the store ${directory} is damaged (${why}); its records can be made anew: move its directory data away, and blocks if there is one (cache and identity.key stay), and start once more`
    : `the store ${directory} cannot be opened: ${why}`, { cause: err })
}
