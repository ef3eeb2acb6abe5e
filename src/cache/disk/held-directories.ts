import { realpath } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'

/** One for the process, however many copies of this module it has loaded */
const HELD = Symbol.for('portolan.held-directories')

interface Holder {
  [HELD]?: Set<string>
}

/**
 * Holds the directory of a LevelDB for one opener in this process: what opens one that is open already is refused by
 * LevelDB too, but not before it has opened and closed its lock file once more, and by that the system takes the lock
 * from the whole process. There are no more of them than open databases.
 *
 * @returns gives it free; undefined when somebody has it
 */
export async function holdDirectory (path: string): Promise<(() => void) | undefined> {
  const held = (globalThis as Holder)[HELD] ??= new Set()
  const real = await realName(path)

  if (held.has(real)) {
    return undefined
  }
  held.add(real)
  return () => { held.delete(real) }
}

/** By whatever links somebody comes to it; its database makes it when it is missing */
async function realName (path: string): Promise<string> {
  try {
    return await realpath(path)
  } catch (err) {
    if ((err as NodeJS.ErrnoException).code !== 'ENOENT') {
      throw err
    }
    return join(await realpath(dirname(path)), basename(path))
  }
}
